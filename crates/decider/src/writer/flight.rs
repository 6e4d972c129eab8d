//! The one block that is on its way to the log: launching it, and what follows from its landing.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use events::state::Touched;
use events::{Block, BlockNumber, Head, Position};
use streams::{AppendError, LogError, Outcome, SubmitError, Submitted};

use super::ahead::{Ahead, Decided};
use super::{ATTEMPTS_MAX, BLOCK_COMMITS_MAX, Writer};

/// Bytes that a block's header takes at most, with room to spare.
const HEADER_BYTES: usize = 512;

/// Commands whose answers rest on what the log says next.
pub(super) struct Flight {
    decided: Vec<Decided>,
    answer: Pin<Box<dyn Future<Output = Answer> + Send>>,
}

enum Answer {
    /// With how long it took.
    Appended(Arc<Block>, Duration, Result<(), AppendError>),
    /// Nothing was to be appended: where the log ends.
    Looked(Result<Head, LogError>),
}

/// A flight that is over.
pub(super) struct Landed {
    decided: Vec<Decided>,
    answer: Answer,
}

/// Waits for the flight; for ever, if there is none.
pub(super) async fn landing(flight: &mut Option<Flight>) -> Landed {
    let answer = match flight {
        Some(flight) => flight.answer.as_mut().await,
        None => std::future::pending().await,
    };
    let decided = flight.take().map(|flight| flight.decided).unwrap_or_default();
    Landed { decided, answer }
}

impl Writer {
    /// Sends what was decided on its way, when nothing is and nothing more is to be decided first.
    pub(super) async fn launch_if_due(&mut self) {
        if self.flight.is_some() {
            return;
        }
        if !self.synced {
            return self.come_level().await;
        }
        if !self.ahead.is_empty() && !self.decides() {
            self.launch().await;
        }
    }

    async fn launch(&mut self) {
        let room = self.block_bytes.saturating_sub(HEADER_BYTES);
        let decided = self.ahead.next_block(BLOCK_COMMITS_MAX, room);
        let lines = decided.iter().filter(|decided| decided.commit.is_some());
        let lines: Vec<&str> = lines.map(|decided| decided.line.as_str()).collect();
        let log = self.log.clone();
        let mut answer: Pin<Box<dyn Future<Output = Answer> + Send>> = if lines.is_empty() {
            Box::pin(async move { Answer::Looked(log.head().await) })
        } else {
            let block = Arc::new(Block::build(&self.durable.head, &lines));
            Box::pin(async move {
                let begun = Instant::now();
                let appended = log.append(Arc::clone(&block)).await;
                let took = begun.elapsed();
                metrics::histogram!("signcall_append_seconds").record(took);
                Answer::Appended(block, took, appended)
            })
        };
        // It begins now, not when there is time to wait for it.
        let begun = std::future::poll_fn(|context| Poll::Ready(answer.as_mut().poll(context)));
        if let Poll::Ready(ready) = begun.await {
            answer = Box::pin(std::future::ready(ready));
        }
        self.flight = Some(Flight { decided, answer });
    }

    /// Catches up with the other writers, for those who wait.
    async fn come_level(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        if self.lost > ATTEMPTS_MAX {
            self.lost = 0;
            let busy = "other writers appended again and again; try again".to_owned();
            self.refuse_all(&SubmitError::Log(busy));
        } else if let Err(error) = self.catch_up().await {
            self.refuse_all(&SubmitError::Log(error.to_string()));
        }
    }

    /// What the log said. Tells which block was written, if one was.
    pub(super) async fn land(&mut self, landed: Landed) -> Option<BlockNumber> {
        let Landed { mut decided, answer } = landed;
        match answer {
            Answer::Appended(block, took, Ok(())) => {
                trace_append(&decided, block.header.first, took);
                self.durable.finish(&block);
                // The next one is on its way while this one is taken in.
                if !self.ahead.is_empty() && !self.going_back {
                    self.launch().await;
                }
                self.take_in(&block, decided).await;
                return Some(block.header.block);
            }
            Answer::Looked(Ok(head)) if head == self.durable.head => {
                reply(decided);
                return None;
            }
            Answer::Looked(Ok(_)) => self.fall_behind(),
            Answer::Looked(Err(error)) => refuse(&mut decided, &log_error(&error)),
            Answer::Appended(_, _, Err(error)) => self.not_appended(error, &mut decided),
        }
        self.undo(decided);
        None
    }

