//! Rebuilding: the same log once more into fresh tables beside the live ones, which go on serving;
//! compared row by row; then, if wanted, put in their place at once.

mod aside;
#[cfg(feature = "testing")]
pub(crate) mod bare;
mod compare;
mod maker;
mod shadow;

use std::collections::HashSet;

use events::{Head, Position};
use streams::Log;
use vault::Vault;

pub use compare::{Difference, TableReport};
use shadow::Shadow;

use crate::batch::{Ahead, Mode};
use crate::checkpoint::Checkpoint;
use crate::error::ProjectorError;
use crate::runner::{BATCH_BYTES, begin, passes};
use crate::store::Store;

/// Bytes of blocks in one batch of a rebuild, about: rows that change often are written once in it.
const REBUILD_BYTES: usize = 8 * BATCH_BYTES;
/// Batches with deletions that may walk through whole tables before these get their indexes.
const SWEEPS_WITHOUT_INDEXES: u32 = 4;
/// How often differences are looked at again while the log goes on.
const COMPARE_AGAIN: usize = 5;
/// How often the live tables may run ahead before the swap gives up.
const SWAP_TRIES: u32 = 100;

/// What a replay is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Bringing the live tables to the log's end.
    CatchingUp,
    /// Building the new tables.
    Rebuilding,
    /// Giving them their indexes.
    Indexing,
    /// Comparing them with the live ones.
    Comparing,
    /// Putting them in their place.
    Swapping,
}

/// How far a replay is, in the unit of its phase: commits, tables when comparing, or the one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What it is doing.
    pub phase: Phase,
    /// Done so far.
    pub done: u64,
    /// To be done in all.
    pub total: u64,
}

/// What came of a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayReport {
    /// Up to here the log was replayed.
    pub position: Position,
    /// How many events that were.
    pub events: u64,
    /// Every table as rebuilt.
    pub tables: Vec<TableReport>,
    /// Whether there were live tables of this log to compare with.
    pub compared: bool,
    /// Rows that are not the same, all of them counted.
    pub differing_rows: u64,
    /// The first of the differences.
    pub differences: Vec<Difference>,
    /// Whether the rebuilt tables are the live ones now.
    pub swapped: bool,
}

