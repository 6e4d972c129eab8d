//! What can have happened to webhooks. Each payload is also its newest stored shape: changing one
//! fails the golden test until a new tag is made (see [`crate::stored`]).

use serde::{Deserialize, Serialize};

use crate::command;
use crate::id::{RoomId, UserId, WebhookId};
use crate::sealed::{KeyScope, Personal, PersonalField, label};
use crate::user::payloads;

/// What happened to webhooks.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each variant is documented at its payload")]
pub enum WebhookEvent {
    Created(Created),
    Deleted(Deleted),
    Disabled(Disabled),
    Enabled(Enabled),
    SecretRotated(SecretRotated),
    TestRequested(TestRequested),
    RetryRequested(RetryRequested),
}

payloads! {
    /// Somebody wants to be told.
    Created {
        /// Which.
        webhook_id: WebhookId,
        /// Whose.
        user_id: UserId,
        /// Where deliveries go; it may hold a secret of the receiver's.
        url: Personal,
        /// Deliveries are signed with it.
        secret: Personal,
        /// Of which rooms.
        scope: Scope,
        /// Of what.
        events: Vec<Notice>,
    }
    /// No more, of nothing that was not delivered yet either.
    Deleted {
        /// Which.
        webhook_id: WebhookId,
        /// Whose.
        user_id: UserId,
    }
    /// No more, until it is enabled again; of nothing that was not delivered yet either.
    Disabled {
        /// Which.
        webhook_id: WebhookId,
        /// Whose.
        user_id: UserId,
        /// Why.
        reason: Disabling,
    }
    /// From here on again; of nothing that happened in between.
    Enabled {
        /// Which.
        webhook_id: WebhookId,
        /// Whose.
        user_id: UserId,
    }
    /// Deliveries are signed with another secret; for a day with the former one too.
    SecretRotated {
        /// Which.
        webhook_id: WebhookId,
        /// Whose.
        user_id: UserId,
        /// The new one.
        secret: Personal,
    }
    /// Something shall be delivered, so that it is seen whether it arrives.
    TestRequested {
        /// To which webhook.
        webhook_id: WebhookId,
        /// Whose.
        user_id: UserId,
    }
    /// A delivery shall be made once more.
    RetryRequested {
        /// Of which webhook.
        webhook_id: WebhookId,
        /// Whose.
        user_id: UserId,
        /// Its number.
        delivery: u64,
    }
}

/// Which rooms a webhook is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Those that its owner owns when something happens there.
    Own,
    /// One, as long as its owner owns it or is an administrator.
    Room(RoomId),
    /// All, as long as its owner is an administrator.
    All,
}

/// Why a webhook was disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Disabling {
    /// Somebody who manages it asked for it.
    Asked,
    /// Its receiver answered 410 Gone.
    Gone,
}

impl Disabling {
    /// As the API spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Gone => "gone",
        }
    }
}

/// What a delivery tells that somebody asked for to see whether it arrives.
pub const TEST: &str = "webhook.test";

/// What a receiver can be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the names say it")]
pub enum Notice {
    #[serde(rename = "room.created")]
    RoomCreated,
    #[serde(rename = "room.closed")]
    RoomClosed,
    #[serde(rename = "room.deleted")]
    RoomDeleted,
    #[serde(rename = "participant.waiting")]
    ParticipantWaiting,
    #[serde(rename = "participant.joined")]
    ParticipantJoined,
    #[serde(rename = "participant.left")]
    ParticipantLeft,
    #[serde(rename = "participant.join_aborted")]
    JoinAborted,
    #[serde(rename = "message.sent")]
    MessageSent,
    #[serde(rename = "message.edited")]
    MessageEdited,
    #[serde(rename = "message.deleted")]
    MessageDeleted,
    #[serde(rename = "transcript.final")]
    TranscriptFinal,
}

impl Notice {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::RoomCreated,
        Self::RoomClosed,
        Self::RoomDeleted,
        Self::ParticipantWaiting,
        Self::ParticipantJoined,
        Self::ParticipantLeft,
        Self::JoinAborted,
        Self::MessageSent,
        Self::MessageEdited,
        Self::MessageDeleted,
        Self::TranscriptFinal,
    ];

    /// As deliveries and the API spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RoomCreated => "room.created",
            Self::RoomClosed => "room.closed",
            Self::RoomDeleted => "room.deleted",
            Self::ParticipantWaiting => "participant.waiting",
            Self::ParticipantJoined => "participant.joined",
            Self::ParticipantLeft => "participant.left",
            Self::JoinAborted => "participant.join_aborted",
            Self::MessageSent => "message.sent",
            Self::MessageEdited => "message.edited",
            Self::MessageDeleted => "message.deleted",
            Self::TranscriptFinal => "transcript.final",
        }
    }
}

impl WebhookEvent {
    /// The personal fields, under the owner's own key.
    pub fn personal(&mut self) -> Vec<PersonalField<'_>> {
        let sealed = |user, row: WebhookId, name, field| {
            let (scope, label) = (KeyScope::User(user), label(name, row.get()));
            PersonalField { scope, label, field }
        };
        match self {
            Self::Created(e) => vec![
                sealed(e.user_id, e.webhook_id, "webhook.url", &mut e.url),
                sealed(e.user_id, e.webhook_id, "webhook.secret", &mut e.secret),
            ],
            Self::SecretRotated(e) => {
                vec![sealed(e.user_id, e.webhook_id, "webhook.secret", &mut e.secret)]
            }
            Self::Deleted(_)
            | Self::Disabled(_)
            | Self::Enabled(_)
            | Self::TestRequested(_)
            | Self::RetryRequested(_) => Vec::new(),
        }
    }

    /// The row that it made, as the caller of the command heard of it.
    pub(crate) fn created(&self) -> Option<command::Created> {
        match self {
            Self::Created(e) => Some(command::Created::Webhook(e.webhook_id)),
            Self::Deleted(_)
            | Self::Disabled(_)
            | Self::Enabled(_)
            | Self::SecretRotated(_)
            | Self::TestRequested(_)
            | Self::RetryRequested(_) => None,
        }
    }

    /// Whose webhook it concerns.
    pub fn user_id(&self) -> UserId {
        match self {
            Self::Created(e) => e.user_id,
            Self::Deleted(e) => e.user_id,
            Self::Disabled(e) => e.user_id,
            Self::Enabled(e) => e.user_id,
            Self::SecretRotated(e) => e.user_id,
            Self::TestRequested(e) => e.user_id,
            Self::RetryRequested(e) => e.user_id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_has_one_spelling() {
        for notice in Notice::ALL {
            assert_eq!(serde_json::json!(notice), notice.as_str());
        }
    }
}
