//! A handful of unwrapped keys: seals and opens whole batches without waiting.

use std::collections::HashMap;

use events::{KeyScope, Personal, PersonalField};

use crate::cache::Held;
use crate::error::VaultError;
use crate::key::Key;

/// A personal field as it could be opened.
#[derive(Clone, PartialEq, Eq)]
pub enum Opened {
    /// Its text.
    Text(String),
    /// Its key is gone for good. A value like any other, never an error.
    Erased,
}

impl Opened {
    /// The text, or nothing when it was erased.
    pub fn into_text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            Self::Erased => None,
        }
    }
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "Text(…)",
            Self::Erased => "Erased",
        })
    }
}

/// The keys that were asked for, as they were then.
#[derive(Default)]
pub struct Keys(pub(crate) HashMap<KeyScope, Held>);

impl Keys {
    /// Seals a text. Refused when the key was destroyed.
    pub fn seal(&self, scope: KeyScope, label: &str, text: &str) -> Result<Vec<u8>, VaultError> {
        match self.key(scope)? {
            Some(key) => key.seal(label, text.as_bytes()),
            None => Err(VaultError::Destroyed { scope }),
        }
    }

    /// Seals bytes. Refused when the key was destroyed.
    pub(crate) fn seal_bytes(
        &self,
        scope: KeyScope,
        label: &str,
        bytes: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        match self.key(scope)? {
            Some(key) => key.seal(label, bytes),
            None => Err(VaultError::Destroyed { scope }),
        }
    }

    /// Opens what [`Self::seal_bytes`] made; nothing, where the key is gone.
    pub(crate) fn open_bytes(
        &self,
        scope: KeyScope,
        label: &str,
        sealed: &[u8],
    ) -> Result<Option<Vec<u8>>, VaultError> {
        match self.key(scope) {
            Ok(Some(key)) => key.open(label, sealed).map(|bytes| Some(bytes.to_vec())),
            Ok(None) | Err(VaultError::KeyMissing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens what [`Self::seal`] made.
    pub fn open(&self, scope: KeyScope, label: &str, sealed: &[u8]) -> Result<Opened, VaultError> {
        let Some(key) = self.key(scope)? else { return Ok(Opened::Erased) };
        let text = key.open(label, sealed)?;
        std::str::from_utf8(&text)
            .map(|text| Opened::Text(text.to_owned()))
            .map_err(|_| VaultError::Unreadable { what: label.to_owned() })
    }

    /// Seals in place every personal field that is still clear.
    pub fn seal_fields(&self, fields: Vec<PersonalField<'_>>) -> Result<(), VaultError> {
        for field in fields {
            if let Personal::Clear(text) = &*field.field {
                *field.field = Personal::Sealed(self.seal(field.scope, &field.label, text)?);
            }
        }
        Ok(())
    }

    /// Opens personal fields in place: afterwards each is clear or erased.
    pub fn open_fields(&self, fields: Vec<PersonalField<'_>>) -> Result<(), VaultError> {
        for field in fields {
            if let Personal::Sealed(bytes) = &*field.field {
                *field.field = match self.open(field.scope, &field.label, bytes)? {
                    Opened::Text(text) => Personal::Clear(text),
                    Opened::Erased => Personal::Erased,
                };
            }
        }
        Ok(())
    }

    fn key(&self, scope: KeyScope) -> Result<Option<&Key>, VaultError> {
        match self.0.get(&scope) {
            Some(Held::Key(key)) => Ok(Some(key)),
            Some(Held::Destroyed) => Ok(None),
            None => Err(VaultError::KeyMissing { scope }),
        }
    }
}
