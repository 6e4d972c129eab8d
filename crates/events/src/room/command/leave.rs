//! Leaving a room, and being sent out of one, or back to its lobby.

use serde::{Deserialize, Serialize};

use super::{acting_user, owned_room, room_of};
use crate::command::{Actor, Decision, Rejection};
use crate::event::Event;
use crate::id::{RoomId, UserId};
use crate::room::event::{
    Admission, ParticipantLeft, ParticipantRemoved, ParticipantSentBack, RoomEvent,
};
use crate::room::state::Phase;
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

/// Send somebody who is in back to the lobby, where they wait until they are admitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SendBack {
    /// Where.
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

impl SendBack {
    pub(crate) fn decide(&self, state: &State, actor: Actor) -> Result<Decision, Rejection> {
        let by = acting_user(state, actor)?;
        let room = owned_room(state, by, self.room)?;
        let found = room.participants.get(&self.user).ok_or(Rejection::NotFound("participant"))?;
        if room.owner == self.user {
            let detail =
                "the owner can't be sent to the lobby; hand the room over first".to_owned();
            return Err(Rejection::Forbidden(detail));
        }
        if room.phase != Phase::Open {
            return Err(Rejection::RoomClosed);
        }
        // Whom the lobby keeps already, it keeps until they are admitted, also when it is opened.
        if found.admission == Admission::Waiting && room.sent_back.contains(&self.user) {
            return Ok(nothing(self.room));
        }
        let sent = ParticipantSentBack { room_id: self.room, user_id: self.user };
        Ok(one(self.room, RoomEvent::ParticipantSentBack(sent)))
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

    use crate::room::command::admit::Admit;
    use crate::room::command::captions::SetCaptions;
    use crate::room::command::join::Join;
    use crate::room::command::message::SendMessage;
    use crate::room::event::Consent;
    use crate::sealed::Clear;

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

    #[test]
    fn who_is_sent_back_to_the_lobby_waits_there_until_admitted() {
        let mut town = Scenario::new();
        let ada = town.user("Ada");
        let room = town.room(ada);
        let (bob, eve) = (town.joined(room, "Bob"), town.joined(room, "Eve"));
        let by = Actor::User(bob);
        let consent = Consent::Captions;
        town.when(by, SetCaptions { room, consent, language: None, model: None }).unwrap();
        let back = |user| SendBack { room, user };
        assert!(matches!(town.refused(Actor::User(eve), back(bob)), Rejection::Forbidden(_)));
        assert!(matches!(town.refused(Actor::User(ada), back(ada)), Rejection::Forbidden(_)));
        town.when(Actor::User(ada), back(bob)).unwrap();
        assert!(town.when(Actor::User(ada), back(bob)).unwrap().events.is_empty());
        let say = || SendMessage { room, text: Clear::new("hello") };
        assert_eq!(town.refused(by, say()), Rejection::NotAdmitted);
        // Leaving and coming again is no way around it, in a room without a lobby either.
        town.when(by, Leave { room }).unwrap();
        town.when(by, Join { room }).unwrap();
        assert_eq!(town.refused(by, say()), Rejection::NotAdmitted);
        town.when(Actor::User(ada), Admit { room, user: bob, admit: true }).unwrap();
        town.when(by, say()).unwrap();
        assert!(!town.state().rooms.get(room).unwrap().captions(bob), "consent is asked again");
        town.when(by, Leave { room }).unwrap();
        town.when(by, Join { room }).unwrap();
        assert!(town.when(by, say()).is_ok());
    }
}
