//! Secrets in hand: never printed, overwritten when done, written out in one named place alone.

use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serializer};
use zeroize::Zeroizing;

use crate::error::ApiError;

/// A password, a token, a session, a ticket, a link.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Marks a text as secret.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// 32 hexadecimal characters from 16 secure random bytes.
    pub(crate) fn random() -> Result<Self, ApiError> {
        let mut bytes = Zeroizing::new([0; 16]);
        random(&mut *bytes)?;
        Ok(Self::new(hex::encode(*bytes)))
    }

    /// The text.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Writes it into the one answer that hands it out: `serialize_with` says so at the field.
    pub(crate) fn hand_out<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Text)
    }
}

/// Takes a text, and repeats nothing else in its refusal: it may be a password all the same.
struct Text;

impl Text {
    fn refused<E: de::Error>() -> Result<Secret, E> {
        Err(E::custom("has to be a text, in quotation marks"))
    }
}

impl Visitor<'_> for Text {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Secret, E> {
        Ok(Secret::new(text.to_owned()))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Secret, E> {
        Ok(Secret::new(text))
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Secret, E> {
        Self::refused()
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Secret, E> {
        Self::refused()
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Secret, E> {
        Self::refused()
    }
}

/// Fills with secure random bytes.
pub(crate) fn random(bytes: &mut [u8]) -> Result<(), ApiError> {
    getrandom::fill(bytes).map_err(|error| ApiError::Internal(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_printed_or_repeated() {
        let secret = Secret::new("canary".to_owned());
        assert_eq!(format!("{secret:?} {secret:#?}"), "Secret Secret");
        for number in ["12345678901", "-12345678901", "1234567.8901"] {
            let refused = serde_json::from_str::<Secret>(number).unwrap_err().to_string();
            assert!(refused.contains("has to be a text"), "{refused}");
            assert!(!refused.contains("12345"), "{refused}");
        }
        let read: Secret = serde_json::from_str("\"can\\u0061ry\"").unwrap();
        assert_eq!(read.expose(), "canary");
    }

    /// Would not compile if secrets could be shown or serialized by themselves.
    #[test]
    fn secrets_have_no_way_out() {
        trait Not {
            const SHOWN: bool = false;
            const SERIALIZED: bool = false;
        }
        impl<T> Not for T {}
        struct Is<T>(std::marker::PhantomData<T>);
        #[expect(dead_code, reason = "taken where the bound holds, which it never may")]
        impl<T: fmt::Display> Is<T> {
            const SHOWN: bool = true;
        }
        #[expect(dead_code, reason = "taken where the bound holds, which it never may")]
        impl<T: serde::Serialize> Is<T> {
            const SERIALIZED: bool = true;
        }
        const { assert!(!Is::<Secret>::SHOWN && !Is::<Secret>::SERIALIZED) };
    }
}
