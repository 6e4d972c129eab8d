//! The registry of identifiers: one newtype each, so that no two can be mistaken for another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why a text is not the identifier it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not a {what}: expected {expected}")]
pub struct IdError {
    /// What was to be read, such as `room code`.
    pub what: &'static str,
    /// The form that is expected, for a person.
    pub expected: &'static str,
    /// The text as it came.
    pub value: String,
}

macro_rules! integer_ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema))]
        #[serde(transparent)]
        pub struct $name(u64);

        impl $name {
            /// Wraps a number that the log or a table gave.
            pub const fn new(value: u64) -> Self {
                Self(value)
            }

            /// The number, below 2^53 for everything the writer stamped.
            pub const fn get(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                text.parse().map(Self).map_err(|_| IdError {
                    what: stringify!($name),
                    expected: "a whole number",
                    value: text.to_owned(),
                })
            }
        }
    )*};
}

integer_ids! {
    /// A row of `user`.
    UserId,
    /// A row of `room`.
    RoomId,
    /// A row of `room_participant`.
    ParticipantId,
    /// A row of `message`.
    MessageId,
    /// A row of `transcript`.
    TranscriptId,
    /// One webhook.
    WebhookId,
    /// One issued API token or session; never the secret.
    TokenId,
    /// Counts commits across blocks, from 1, without a gap, whatever the backend. 0 = before the first.
    Position,
    /// Counts blocks from 1. 0 = before the first.
    BlockNumber,
}

