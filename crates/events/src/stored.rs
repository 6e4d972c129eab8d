//! History as it was written: one enum of every tag ever shipped, each ending in `.vN`.
//!
//! Append-only. The newest shape of a tag is the event's own payload; when a payload changes, its
//! old struct moves to its aggregate's `stored.rs`, keeps its line in the table below (under
//! `retired`) and its golden file for ever, and gets a `From` to the new one.

use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::room::{self, RoomEvent};
use crate::user::{self, UserEvent};
use crate::webhook::{self, WebhookEvent};

/// Why a line of a block can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    /// It is not the JSON it should be.
    #[error("{0}")]
    Json(#[source] serde_json::Error),
    /// A tag that this binary does not know.
    #[error("the event type {tag:?} is unknown: it was written by a newer version; use that one")]
    UnknownTag {
        /// The tag.
        tag: String,
    },
}

impl StoredError {
    /// Tells an unknown tag from broken JSON.
    pub(crate) fn of_line(line: &str, error: serde_json::Error) -> Self {
        #[derive(Deserialize)]
        struct Tag {
            r#type: String,
        }
        #[derive(Deserialize)]
        struct Tags {
            events: Vec<Tag>,
        }
        let known = |tag: &str| StoredEvent::TAGS.contains(&tag);
        let tags = serde_json::from_str::<Tags>(line).map(|t| t.events).unwrap_or_default();
        match tags.into_iter().find(|tag| !known(&tag.r#type)) {
            Some(tag) => Self::UnknownTag { tag: tag.r#type },
            None => Self::Json(error),
        }
    }
}

/// Declares the table: tag, stored variant and shape, the event it is today.
macro_rules! stored_events {
    ($($tag:literal $stored:ident($payload:ty) => $aggregate:ident($event:ident::$variant:ident),)*
     retired: $($old_tag:literal $old:ident($old_payload:ty) => $old_aggregate:ident($old_event:ident::$old_variant:ident),)*) => {
        /// One stored event: a tag and its data.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "type", content = "data")]
        #[expect(missing_docs, reason = "each variant is its event's payload under its tag")]
        pub enum StoredEvent {
            $(#[serde(rename = $tag)] $stored($payload),)*
            $(#[serde(rename = $old_tag)] $old($old_payload),)*
        }

        impl StoredEvent {
            /// Every tag that was ever shipped.
            pub const TAGS: &'static [&'static str] = &[$($tag,)* $($old_tag,)*];

            /// The shape of each tag's data, for the catalogue.
            #[cfg(test)]
            pub(crate) fn schemas() -> Vec<(&'static str, schemars::Schema)> {
                vec![$(($tag, schemars::schema_for!($payload)),)* $(($old_tag, schemars::schema_for!($old_payload)),)*]
            }

            /// This event's tag.
            pub fn tag(&self) -> &'static str {
                match self {
                    $(Self::$stored(_) => $tag,)*
                    $(Self::$old(_) => $old_tag,)*
                }
            }
        }

        /// One event on its way into a block, in the newest shape of its tag.
        #[derive(Serialize)]
        #[serde(tag = "type", content = "data")]
        pub(crate) enum Written<'a> {
            $(#[serde(rename = $tag)] $stored(&'a $payload),)*
        }

        impl<'a> From<&'a Event> for Written<'a> {
            fn from(event: &'a Event) -> Self {
                match event {
                    $(Event::$aggregate($event::$variant(payload)) => Self::$stored(payload),)*
                }
            }
        }

        impl From<StoredEvent> for Event {
            fn from(stored: StoredEvent) -> Self {
                match stored {
                    $(StoredEvent::$stored(payload) => Self::$aggregate($event::$variant(payload)),)*
                    $(StoredEvent::$old(payload) => Self::$old_aggregate($old_event::$old_variant(payload.into())),)*
                }
            }
        }

        impl From<Event> for StoredEvent {
            fn from(event: Event) -> Self {
                match event {
                    $(Event::$aggregate($event::$variant(payload)) => Self::$stored(payload),)*
                }
            }
        }
    };
}

stored_events! {
    "user.registered.v1" UserRegisteredV1(user::Registered) => User(UserEvent::Registered),
    "user.token_issued.v1" UserTokenIssuedV1(user::TokenIssued) => User(UserEvent::TokenIssued),
    "user.token_renewed.v1" UserTokenRenewedV1(user::TokenRenewed) => User(UserEvent::TokenRenewed),
    "user.token_revoked.v1" UserTokenRevokedV1(user::TokenRevoked) => User(UserEvent::TokenRevoked),
    "user.tokens_revoked.v1" UserTokensRevokedV1(user::TokensRevoked) => User(UserEvent::TokensRevoked),
    "user.login_failed.v1" UserLoginFailedV1(user::LoginFailed) => User(UserEvent::LoginFailed),
    "user.login_failures_cleared.v1" UserLoginFailuresClearedV1(user::LoginFailuresCleared) => User(UserEvent::LoginFailuresCleared),
    "user.login_lock_expired.v1" UserLoginLockExpiredV1(user::LoginLockExpired) => User(UserEvent::LoginLockExpired),
    "user.password_changed.v1" UserPasswordChangedV1(user::PasswordChanged) => User(UserEvent::PasswordChanged),
    "user.password_rehashed.v1" UserPasswordRehashedV1(user::PasswordChanged) => User(UserEvent::PasswordRehashed),
    "user.username_changed.v1" UserUsernameChangedV1(user::UsernameChanged) => User(UserEvent::UsernameChanged),
    "user.email_changed.v1" UserEmailChangedV1(user::EmailChanged) => User(UserEvent::EmailChanged),
    "user.reset_requested.v1" UserResetRequestedV1(user::ResetRequested) => User(UserEvent::ResetRequested),
    "user.admin_granted.v1" UserAdminGrantedV1(user::AdminGranted) => User(UserEvent::AdminGranted),
    "user.admin_revoked.v1" UserAdminRevokedV1(user::AdminRevoked) => User(UserEvent::AdminRevoked),
    "user.blocked.v1" UserBlockedV1(user::Blocked) => User(UserEvent::Blocked),
    "user.unblocked.v1" UserUnblockedV1(user::Unblocked) => User(UserEvent::Unblocked),
    "user.model_taught.v1" UserModelTaughtV1(user::ModelTaught) => User(UserEvent::ModelTaught),
    "user.deleted.v1" UserDeletedV1(user::Deleted) => User(UserEvent::Deleted),
    "users.seen.v1" UsersSeenV1(user::Seen) => User(UserEvent::Seen),
    "room.created.v2" RoomCreatedV2(room::Created) => Room(RoomEvent::Created),
    "room.settings_changed.v2" RoomSettingsChangedV2(room::SettingsChanged) => Room(RoomEvent::SettingsChanged),
    "room.handed_over.v1" RoomHandedOverV1(room::HandedOver) => Room(RoomEvent::HandedOver),
    "room.closed.v1" RoomClosedV1(room::Closed) => Room(RoomEvent::Closed),
    "room.deleted.v1" RoomDeletedV1(room::Deleted) => Room(RoomEvent::Deleted),
    "room.participant_joined.v1" RoomParticipantJoinedV1(room::ParticipantJoined) => Room(RoomEvent::ParticipantJoined),
    "room.participant_admitted.v1" RoomParticipantAdmittedV1(room::ParticipantAdmitted) => Room(RoomEvent::ParticipantAdmitted),
    "room.participant_left.v1" RoomParticipantLeftV1(room::ParticipantLeft) => Room(RoomEvent::ParticipantLeft),
    "room.participant_removed.v1" RoomParticipantRemovedV1(room::ParticipantRemoved) => Room(RoomEvent::ParticipantRemoved),
    "room.participant_sent_back.v1" RoomParticipantSentBackV1(room::ParticipantSentBack) => Room(RoomEvent::ParticipantSentBack),
    "room.consent_changed.v1" RoomConsentChangedV1(room::ConsentChanged) => Room(RoomEvent::ConsentChanged),
    "room.message_sent.v1" RoomMessageSentV1(room::MessageSent) => Room(RoomEvent::MessageSent),
    "room.message_edited.v1" RoomMessageEditedV1(room::MessageEdited) => Room(RoomEvent::MessageEdited),
    "room.message_deleted.v2" RoomMessageDeletedV2(room::MessageDeleted) => Room(RoomEvent::MessageDeleted),
    "room.transcript_recorded.v1" RoomTranscriptRecordedV1(room::TranscriptRecorded) => Room(RoomEvent::TranscriptRecorded),
    "room.transcript_revised.v1" RoomTranscriptRevisedV1(room::TranscriptRevised) => Room(RoomEvent::TranscriptRevised),
    "room.texts_expired.v1" RoomTextsExpiredV1(room::TextsExpired) => Room(RoomEvent::TextsExpired),
    "webhook.created.v2" WebhookCreatedV2(webhook::Created) => Webhook(WebhookEvent::Created),
    "webhook.deleted.v1" WebhookDeletedV1(webhook::Deleted) => Webhook(WebhookEvent::Deleted),
    "webhook.disabled.v1" WebhookDisabledV1(webhook::Disabled) => Webhook(WebhookEvent::Disabled),
    "webhook.enabled.v1" WebhookEnabledV1(webhook::Enabled) => Webhook(WebhookEvent::Enabled),
    "webhook.secret_rotated.v1" WebhookSecretRotatedV1(webhook::SecretRotated) => Webhook(WebhookEvent::SecretRotated),
    "webhook.test_requested.v1" WebhookTestRequestedV1(webhook::TestRequested) => Webhook(WebhookEvent::TestRequested),
    "webhook.retry_requested.v1" WebhookRetryRequestedV1(webhook::RetryRequested) => Webhook(WebhookEvent::RetryRequested),
    retired:
    "room.created.v1" RoomCreatedV1(room::stored::CreatedV1) => Room(RoomEvent::Created),
    "room.settings_changed.v1" RoomSettingsChangedV1(room::stored::SettingsChangedV1) => Room(RoomEvent::SettingsChanged),
    "room.message_deleted.v1" RoomMessageDeletedV1(room::stored::MessageDeletedV1) => Room(RoomEvent::MessageDeleted),
    "webhook.created.v1" WebhookCreatedV1(webhook::CreatedV1) => Webhook(WebhookEvent::Created),
}
