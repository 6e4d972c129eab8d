//! Follows the log and sends what is due, until it is told to stop.

use std::time::Duration;

use events::{BlockError, Head, Timestamp};
use streams::{Commands, Log, LogError, SubmitError};
use tokio::time::{MissedTickBehavior, interval};

use crate::timers::Timers;

/// How often the timers are looked at.
const TICK: Duration = Duration::from_secs(10);
/// Bytes of blocks read at once while catching up.
const READ_BYTES: usize = 4 * 1024 * 1024;

/// Why the reactor had to stop.
#[derive(Debug, thiserror::Error)]
pub enum ReactorError {
    /// The log can't be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A block can't be read.
    #[error(transparent)]
    Block(#[from] BlockError),
}

/// Runs until `stop` is done. `clock` tells the time.
pub async fn run(
    log: Log,
    commands: Commands,
    clock: impl Fn() -> Timestamp + Send,
    stop: impl Future<Output = ()>,
) -> Result<(), ReactorError> {
    tokio::pin!(stop);
    let mut head = Head::empty(log.id());
    let mut timers = Timers::default();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = &mut stop => return Ok(()),
            _ = ticks.tick() => {}
        }
        catch_up(&log, &mut head, &mut timers).await?;
        for envelope in timers.due(clock()) {
            let id = envelope.id;
            match commands.submit(envelope).await {
                Ok(Ok(_)) => tracing::info!(%id, "did what was due"),
                // Overtaken by somebody: what is due next follows from the log.
                Ok(Err(rejection)) => tracing::debug!(%id, %rejection, "not due any more"),
                Err(
                    error @ (SubmitError::Overloaded
                    | SubmitError::Unavailable
                    | SubmitError::Full
                    | SubmitError::TooLarge { .. }
                    | SubmitError::Log(_)),
                ) => {
                    tracing::warn!(%id, %error, "what is due has to wait");
                    break;
                }
            }
        }
    }
}

/// Reads the log to its end. A log that can't be reached for now is tried again at the next tick.
async fn catch_up(log: &Log, head: &mut Head, timers: &mut Timers) -> Result<(), ReactorError> {
    loop {
        let blocks = match log.read(*head, READ_BYTES).await {
            Ok(blocks) => blocks,
            Err(error @ LogError::Unreachable { .. }) => {
                tracing::warn!(%error, "the reactor waits for the log");
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        if blocks.is_empty() {
            return Ok(());
        }
        for block in blocks {
            for (_, commit) in block.commits()? {
                timers.take(&commit);
            }
            *head = block.head();
        }
    }
}