    /// The block is durable: it is part of the state now, and its commands have their answers.
    async fn take_in(&mut self, block: &Block, decided: Vec<Decided>) {
        metrics::counter!("signcall_commits_total").increment(u64::from(block.header.count));
        self.lost = 0;
        let (mut position, mut gone) = (block.header.first, Vec::new());
        for commit in decided.iter().filter_map(|decided| decided.commit.as_ref()) {
            self.durable.apply(commit, &mut gone);
            self.leftovers.extend(gone.drain(..).map(|gone| (position, gone)));
            position = position.next();
        }
        self.remembered.forget_before(self.durable.time);
        // Whoever deleted hears of it when the keys are gone.
        self.try_sweep().await;
        reply(decided);
    }

    fn not_appended(&mut self, error: AppendError, decided: &mut [Decided]) {
        let commits = decided.iter().filter(|decided| decided.commit.is_some()).count();
        match error {
            AppendError::Conflict { .. } => {
                metrics::counter!("signcall_append_conflicts_total").increment(1);
                self.fall_behind();
            }
            AppendError::TooLarge { bytes, max } if commits > 1 => {
                self.block_bytes = max.min(bytes / 2);
            }
            AppendError::TooLarge { bytes, max } => {
                for alone in decided.iter_mut().filter(|decided| decided.commit.is_some()) {
                    alone.refused = Some(SubmitError::TooLarge { bytes, max });
                }
            }
            AppendError::Full(_) => refuse(decided, &SubmitError::Full),
            AppendError::Log(error) => {
                // It may be in the log or not; reading on will tell.
                self.synced = false;
                refuse(decided, &log_error(&error));
            }
        }
    }

    fn fall_behind(&mut self) {
        self.synced = false;
        self.lost += 1;
    }

    /// Something that was decided can't be appended: waits for what is on its way, and decides the
    /// rest again.
    pub(super) async fn go_back(&mut self) {
        self.going_back = true;
        if self.flight.is_some() {
            let landed = landing(&mut self.flight).await;
            self.land(landed).await;
        }
        self.undo(Vec::new());
        self.going_back = false;
    }

    /// None of this, nor what was decided after it, ever happened: the state is the log's again,
    /// and who was not refused waits again, in the same order.
    fn undo(&mut self, landed: Vec<Decided>) {
        let (mut touched, mut commits, mut again) = (Touched::default(), 0, VecDeque::new());
        for decided in landed.into_iter().chain(self.ahead.take_all()) {
            if let Some(commit) = &decided.commit {
                commits += 1;
                for event in &commit.events {
                    touched.note(&self.durable.state, event);
                }
            }
            match decided.refused {
                None => again.push_back(decided.submitted),
                Some(error) => {
                    metrics::counter!("signcall_commands_total", "outcome" => "failed")
                        .increment(1);
                    // A caller who has gone is no error.
                    let _ = decided.submitted.reply.send(Err(error));
                }
            }
        }
        self.working.restore(&self.durable.state, &touched);
        self.remembered.take_back(commits);
        self.ahead = Ahead::after(&self.durable);
        again.append(&mut self.waiting);
        self.waiting = again;
    }
}

fn log_error(error: &LogError) -> SubmitError {
    SubmitError::Log(error.to_string())
}

fn refuse(decided: &mut [Decided], error: &SubmitError) {
    for decided in decided {
        decided.refused = Some(error.clone());
    }
}

fn reply(decided: Vec<Decided>) {
    let rejected = decided.iter().filter(|decided| decided.outcome.is_err()).count();
    for (outcome, count) in [("accepted", decided.len() - rejected), ("rejected", rejected)] {
        metrics::counter!("signcall_commands_total", "outcome" => outcome).increment(count as u64);
    }
    for Decided { submitted, begun, outcome, .. } in decided {
        trace(&submitted, &outcome, begun);
        // A caller who has gone is no error.
        let _ = submitted.reply.send(Ok(outcome));
    }
}

/// Tells which request's command came to what.
fn trace(submitted: &Submitted, outcome: &Outcome, begun: Instant) {
    let (command, request_id) = (submitted.envelope.id, submitted.envelope.correlation.as_deref());
    let (step, took_us) = ("decide", begun.elapsed().as_micros() as u64);
    match outcome {
        Ok(accepted) => {
            let (position, repeated) = (accepted.position, accepted.repeated);
            let outcome = "accepted";
            tracing::debug!(step, request_id, %command, %position, repeated, outcome, took_us, "decided");
        }
        Err(rejection) => {
            let outcome = "rejected";
            tracing::debug!(step, request_id, %command, %rejection, outcome, took_us, "rejected");
        }
    }
}

/// Tells which commits of a block, from this position on, are durable.
fn trace_append(decided: &[Decided], first: Position, took: Duration) {
    let (step, took_us, mut position) = ("append", took.as_micros() as u64, first);
    for commit in decided.iter().filter_map(|decided| decided.commit.as_ref()) {
        let (command, request_id) = (commit.command, commit.correlation.as_deref());
        tracing::debug!(step, request_id, %command, %position, took_us, "appended");
        position = position.next();
    }
}
