//! The secret for the first administrator: printed once by the command line, kept as a digest with
//! its end in a small file, used up by the first registration with it.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use events::{Timestamp, TokenDigest};
use subtle::ConstantTimeEq as _;

use crate::secret::Secret;

/// How long the secret is good, in seconds.
pub const GOOD_FOR_S: i64 = 15 * 60;
const FILE_MODE: u32 = 0o600;

/// Why no bootstrap secret could be made.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// No secure random numbers.
    #[error("{0}")]
    Random(String),
    /// The file can't be written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

/// Makes a new secret (32 characters) and forgets the one before. A running server sees it at once.
pub fn issue(file: &Path, now: Timestamp) -> Result<Secret, BootstrapError> {
    let secret = Secret::random().map_err(|error| BootstrapError::Random(error.to_string()))?;
    let line = format!(
        "{} {}\n",
        vault::token_digest(secret.expose()),
        now.plus_seconds(GOOD_FOR_S).micros()
    );
    let failed = |source| BootstrapError::File { path: file.display().to_string(), source };
    use_up(file);
    let mut opened = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(file)
        .map_err(failed)?;
    opened.write_all(line.as_bytes()).and_then(|()| opened.sync_all()).map_err(failed)?;
    Ok(secret)
}

/// Whether this is the secret, and not too old.
pub(crate) fn is_right(file: &Path, secret: &str, now: Timestamp) -> bool {
    let read = || {
        let text = fs::read_to_string(file).ok()?;
        let (digest, until) = text.trim().split_once(' ')?;
        let digest: TokenDigest = digest.parse().ok()?;
        Some((digest, Timestamp::from_micros(until.parse().ok()?)))
    };
    let Some((digest, until)) = read() else { return false };
    let equal: bool = digest.bytes().ct_eq(vault::token_digest(secret).bytes()).into();
    equal && now < until
}

/// The secret is good no more. That the file is not there is as good.
pub(crate) fn use_up(file: &Path) {
    drop(fs::remove_file(file));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_secret_alone_is_good_for_fifteen_minutes() {
        let folder = tempfile::tempdir().unwrap();
        let (file, now) = (folder.path().join("bootstrap"), Timestamp::from_micros(0));
        let old = issue(&file, now).unwrap();
        let new = issue(&file, now).unwrap();
        assert!(new.expose().len() >= 20);
        assert!(!is_right(&file, old.expose(), now));
        assert!(is_right(&file, new.expose(), now.plus_seconds(GOOD_FOR_S - 1)));
        assert!(!is_right(&file, new.expose(), now.plus_seconds(GOOD_FOR_S)));
        use_up(&file);
        assert!(!is_right(&file, new.expose(), now));
    }
}
