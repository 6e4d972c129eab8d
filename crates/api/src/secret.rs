//! Secrets in hand: never printed, overwritten when done, written out in one named place alone.

use std::fmt;

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
        String::deserialize(from).map(Self::new)
    }
}

/// Fills with secure random bytes.
pub(crate) fn random(bytes: &mut [u8]) -> Result<(), ApiError> {
    getrandom::fill(bytes).map_err(|error| ApiError::Internal(error.to_string()))
}
