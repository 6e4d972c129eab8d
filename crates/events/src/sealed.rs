//! Personal fields: readable in commands, sealed in events, erased when their key is destroyed.
//!
//! The log keeps only the sealed form. Which key seals a field follows from the event itself
//! ([`KeyScope`]), so that destroying a key erases every copy of the field at once.

use std::fmt;

use base64::Engine as _;
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::id::{RoomId, UserId};

/// Readable personal text on its way to the decider. Never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Clear(String);

impl Clear {
    /// Marks a text as personal.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Clear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clear({} characters)", self.0.chars().count())
    }
}

/// The key that seals a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum KeyScope {
    /// A user's own data: names, e-mail, password hash. Destroyed when the user is deleted.
    User(UserId),
    /// What one author wrote or signed in one room on one UTC day. Chat and transcripts have keys
    /// of their own because they are kept for different times.
    Text {
        /// Chat or transcript.
        kind: TextKind,
        /// Who wrote or signed.
        author: UserId,
        /// Where.
        room: RoomId,
        /// The UTC day of the commit.
        day: NaiveDate,
    },
}

/// The two sorts of text with retentions of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextKind {
    /// Chat.
    Message,
    /// Captions, signed or typed.
    Transcript,
}

impl TextKind {
    /// `message` or `transcript`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Transcript => "transcript",
        }
    }
}

impl fmt::Display for KeyScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => write!(f, "user/{user}"),
            Self::Text { kind, author, room, day } => {
                write!(f, "{}/{author}/{room}/{day}", kind.as_str())
            }
        }
    }
}

/// A personal field of an event.
#[derive(Clone, PartialEq, Eq)]
pub enum Personal {
    /// Readable: between `decide` and sealing, never stored.
    Clear(String),
    /// As the log holds it: nonce and ciphertext.
    Sealed(Vec<u8>),
    /// Its key is gone. A value like any other, never an error.
    Erased,
}

impl Personal {
    /// Takes the text of a command into an event.
    pub fn from_clear(text: &Clear) -> Self {
        Self::Clear(text.0.clone())
    }
}

impl fmt::Debug for Personal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clear(text) => write!(f, "Clear({} characters)", text.chars().count()),
            Self::Sealed(bytes) => write!(f, "Sealed({} bytes)", bytes.len()),
            Self::Erased => f.write_str("Erased"),
        }
    }
}

impl Serialize for Personal {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Clear(_) => Err(serde::ser::Error::custom(
                "a personal field was about to be stored in clear; seal it first",
            )),
            Self::Sealed(bytes) if !to.is_human_readable() => to.serialize_bytes(bytes),
            Self::Erased if !to.is_human_readable() => to.serialize_bytes(&[]),
            Self::Sealed(bytes) => to.collect_str(&Base64Display::new(bytes, &STANDARD)),
            Self::Erased => to.serialize_str(""),
        }
    }
}

impl<'de> Deserialize<'de> for Personal {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        if !from.is_human_readable() {
            let bytes = Vec::<u8>::deserialize(from)?;
            return Ok(if bytes.is_empty() { Self::Erased } else { Self::Sealed(bytes) });
        }
        let text = std::borrow::Cow::<str>::deserialize(from)?;
        if text.is_empty() {
            return Ok(Self::Erased);
        }
        STANDARD.decode(text.as_bytes()).map(Self::Sealed).map_err(serde::de::Error::custom)
    }
}

/// A personal field inside an event, with what is needed to seal or open it.
#[derive(Debug)]
pub struct PersonalField<'a> {
    /// The key.
    pub scope: KeyScope,
    /// Bound into the seal, so that a ciphertext can't be moved to another field or row.
    pub label: String,
    /// The field.
    pub field: &'a mut Personal,
}

/// The label of a field of a row, such as `user.username/12`.
pub fn label(field: &str, row: u64) -> String {
    format!("{field}/{row}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clear_text_cannot_be_stored() {
        assert!(serde_json::to_string(&Personal::Clear("Ada".into())).is_err());
        let sealed = Personal::Sealed(vec![1, 2, 3]);
        let json = serde_json::to_string(&sealed).unwrap();
        assert_eq!(serde_json::from_str::<Personal>(&json).unwrap(), sealed);
        assert_eq!(serde_json::from_str::<Personal>("\"\"").unwrap(), Personal::Erased);
    }

    #[test]
    fn debug_shows_no_text() {
        let shown = format!("{:?} {:?}", Clear::new("Ada"), Personal::Clear("Ada".into()));
        assert_eq!(shown, "Clear(3 characters) Clear(3 characters)");
    }

    #[test]
    fn a_label_names_field_and_row() {
        assert_eq!(label("user.username", 12), "user.username/12");
    }

    #[test]
    fn keys_have_the_names_that_vaults_hold() {
        let day = NaiveDate::from_ymd_opt(2026, 11, 5).unwrap();
        let (author, room) = (UserId::new(7), RoomId::new(8));
        let text = |kind| KeyScope::Text { kind, author, room, day }.to_string();
        assert_eq!(KeyScope::User(author).to_string(), "user/7");
        assert_eq!(text(TextKind::Message), "message/7/8/2026-11-05");
        assert_eq!(text(TextKind::Transcript), "transcript/7/8/2026-11-05");
    }
}
