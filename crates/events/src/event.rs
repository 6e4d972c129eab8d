//! Everything that can have happened.

use crate::room::RoomEvent;
use crate::sealed::PersonalField;
use crate::time::Timestamp;
use crate::user::UserEvent;

/// One thing that happened, in today's vocabulary; [`crate::stored`] holds it as written.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// To users.
    User(UserEvent),
    /// To rooms.
    Room(RoomEvent),
}

impl Event {
    /// The personal fields, with the keys that seal them; `at` is the commit's time.
    pub fn personal(&mut self, at: Timestamp) -> Vec<PersonalField<'_>> {
        match self {
            Self::User(event) => event.personal(),
            Self::Room(event) => event.personal(at),
        }
    }
}
