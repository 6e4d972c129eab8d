//! The projector: follows the log from the checkpoint on, and tells readers how far it has come.

use std::future::Future;
use std::time::{Duration, Instant};

use events::{Head, Position};
use streams::{Live, LiveMessage, Log, LogError};
use vault::{Vault, VaultError};

use crate::archive;
use crate::batch::{Ahead, Mode, Written};
use crate::checkpoint::Checkpoint;
use crate::error::{ProjectorError, StoreError};
use crate::store::Store;

/// Bytes of blocks in one batch, about: thousands of commits when there is that much to catch up,
/// and whatever has gathered during the last batch when there is not.
pub(crate) const BATCH_BYTES: usize = 1 << 20;
/// How often the tables' write-ahead log is moved into their file, where there is one.
const SETTLE_EVERY: Duration = Duration::from_millis(500);
/// How long to wait before trying again when the log or the database does not answer.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Writes the tables from the log. Any number of them may run; one at a time gets ahead.
pub struct Projector {
    store: Store,
    log: Log,
    vault: Vault,
    live: Live,
    batch_bytes: usize,
    archive: bool,
}

impl Projector {
    /// A projector that is not running yet.
    pub fn new(store: Store, log: Log, vault: Vault, live: Live) -> Self {
        Self { store, log, vault, live, batch_bytes: BATCH_BYTES, archive: false }
    }

    /// With batches of about so many bytes of blocks, at least one block.
    #[must_use]
    pub fn with_batch_bytes(self, batch_bytes: usize) -> Self {
        Self { batch_bytes, ..self }
    }

    /// Whether to keep a copy of the log's blocks beside the tables, from which a tail that the log
    /// has lost can be brought back.
    #[must_use]
    pub fn with_archive(self, archive: bool) -> Self {
        Self { archive, ..self }
    }

    /// Follows the log until `stop` is done. Waits out a log or database that does not answer;
    /// refuses a log that lost its tail or is another one.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), ProjectorError> {
        tokio::select! {
            failed = self.follow() => failed,
            never = self.settle() => never,
            () = stop => Ok(()),
        }
    }

    /// Brings the tables to where the log ends now. Returns where they stand.
    pub async fn catch_up(&self) -> Result<Position, ProjectorError> {
        let end = self.log.head().await?;
        self.project(Some(end)).await?;
        Ok(self.store.position().await?)
    }

    async fn follow(&self) -> Result<(), ProjectorError> {
        loop {
            match self.project(None).await {
                Ok(()) => {}
                Err(error) if passes(&error) => {
                    tracing::warn!(%error, "the projector tries again");
                    metrics::counter!("signcall_projection_retries_total").increment(1);
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Keeps the writer from having to wait for the disk, for as long as it is polled.
    async fn settle<T>(&self) -> T {
        let mut positions = self.store.positions();
        loop {
            // The sender lives as long as the store.
            let _moved = positions.changed().await;
            tokio::time::sleep(SETTLE_EVERY).await;
            if let Err(error) = self.store.db().settle().await {
                tracing::debug!(%error, "the write-ahead log is left to the writer");
            }
        }
    }

    /// Projects up to `end`, or until something is amiss.
    async fn project(&self, end: Option<Head>) -> Result<(), ProjectorError> {
        let reached = |now: &Checkpoint| end.is_some_and(|end| now.head.position >= end.position);
        loop {
            let mut now = begin(&self.store, &self.log).await?;
            self.store.reached(now.head.position);
            if self.archive {
                archive::fill(&self.store, &self.log, &now.head).await?;
            }
            let mode = Mode::Live { archive: self.archive };
            let (log, vault) = (self.log.clone(), self.vault.clone());
            let mut ahead = Ahead::start(log, vault, now.head, None, self.batch_bytes, mode);
            while !reached(&now) {
                let Some(batch) = ahead.next().await? else { break };
                let begun = Instant::now();
                let Some(written) = batch.write(self.store.db(), &now, mode).await? else {
                    tracing::debug!("another projector is ahead");
                    break;
                };
                let took = begun.elapsed();
                batch.trace(took);
                metrics::histogram!("signcall_projection_seconds").record(took);
                metrics::counter!("signcall_projection_events_total").increment(written.events);
                now = written.checkpoint;
                self.announce(&written);
            }
            if reached(&now) {
                return Ok(());
            }
        }
    }

    fn announce(&self, written: &Written) {
        let position = written.checkpoint.head.position;
        metrics::gauge!("signcall_projection_position").set(position.get() as f64);
        self.store.reached(position);
        self.vault.forget(&written.done.destroyed);
        for (room, seq) in &written.done.grown {
            self.live.publish(LiveMessage::Feed { room: *room, seq: *seq, position });
        }
    }
}

/// The checkpoint to go on from, made if there is none, and checked against the log.
pub(crate) async fn begin(store: &Store, log: &Log) -> Result<Checkpoint, ProjectorError> {
    let mut tx = store.db().begin().await?;
    let now = Checkpoint::read_or_begin(&mut tx.session(), log.id()).await?;
    tx.commit().await?;
    check(&now.head, log).await?;
    Ok(now)
}

/// Refuses tables that were made from another log, or from more of it than there is: before
/// anything is served from them.
pub async fn check_tables(store: &Store, log: &Log) -> Result<(), ProjectorError> {
    match store.checkpoint().await? {
        Some(now) => check(&now.head, log).await,
        None => Ok(()),
    }
}

/// Refuses a log that is not the one that the tables were made from, or has lost its tail.
async fn check(tables: &Head, log: &Log) -> Result<(), ProjectorError> {
    if tables.log != log.id() {
        return Err(ProjectorError::ForeignLog { tables: tables.log, log: log.id() });
    }
    match log.head_at(tables.block).await? {
        Some(there) if there == *tables => Ok(()),
        Some(_) => Err(ProjectorError::Replaced { block: tables.block }),
        None => {
            let end = log.head().await?.block;
            Err(ProjectorError::TailLost { tables: tables.block, log: end })
        }
    }
}

/// Whether an error goes away by itself when the server it is about comes back.
pub(crate) fn passes(error: &ProjectorError) -> bool {
    match error {
        ProjectorError::Store(StoreError::Database(_) | StoreError::Unreachable { .. })
        | ProjectorError::Log(LogError::Unreachable { .. })
        | ProjectorError::Vault(VaultError::Database(_)) => true,
        ProjectorError::Store(
            StoreError::Url { .. }
            | StoreError::Migration { .. }
            | StoreError::Newer { .. }
            | StoreError::Row { .. },
        )
        | ProjectorError::Log(
            LogError::Damaged { .. }
            | LogError::Missing { .. }
            | LogError::TailLost { .. }
            | LogError::Replaced { .. }
            | LogError::Unsuitable { .. },
        )
        | ProjectorError::Vault(_)
        | ProjectorError::Block(_)
        | ProjectorError::ForeignLog { .. }
        | ProjectorError::TailLost { .. }
        | ProjectorError::Replaced { .. }
        | ProjectorError::Poison { .. }
        | ProjectorError::ReplayRuns
        | ProjectorError::Outrun
        | ProjectorError::Stopped { .. }
        | ProjectorError::File { .. }
        | ProjectorError::NotParked { .. } => false,
    }
}
