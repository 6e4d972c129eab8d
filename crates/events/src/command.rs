//! Every command, who asks, and the typed reasons for which one is refused.

use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::id::{CommandId, EventId, MessageId, ParticipantId, RoomId, TokenId};
use crate::id::{TranscriptId, UserId, WebhookId};
use crate::room::RoomCommand;
use crate::state::State;
use crate::subject::Subject;
use crate::time::Timestamp;
use crate::user::UserCommand;
use crate::webhook::WebhookCommand;

/// Who asks. It comes from the authenticated connection, never from a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// Nobody known: registration, log-in, reset.
    Anonymous,
    /// A user, by token or session.
    User(UserId),
    /// A part of this system.
    System(SystemRole),
}

/// The parts of the system that act on their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SystemRole {
    /// An API process: activity, failed log-ins.
    Api,
    /// A recognition worker.
    Recognizer,
    /// The reactor's timers.
    Reactor,
    /// A person at the command line of the machine.
    Operator,
}

impl Actor {
    /// The user who asks, if a user does.
    pub fn user(self) -> Option<UserId> {
        match self {
            Self::User(user) => Some(user),
            Self::Anonymous | Self::System(_) => None,
        }
    }
}

/// Everything that can be asked, by what it concerns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Of users.
    User(UserCommand),
    /// Of rooms.
    Room(RoomCommand),
    /// Of webhooks.
    Webhook(WebhookCommand),
}

/// A command on its way to the decider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// The command's name: sent again under it, it is not decided again.
    pub id: CommandId,
    /// Who asks.
    pub actor: Actor,
    /// Ties everything together that came from one request.
    pub correlation: Option<String>,
    /// The event that made this command necessary, for reactions.
    pub causation: Option<EventId>,
    /// Keyed digest of the request's body: a retry with another body is told apart.
    pub body: Option<u64>,
    /// What is asked.
    pub command: Command,
}

/// What the writer stamps a command with just before `decide`.
#[derive(Debug)]
pub struct Stamp {
    /// The time of the commit, never before the last commit's.
    pub now: Timestamp,
    next_id: u64,
}

impl Stamp {
    const ID_EPOCH_MILLIS: i64 = 1_577_836_800_000; // 2020-01-01
    const COUNTER_BITS: u32 = 12;

    /// A stamp at `now` whose ids are greater than `last_id`.
    pub fn new(now: Timestamp, last_id: u64) -> Self {
        let millis = (now.micros() / 1000 - Self::ID_EPOCH_MILLIS).max(0).unsigned_abs();
        Self { now, next_id: (millis << Self::COUNTER_BITS).max(last_id + 1) }
    }

    /// A new id: (milliseconds since 2020) << 12 | counter, rising, below 2^53.
    pub fn id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    /// The greatest id that was given, to make the next stamp from.
    pub fn last_id(&self) -> u64 {
        self.next_id - 1
    }
}

/// What a commit made or touched: the id that its caller wants to hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Created {
    /// A user.
    User(UserId),
    /// A token of a user.
    Token(TokenId),
    /// A room.
    Room(RoomId),
    /// A participant.
    Participant(ParticipantId),
    /// A chat message.
    Message(MessageId),
    /// A segment of the transcript.
    Transcript(TranscriptId),
    /// A webhook.
    Webhook(WebhookId),
}

impl Created {
    /// The number, whatever it names.
    pub fn id(self) -> u64 {
        match self {
            Self::User(id) => id.get(),
            Self::Token(id) => id.get(),
            Self::Room(id) => id.get(),
            Self::Participant(id) => id.get(),
            Self::Message(id) => id.get(),
            Self::Transcript(id) => id.get(),
            Self::Webhook(id) => id.get(),
        }
    }
}

/// A field's name as the API has it. Under a name of its own, since serde would let a plain
/// reference be read from text that lives for ever only.
pub type FieldName = &'static str;

