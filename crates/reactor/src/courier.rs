//! Takes what is due out of the outbox, sends it, and notes what became of it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use events::user::User;
use events::webhook::Webhook;
use events::{BlockNumber, CommandId, Commit, KeyScope, State, Timestamp, UserId, WebhookId};
use streams::Log;
use tokio::task::{Id, JoinError, JoinSet};
use vault::Vault;

use crate::outbox::{DISABLED, Ended, Outbox, OutboxError, Pending};
use crate::webhooks::{Client, Failed, Head, body, signature};

/// Deliveries under way at the same time.
const SENDING_MAX: usize = 64;
/// Of them to one receiver: one that is slow holds up no other.
pub(crate) const OF_WEBHOOK_MAX: usize = 2;
/// And of one owner's webhooks together.
const OF_OWNER_MAX: usize = 4;
/// How often it is looked for more when what was due could not all be begun.
const LOOKS_MAX: usize = 4;
/// A delivery that a reactor took and never settled is due again after this many seconds.
const LEASE_S: i64 = 60;
/// Attempts before a delivery is given up: the last comes about an hour and a half after the first.
pub const ATTEMPTS_MAX: i64 = 10;
/// The pause after the first failure; it doubles with each further one.
const PAUSE: Duration = Duration::from_secs(5);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_hours(1);
/// The receiver does not want to hear of anything again.
const GONE: u16 = 410;

/// What came back of one attempt.
pub(crate) type Sent = (Pending, Result<u16, Failed>);

/// Sends what is due. Holds what is under way; dropped, that is tried again after its lease.
pub(crate) struct Courier {
    outbox: Outbox,
    client: Client,
    log: Log,
    vault: Vault,
    sending: JoinSet<Sent>,
    /// Whose webhook each of them is for.
    under_way: HashMap<Id, (WebhookId, UserId)>,
    /// The webhook that was served last: the next one has its turn.
    last: WebhookId,
    /// The block that was read last: deliveries of one moment lie in the same one.
    read: Option<(BlockNumber, Vec<(events::Position, Commit)>)>,
}

