//! Leaving a room, and being sent out of one.

use serde::{Deserialize, Serialize};

use super::{acting_user, owned_room, room_of};
use crate::command::{Actor, Decision, Rejection};
use crate::event::Event;
use crate::id::{RoomId, UserId};
use crate::room::event::{ParticipantLeft, ParticipantRemoved, RoomEvent};
use crate::state::State;
use crate::subject::Subject;

/// Leave a room. The owner may leave too, and stays its owner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Leave {
    /// Which.
    pub room: RoomId,
}

/// Send somebody out; they don't come back until admitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Remove {
    /// Where from.
    pub room: RoomId,
    /// Whom.
    pub user: UserId,
}

impl Leave {
    pub(crate) fn decide(&self, state: &State, actor: Actor) -> Result<Decision, Rejection> {
        let user_id = acting_user(state, actor)?;
        let room = room_of(state, user_id, self.room)?;
        if !room.participants.contains_key(&user_id) {
            return Err(Rejection::NotFound("participant"));
        }
        let left = ParticipantLeft { room_id: self.room, user_id };
        Ok(one(self.room, RoomEvent::ParticipantLeft(left)))
    }
}

impl Remove {
    pub(crate) fn decide(&self, state: &State, actor: Actor) -> Result<Decision, Rejection> {
        let by = acting_user(state, actor)?;
        let room = owned_room(state, by, self.room)?;
        if !room.participants.contains_key(&self.user) {
            return Err(Rejection::NotFound("participant"));
        }
        if room.owner == self.user {
            let detail = "the owner can't be removed; hand the room over first".to_owned();
            return Err(Rejection::Forbidden(detail));
        }
        let removed = ParticipantRemoved { room_id: self.room, user_id: self.user };
        Ok(one(self.room, RoomEvent::ParticipantRemoved(removed)))
    }
}

/// A decision that things are as asked already.
pub(crate) fn nothing(room: RoomId) -> Decision {
    Decision { subject: Subject::Room(room), events: Vec::new(), created: None }
}

/// A decision of one event that makes no row of its own.
pub(crate) fn one(room: RoomId, event: RoomEvent) -> Decision {
    Decision { subject: Subject::Room(room), events: vec![Event::Room(event)], created: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    use crate::room::command::join::Join;

    #[test]
    fn who_left_comes_back_as_somebody_new() {
        let mut town = Scenario::new();
        let ada = town.user("Ada");
        let room = town.room(ada);
        let bob = town.joined(room, "Bob");
        let first = town.state().rooms.get(room).unwrap().participants[&bob].id;
        town.when(Actor::User(bob), Leave { room }).unwrap();
        assert_eq!(town.refused(Actor::User(bob), Leave { room }), Rejection::NotFound("room"));
        assert_ne!(town.made(Actor::User(bob), Join { room }), first.get());
    }

    #[test]
    fn the_owner_removes_others_and_is_not_removed() {
        let mut town = Scenario::new();
        let (ada, root) = (town.user("Ada"), town.admin("Root"));
        let room = town.room(ada);
        let (bob, eve) = (town.joined(room, "Bob"), town.joined(room, "Eve"));
        let remove = |user| Remove { room, user };
        assert!(matches!(town.refused(Actor::User(bob), remove(eve)), Rejection::Forbidden(_)));
        town.when(Actor::User(ada), remove(bob)).unwrap();
        assert_eq!(town.refused(Actor::User(ada), remove(bob)), Rejection::NotFound("participant"));
        assert!(matches!(town.refused(Actor::User(root), remove(ada)), Rejection::Forbidden(_)));
    }
}
