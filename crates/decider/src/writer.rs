//! The writer: drains the waiting commands, decides them one after the other, appends their
//! commits in blocks, and answers each caller when its block is durable.
//!
//! One block is on its way to the log at a time; what comes meanwhile is decided, sealed and
//! encoded for the next one. Two states make a lost append cheap: `durable` is the log's fold,
//! `working` has what was decided but is not durable yet. When another writer was faster, what the
//! undurable commits touched is copied back from `durable`, the other's blocks are taken in, and
//! the same commands are decided again.
//!
//! A rejection rests on the log's end like an acceptance: it is answered with the block whose
//! append began after it was decided, or, when nothing is to be appended, after such a look at the
//! log's end.

mod ahead;
mod decide;
mod flight;

use std::collections::VecDeque;
use std::time::Duration;

use events::block::BLOCK_BYTES_MAX;
use events::{Position, State};
use streams::{CommandQueue, Log, SubmitError, Submitted};
use vault::{Destruction, Vault};

use crate::clock::Clock;
use crate::error::DeciderError;
use crate::fold::Fold;
use crate::remembered::{First, Remembered};
use crate::snapshot::{self, Parts, Snapshot, Snapshots};
use ahead::Ahead;
use flight::{Flight, Landed};

/// Commands decided at once, between two looks at what the log has answered.
const CHUNK_MAX: usize = 64;
/// Commands drained from the queue at once.
const DRAIN_MAX: usize = 1024;
/// Commits in one block.
const BLOCK_COMMITS_MAX: usize = 1024;
/// How often the same commands are decided again because another writer was faster.
const ATTEMPTS_MAX: usize = 100;
/// Bytes of blocks read at once when catching up.
const READ_BYTES: usize = 4 * 1024 * 1024;
/// Pause before keys that could not be destroyed are tried again.
const SWEEP_AGAIN: Duration = Duration::from_secs(1);

/// Decides commands and writes the log. Several may write one log: each append is on the condition
/// that the log still ends where the writer believes.
pub struct Writer {
    log: Log,
    vault: Vault,
    clock: Clock,
    durable: Fold,
    working: State,
    /// With the undurable ones.
    remembered: Remembered,
    /// Keys whose end is in the log and that are not destroyed yet.
    leftovers: Vec<(Position, Destruction)>,
    /// Where a snapshot is kept when this writer stops, if anywhere.
    snapshots: Option<Snapshots>,
    /// Up to where the one reached from which it began.
    kept: Position,
    /// False when the log may hold more than `durable`.
    synced: bool,
    block_bytes: usize,
    /// Drained, and not decided or to be decided again.
    waiting: VecDeque<Submitted>,
    /// Decided, and not on its way to the log.
    ahead: Ahead,
    /// On its way to the log.
    flight: Option<Flight>,
    /// What is ahead can't be appended as it is.
    going_back: bool,
    /// How often in a row others were faster.
    lost: usize,
}

/// What happens next.
enum Turn {
    Landed(Landed),
    Decide,
    Stop,
    Drained(usize),
    Sweep,
}

impl Writer {
    /// Folds the log to its end and destroys the keys that a crash left over.
    pub async fn open(log: Log, vault: Vault, clock: Clock) -> Result<Self, DeciderError> {
        let swept = vault.swept().await?;
        let nothing = Snapshot::empty(&log, swept);
        Self::begin(log, vault, clock, nothing, None).await
    }

    /// As [`Self::open`], from the snapshot that is kept, if it fits; keeps one when it stops.
    pub async fn resume(
        log: Log,
        vault: Vault,
        clock: Clock,
        snapshots: Snapshots,
    ) -> Result<Self, DeciderError> {
        let kept = snapshots.load(&log, &vault).await?;
        Self::begin(log, vault, clock, kept, Some(snapshots)).await
    }

    async fn begin(
        log: Log,
        vault: Vault,
        clock: Clock,
        mut from: Snapshot,
        snapshots: Option<Snapshots>,
    ) -> Result<Self, DeciderError> {
        vault.bind(log.id()).await?;
        let kept = from.fold.head.position;
        from.catch_up(&log).await?;
        let Snapshot { fold: durable, remembered, gone: leftovers, .. } = from;
        let mut writer = Self {
            ahead: Ahead::after(&durable),
            log,
            vault,
            clock,
            working: durable.state.clone(),
            durable,
            remembered,
            leftovers,
            snapshots,
            kept,
            synced: true,
            block_bytes: BLOCK_BYTES_MAX,
            waiting: VecDeque::new(),
            flight: None,
            going_back: false,
            lost: 0,
        };
        writer.sweep().await?;
        Ok(writer)
    }

    /// The log's fold, for whoever else of this process needs one: what neither changes takes no
    /// memory a second time.
    pub fn fold(&self) -> Fold {
        self.durable.clone()
    }