/// Why a delivery could not even be tried.
#[derive(Debug, thiserror::Error)]
enum Unsent {
    #[error(transparent)]
    Log(#[from] streams::LogError),
    #[error(transparent)]
    Block(#[from] events::BlockError),
    #[error(transparent)]
    Vault(#[from] vault::VaultError),
    /// For good.
    #[error("{0}")]
    Never(&'static str),
}

/// Address, signature and body of a delivery.
struct Letter {
    url: String,
    timestamp: i64,
    signature: String,
    body: Vec<u8>,
    /// The request and the command that it tells of.
    request_id: Option<String>,
    command: CommandId,
}

impl Courier {
    pub(crate) fn new(outbox: Outbox, client: Client, log: Log, vault: Vault) -> Self {
        let (sending, under_way) = (JoinSet::new(), HashMap::new());
        let last = WebhookId::new(0);
        Self { outbox, client, log, vault, sending, under_way, last, read: None }
    }

    /// Waits until an attempt has ended; for ever when none is under way.
    pub(crate) async fn ended(&mut self) -> Result<Sent, JoinError> {
        match self.sending.join_next_with_id().await {
            Some(Ok((id, sent))) => {
                self.under_way.remove(&id);
                Ok(sent)
            }
            Some(Err(error)) => {
                self.under_way.remove(&error.id());
                Err(error)
            }
            None => std::future::pending().await,
        }
    }

    /// Whether an attempt is under way.
    pub(crate) fn is_sending(&self) -> bool {
        !self.sending.is_empty()
    }

    /// Starts what is due, as far as there is room: of each webhook in turn.
    pub(crate) async fn start(&mut self, state: &State, now: Timestamp) -> Result<(), OutboxError> {
        for _ in 0..LOOKS_MAX {
            let room = SENDING_MAX.saturating_sub(self.sending.len());
            if room == 0 {
                break;
            }
            let due = self.outbox.due(now, &self.full(state), self.last, room).await?;
            if due.is_empty() {
                break;
            }
            for pending in due {
                let owner = state.webhooks.get(pending.webhook).map(|webhook| webhook.owner);
                if !owner.is_some_and(|owner| self.is_full(pending.webhook, owner)) {
                    self.begin(pending, state, now).await?;
                }
            }
        }
        Ok(())
    }

    /// Whether no more may be sent to a webhook, or for its owner, until something has ended.
    fn is_full(&self, webhook: WebhookId, owner: UserId) -> bool {
        let count = |meant: &dyn Fn(&(WebhookId, UserId)) -> bool| {
            self.under_way.values().filter(|one| meant(one)).count()
        };
        count(&|one| one.0 == webhook) >= OF_WEBHOOK_MAX
            || count(&|one| one.1 == owner) >= OF_OWNER_MAX
    }

    /// The webhooks to which no more may be sent until something has ended.
    fn full(&self, state: &State) -> Vec<WebhookId> {
        let mut owners: Vec<UserId> = self.under_way.values().map(|one| one.1).collect();
        owners.sort_unstable();
        owners.dedup();
        let theirs = owners
            .into_iter()
            .flat_map(|owner| state.webhooks.of(owner).map(move |(webhook, _)| (webhook, owner)));
        theirs.filter(|(id, owner)| self.is_full(*id, *owner)).map(|(id, _)| id).collect()
    }

    async fn begin(
        &mut self,
        pending: Pending,
        state: &State,
        now: Timestamp,
    ) -> Result<(), OutboxError> {
        if !self.outbox.claim(&pending, now.plus_seconds(LEASE_S)).await? {
            return Ok(());
        }
        self.last = pending.webhook;
        let pending = Pending { attempts: pending.attempts + 1, ..pending };
        match self.letter(&pending, state, now).await {
            Ok((owner, letter)) => self.send(pending, owner, letter),
            Err(Unsent::Never(why)) => {
                self.outbox.settle(&pending, &Ended::Dead, now, None, Some(why)).await?;
            }
            Err(error) => {
                tracing::warn!(webhook = %pending.webhook, n = pending.n, %error, "a delivery has to wait");
                let again = Ended::Again(now.plus_seconds(pause_s(pending.attempts)));
                self.outbox.settle(&pending, &again, now, None, None).await?;
            }
        }
        Ok(())
    }

    fn send(&mut self, pending: Pending, owner: UserId, letter: Letter) {
        let (client, webhook) = (self.client.clone(), pending.webhook);
        let task = self.sending.spawn(async move {
            let head = Head {
                id: &pending.event,
                timestamp: letter.timestamp,
                signature: &letter.signature,
            };
            let begun = Instant::now();
            let sent = client.send(&letter.url, head, letter.body).await;
            let took_us = begun.elapsed().as_micros() as u64;
            let (step, request_id) = ("deliver", letter.request_id.as_deref());
            let (command, status) = (letter.command, sent.as_ref().ok());
            let delivered = matches!(status, Some(200..300));
            let outcome = if delivered { "delivered" } else { "failed" };
            tracing::debug!(step, request_id, %command, outcome, status, took_us, "told a webhook");
            (pending, sent)
        });
        self.under_way.insert(task.id(), (webhook, owner));
    }

    /// Notes how an attempt ended; says which webhook has to be disabled, if one has.
    pub(crate) async fn settle(
        &self,
        (pending, sent): Sent,
        now: Timestamp,
    ) -> Result<Option<WebhookId>, OutboxError> {
        let (status, error) = match sent {
            Ok(status) => (Some(status), None),
            Err(failed) => (None, Some(failed.to_string())),
        };
        let ended = match status {
            Some(200..300) => Ended::Delivered,
            Some(GONE) => Ended::Dead,
            Some(_) | None if pending.attempts >= ATTEMPTS_MAX => Ended::Dead,
            Some(_) | None => Ended::Again(now.plus_seconds(pause_s(pending.attempts))),
        };
        tracing::debug!(webhook = %pending.webhook, n = pending.n, ?status, ?ended, "a delivery was tried");
        self.outbox.settle(&pending, &ended, now, status, error.as_deref()).await?;
        Ok((status == Some(GONE)).then_some(pending.webhook))
    }

    async fn letter(
        &mut self,
        pending: &Pending,
        state: &State,
        now: Timestamp,
    ) -> Result<(UserId, Letter), Unsent> {
        let webhook = state.webhooks.get(pending.webhook);
        let webhook = webhook.ok_or(Unsent::Never("the webhook was deleted"))?;
        if state.users.get(webhook.owner).is_none_or(User::is_blocked) {
            return Err(Unsent::Never("the webhook's owner is blocked"));
        }
        if webhook.disabled.is_some() {
            return Err(Unsent::Never(DISABLED));
        }
        let scope = KeyScope::User(webhook.owner);
        let label = events::sealed::label("webhook.url", pending.webhook.get());
        let url = self.vault.read(scope, &label, &webhook.url).await?.into_text();
        let secrets = self.secrets(pending.webhook, webhook, now).await?;
        let Some(url) = url.filter(|_| !secrets.is_empty()) else {
            return Err(Unsent::Never("the webhook's owner was deleted"));
        };
        let commit = self.commit(pending).await?;
        let (request_id, command) = (commit.correlation.clone(), commit.command);
        let body = body(pending, commit, state, &self.vault).await?;
        let timestamp = now.micros() / 1_000_000;
        let signed = secrets.iter().map(|key| signature(key, &pending.event, timestamp, &body));
        let signatures: Option<Vec<String>> = signed.collect();
        let signature =
            signatures.ok_or(Unsent::Never("the webhook's secret can't be used"))?.join(" ");
        let letter = Letter { url, timestamp, signature, body, request_id, command };
        Ok((webhook.owner, letter))
    }

    /// What a delivery is signed with: the secret, and for a while the one before it.
    async fn secrets(
        &self,
        id: WebhookId,
        webhook: &Webhook,
        now: Timestamp,
    ) -> Result<Vec<String>, Unsent> {
        let label = events::sealed::label("webhook.secret", id.get());
        let former = webhook.former.as_ref().filter(|former| now < former.until);
        let mut secrets = Vec::new();
        for sealed in [Some(&webhook.secret), former.map(|former| &former.secret)] {
            let Some(sealed) = sealed else { continue };
            let opened = self.vault.read(KeyScope::User(webhook.owner), &label, sealed).await?;
            secrets.extend(opened.into_text());
        }
        Ok(secrets)
    }

    async fn commit(&mut self, pending: &Pending) -> Result<Commit, Unsent> {
        const MISSING: Unsent = Unsent::Never("the log does not hold it any more");
        if self.read.as_ref().is_none_or(|(block, _)| *block != pending.block) {
            let block = self.log.block(pending.block).await?.ok_or(MISSING)?;
            self.read = Some((pending.block, block.commits()?));
        }
        let commits = self.read.iter().flat_map(|(_, commits)| commits);
        let mut found = commits.filter(|(position, _)| *position == pending.position);
        found.next().map(|(_, commit)| commit.clone()).ok_or(MISSING)
    }
}

/// Seconds until the next attempt: twice as long each time, up to a fifth more by chance, so that
/// receivers that come back are not met by all at once.
fn pause_s(attempts: i64) -> i64 {
    let doubled = u32::try_from(attempts - 1).unwrap_or(0).min(16);
    let pause = PAUSE.saturating_mul(1 << doubled).min(PAUSE_MAX).as_secs() as i64;
    pause + rand::random_range(0..=pause / 5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_an_hour() {
        for (attempts, least) in [(1, 5), (2, 10), (5, 80), (10, 2560), (11, 3600), (90, 3600)] {
            let pause = pause_s(attempts);
            assert!((least..=least + least / 5).contains(&pause), "{attempts}: {pause}");
        }
    }
}
