//! Everything that can have happened.

use crate::command::Created;
use crate::room::RoomEvent;
use crate::sealed::PersonalField;
use crate::time::Timestamp;
use crate::user::UserEvent;
use crate::webhook::WebhookEvent;

/// One thing that happened, in today's vocabulary; [`crate::stored`] holds it as written.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// To users.
    User(UserEvent),
    /// To rooms.
    Room(RoomEvent),
    /// To webhooks.
    Webhook(WebhookEvent),
}

impl Event {
    /// The personal fields, with the keys that seal them; `at` is the commit's time.
    pub fn personal(&mut self, at: Timestamp) -> Vec<PersonalField<'_>> {
        match self {
            Self::User(event) => event.personal(),
            Self::Room(event) => event.personal(at),
            Self::Webhook(event) => event.personal(),
        }
    }

    /// The row that it made or touched, as the deciding command's caller heard of it.
    pub fn created(&self) -> Option<Created> {
        match self {
            Self::User(event) => event.created(),
            Self::Room(event) => event.created(),
            Self::Webhook(event) => event.created(),
        }
    }

    /// The greatest id that was stamped for it, if any was; the next stamp lies above.
    pub fn greatest_id(&self) -> Option<u64> {
        if let Self::Room(RoomEvent::Created(e)) = self {
            return Some(e.room_id.get().max(e.participant_id.get()));
        }
        self.created().map(Created::id)
    }
}
