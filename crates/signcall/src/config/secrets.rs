//! The secrets of a configuration: the folder, and the key-encryption key if it is kept elsewhere.

use anyhow::{Context, Result};
use vault::{KeyEncryption, Secrets};

use super::Config;

impl Config {
    /// Opens the secrets that are there.
    pub(crate) fn open_secrets(&self) -> Result<Secrets> {
        Ok(Secrets::open_with(&self.secrets, self.key_encryption()?)?)
    }

    /// Makes the folder of secrets.
    pub(crate) fn make_secrets(&self) -> Result<Secrets> {
        let made = Secrets::init_with(&self.secrets, self.key_encryption()?);
        made.with_context(|| format!("cannot make secrets in {}", self.secrets.display()))
    }

    /// Whether there are secrets.
    pub(crate) fn has_secrets(&self) -> bool {
        let given = self.key_encryption_key.is_some() || self.key_encryption_file.is_some();
        Secrets::exist_with(&self.secrets, given)
    }

    /// The key-encryption key, if it is kept outside the folder.
    pub(crate) fn key_encryption(&self) -> Result<Option<KeyEncryption>> {
        let key = match (&self.key_encryption_key, &self.key_encryption_file) {
            (Some(key), _) => KeyEncryption::parse(key.expose(), "key_encryption_key")?,
            (None, Some(file)) => KeyEncryption::read(file).context("key_encryption_file")?,
            (None, None) => return Ok(None),
        };
        Ok(Some(key))
    }

    /// Where the key-encryption key is kept, in words.
    pub(crate) fn key_encryption_place(&self) -> String {
        match (&self.key_encryption_key, &self.key_encryption_file) {
            (Some(_), _) => "key_encryption_key".to_owned(),
            (None, Some(file)) => file.display().to_string(),
            (None, None) => "that folder".to_owned(),
        }
    }
}
