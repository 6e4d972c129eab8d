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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    use crate::room::command::leave::Leave;
    use crate::room::command::message::SendMessage;
    use crate::sealed::Clear;

    #[test]
    fn a_closed_room_takes_no_new_messages_and_outsiders_see_none() {
        let mut town = Scenario::new();
        let (ada, eve) = (town.user("Ada"), town.user("Eve"));
        let room = town.room(ada);
        let bob = town.joined(room, "Bob");
        assert!(matches!(town.refused(Actor::User(bob), Close { room }), Rejection::Forbidden(_)));
        assert_eq!(town.refused(Actor::User(eve), Close { room }), Rejection::NotFound("room"));
        town.when(Actor::User(ada), Close { room }).unwrap();
        assert!(town.when(Actor::User(ada), Close { room }).unwrap().events.is_empty());
        let say = SendMessage { room, text: Clear::new("hello") };
        assert_eq!(town.refused(Actor::User(bob), say), Rejection::RoomClosed);
    }

    #[test]
    fn the_reactor_closes_abandoned_rooms_alone() {
        let mut town = Scenario::new();
        let ada = town.user("Ada");
        let room = town.room(ada);
        let reactor = Actor::System(SystemRole::Reactor);
        assert!(matches!(town.refused(reactor, Close { room }), Rejection::Forbidden(_)));
        town.when(Actor::User(ada), Leave { room }).unwrap();
        assert_eq!(town.when(reactor, Close { room }).unwrap().events.len(), 1);
    }

    #[test]
    fn a_deleted_room_is_unknown_to_everybody() {
        let mut town = Scenario::new();
        let ada = town.user("Ada");
        let room = town.room(ada);
        let bob = town.joined(room, "Bob");
        assert!(matches!(town.refused(Actor::User(bob), Delete { room }), Rejection::Forbidden(_)));
        town.when(Actor::User(ada), Delete { room }).unwrap();
        assert_eq!(town.refused(Actor::User(ada), Delete { room }), Rejection::NotFound("room"));
        assert!(town.state().rooms.of_member(bob).next().is_none());
    }
}
