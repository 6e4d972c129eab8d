//! What the doctor says of the secrets and of a vault that does not open with them.

use streams::LogError;
use vault::{Secrets, VaultError};

use super::{Finding, Verdict};
use crate::config::Config;

/// Which secrets these are, and whether a rotation of them was left half done.
pub(super) fn secrets(config: &Config, secrets: &Secrets) -> Finding {
    let fingerprint = secrets.fingerprint();
    // Enough to compare two machines by eye.
    let short = fingerprint.get(..8).unwrap_or(&fingerprint);
    let (folder, place) = (config.secrets.display(), config.key_encryption_place());
    let found = format!("{folder}, fingerprint {short}; the key-encryption key from {place}");
    if secrets.next().is_some() {
        let found = format!("{found}; a rotation of it was begun and not finished");
        let remedy = "`signcall vault rotate` does it anew; until then the old key is in use";
        return Finding::of("secrets", Verdict::Warning, found, remedy);
    }
    Finding::good("secrets", found)
}

/// What to do when log, vault and secrets don't open together.
pub(super) fn remedy(error: &anyhow::Error) -> &'static str {
    if let Some(LogError::Unreachable { .. }) = error.downcast_ref() {
        return "bring the log's disk back, or NATS, more than half of its servers; if it is there, look at \
                --log and the login. This alone is no reason to restore anything";
    }
    match error.downcast_ref() {
        Some(VaultError::Unreachable { .. }) => {
            "bring the database back; if it runs, look at --vault. This alone is no reason to restore \
             anything"
        }
        Some(VaultError::RotationUnfinished) => "`signcall vault rotate` finishes it",
        Some(VaultError::Unfinished) => "`signcall restore DIR` with that backup",
        Some(VaultError::WrongSecrets) => {
            "name the secrets that belong to this vault: the folder with --secrets, or the key with \
             --key-encryption-file if it is kept elsewhere; compare fingerprints with a machine \
             that works"
        }
        Some(_) | None => {
            "a new installation starts with `signcall init` or `signcall serve`; an old one needs \
             its log, vault and secrets together: `signcall restore DIR`"
        }
    }
}
