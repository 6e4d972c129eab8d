//! Ending a call, and deleting a room with all that was said in it.

use serde::{Deserialize, Serialize};

use super::leave::one;
use super::{acting_user, owned_room};
use crate::command::{Actor, Decision, Rejection};
use crate::id::RoomId;
use crate::room::event::{Closed, Deleted, RoomEvent};
use crate::room::state::Phase;
use crate::state::State;
use crate::subject::Subject;

/// End the call; what was said stays readable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Close {
    /// Which.
    pub room: RoomId,
}

/// Delete the room with everything in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delete {
    /// Which.
    pub room: RoomId,
}

impl Close {
    pub(crate) fn decide(&self, state: &State, actor: Actor) -> Result<Decision, Rejection> {
        let user = acting_user(state, actor)?;
        let room = owned_room(state, user, self.room)?;
        match room.phase {
            Phase::Open => Ok(one(self.room, RoomEvent::Closed(Closed { room_id: self.room }))),
            Phase::Closed { .. } => Ok(Decision {
                subject: Subject::Room(self.room),
                events: Vec::new(),
                created: None,
            }),
        }
    }
}

impl Delete {
    pub(crate) fn decide(&self, state: &State, actor: Actor) -> Result<Decision, Rejection> {
        let user = acting_user(state, actor)?;
        owned_room(state, user, self.room)?;
        Ok(one(self.room, RoomEvent::Deleted(Deleted { room_id: self.room })))
    }
}
