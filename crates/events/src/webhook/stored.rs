//! Shapes of webhooks' events as they were once stored, kept for ever, and what they are today.

use serde::{Deserialize, Serialize};

use super::event::{Created, Notice, Scope};
use crate::id::{UserId, WebhookId};
use crate::sealed::Personal;
use crate::user::payloads;

payloads! {
    /// Somebody wants to be told; of less than there is to be told of today.
    CreatedV1 {
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
}

impl From<CreatedV1> for Created {
    fn from(old: CreatedV1) -> Self {
        let CreatedV1 { webhook_id, user_id, url, secret, scope, events } = old;
        Self { webhook_id, user_id, url, secret, scope, events }
    }
}
