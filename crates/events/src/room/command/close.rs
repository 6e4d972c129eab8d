//! Ending a call, and deleting a room with all that was said in it.

use serde::{Deserialize, Serialize};

use super::leave::{nothing, one};
use super::{acting_user, owned_room};
use crate::command::{Actor, Decision, Rejection, SystemRole};
use crate::id::RoomId;
use crate::room::event::{Closed, Deleted, RoomEvent};
use crate::room::state::{Phase, Room};
use crate::state::State;

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
        let room = if actor == Actor::System(SystemRole::Reactor) {
            abandoned_room(state, self.room)?
        } else {
            owned_room(state, acting_user(state, actor)?, self.room)?
        };
        match room.phase {
            Phase::Open => Ok(one(self.room, RoomEvent::Closed(Closed { room_id: self.room }))),
            Phase::Closed { .. } => Ok(nothing(self.room)),
        }
    }
}

/// The room, if nobody is in it or waits for it: the reactor closes no other.
fn abandoned_room(state: &State, room: RoomId) -> Result<&Room, Rejection> {
    let found = state.rooms.get(room).ok_or(Rejection::NotFound("room"))?;
    if found.participants.is_empty() {
        return Ok(found);
    }
    Err(Rejection::Forbidden("people are in this room; only its owner may close it".to_owned()))
}

impl Delete {
    pub(crate) fn decide(&self, state: &State, actor: Actor) -> Result<Decision, Rejection> {
        let user = acting_user(state, actor)?;
        owned_room(state, user, self.room)?;
        Ok(one(self.room, RoomEvent::Deleted(Deleted { room_id: self.room })))
    }
}
