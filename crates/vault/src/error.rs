//! Everything that can go wrong with secrets and keys: a kind, and what to do.

use events::{KeyScope, LogId};

/// Why the vault could not do what was asked. No variant carries key material or text.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The folder of secrets, or a file in it, is not there.
    #[error("the secrets in {path} are missing: run `signcall init`, or point --secrets at them")]
    SecretsMissing {
        /// What was looked for.
        path: String,
    },
    /// The folder has no key-encryption key, and none was given.
    #[error(
        "{path} is missing: restore it from a backup, or give the key, if it is kept elsewhere, with --key-encryption-file or SIGNCALL_KEY_ENCRYPTION_KEY"
    )]
    KeyEncryptionMissing {
        /// What was looked for.
        path: String,
    },
    /// `init` on a folder that holds secrets already.
    #[error("{path} exists already: secrets are never overwritten")]
    SecretsExist {
        /// The file.
        path: String,
    },
    /// Others than its owner may read it.
    #[error("{path} has mode {mode:o}, which others can use; run `chmod {wanted:o} {path}`")]
    SecretsExposed {
        /// The folder or file.
        path: String,
        /// Its permission bits.
        mode: u32,
        /// What they should be at most.
        wanted: u32,
    },
    /// A file does not hold a key.
    #[error("{path} is not a key of 64 hexadecimal characters; restore it from a backup")]
    SecretsMalformed {
        /// The file.
        path: String,
    },
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The operating system gives no random numbers.
    #[error("no secure random numbers: {0}")]
    Random(#[source] getrandom::Error),
    /// There is no vault, and none was to be made.
    #[error(
        "there is no vault at {place}: point --vault at it, or bring it back from a backup (`signcall restore DIR`)"
    )]
    Missing {
        /// The file, or host and port.
        place: String,
    },
    /// A restoring was interrupted.
    #[error(
        "this vault is half of a backup, whose restoring was interrupted: run `signcall restore DIR` again"
    )]
    Unfinished,
    /// A copy was to go where a vault is already.
    #[error("there is a vault already where this one was to go: move it away first")]
    Occupied,
    /// Neither `sqlite:` nor `postgres://`.
    #[error("the vault {url:?} is neither sqlite:PATH nor postgres://…")]
    Url {
        /// The scheme as it came; never the credentials.
        url: String,
    },
    /// The database of keys can't be reached.
    #[error(
        "the vault's database at {place} can't be reached: {source}; start it, or point --vault elsewhere"
    )]
    Unreachable {
        /// Host and port.
        place: String,
        /// Why.
        source: sqlx::Error,
    },
    /// The database of keys does not answer.
    #[error("the vault's database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// Written by a newer version.
    #[error("the vault has schema {found}; this binary knows {known}: use a newer one")]
    Schema {
        /// As it is.
        found: String,
        /// As this binary writes it.
        known: &'static str,
    },
    /// The vault's keys are wrapped under other secrets.
    #[error(
        "these secrets are not the ones under which this vault's keys are wrapped: point --secrets at those; if the key was rotated elsewhere, bring key-encryption.key from there and start again"
    )]
    WrongSecrets,
    /// The vault's keys are wrapped under the new key already, and the old one is still in its place.
    #[error(
        "a rotation of the key-encryption key was interrupted after the vault had changed over: run `signcall vault rotate` again, which finishes it"
    )]
    RotationUnfinished,
    /// The key that signs cookies is another than before.
    #[error(
        "cookie.key is not the one this vault was made with: restore it; with another one every device would count as unknown"
    )]
    WrongCookieKey,
    /// The vault belongs to another log.
    #[error(
        "this vault holds the keys of log {found}, not of {expected}: point --vault or --log elsewhere"
    )]
    WrongLog {
        /// The vault's log.
        found: LogId,
        /// The log in use.
        expected: LogId,
    },
    /// The vault has never held this key: it is older than the log, or another's.
    #[error(
        "the vault has never held the key {scope}: it is older than the log, or another log's; restore the right one"
    )]
    KeyMissing {
        /// Whose.
        scope: KeyScope,
    },
    /// To be sealed under a key that was destroyed; it is never made again.
    #[error("the key {scope} was destroyed: nothing can be sealed under it any more")]
    Destroyed {
        /// Whose.
        scope: KeyScope,
    },
    /// A key or a field does not open: damaged, moved, or under another key.
    #[error(
        "{what} does not open: it was damaged, moved from elsewhere, or sealed under another key"
    )]
    Unreadable {
        /// The key's scope or the field's label.
        what: String,
    },
}

impl VaultError {
    /// Whether there is no space left for what was to be written; reads go on.
    pub fn is_full(&self) -> bool {
        /// SQLite's primary code, and PostgreSQL's.
        const SQLITE_FULL: u32 = 13;
        /// SQLite's code when there is no space even for what its readers share.
        const SQLITE_IOERR_SHMSIZE: u32 = 4874;
        const POSTGRES_FULL: &str = "53100";
        let Self::Database(error) = self else { return false };
        let Some(code) = error.as_database_error().and_then(sqlx::error::DatabaseError::code)
        else {
            return false;
        };
        let sqlite = |code: u32| code & 0xff == SQLITE_FULL || code == SQLITE_IOERR_SHMSIZE;
        code == POSTGRES_FULL || code.parse().is_ok_and(sqlite)
    }
}