macro_rules! uuids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema))]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps 128 bits that came from outside this crate.
            pub const fn from_uuid(value: Uuid) -> Self {
                Self(value)
            }

            /// The UUID itself.
            pub const fn uuid(self) -> Uuid {
                self.0
            }

            /// A value that is always the same for the same parent and name (UUID version 5).
            pub fn derived(parent: Uuid, name: &str) -> Self {
                Self(Uuid::new_v5(&parent, name.as_bytes()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

uuids! {
    /// Names one command; a command sent twice under one id is decided once.
    CommandId,
    /// Names one event: derived from its command's id and its place in the commit.
    EventId,
    /// Names one log for its whole life, on whatever backend it lies.
    LogId,
}

/// Hexadecimal digits for people, the bytes themselves where nobody reads.
mod hex_or_bytes {
    use hex::FromHex;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer, const N: usize>(
        bytes: &[u8; N],
        to: S,
    ) -> Result<S::Ok, S::Error>
    where
        [u8; N]: Serialize,
    {
        if to.is_human_readable() { hex::serde::serialize(bytes, to) } else { bytes.serialize(to) }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
        from: D,
    ) -> Result<[u8; N], D::Error>
    where
        [u8; N]: Deserialize<'de> + FromHex<Error = hex::FromHexError>,
    {
        if from.is_human_readable() {
            hex::serde::deserialize(from)
        } else {
            Deserialize::deserialize(from)
        }
    }
}

macro_rules! hex_bytes {
    ($($(#[$doc:meta])* $name:ident[$len:literal], $what:literal),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema), schemars(with = "String"))]
        #[cfg_attr(test, schemars(extend("minLength" = 2 * $len, "maxLength" = 2 * $len)))]
        #[serde(transparent)]
        pub struct $name(#[serde(with = "hex_or_bytes")] [u8; $len]);

        impl $name {
            /// Wraps the bytes.
            pub const fn from_bytes(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// The bytes.
            pub const fn bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// The first 8 hexadecimal characters: enough to tell things apart in a log line.
            pub fn short(&self) -> String {
                hex::encode(&self.0[..4])
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({}…)", stringify!($name), self.short())
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let mut bytes = [0; $len];
                hex::decode_to_slice(text, &mut bytes).map_err(|_| IdError {
                    what: $what,
                    expected: concat!("hexadecimal text of ", $len, " bytes"),
                    value: text.to_owned(),
                })?;
                Ok(Self(bytes))
            }
        }
    )*};
}

hex_bytes! {
    /// SHA-256 of a block's bytes; each block carries its predecessor's.
    BlockHash[32], "block hash",
    /// Keyed digest of a normalized user name or e-mail: unique names without names in the log.
    NameDigest[16], "name digest",
    /// Digest of an API token, session cookie, or reset secret (32 hexadecimal characters).
    TokenDigest[16], "token digest",
    /// Names one recognized segment for ever: a digest of (room, user, stream, first frame, ordinal).
    SegmentId[16], "segment id",
}

impl BlockHash {
    /// The predecessor of the first block.
    pub const ZERO: Self = Self([0; 32]);
}

impl Position {
    /// The position after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl BlockNumber {
    /// The number after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl EventId {
    /// The id of the `index`-th event of a command's commit.
    pub fn of(command: CommandId, index: usize) -> Self {
        Self::derived(command.uuid(), &index.to_string())
    }
}

/// Nine characters of Crockford's base 32 (45 bits): what people type to find a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomCode([u8; RoomCode::LENGTH]);

impl RoomCode {
    /// Characters in a code.
    pub const LENGTH: usize = 9;
    const ALPHABET: &'static [u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

    /// Makes a code from the low 45 bits of a secure random number.
    pub fn from_random(bits: u64) -> Self {
        let mut code = [0; Self::LENGTH];
        for (place, slot) in code.iter_mut().enumerate() {
            *slot = Self::ALPHABET[(bits >> (5 * place) & 31) as usize];
        }
        Self(code)
    }

    /// The code as JSON and tables hold it, such as `K3W9QX7TM`.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The code as people see it, such as `K3W-9QX-7TM`.
    pub fn shown(&self) -> String {
        let code = self.as_str();
        format!("{}-{}-{}", &code[..3], &code[3..6], &code[6..])
    }
}

impl fmt::Display for RoomCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RoomCode {
    type Err = IdError;

    /// Forgives hyphens, spaces, case, and the look-alikes O/0 and I/L/1.
    fn from_str(text: &str) -> Result<Self, IdError> {
        let wrong = || IdError {
            what: "room code",
            expected: "nine letters and digits such as K3W-9QX-7TM",
            value: text.to_owned(),
        };
        let mut code = [0; Self::LENGTH];
        let mut filled = 0;
        for byte in text.bytes().filter(|b| !matches!(b, b'-' | b' ')) {
            let letter = match byte.to_ascii_uppercase() {
                b'O' => b'0',
                b'I' | b'L' => b'1',
                other => other,
            };
            let slot = code.get_mut(filled).ok_or_else(wrong)?;
            if !Self::ALPHABET.contains(&letter) {
                return Err(wrong());
            }
            *slot = letter;
            filled += 1;
        }
        if filled == Self::LENGTH { Ok(Self(code)) } else { Err(wrong()) }
    }
}

impl Serialize for RoomCode {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for RoomCode {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_codes_forgive_how_people_type() {
        let code: RoomCode = "k3w-9qx-7tm".parse().unwrap();
        assert_eq!(code.as_str(), "K3W9QX7TM");
        assert_eq!(code.shown(), "K3W-9QX-7TM");
        assert_eq!("oil-000-111".parse::<RoomCode>().unwrap().as_str(), "011000111");
        assert!("K3W9QX7T".parse::<RoomCode>().is_err());
        assert!("K3W9QX7TMM".parse::<RoomCode>().is_err());
        assert!("K3W9QX7TU".parse::<RoomCode>().is_err());
    }

    #[test]
    fn every_random_number_makes_a_code_that_reads_back() {
        for bits in [0, 1, u64::MAX, 0x1234_5678_9abc] {
            let code = RoomCode::from_random(bits);
            assert_eq!(code.as_str().parse::<RoomCode>().unwrap(), code);
        }
    }

    #[test]
    fn a_code_takes_five_bits_a_letter() {
        let bits = (0..9).fold(0, |bits, place| bits | (place + 1) << (5 * place));
        let code = RoomCode::from_random(bits);
        assert_eq!(code.as_str(), "123456789");
        assert_eq!(code.to_string(), code.as_str());
    }
}
