//! What all handlers share: the ways to the decider, the Follower, the tables and the live
//! channel, and the small bounded memories of one API process.

use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use decider::{Clock, Follower};
use events::{Actor, Command, CommandId, Envelope, Position, State, Timestamp, UserId};
use projector::Store;
use streams::{Accepted, Commands, Frames, Live, Outcome, SubmitError};
use tokio_util::sync::CancellationToken;
use vault::{Secrets, Vault};

use crate::activity::Activity;
use crate::config::ApiConfig;
use crate::context::Context;
use crate::error::ApiError;
use crate::guesses::Proof;
use crate::keeper::Keeper;
use crate::keys::Keys;
use crate::live::elsewhere::Elsewhere;
use crate::live::hub::Hub;
use crate::models::SharedModels;
use crate::password::Passwords;
use crate::recent::Recent;
use crate::secret::Secret;
use crate::teaching::Teaching;
use crate::throttle::Throttle;
use crate::tickets::Tickets;
use crate::tls::Tls;

/// Sends a link for a new password: to this address, with this secret. Does not wait.
pub type ResetMail = Arc<dyn Fn(&str, &Secret) + Send + Sync>;

/// What an API process stands on.
pub struct Parts {
    /// The way to the decider.
    pub commands: Commands,
    /// The fold of the log that decides who may do what.
    pub follower: Follower,
    /// The tables, for reading.
    pub store: Store,
    /// The way for frame batches.
    pub frames: Frames,
    /// The way for ephemeral messages.
    pub live: Live,
    /// Opens personal fields.
    pub vault: Vault,
    /// Digests names, signs cookies, peppers passwords.
    pub secrets: Secrets,
    /// The models that can write captions; people choose one of them, and teach them.
    pub models: SharedModels,
    /// Sends links for new passwords by mail; without it, administrators hand them out.
    pub reset_mail: Option<ResetMail>,
    /// Shared with the TURN servers; without it, they ask for no password.
    pub turn_secret: Option<Secret>,
    /// What TLS is spoken with; without it, plain HTTP.
    pub tls: Option<Tls>,
    /// Tells the time.
    pub clock: Clock,
    /// Limits and choices.
    pub config: ApiConfig,
}

/// Shared by all handlers. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

pub(crate) struct Shared {
    parts: Parts,
    pub(crate) passwords: Passwords,
    pub(crate) activity: Activity,
    pub(crate) tickets: Tickets,
    pub(crate) recent: Recent,
    pub(crate) uploads: Keys,
    pub(crate) keeper: Keeper,
    pub(crate) teaching: Teaching,
    pub(crate) throttles: Throttled,
    pub(crate) hub: Hub,
    pub(crate) elsewhere: Elsewhere,
    /// Cancelled when the server stops.
    pub(crate) stopping: CancellationToken,
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Deref for Shared {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

/// The throttles of one process.
pub(crate) struct Throttled {
    pub(crate) registrations: Throttle<u64>,
    pub(crate) logins: Throttle<u64>,
    pub(crate) wrong_passwords: Throttle<events::NameDigest>,
    pub(crate) own_passwords: Throttle<(UserId, Proof)>,
    pub(crate) chat: Throttle<UserId>,
    pub(crate) unknown_codes: Throttle<UserId>,
    pub(crate) resets: Throttle<u64>,
    pub(crate) exports: Throttle<UserId>,
}

/// How long a command may wait for its answer.
const SUBMIT_WITHIN: Duration = Duration::from_secs(10);
/// How long a read waits for what was written before it.
const CATCH_UP_WITHIN: Duration = Duration::from_secs(2);

/// What goes with a command besides the command.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) actor: Actor,
    pub(crate) id: CommandId,
    pub(crate) body: Option<u64>,
    pub(crate) context: Context,
    pub(crate) token: Option<events::TokenId>,
}

impl Ask {
    /// The same command without its idempotency key: its answer hands out a secret.
    pub(crate) fn unrepeatable(&self) -> Self {
        let id = CommandId::from_uuid(uuid::Uuid::new_v4());
        let (actor, context, token) = (self.actor, self.context.clone(), self.token);
        Self { actor, id, body: None, context, token }
    }

