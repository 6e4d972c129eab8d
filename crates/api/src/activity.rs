//! What is written down later and together, so that nobody can fill the log: who was active, and
//! wrong passwords.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use events::user::command::login::{RecordLoginFailures, RecordSeen, SEEN_EVERY_S, SEEN_MAX};
use events::{Actor, Command, CommandId, Envelope, SystemRole, Timestamp, UserId};
use parking_lot::Mutex;

use crate::state::App;

/// Users whose activity or failures wait to be written down, each; more are not noted.
const WAITING_MAX: usize = 65_536;
/// How often failures are written down.
const FAILURES_EVERY: Duration = Duration::from_millis(250);
/// Activity is written down in every so many rounds.
const SEEN_ROUNDS: u32 = 20;

/// What waits to be written down.
#[derive(Default)]
pub(crate) struct Activity {
    seen: Mutex<HashMap<UserId, Timestamp>>,
    failures: Mutex<HashMap<UserId, u32>>,
}

impl Activity {
    /// A user did something; kept when the last time written down is a minute old.
    pub(crate) fn seen(&self, user: UserId, last_seen: Timestamp, now: Timestamp) {
        if now.seconds_since(last_seen) < SEEN_EVERY_S {
            return;
        }
        let mut seen = self.seen.lock();
        if seen.len() < WAITING_MAX {
            seen.entry(user).or_insert(now);
        }
    }

    /// A wrong password for this user's account.
    pub(crate) fn failed(&self, user: UserId) {
        let mut failures = self.failures.lock();
        if failures.len() < WAITING_MAX || failures.contains_key(&user) {
            *failures.entry(user).or_default() += 1;
        }
    }

    /// The right password came: what was not yet written down is forgotten.
    pub(crate) fn succeeded(&self, user: UserId) {
        self.failures.lock().remove(&user);
    }
}

/// Writes down what waits, until the server stops, and once more then.
pub(crate) async fn keep_writing(app: App) {
    let mut round = 0;
    loop {
        let stopping = tokio::time::timeout(FAILURES_EVERY, app.stopping.cancelled()).await.is_ok();
        write_failures(&app).await;
        round += 1;
        if stopping || round % SEEN_ROUNDS == 0 {
            write_seen(&app).await;
        }
        if stopping {
            return;
        }
    }
}

async fn write_failures(app: &App) {
    let users: Vec<_> = app.activity.failures.lock().keys().copied().collect();
    for user in users {
        write_failures_of(app, user).await;
    }
}

/// Writes down a user's wrong passwords before something is decided that they may forbid: each is
/// taken out only as it is handed in, so that it is ahead of whatever is handed in afterwards.
pub(crate) async fn write_failures_of(app: &App, user: UserId) {
    let waiting = app.activity.failures.lock().remove(&user);
    if let Some(attempts) = waiting {
        let (lock_after, lock_s) = (app.config.lock_after, app.config.lock_s);
        submit(app, RecordLoginFailures { user, attempts, lock_after, lock_s }).await;
    }
}

async fn write_seen(app: &App) {
    let seen: Vec<_> = std::mem::take(&mut *app.activity.seen.lock()).into_iter().collect();
    for seen in seen.chunks(SEEN_MAX) {
        submit(app, RecordSeen { seen: seen.to_vec() }).await;
    }
}

async fn submit(app: &App, command: impl Into<Command>) {
    let envelope = Envelope {
        id: CommandId::from_uuid(uuid::Uuid::new_v4()),
        actor: Actor::System(SystemRole::Api),
        correlation: None,
        causation: None,
        body: None,
        command: command.into(),
    };
    let (command, begun) = (envelope.id, Instant::now());
    match app.commands.submit(envelope).await {
        Ok(Ok(accepted)) => {
            let (position, took_us) = (accepted.position, begun.elapsed().as_micros() as u64);
            tracing::debug!(step = "submit", %command, %position, took_us, "accepted");
            tracing::debug!(step = "due", %command, took_us, "activity was written down");
        }
        // Deleted meanwhile: there is nothing to count any more.
        Ok(Err(rejection)) => tracing::debug!(%rejection, "activity was not written down"),
        Err(error) => tracing::warn!(%error, "activity was not written down"),
    }
}
