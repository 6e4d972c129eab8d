//! One attempt at a round: decide, seal, append block by block, answer.

use std::sync::Arc;
use std::time::Instant;

use events::block::COMMIT_BYTES_MAX;
use events::{Block, Commit, KeyScope};
use streams::{AppendError, Outcome, SubmitError, Submitted};
use vault::VaultError;

use super::plan::Plan;
use super::{BLOCK_COMMITS_MAX, Writer};
use crate::remembered::First;

/// Bytes that a block's header takes at most, with room to spare.
const HEADER_BYTES: usize = 512;

/// Why a round did not answer everybody.
pub(super) enum Setback {
    /// Decide those who still wait again.
    Again,
    /// Tell those who still wait.
    Refused(SubmitError),
}

impl Setback {
    fn log(error: &impl ToString) -> Self {
        Self::Refused(SubmitError::Log(error.to_string()))
    }
}

impl Writer {
    /// Tries to answer everybody who waits; those who were answered are taken out.
    pub(super) async fn round(&mut self, waiting: &mut Vec<Submitted>) -> Result<(), Setback> {
        if !self.synced {
            self.catch_up().await.map_err(|error| Setback::log(&error))?;
        }
        let mut plan = self.plan(waiting);
        let touched = std::mem::take(&mut plan.touched);
        let done = self.carry_out(plan, waiting).await;
        if done.is_err() {
            self.working.restore(&self.durable.state, &touched);
        }
        done
    }

    async fn carry_out(&mut self, plan: Plan, waiting: &mut Vec<Submitted>) -> Result<(), Setback> {
        let Plan { mut commits, answers, scopes, .. } = plan;
        if commits.is_empty()
            && self.log.head().await.map_err(|e| Setback::log(&e))? != self.durable.head
        {
            self.synced = false;
            return Err(Setback::Again);
        }
        let lines = self.seal(&mut commits, &scopes).await?;
        if let Some(large) = lines.iter().position(|line| line.len() > COMMIT_BYTES_MAX) {
            let its = answers.iter().position(|(after, _)| *after == large + 1);
            let error = SubmitError::TooLarge { bytes: lines[large].len(), max: COMMIT_BYTES_MAX };
            refuse_one(waiting, its.unwrap_or(0), error);
            return Err(Setback::Again);
        }
        let mut answers = answers.into_iter().peekable();
        let mut durable = 0;
        while durable < lines.len() {
            let next = &lines[durable..];
            let next = &next[..self.fitting(next)];
            let block = Arc::new(Block::build(&self.durable.head, next));
            let begun = Instant::now();
            if let Err(error) = self.log.append(Arc::clone(&block)).await {
                return Err(self.not_appended(error, next.len(), waiting));
            }
            metrics::histogram!("signcall_append_seconds").record(begun.elapsed());
            metrics::counter!("signcall_commits_total").increment(next.len() as u64);
            self.take_in(&block, &commits[durable..durable + next.len()]);
            durable += next.len();
            // Whoever deleted hears of it when the keys are gone.
            self.try_sweep().await;
            reply(waiting, std::iter::from_fn(|| answers.next_if(|(after, _)| *after <= durable)));
        }
        reply(waiting, answers);
        Ok(())
    }

    /// Seals the personal fields, under keys that are durable first, and encodes the commits.
    async fn seal(
        &mut self,
        commits: &mut [Commit],
        scopes: &[KeyScope],
    ) -> Result<Vec<String>, Setback> {
        let keys = self.vault.keys_for(scopes).await.map_err(|error| {
            if error.is_full() {
                return Setback::Refused(SubmitError::Full);
            }
            Setback::log(&error)
        })?;
        let mut lines = Vec::with_capacity(commits.len());
        for commit in commits {
            for event in &mut commit.events {
                match keys.seal_fields(event.personal(commit.time)) {
                    Ok(()) => {}
                    Err(VaultError::Destroyed { .. }) => {
                        // Another writer knows of a deletion that this one has not read yet.
                        self.synced = false;
                        return Err(Setback::Again);
                    }
                    Err(error) => return Err(Setback::log(&error)),
                }
            }
            lines.push(commit.encode().map_err(|error| Setback::log(&error))?);
        }
        Ok(lines)
    }

    /// How many of these lines make the next block; at least one.
    fn fitting(&self, lines: &[String]) -> usize {
        let mut bytes = HEADER_BYTES;
        let fits = |line: &&String| {
            bytes += line.len() + 1;
            bytes <= self.block_bytes
        };
        lines.iter().take(BLOCK_COMMITS_MAX).take_while(fits).count().max(1)
    }

    /// The block is durable: it is part of the state now, and of what is remembered.
    fn take_in(&mut self, block: &Block, commits: &[Commit]) {
        let mut position = block.header.first;
        for commit in commits {
            self.durable.apply(commit, &mut self.leftovers);
            self.remembered.insert(commit.command, First::of(position, commit));
            position = position.next();
        }
        self.durable.finish(block);
    }

    fn not_appended(
        &mut self,
        error: AppendError,
        commits: usize,
        waiting: &mut Vec<Submitted>,
    ) -> Setback {
        match error {
            AppendError::Conflict { .. } => {
                metrics::counter!("signcall_append_conflicts_total").increment(1);
                self.synced = false;
                Setback::Again
            }
            AppendError::TooLarge { bytes, max } if commits > 1 => {
                self.block_bytes = max.min(bytes / 2);
                Setback::Again
            }
            AppendError::TooLarge { bytes, max } => {
                // Those before it have their answers: the first who waits asked for this one.
                refuse_one(waiting, 0, SubmitError::TooLarge { bytes, max });
                Setback::Again
            }
            AppendError::Full(_) => Setback::Refused(SubmitError::Full),
            AppendError::Log(error) => {
                // It may be in the log or not; reading on will tell.
                self.synced = false;
                Setback::log(&error)
            }
        }
    }
}

fn reply(waiting: &mut Vec<Submitted>, due: impl Iterator<Item = (usize, Outcome)>) {
    let due: Vec<Outcome> = due.map(|(_, outcome)| outcome).collect();
    let refused = due.iter().filter(|outcome| outcome.is_err()).count();
    let counted = [("accepted", due.len() - refused), ("rejected", refused)];
    for (outcome, count) in counted {
        metrics::counter!("signcall_commands_total", "outcome" => outcome).increment(count as u64);
    }
    for (submitted, outcome) in waiting.drain(..due.len()).zip(due) {
        // A caller who has gone is no error.
        let _ = submitted.reply.send(Ok(outcome));
    }
}

fn refuse_one(waiting: &mut Vec<Submitted>, index: usize, error: SubmitError) {
    let _ = waiting.remove(index).reply.send(Err(error));
}