/// Why a command is refused. Nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Rejection {
    /// A field is not what it should be.
    #[error("{field} {detail}")]
    Invalid {
        /// The field, as the API names it.
        #[serde(deserialize_with = "field_name")]
        field: FieldName,
        /// What is wrong, with the value where that is no secret.
        detail: String,
    },
    /// Another user has this name.
    #[error("this username is taken; choose another")]
    UsernameTaken,
    /// Another user has this address.
    #[error("this e-mail address is in use; log in or use another")]
    EmailTaken,
    /// The room code that the API drew is in use; it draws another.
    #[error("this room code is in use")]
    RoomCodeTaken,
    /// It does not exist, or the actor may not know that it does.
    #[error("there is no such {0}")]
    NotFound(#[serde(deserialize_with = "field_name")] FieldName),
    /// The actor may not do this.
    #[error("{0}")]
    Forbidden(String),
    /// The actor is blocked.
    #[error("this account is blocked")]
    Blocked,
    /// The token or session does not exist any more.
    #[error("this log-in has ended; log in again")]
    LoggedOut,
    /// The room takes nobody in.
    #[error("this room is locked")]
    RoomLocked,
    /// The room removed this user.
    #[error("you were removed from this room; ask its owner to let you in")]
    Removed,
    /// The room is over.
    #[error("this room is closed")]
    RoomClosed,
    /// The room's capacity is reached.
    #[error("this room is full: {0} people are in it")]
    RoomFull(u32),
    /// Waiting in the lobby.
    #[error("the owner has not admitted you yet")]
    NotAdmitted,
    /// Captions were not switched on by their signer.
    #[error("captions are off for this participant; switch them on first")]
    NoConsent,
    /// What was read is not what is there now.
    #[error("it was changed in the meantime; read it again")]
    Stale,
    /// It cannot happen twice, or not any more.
    #[error("{0}")]
    Gone(String),
    /// The same command id with another body.
    #[error("this idempotency key was used for another request; use a new key")]
    KeyReused,
    /// It is against the rule that keeps an administrator.
    #[error("{0}")]
    LastAdmin(String),
}

/// Rejections travel between processes; their field names come back as static text.
fn field_name<'de, D: serde::Deserializer<'de>>(from: D) -> Result<&'static str, D::Error> {
    const KNOWN: [&str; 25] = [
        "url",
        "events",
        "webhook",
        "username",
        "email",
        "password",
        "reason",
        "msg_content",
        "ts_content",
        "display_name",
        "capacity",
        "retention_days",
        "owner_id",
        "room",
        "user",
        "message",
        "transcript",
        "participant",
        "token",
        "start_ms",
        "end_ms",
        "confidence",
        "model",
        "language",
        "consent",
    ];
    let text = std::borrow::Cow::<str>::deserialize(from)?;
    Ok(KNOWN.iter().find(|known| **known == text).copied().unwrap_or("field"))
}

/// The kinds of refusal; the API maps each to one status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RejectionKind {
    /// The request is not valid.
    Invalid,
    /// It collides with what is there.
    Conflict,
    /// There is none, or none that the actor may see.
    NotFound,
    /// Not allowed.
    Forbidden,
    /// Not logged in (any more).
    Unauthorized,
    /// Was there once.
    Gone,
    /// The precondition failed.
    Stale,
}

impl Rejection {
    /// The kind, and the stable code that programs read.
    pub fn kind(&self) -> (RejectionKind, &'static str) {
        use RejectionKind as K;
        match self {
            Self::Invalid { .. } => (K::Invalid, "invalid"),
            Self::UsernameTaken => (K::Conflict, "username_taken"),
            Self::EmailTaken => (K::Conflict, "email_taken"),
            Self::RoomCodeTaken => (K::Conflict, "room_code_taken"),
            Self::NotFound(_) => (K::NotFound, "not_found"),
            Self::Forbidden(_) => (K::Forbidden, "forbidden"),
            Self::Blocked => (K::Forbidden, "blocked"),
            Self::LoggedOut => (K::Unauthorized, "logged_out"),
            Self::RoomLocked => (K::Forbidden, "room_locked"),
            Self::Removed => (K::Forbidden, "removed"),
            Self::RoomClosed => (K::Conflict, "room_closed"),
            Self::RoomFull(_) => (K::Conflict, "room_full"),
            Self::NotAdmitted => (K::Forbidden, "not_admitted"),
            Self::NoConsent => (K::Conflict, "no_consent"),
            Self::Stale => (K::Stale, "stale"),
            Self::Gone(_) => (K::Gone, "gone"),
            Self::KeyReused => (K::Invalid, "idempotency_key_reused"),
            Self::LastAdmin(_) => (K::Conflict, "last_admin"),
        }
    }
}

