//! The writer: drains the waiting commands, decides them one after the other, appends their
//! commits in blocks, and answers each caller when its block is durable.
//!
//! Two states make a lost append cheap: `durable` is the log's fold, `working` has what was decided
//! but is not durable yet. When another writer was faster, what the round touched is copied back
//! from `durable`, the other's blocks are taken in, and the same commands are decided again.
//!
//! A rejection rests on the log's end like an acceptance: it is answered with the block after
//! which it was decided, or, when nothing is to be appended, after a look at the log's end.

mod plan;
mod round;

use std::time::Duration;

use events::block::BLOCK_BYTES_MAX;
use events::{Position, State};
use streams::{CommandQueue, Log, SubmitError, Submitted};
use vault::{Destruction, Vault};

use crate::clock::Clock;
use crate::error::DeciderError;
use crate::fold::Fold;
use crate::remembered::{First, Remembered};
use round::Setback;

/// Commands decided in one round.
const ROUND_MAX: usize = 1024;
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
    remembered: Remembered,
    /// Keys whose end is in the log and that are not destroyed yet.
    leftovers: Vec<Destruction>,
    /// Up to where the vault knew that all was destroyed when this writer began.
    swept: Position,
    /// False when the log may hold more than `durable`.
    synced: bool,
    block_bytes: usize,
}

impl Writer {
    /// Folds the log to its end and destroys the keys that a crash left over.
    pub async fn open(log: Log, vault: Vault, clock: Clock) -> Result<Self, DeciderError> {
        vault.bind(log.id()).await?;
        let swept = vault.swept().await?;
        let durable = Fold::empty(log.id());
        let mut writer = Self {
            log,
            vault,
            clock,
            durable,
            working: State::default(),
            remembered: Remembered::default(),
            leftovers: Vec::new(),
            swept,
            synced: false,
            block_bytes: BLOCK_BYTES_MAX,
        };
        writer.catch_up().await?;
        writer.sweep().await?;
        Ok(writer)
    }

    /// Decides what comes until `stop` is done or no sender is left. What was drained is finished.
    pub async fn run(mut self, mut queue: CommandQueue, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        let mut waiting = Vec::with_capacity(ROUND_MAX);
        loop {
            let again = async {
                if self.leftovers.is_empty() {
                    std::future::pending::<()>().await;
                }
                tokio::time::sleep(SWEEP_AGAIN).await;
            };
            tokio::select! {
                biased;
                () = &mut stop => return,
                count = queue.recv_many(&mut waiting, ROUND_MAX) => {
                    if count == 0 {
                        return;
                    }
                    self.settle(&mut waiting).await;
                }
                () = again => {}
            }
            self.try_sweep().await;
        }
    }

    /// Decides these commands until each has an answer.
    async fn settle(&mut self, waiting: &mut Vec<Submitted>) {
        for _ in 0..ATTEMPTS_MAX {
            match self.round(waiting).await {
                Ok(()) => return,
                Err(Setback::Again) => {}
                Err(Setback::Refused(error)) => return refuse(waiting, &error),
            }
        }
        let busy = "other writers appended again and again; try again".to_owned();
        refuse(waiting, &SubmitError::Log(busy));
    }

    /// Takes in what the log holds beyond the fold. Nothing may be pending.
    async fn catch_up(&mut self) -> Result<(), DeciderError> {
        loop {
            let blocks = self.log.read(self.durable.head, READ_BYTES).await?;
            if blocks.is_empty() {
                break;
            }
            for block in blocks {
                for (position, commit) in block.commits()? {
                    for event in &commit.events {
                        self.working.evolve(event, commit.time);
                    }
                    let known = self.leftovers.len();
                    self.durable.apply(&commit, &mut self.leftovers);
                    if position <= self.swept {
                        self.leftovers.truncate(known);
                    }
                    self.remembered.insert(commit.command, First::of(position, &commit));
                }
                self.durable.finish(&block);
            }
        }
        self.synced = true;
        Ok(())
    }

    /// Destroys the keys whose end is durable in the log.
    async fn sweep(&mut self) -> Result<(), DeciderError> {
        if !self.leftovers.is_empty() {
            self.vault.destroy(&self.leftovers, self.durable.head.position).await?;
            self.leftovers.clear();
        }
        Ok(())
    }

    async fn try_sweep(&mut self) {
        if let Err(error) = self.sweep().await {
            tracing::error!(%error, "keys of deleted data could not be destroyed; trying again");
        }
        metrics::gauge!("signcall_keys_to_destroy").set(self.leftovers.len() as f64);
    }
}

fn refuse(waiting: &mut Vec<Submitted>, error: &SubmitError) {
    let failed = waiting.len() as u64;
    metrics::counter!("signcall_commands_total", "outcome" => "failed").increment(failed);
    for submitted in waiting.drain(..) {
        // A caller who has gone is no error.
        let _ = submitted.reply.send(Err(error.clone()));
    }
}
