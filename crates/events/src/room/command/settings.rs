//! How a room is run, and by whom.

use serde::{Deserialize, Serialize};

use super::leave::nothing;
use super::{acting_user, owned_room};
use crate::command::{Actor, Decision, Rejection};
use crate::event::Event;
use crate::id::{RoomId, UserId};
use crate::room::event::{HandedOver, RoomEvent, SettingsChanged};
use crate::room::state::{Room, Settings};
use crate::state::State;

/// A part of what can be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change<T> {
    /// Stays as it is.
    #[default]
    Keep,
    /// Becomes this.
    To(T),
}

impl<T> Change<T> {
    fn onto(self, there: T) -> T {
        match self {
            Self::Keep => there,
            Self::To(value) => value,
        }
    }
}

/// What shall be otherwise, so that two people who change different things undo nothing of each other.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each field is documented at Settings")]
pub struct Changes {
    pub locked: Change<bool>,
    pub lobby: Change<bool>,
    pub guests: Change<bool>,
    pub guest_history: Change<bool>,
    pub capacity: Change<u32>,
    pub retention_days: Change<Option<u32>>,
    pub model: Change<Option<String>>,
    pub language: Change<Option<String>>,
}

impl Changes {
    /// The settings with what is given in place of what was there.
    pub fn onto(self, there: Settings) -> Settings {
        Settings {
            locked: self.locked.onto(there.locked),
            lobby: self.lobby.onto(there.lobby),
            guests: self.guests.onto(there.guests),
            guest_history: self.guest_history.onto(there.guest_history),
            capacity: self.capacity.onto(there.capacity),
            retention_days: self.retention_days.onto(there.retention_days),
            model: self.model.onto(there.model),
            language: self.language.onto(there.language),
        }
    }
}

/// Run the room in another way: lock it, open a lobby, let guests in, hand it over, and so on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangeSettings {
    /// Which.
    pub room: RoomId,
    /// What shall be otherwise.
    pub changes: Changes,
    /// The new owner, if it is to have one: somebody admitted to it, no guest.
    pub owner: Option<UserId>,
    /// The room's version that they were made from, to tell a collision.
    pub expected: Option<u64>,
}

impl ChangeSettings {
    /// All of it happens in one commit, or nothing of it.
    pub(crate) fn decide(&self, state: &State, actor: Actor) -> Result<Decision, Rejection> {
        let room = owned_room(state, acting_user(state, actor)?, self.room)?;
        if self.expected.is_some_and(|seen| seen != room.version) {
            return Err(Rejection::Stale);
        }
        let (room_id, mut decision) = (self.room, nothing(self.room));
        let settings = self.changes.clone().onto(room.settings.clone());
        settings.check()?;
        if settings != room.settings {
            let changed = SettingsChanged { room_id, settings };
            decision.events.push(Event::Room(RoomEvent::SettingsChanged(changed)));
        }
        if let Some(owner_id) = self.owner.filter(|owner| *owner != room.owner) {
            may_own(state, room, owner_id)?;
            let handed = HandedOver { room_id, owner_id };
            decision.events.push(Event::Room(RoomEvent::HandedOver(handed)));
        }
        Ok(decision)
    }
}

fn may_own(state: &State, room: &Room, user: UserId) -> Result<(), Rejection> {
    let refused =
        |detail: &str| Err(Rejection::Invalid { field: "owner_id", detail: detail.to_owned() });
    if !room.admits(user) {
        return refused("is not in the room; they have to join first");
    }
    if state.users.get(user).is_none_or(|user| user.guest_of.is_some() || user.is_blocked()) {
        return refused("is a guest or blocked; hand the room to another participant");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    use crate::room::command::leave::Leave;

    fn change(room: RoomId, changes: Changes) -> ChangeSettings {
        ChangeSettings { room, changes, owner: None, expected: None }
    }

    #[test]
    fn the_owner_changes_what_they_saw() {
        let mut town = Scenario::new();
        let ada = town.user("Ada");
        let room = town.room(ada);
        let bob = town.joined(room, "Bob");
        let locked = Changes { locked: Change::To(true), ..Changes::default() };
        let lock = |expected| ChangeSettings { expected, ..change(room, locked.clone()) };
        assert!(matches!(town.refused(Actor::User(bob), lock(None)), Rejection::Forbidden(_)));
        town.when(Actor::User(ada), lock(Some(1))).unwrap();
        assert_eq!(town.refused(Actor::User(ada), lock(Some(1))), Rejection::Stale);
        assert!(town.when(Actor::User(ada), lock(Some(2))).unwrap().events.is_empty());
        let wrong = Changes { capacity: Change::To(0), ..Changes::default() };
        let wrong = town.refused(Actor::User(ada), change(room, wrong));
        assert!(matches!(wrong, Rejection::Invalid { field: "capacity", .. }));
    }

    #[test]
    fn changes_of_different_things_undo_nothing_of_each_other() {
        let mut town = Scenario::new();
        let ada = town.user("Ada");
        let room = town.room(ada);
        for changes in [
            Changes { locked: Change::To(true), ..Changes::default() },
            Changes { retention_days: Change::To(None), ..Changes::default() },
            Changes { lobby: Change::To(true), ..Changes::default() },
        ] {
            town.when(Actor::User(ada), change(room, changes)).unwrap();
        }
        let settings = &town.state().rooms.get(room).unwrap().settings;
        assert!(settings.locked && settings.lobby && settings.retention_days.is_none());
        assert_eq!(settings.capacity, Settings::default().capacity);
    }

    #[test]
    fn a_room_is_handed_to_somebody_in_it_or_nothing_is_changed() {
        let mut town = Scenario::new();
        let (ada, eve) = (town.user("Ada"), town.user("Eve"));
        let room = town.room(ada);
        let bob = town.joined(room, "Bob");
        let locked = Changes { locked: Change::To(true), ..Changes::default() };
        let to = |to| ChangeSettings { owner: Some(to), ..change(room, locked.clone()) };
        let refused = town.refused(Actor::User(ada), to(eve));
        assert!(matches!(refused, Rejection::Invalid { field: "owner_id", .. }));
        assert!(!town.state().rooms.get(room).unwrap().settings.locked);
        assert_eq!(town.when(Actor::User(ada), to(bob)).unwrap().events.len(), 2);
        assert!(matches!(town.refused(Actor::User(ada), to(ada)), Rejection::Forbidden(_)));
        town.when(Actor::User(ada), Leave { room }).unwrap();
        assert!(town.state().rooms.of_member(ada).next().is_none());
        assert_eq!(town.refused(Actor::User(ada), to(ada)), Rejection::NotFound("room"));
    }
}
