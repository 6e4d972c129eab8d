//! Keys for personal data: make, seal, open, destroy; outside the log and outside replay.
//!
//! [`Secrets`] is the folder of keys that protect everything else. [`Vault`] is a table of keys,
//! one per [`events::KeyScope`], each wrapped by the key-encryption key. [`Keys`] is a handful of
//! them, unwrapped, with which whole batches are sealed and opened without waiting.
//!
//! Beside the keys lie landmarks that people allowed to be kept ([`Kept`]), sealed under their own.
//!
//! A key is durable before the first append that needs it and destroyed after the event that says
//! so ([`Destruction`]); what can't be opened any more is the value [`Opened::Erased`].

mod cache;
mod database;
mod destruction;
mod error;
mod kept;
mod key;
mod keys;
mod secrets;
mod vault;

pub use destruction::Destruction;
pub use error::VaultError;
pub use kept::{KEPT_BYTES_MAX, Kept};
pub use keys::{Keys, Opened};
pub use secrets::{KeyEncryption, Secrets, token_digest};
pub use vault::Vault;