    /// A snapshot to be kept beside this writer ([`Snapshots::keep`]), if it began by folding so much
    /// that the next start should not have to.
    pub async fn first_snapshot(&self) -> Result<Option<Snapshot>, DeciderError> {
        if self.snapshots.is_none() || !snapshot::is_due(self.kept, self.durable.head.position) {
            return Ok(None);
        }
        let (fold, remembered) = (self.durable.clone(), self.remembered.clone());
        let (swept, gone) = (self.vault.swept().await?, self.leftovers.clone());
        Ok(Some(Snapshot { fold, remembered, swept, gone }))
    }

    /// Decides what comes until `stop` is done or no sender is left. What was drained is finished.
    pub async fn run(mut self, mut queue: CommandQueue, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        let mut drained = Vec::with_capacity(DRAIN_MAX);
        let mut open = true;
        while open || self.is_busy() {
            self.launch_if_due().await;
            let decides = self.decides();
            let drains = open && self.waiting.is_empty() && !self.is_full();
            let sweeps = !self.leftovers.is_empty();
            let turn = tokio::select! {
                biased;
                landed = flight::landing(&mut self.flight) => Turn::Landed(landed),
                () = std::future::ready(()), if decides => Turn::Decide,
                () = &mut stop, if open => Turn::Stop,
                count = queue.recv_many(&mut drained, DRAIN_MAX), if drains => Turn::Drained(count),
                () = tokio::time::sleep(SWEEP_AGAIN), if sweeps => Turn::Sweep,
            };
            match turn {
                Turn::Landed(landed) => {
                    if let Some(block) = self.land(landed).await {
                        queue.wrote(block);
                    }
                    // Who was answered goes on first, and asks the next thing.
                    tokio::task::yield_now().await;
                }
                Turn::Decide => self.decide_some().await,
                Turn::Stop | Turn::Drained(0) => open = false,
                Turn::Drained(_) => self.waiting.extend(drained.drain(..)),
                Turn::Sweep => self.try_sweep().await,
            }
        }
        self.keep_snapshot().await;
    }

    /// The next start folds only what comes after.
    async fn keep_snapshot(self) {
        let Self { snapshots: Some(snapshots), durable, remembered, leftovers, vault, .. } = self
        else {
            return;
        };
        let Ok(swept) = vault.swept().await else { return };
        let written = tokio::task::spawn_blocking(move || {
            let (fold, remembered, gone) = (&durable, &remembered, &leftovers[..]);
            snapshots.write(&Parts { fold, remembered, swept, gone });
        });
        if let Err(error) = written.await {
            tracing::warn!(%error, "no snapshot could be kept");
        }
    }

    /// Whether somebody still waits for an answer.
    fn is_busy(&self) -> bool {
        self.flight.is_some() || !self.ahead.is_empty() || !self.waiting.is_empty()
    }

    /// Whether the next block is full: more is decided when it is on its way.
    fn is_full(&self) -> bool {
        self.ahead.bytes() >= self.block_bytes || self.ahead.commits() >= BLOCK_COMMITS_MAX
    }

    fn decides(&self) -> bool {
        self.synced && !self.waiting.is_empty() && !self.is_full()
    }

    /// Takes in what the log holds beyond the fold. Nothing may be undurable.
    async fn catch_up(&mut self) -> Result<(), DeciderError> {
        loop {
            let blocks = self.log.read(self.durable.head, READ_BYTES).await?;
            if blocks.is_empty() {
                break;
            }
            for block in blocks {
                let Self { working, durable, remembered, leftovers, .. } = &mut *self;
                durable.take_in(&block, leftovers, |position, commit| {
                    for event in &commit.events {
                        working.evolve(event, commit.time);
                    }
                    remembered.insert(commit.command, First::of(position, &commit));
                })?;
                remembered.forget_before(durable.time);
            }
        }
        self.ahead = Ahead::after(&self.durable);
        self.synced = true;
        Ok(())
    }

    /// Destroys the keys whose end is durable in the log.
    async fn sweep(&mut self) -> Result<(), DeciderError> {
        if !self.leftovers.is_empty() {
            let gone: Vec<_> = self.leftovers.iter().map(|(_, gone)| *gone).collect();
            self.vault.destroy(&gone, self.durable.head.position).await?;
            self.leftovers.clear();
            metrics::gauge!("signcall_keys_to_destroy").set(0.0);
        }
        Ok(())
    }

    async fn try_sweep(&mut self) {
        if let Err(error) = self.sweep().await {
            tracing::error!(%error, "keys of deleted data could not be destroyed; trying again");
            metrics::gauge!("signcall_keys_to_destroy").set(self.leftovers.len() as f64);
        }
    }

    /// Tells all who wait that they get no answer.
    fn refuse_all(&mut self, error: &SubmitError) {
        metrics::counter!("signcall_commands_total", "outcome" => "failed")
            .increment(self.waiting.len() as u64);
        for submitted in self.waiting.drain(..) {
            // A caller who has gone is no error.
            let _ = submitted.reply.send(Err(error.clone()));
        }
    }
}
