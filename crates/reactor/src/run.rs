//! Follows the log, sends what is due and tells receivers, until it is told to stop.

use std::time::{Duration, Instant};

use events::user::UserEvent;
use events::webhook::WebhookEvent;
use events::webhook::command::manage::DisableWebhook;
use events::{BlockError, BlockNumber, Commit, Envelope, Event, Head, Position, State, Timestamp};
use streams::{Commands, Log, LogError, SubmitError};
use tokio::time::{MissedTickBehavior, interval};
use vault::Vault;

use crate::courier::{Courier, Sent};
use crate::outbox::{Changes, New, Outbox, OutboxError};
use crate::timers::{Timers, envelope};
use crate::webhooks::{Client, Gatherer, Targets};

/// How often the outbox is looked at, besides when something happened.
const TICK: Duration = Duration::from_secs(1);
/// How many ticks lie between two looks at the timers.
const TIMERS_EVERY: u32 = 10;
/// How many ticks lie between two looks at what the outbox need not keep.
const SWEEP_EVERY: u32 = 600;
/// How long deliveries that are under way may take at shutdown.
const FINISH_WITHIN: Duration = Duration::from_secs(2);
/// Bytes of blocks read at once while catching up.
const READ_BYTES: usize = 4 * 1024 * 1024;

/// What a reactor stands on.
pub struct Parts {
    /// The log that it follows.
    pub log: Log,
    /// The way for what is due.
    pub commands: Commands,
    /// Opens what is told to receivers.
    pub vault: Vault,
    /// What is to be told.
    pub outbox: Outbox,
    /// To where.
    pub targets: Targets,
}

/// Why the reactor had to stop.
#[derive(Debug, thiserror::Error)]
pub enum ReactorError {
    /// The log can't be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A block can't be read.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// The outbox can't be read at the start.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    /// No TLS.
    #[error("TLS can't be set up: {0}")]
    Tls(#[from] tokio_rustls::rustls::Error),
}

/// Runs until `stop` is done. `clock` tells the time.
pub async fn run(
    parts: Parts,
    clock: impl Fn() -> Timestamp + Send,
    stop: impl Future<Output = ()>,
) -> Result<(), ReactorError> {
    tokio::pin!(stop);
    let client = Client::new(parts.targets)?;
    let Parts { log, commands, vault, outbox, .. } = parts;
    let mut follower = Follower {
        head: Head::empty(log.id()),
        timers: Timers::default(),
        mark: outbox.mark(log.id()).await?,
        changes: Changes::default(),
        outbox: outbox.clone(),
        log: log.clone(),
    };
    let mut appended = log.appended();
    let mut courier = Courier::new(outbox.clone(), client, log, vault);
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut tick, mut hints) = (0, true);
    loop {
        let mut ticked = false;
        let settled = tokio::select! {
            biased;
            () = &mut stop => {
                finish(&mut courier, &clock).await;
                return Ok(());
            }
            ended = courier.ended() => match ended {
                Ok(sent) => settle(&courier, &commands, sent, clock()).await,
                Err(error) => {
                    tracing::error!(%error, "a delivery broke off; it is tried again");
                    Ok(())
                }
            },
            _ = ticks.tick() => {
                ticked = true;
                Ok(())
            }
            changed = appended.changed(), if hints => {
                hints = changed.is_ok();
                Ok(())
            }
        };
        let caught_up = follower.catch_up(clock()).await?;
        let started = match (settled, caught_up) {
            (Ok(()), true) => courier.start(follower.timers.state(), clock()).await,
            (settled, _) => settled,
        };
        if let Err(error) = started {
            tracing::warn!(%error, "webhooks have to wait");
        }
        if ticked {
            if tick % TIMERS_EVERY == 0 {
                send_due(&commands, &follower.timers, clock()).await;
            }
            if tick % SWEEP_EVERY == 0
                && let Err(error) = outbox.sweep(clock()).await
            {
                tracing::warn!(%error, "old deliveries stay for now");
            }
            tick = tick.wrapping_add(1);
        }
    }
}

/// Notes how an attempt ended, and disables the webhook whose receiver says that it is gone.
async fn settle(
    courier: &Courier,
    commands: &Commands,
    sent: Sent,
    now: Timestamp,
) -> Result<(), OutboxError> {
    let n = sent.0.n;
    if let Some(webhook) = courier.settle(sent, now).await? {
        let reason = format!("gone/{webhook}/{n}/{now}");
        // Where it does not arrive, the next delivery is refused in the same way.
        submit(commands, envelope(&reason, DisableWebhook { webhook })).await;
    }
    Ok(())
}

