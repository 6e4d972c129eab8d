//! How a room is run, and by whom.

use serde::{Deserialize, Serialize};

use super::leave::{nothing, one};
use super::{acting_user, owned_room};
use crate::command::{Actor, Decision, Rejection};
use crate::id::{RoomId, UserId};
use crate::room::event::{HandedOver, RoomEvent, SettingsChanged};
use crate::room::state::{Room, Settings};
use crate::state::State;

/// Run the room in another way: lock it, open a lobby, let guests in, and so on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangeSettings {
    /// Which.
    pub room: RoomId,
    /// All settings as they shall be.
    pub settings: Settings,
    /// The room's version that they were made from, to tell a collision.
    pub expected: Option<u64>,
}

/// Make another participant the owner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HandOver {
    /// Which.
    pub room: RoomId,
    /// To whom: somebody admitted to it, no guest.
    pub to: UserId,
    /// The room's version that the owner saw, to tell a collision.
    pub expected: Option<u64>,
}

/// The actor's room, as the actor last saw it.
fn own_room(
    state: &State,
    actor: Actor,
    room: RoomId,
    expected: Option<u64>,
) -> Result<&Room, Rejection> {
    let user = acting_user(state, actor)?;
    let room = owned_room(state, user, room)?;
    match expected {
        Some(version) if version != room.version => Err(Rejection::Stale),
        Some(_) | None => Ok(room),
    }
}

impl ChangeSettings {
    pub(crate) fn decide(&self, state: &State, actor: Actor) -> Result<Decision, Rejection> {
        let room = own_room(state, actor, self.room, self.expected)?;
        self.settings.check()?;
        if room.settings == self.settings {
            return Ok(nothing(self.room));
        }
        let settings = self.settings.clone();
        let changed = SettingsChanged { room_id: self.room, settings };
        Ok(one(self.room, RoomEvent::SettingsChanged(changed)))
    }
}

impl HandOver {
    pub(crate) fn decide(&self, state: &State, actor: Actor) -> Result<Decision, Rejection> {
        let room = own_room(state, actor, self.room, self.expected)?;
        if room.owner == self.to {
            return Ok(nothing(self.room));
        }
        if !room.admits(self.to) {
            return Err(Rejection::NotFound("participant"));
        }
        if state.users.get(self.to).is_none_or(|user| user.guest_of.is_some() || user.is_blocked())
        {
            let detail = "is a guest or blocked; hand the room to another participant".to_owned();
            return Err(Rejection::Invalid { field: "owner_id", detail });
        }
        let handed = HandedOver { room_id: self.room, owner_id: self.to };
        Ok(one(self.room, RoomEvent::HandedOver(handed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    use crate::room::command::leave::Leave;

    #[test]
    fn the_owner_changes_what_they_saw() {
        let mut town = Scenario::new();
        let ada = town.user("Ada");
        let room = town.room(ada);
        let bob = town.joined(room, "Bob");
        let locked = Settings { locked: true, ..Settings::default() };
        let change = |expected| ChangeSettings { room, settings: locked.clone(), expected };
        assert!(matches!(town.refused(Actor::User(bob), change(None)), Rejection::Forbidden(_)));
        town.when(Actor::User(ada), change(Some(1))).unwrap();
        assert_eq!(town.refused(Actor::User(ada), change(Some(1))), Rejection::Stale);
        assert!(town.when(Actor::User(ada), change(Some(2))).unwrap().events.is_empty());
        let wrong = Settings { capacity: 0, ..Settings::default() };
        let wrong = ChangeSettings { room, settings: wrong, expected: None };
        assert!(matches!(town.refused(Actor::User(ada), wrong), Rejection::Invalid { .. }));
    }

    #[test]
    fn a_room_is_handed_to_somebody_in_it() {
        let mut town = Scenario::new();
        let (ada, eve) = (town.user("Ada"), town.user("Eve"));
        let room = town.room(ada);
        let bob = town.joined(room, "Bob");
        let to = |to| HandOver { room, to, expected: None };
        assert_eq!(town.refused(Actor::User(ada), to(eve)), Rejection::NotFound("participant"));
        town.when(Actor::User(ada), to(bob)).unwrap();
        assert!(matches!(town.refused(Actor::User(ada), to(ada)), Rejection::Forbidden(_)));
        town.when(Actor::User(ada), Leave { room }).unwrap();
        assert!(town.state().rooms.of_member(ada).next().is_none());
        assert_eq!(town.refused(Actor::User(ada), to(ada)), Rejection::NotFound("room"));
    }
}