/// What `decide` answers: the events of one commit, all about one subject.
/// No events means that things already are as asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// What the commit concerns.
    pub subject: Subject,
    /// What happened.
    pub events: Vec<Event>,
    /// What the caller wants to hear about.
    pub created: Option<Created>,
}

impl Command {
    /// Decides this command on the state of the log's end. Pure and total.
    pub fn decide(
        &self,
        state: &State,
        actor: Actor,
        stamp: &mut Stamp,
    ) -> Result<Decision, Rejection> {
        match self {
            Self::User(command) => command.decide(state, actor, stamp),
            Self::Room(command) => command.decide(state, actor, stamp),
            Self::Webhook(command) => command.decide(state, actor, stamp),
        }
    }
}

/// Lets every payload be handed over as a [`Command`].
macro_rules! payloads {
    ($($enum:ident as $aggregate:ident in $module:ident: $($file:ident::$payload:ident),* ;)*) => {$($(
        impl From<crate::$module::command::$file::$payload> for Command {
            fn from(payload: crate::$module::command::$file::$payload) -> Self {
                Self::$aggregate($enum::$payload(payload))
            }
        }
    )*)*};
}

payloads! {
    UserCommand as User in user: register::Register, login::LogIn, login::RecordLoginFailures, login::ExpireLock,
        login::RecordSeen, token::RenewToken, token::RevokeToken, token::RevokeTokens,
        account::ChangePassword, account::ChangeNames, account::DeleteUser,
        reset::RequestReset, reset::ResetPassword, guest::RegisterGuest, admin::GrantAdmin, admin::RevokeAdmin,
        admin::Block, admin::Unblock, admin::NoteTaught;
    RoomCommand as Room in room: create::Create, join::Join, join::JoinAsGuest, leave::Leave,
        leave::Remove, leave::SendBack, admit::Admit, settings::ChangeSettings,
        close::Close, close::Delete, expire::ExpireTexts, captions::SetCaptions, message::SendMessage,
        message::EditMessage, message::DeleteMessage, transcript::RecordTranscript,
        transcript::TypeCaption, transcript::CorrectTranscript,
        revise::ReviseTranscript;
    WebhookCommand as Webhook in webhook: manage::CreateWebhook, manage::DeleteWebhook,
        manage::DisableWebhook, manage::EnableWebhook, manage::RotateSecret, manage::TestWebhook,
        manage::RetryDelivery;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejections_read_back_as_they_were_sent() {
        let there_and_back = |rejection: &Rejection| {
            let text = serde_json::to_string(rejection).unwrap();
            serde_json::from_str::<Rejection>(&text).unwrap()
        };
        for name in ["room", "username", "language", "webhook", "token"] {
            let rejection = Rejection::NotFound(name);
            assert_eq!(there_and_back(&rejection), rejection);
        }
        // Of a newer process: what it says is kept, its name is not known.
        assert_eq!(there_and_back(&Rejection::NotFound("moon")), Rejection::NotFound("field"));
    }

    #[test]
    fn ids_rise_from_the_time_or_from_the_last_one() {
        let now = Timestamp::from_micros(1_577_836_800_000_000 + 3000);
        let mut stamp = Stamp::new(now, 0);
        assert_eq!([stamp.id(), stamp.id()], [3 << 12, (3 << 12) + 1]);
        assert_eq!(stamp.last_id(), (3 << 12) + 1);
        assert_eq!(Stamp::new(now, 1 << 40).id(), (1 << 40) + 1);
        assert_eq!(Stamp::new(Timestamp::from_micros(0), 0).id(), 1);
    }
}
