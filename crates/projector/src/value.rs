//! What a table is made of, said once for both databases: columns, values, and how a row's fields
//! become them. Everything generic (writing, reading, comparing, hashing) works on these.

use events::room::{Admission, Consent, TranscriptKind};
use events::{
    MessageId, ParticipantId, Position, RoomCode, RoomId, SegmentId, Timestamp, TokenDigest,
    TokenId, TranscriptId, UserId, WebhookId,
};

use crate::error::StoreError;

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// 64 bits, signed.
    Int,
    /// 64 bits.
    Real,
    /// UTF-8 without U+0000.
    Text,
    /// True or false.
    Bool,
    /// A point in time, whole microseconds.
    Time,
}

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
}

/// A table: its columns in the order of its row type's fields.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static [Column],
    /// How many of the first columns are the primary key. All of them are integers.
    pub(crate) key: usize,
}

/// One value of a row, or one parameter of a statement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Int(i64),
    Real(f64),
    Text(String),
    Bool(bool),
    Time(Timestamp),
    /// A parameter only: for `any`.
    Ints(Vec<i64>),
}

impl Value {
    /// Appends the value as JSON, the same for both databases; times as microseconds since 1970.
    pub(crate) fn append_to(&self, line: &mut String) {
        use std::fmt::Write as _;
        // Writing into a string has no way to fail.
        let _infallible = match self {
            Self::Null => line.write_str("null"),
            Self::Int(value) => write!(line, "{value}"),
            Self::Real(value) => write!(line, "{value}"),
            Self::Text(value) => line.write_str(&serde_json::to_string(value).unwrap_or_default()),
            Self::Bool(value) => write!(line, "{value}"),
            Self::Time(value) => write!(line, "{}", value.micros()),
            Self::Ints(values) => write!(line, "{values:?}"),
        };
    }
}

impl std::fmt::Display for Value {
    /// As JSON for people to read; times as RFC 3339.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Self::Time(time) = self {
            return write!(f, "\"{time}\"");
        }
        let mut text = String::new();
        self.append_to(&mut text);
        f.write_str(&text)
    }
}

/// Appends a row as one line of JSON, without the newline.
pub(crate) fn append_line(row: &[Value], line: &mut String) {
    line.push('[');
    for (index, value) in row.iter().enumerate() {
        if index > 0 {
            line.push(',');
        }
        value.append_to(line);
    }
    line.push(']');
}

/// A row type of a table.
pub(crate) trait Record: Sized {
    /// Its table.
    const TABLE: &'static Table;

    /// The values in the order of the columns.
    fn into_values(self) -> Vec<Value>;

    /// The row with these values.
    fn from_values(values: Vec<Value>) -> Result<Self, StoreError>;
}

/// A type that a column can hold.
pub(crate) trait Field: Sized {
    const KIND: Kind;

    fn into_value(self) -> Value;

    /// `None` when the value is not one of this type.
    fn from_value(value: Value) -> Option<Self>;
}

impl<T: Field> Field for Option<T> {
    const KIND: Kind = T::KIND;

    fn into_value(self) -> Value {
        self.map_or(Value::Null, T::into_value)
    }

    fn from_value(value: Value) -> Option<Self> {
        if value == Value::Null { Some(None) } else { T::from_value(value).map(Some) }
    }
}

macro_rules! fields {
    ($($type:ty: $kind:ident($to:expr, $from:expr),)*) => {$(
        impl Field for $type {
            const KIND: Kind = Kind::$kind;

            fn into_value(self) -> Value {
                Value::$kind($to(self))
            }

            fn from_value(value: Value) -> Option<Self> {
                if let Value::$kind(value) = value { $from(value) } else { None }
            }
        }
    )*};
}

fields! {
    String: Text(|s| s, Some),
    bool: Bool(|b| b, Some),
    f64: Real(|r| r, Some),
    i64: Int(|n| n, Some),
    Timestamp: Time(|t| t, Some),
    u32: Int(i64::from, |n| u32::try_from(n).ok()),
    u64: Int(|n| n as i64, |n| u64::try_from(n).ok()),
    RoomCode: Text(|c: RoomCode| c.as_str().to_owned(), |s: String| s.parse().ok()),
    SegmentId: Text(|s: SegmentId| s.to_string(), |s: String| s.parse().ok()),
    TokenDigest: Text(|d: TokenDigest| d.to_string(), |s: String| s.parse().ok()),
}

macro_rules! id_fields {
    ($($id:ident),*) => { fields! { $($id: Int(|id: $id| id.get() as i64, |n| Some($id::new(u64::try_from(n).ok()?))),)* } };
}

id_fields!(UserId, RoomId, ParticipantId, MessageId, TranscriptId, TokenId, WebhookId, Position);

/// Enums that tables hold as text: the names are those of the stored events and of the API.
macro_rules! text_fields {
    ($($type:ident { $($variant:ident => $text:literal),* $(,)? })*) => {$(
        impl $crate::value::Field for $type {
            const KIND: $crate::value::Kind = $crate::value::Kind::Text;

            fn into_value(self) -> $crate::value::Value {
                $crate::value::Value::Text(match self { $(Self::$variant => $text,)* }.to_owned())
            }

            fn from_value(value: $crate::value::Value) -> Option<Self> {
                let $crate::value::Value::Text(text) = value else { return None };
                match text.as_str() { $($text => Some(Self::$variant),)* _ => None }
            }
        }
    )*};
}
pub(crate) use text_fields;

text_fields! {
    Admission { Admitted => "admitted", Waiting => "waiting" }
    Consent { None => "none", Captions => "captions", CaptionsAndKeeping => "captions_and_keeping" }
    TranscriptKind { Gloss => "gloss", Fingerspelling => "fingerspelling", Typed => "typed" }
}

/// Declares a row type: its table, and its fields in the order of the table's columns.
macro_rules! record {
    ($(#[$meta:meta])* $vis:vis $name:ident of $table:literal, key $key:literal {
        $($(#[$field_meta:meta])* $field:ident: $type:ty,)*
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize)]
        $vis struct $name { $($(#[$field_meta])* $vis $field: $type,)* }

        impl $crate::value::Record for $name {
            const TABLE: &'static $crate::value::Table = &$crate::value::Table {
                name: $table,
                columns: &[$($crate::value::Column {
                    name: stringify!($field),
                    kind: <$type as $crate::value::Field>::KIND,
                },)*],
                key: $key,
            };

            fn into_values(self) -> Vec<$crate::value::Value> {
                vec![$($crate::value::Field::into_value(self.$field),)*]
            }

            fn from_values(
                values: Vec<$crate::value::Value>,
            ) -> Result<Self, $crate::error::StoreError> {
                let mut values = values.into_iter();
                Ok(Self {$(
                    $field: values
                        .next()
                        .and_then(<$type as $crate::value::Field>::from_value)
                        .ok_or($crate::error::StoreError::Row {
                            table: $table,
                            column: stringify!($field),
                        })?,
                )*})
            }
        }
    };
}
pub(crate) use record;