/// Rebuilds the tables from the log, with the server running or not. With `verify` the live
/// tables stay; without, the rebuilt ones take their place, whether they are equal or not.
///
/// Dropping the future cancels: the live tables are as they were, and what was rebuilt so far is
/// gone on with by the next replay, as after a crash.
///
/// The tables that were replaced are not kept: they can be made from the log at any time, and
/// would hold what was to be erased.
pub async fn replay(
    store: &Store,
    log: &Log,
    vault: &Vault,
    verify: bool,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<ReplayReport, ProjectorError> {
    replay_in_batches(store, log, vault, verify, REBUILD_BYTES, progress).await
}

/// [`replay`], with batches of about so many bytes of blocks, at least one block.
pub async fn replay_in_batches(
    store: &Store,
    log: &Log,
    vault: &Vault,
    verify: bool,
    batch_bytes: usize,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<ReplayReport, ProjectorError> {
    let end = log.head().await?;
    let begun = store.position().await? > Position::new(0) || verify;
    let caught_up = if begun {
        catch_up(store, log, vault, &end, progress).await.map(Some)
    } else {
        // Nothing was ever projected: there is nothing to compare with.
        Ok(None)
    };
    let live = match caught_up {
        Ok(live) => live,
        // Tables of another history: nothing to compare with, and replaced only when asked to.
        Err(
            ProjectorError::ForeignLog { .. }
            | ProjectorError::TailLost { .. }
            | ProjectorError::Replaced { .. },
        ) if !verify => None,
        Err(error) => return Err(error),
    };
    let mut rebuild = Rebuild {
        shadow: Shadow::create(store).await?,
        now: Checkpoint { generation: 1, head: Head::empty(log.id()) },
        events: 0,
        sweeps: 0,
        released: store.released().await?,
        batch_bytes,
        log,
        vault,
    };
    let result = rebuild.run(store, live, end, verify, progress).await;
    if result.as_ref().is_err_and(passes) {
        rebuild.shadow.leave().await;
    } else {
        rebuild.shadow.remove().await?;
    }
    result
}

/// Brings the live tables to `end`.
async fn catch_up(
    store: &Store,
    log: &Log,
    vault: &Vault,
    end: &Head,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Checkpoint, ProjectorError> {
    let total = end.position.get();
    loop {
        let mut now = begin(store, log).await?;
        let last = Some(end.block);
        // A running projector keeps the blocks, if they are to be kept.
        let mode = Mode::Live { archive: false };
        let (log, vault) = (log.clone(), vault.clone());
        let mut ahead = Ahead::start(log, vault, now.head, last, BATCH_BYTES, mode);
        while let Some(batch) = ahead.next().await? {
            let Some(written) = batch.write(store.db(), &now, mode).await? else { break };
            now = written.checkpoint;
            store.reached(now.head.position);
            let done = now.head.position.get();
            progress(Progress { phase: Phase::CatchingUp, done, total });
        }
        if now.head.block >= end.block {
            return Ok(now);
        }
    }
}

struct Rebuild<'a> {
    shadow: Shadow,
    now: Checkpoint,
    events: u64,
    /// Batches with deletions so far.
    sweeps: u32,
    /// Commits that were given up.
    released: HashSet<Position>,
    batch_bytes: usize,
    log: &'a Log,
    vault: &'a Vault,
}

impl Rebuild<'_> {
    async fn run(
        &mut self,
        store: &Store,
        live: Option<Checkpoint>,
        end: Head,
        verify: bool,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<ReplayReport, ProjectorError> {
        self.now = self.shadow.begin(self.log.id()).await?;
        self.build(live.map_or(end, |live| live.head), progress).await?;
        progress(Progress { phase: Phase::Indexing, done: 0, total: 1 });
        self.shadow.finish().await?;
        let compared = live.is_some();
        let mut found = self.compare(store, compared, progress).await?;
        for _ in 0..COMPARE_AGAIN {
            let end = self.log.head().await?;
            if !compared || found.differing_rows == 0 || end == self.now.head {
                break;
            }
            // The keys of what was deleted since are gone, so it was erased here and not there yet:
            // what differs is looked at again where the live tables know of the deletion too.
            catch_up(store, self.log, self.vault, &end, progress).await?;
            found = self.compare(store, compared, progress).await?;
        }
        let swapped = !verify;
        if swapped {
            self.swap(store, compared, progress).await?;
        }
        Ok(ReplayReport {
            position: self.now.head.position,
            events: self.events,
            tables: found.tables,
            compared,
            differing_rows: found.differing_rows,
            differences: found.differences,
            swapped,
        })
    }

    /// Projects into the new tables up to and with `end`'s block.
    async fn build(
        &mut self,
        end: Head,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(), ProjectorError> {
        let (log, vault, total) = (self.log.clone(), self.vault.clone(), end.position.get());
        let mode = Mode::Rebuild { released: &self.released };
        let last = Some(end.block);
        let mut ahead = Ahead::start(log, vault, self.now.head, last, self.batch_bytes, mode);
        while let Some(batch) = ahead.next().await? {
            let written = batch.write(self.shadow.db(), &self.now, mode).await?;
            let written = written.ok_or(ProjectorError::ReplayRuns)?;
            self.now = written.checkpoint;
            self.events += written.events;
            if !written.done.destroyed.is_empty() {
                self.sweeps += 1;
                if self.sweeps == SWEEPS_WITHOUT_INDEXES {
                    self.shadow.finish().await?;
                }
            }
            let done = self.now.head.position.get();
            progress(Progress { phase: Phase::Rebuilding, done, total });
        }
        if self.now.head.hash != end.hash {
            return Err(ProjectorError::Replaced { block: end.block });
        }
        Ok(())
    }

    /// Compares with the live tables as they stand now, if there are any.
    async fn compare(
        &mut self,
        store: &Store,
        with_live: bool,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<compare::Found, ProjectorError> {
        let mut live = None;
        if with_live {
            let mut tx = store.db().snapshot().await?;
            // The live tables may have gone on meanwhile.
            let stands = Checkpoint::read(&mut tx.session()).await?;
            self.build(stands.map_or(self.now.head, |stands| stands.head), progress).await?;
            live = Some(tx);
        }
        let mut rebuilt = self.shadow.db().snapshot().await?;
        let mut tell = |done, total| progress(Progress { phase: Phase::Comparing, done, total });
        Ok(compare::tables(live.as_mut(), &mut rebuilt, &mut tell).await?)
    }

    /// Puts the new tables in the place of the live ones, never behind what readers have seen.
    async fn swap(
        &mut self,
        store: &Store,
        same_log: bool,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(), ProjectorError> {
        for _ in 0..SWAP_TRIES {
            progress(Progress { phase: Phase::Swapping, done: 0, total: 1 });
            match self.shadow.swap(store, &self.now.head, same_log).await? {
                None => return Ok(()),
                Some(ahead) => self.build(ahead, progress).await?,
            }
        }
        Err(ProjectorError::Outrun)
    }
}