/// What is under way ends and is noted, if it ends soon; else it is made once more.
async fn finish(courier: &mut Courier, clock: impl Fn() -> Timestamp) {
    let ending = async {
        while courier.is_sending() {
            if let Ok(sent) = courier.ended().await
                && let Err(error) = courier.settle(sent, clock()).await
            {
                tracing::warn!(%error, "a delivery is not noted, and will be made once more");
            }
        }
    };
    if tokio::time::timeout(FINISH_WITHIN, ending).await.is_err() {
        tracing::warn!("some deliveries were cut short, and will be made once more");
    }
}

async fn send_due(commands: &Commands, timers: &Timers, now: Timestamp) {
    for envelope in timers.due(now) {
        if !submit(commands, envelope).await {
            break;
        }
    }
}

/// Asks for what is due; false when it has to wait.
async fn submit(commands: &Commands, envelope: Envelope) -> bool {
    let (id, begun) = (envelope.id, Instant::now());
    match commands.submit(envelope).await {
        Ok(Ok(accepted)) => {
            let (command, took_us) = (id, begun.elapsed().as_micros() as u64);
            let (position, repeated) = (accepted.position, accepted.repeated);
            tracing::debug!(step = "submit", %command, %position, repeated, took_us, "accepted");
            tracing::info!(step = "due", %command, repeated, took_us, "did what was due");
        }
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
            return false;
        }
    }
    true
}

/// The fold of the log, and what it means for the outbox.
struct Follower {
    log: Log,
    head: Head,
    timers: Timers,
    outbox: Outbox,
    /// Up to where everything is in the outbox.
    mark: Position,
    /// What is not in it yet.
    changes: Changes,
}

impl Follower {
    /// Reads the log to its end; false when it or the outbox can't be reached for now, which is
    /// tried again at the next tick.
    async fn catch_up(&mut self, now: Timestamp) -> Result<bool, ReactorError> {
        loop {
            // No further before this is kept: what waits in memory is bounded by one read.
            if let Err(error) = self.keep(now).await {
                tracing::warn!(%error, "the outbox can't be written for now");
                return Ok(false);
            }
            let blocks = match self.log.read(self.head, READ_BYTES).await {
                Ok(blocks) => blocks,
                Err(error @ LogError::Unreachable { .. }) => {
                    tracing::warn!(%error, "the reactor waits for the log");
                    return Ok(false);
                }
                Err(error) => return Err(error.into()),
            };
            if blocks.is_empty() {
                return Ok(true);
            }
            for block in blocks {
                for (position, commit) in block.commits()? {
                    self.take(&commit, position, block.header.block);
                }
                self.head = block.head();
            }
        }
    }

    fn take(&mut self, commit: &Commit, position: Position, block: BlockNumber) {
        let mut gatherer = Gatherer::new(commit, position);
        let changes = &mut self.changes;
        let new = position > self.mark;
        self.timers.take(commit, |before, place| {
            if new {
                gatherer.look(before, place);
                end_or_retry(changes, before, &commit.events[place], position);
            }
        });
        let at = commit.time;
        let deliveries = gatherer.deliveries.into_iter();
        changes.new.extend(deliveries.map(|delivery| New { delivery, at, block, position }));
    }

    async fn keep(&mut self, now: Timestamp) -> Result<(), OutboxError> {
        while !self.changes.is_empty() {
            let to = self.head.position;
            if self.outbox.put(&self.changes, self.mark, to, now).await? {
                self.mark = to;
                self.changes = Changes::default();
            } else {
                self.mark = self.outbox.mark(self.log.id()).await?;
                self.changes.after(self.mark);
                if self.mark >= to {
                    self.changes = Changes::default();
                }
            }
        }
        Ok(())
    }
}

/// Webhooks that end, and deliveries that are asked for once more.
fn end_or_retry(changes: &mut Changes, before: &State, event: &Event, position: Position) {
    match event {
        Event::Webhook(WebhookEvent::Deleted(e)) => changes.gone.push(e.webhook_id),
        Event::Webhook(WebhookEvent::RetryRequested(e)) => {
            changes.retries.push((position, e.webhook_id, e.delivery));
        }
        Event::Webhook(WebhookEvent::Disabled(e)) => {
            changes.disabled.push((position, e.webhook_id));
        }
        Event::User(UserEvent::Deleted(e)) => {
            changes.gone.extend(before.webhooks.of(e.user_id).map(|(id, _)| id));
        }
        Event::Webhook(
            WebhookEvent::Created(_)
            | WebhookEvent::Enabled(_)
            | WebhookEvent::SecretRotated(_)
            | WebhookEvent::TestRequested(_),
        )
        | Event::User(_)
        | Event::Room(_) => {}
    }
}
