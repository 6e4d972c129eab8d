//! Everything that can go wrong with the tables: a kind, a source, and what to do.

use events::{BlockError, BlockNumber, LogId, Position, Subject};
use streams::LogError;
use vault::VaultError;

/// Why the tables can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Neither `sqlite:` nor `postgres://`.
    #[error("the database {url:?} is neither sqlite:PATH nor postgres://…")]
    Url {
        /// The scheme as it came; never the credentials.
        url: String,
    },
    /// The database does not answer.
    #[error(
        "the database at {place} can't be reached: {source}; start it, or point --database elsewhere"
    )]
    Unreachable {
        /// Host and port, or the file.
        place: String,
        /// Why.
        source: sqlx::Error,
    },
    /// A migration failed, or the tables were made by a newer version.
    #[error("the tables at {place} can't be brought up to date: {source}")]
    Migration {
        /// Host and port, or the file.
        place: String,
        /// Why.
        source: sqlx::migrate::MigrateError,
    },
    /// The tables were made by a newer version.
    #[error(
        "the tables at {place} have migration {version}, which this binary does not know: they were made by a newer version; use that one, or point --database elsewhere and run `signcall replay`"
    )]
    Newer {
        /// Host and port, or the file.
        place: String,
        /// The migration.
        version: i64,
    },
    /// A statement failed.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// A row holds what this binary never writes.
    #[error("a row of {table} has an unreadable {column}: rebuild the tables (`signcall replay`)")]
    Row {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
}

impl StoreError {
    /// What kept the tables from being brought up to date.
    pub(crate) fn migration(place: String, source: sqlx::migrate::MigrateError) -> Self {
        if let sqlx::migrate::MigrateError::VersionMissing(version) = source {
            return Self::Newer { place, version };
        }
        Self::Migration { place, source }
    }
}

/// Why events can't be turned into rows.
#[derive(Debug, thiserror::Error)]
pub enum ProjectorError {
    /// The tables.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The keys of personal fields.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// An event that this binary can't read.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// The tables were made from another log.
    #[error(
        "the tables were made from log {tables}, but this is log {log}: point --log or --database at the right one, or run `signcall replay` to make the tables from this log"
    )]
    ForeignLog {
        /// The log of the checkpoint.
        tables: LogId,
        /// The log in use.
        log: LogId,
    },
    /// The log ends before what was already projected.
    #[error(
        "the log ends at block {log}, but the tables hold block {tables}: acknowledged events are lost; restore the log from a backup, or run `signcall replay` to give them up"
    )]
    TailLost {
        /// The block of the checkpoint.
        tables: BlockNumber,
        /// The log's last block.
        log: BlockNumber,
    },
    /// The log's block at the checkpoint is another than the one that was projected.
    #[error(
        "block {block} of the log is not the one that the tables were made from: the log was replaced; restore the right one, or run `signcall replay` to make the tables from this log"
    )]
    Replaced {
        /// The block of the checkpoint.
        block: BlockNumber,
    },
    /// A rebuild met an event that can't be projected.
    #[error(
        "the event at position {position} of {subject} can't be projected: {reason}; run the version that wrote it, or give it up with `signcall log parked release {subject} --position {position}`"
    )]
    Poison {
        /// Where in the log it is.
        position: Position,
        /// What it concerns.
        subject: Subject,
        /// Why.
        reason: String,
    },
    /// There is nothing to give up.
    #[error(
        "no event of {subject}{} is parked: `signcall log parked list` names those that are",
        position.map(|position| format!(" at position {position}")).unwrap_or_default()
    )]
    NotParked {
        /// Whose.
        subject: Subject,
        /// Which of them, if one was named.
        position: Option<Position>,
    },
    /// Another replay works on the same database.
    #[error("another replay of this database is running: wait until it is done")]
    ReplayRuns,
    /// The live tables were ahead of the rebuilt ones each time they were to be swapped.
    #[error("the tables move on faster than a replay can follow: try again when less happens")]
    Outrun,
    /// This process is shutting down.
    #[error("the projector was stopped: {source}")]
    Stopped {
        /// Why.
        source: tokio::task::JoinError,
    },
    /// A file could not be made or removed.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

impl From<sqlx::Error> for ProjectorError {
    fn from(source: sqlx::Error) -> Self {
        Self::Store(StoreError::Database(source))
    }
}