    /// The command that a request makes after its first: a retry makes the same one.
    pub(crate) fn second(&self, name: &str) -> Self {
        Self {
            actor: self.actor,
            id: CommandId::derived(self.id.uuid(), name),
            body: self.body,
            context: self.context.clone(),
            token: self.token,
        }
    }
}

impl App {
    pub(crate) fn new(parts: Parts, stopping: CancellationToken) -> Result<Self, ApiError> {
        let throttles = &parts.config.throttles;
        let throttles = Throttled {
            registrations: Throttle::new(throttles.registrations),
            logins: Throttle::new(throttles.logins),
            wrong_passwords: Throttle::stepped(
                throttles.wrong_passwords,
                throttles.wrong_password_steps.clone(),
            ),
            own_passwords: Throttle::stepped(
                throttles.own_passwords,
                throttles.wrong_password_steps.clone(),
            ),
            chat: Throttle::new(throttles.chat),
            unknown_codes: Throttle::new(throttles.unknown_codes),
            resets: Throttle::new(throttles.resets),
            exports: Throttle::new(throttles.exports),
        };
        Ok(Self(Arc::new(Shared {
            passwords: Passwords::start(parts.secrets.pepper(), parts.config.bcrypt_cost)?,
            activity: Activity::default(),
            tickets: Tickets::since((parts.clock)()),
            recent: Recent::default(),
            uploads: Keys::default(),
            keeper: Keeper::default(),
            teaching: Teaching::default(),
            throttles,
            hub: Hub::default(),
            elsewhere: Elsewhere::default(),
            stopping,
            parts,
        })))
    }

    /// Sends a command to the decider, waits until it is durable and this process has seen it.
    pub(crate) async fn submit(
        &self,
        ask: &Ask,
        command: impl Into<Command>,
    ) -> Result<Accepted, ApiError> {
        let envelope = Envelope {
            id: ask.id,
            actor: ask.actor,
            correlation: Some(ask.context.id().to_owned()),
            causation: None,
            body: ask.body,
            command: command.into(),
        };
        let begun = Instant::now();
        let answer = tokio::time::timeout(SUBMIT_WITHIN, self.commands.submit(envelope)).await;
        let answer = answer.unwrap_or(Err(SubmitError::Unavailable));
        trace(ask, &answer, begun.elapsed());
        let accepted = answer??;
        ask.context.say_position(accepted.position);
        if let Some(token) = ask.token {
            self.recent.note(token, accepted.position);
        }
        self.follower.wait_for(accepted.position, CATCH_UP_WITHIN).await;
        Ok(accepted)
    }
}

/// Tells which request's command was answered how.
fn trace(ask: &Ask, answer: &Result<Outcome, SubmitError>, took: Duration) {
    let (step, request_id, command) = ("submit", ask.context.id(), ask.id);
    let took_us = took.as_micros() as u64;
    match answer {
        Ok(Ok(accepted)) => {
            let (position, repeated) = (accepted.position, accepted.repeated);
            let outcome = "accepted";
            tracing::debug!(step, request_id, %command, %position, repeated, outcome, took_us, "accepted");
        }
        Ok(Err(_)) => {
            let outcome = "rejected";
            tracing::debug!(step, request_id, %command, outcome, took_us, "rejected");
        }
        Err(error) => {
            let outcome = "failed";
            tracing::debug!(step, request_id, %command, outcome, took_us, %error, "not answered");
        }
    }
}

impl Shared {
    /// Refuses a model that nobody has.
    pub(crate) fn check_model(&self, model: Option<&str>) -> Result<(), ApiError> {
        match model {
            Some(name) => {
                let known = self.models.names();
                if known.iter().any(|known| known == name) {
                    return Ok(());
                }
                let known = known.join(", ");
                Err(ApiError::field("model", format!("{name:?} is not known; known are {known}")))
            }
            None => Ok(()),
        }
    }

    /// The time.
    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Looks at the fold of the log.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        self.follower.read(look)
    }

    /// Waits until the tables show everything up to a position.
    pub(crate) async fn caught_up(&self, position: Position) -> Result<(), ApiError> {
        if self.store.wait_for(position, CATCH_UP_WITHIN).await? {
            return Ok(());
        }
        Err(ApiError::ProjectionBehind(position.get()))
    }
}
