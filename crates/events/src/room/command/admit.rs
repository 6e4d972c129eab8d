//! Letting people in from the lobby, or back after a removal.

use serde::{Deserialize, Serialize};

use super::leave::{nothing, one};
use super::{acting_user, owned_room};
use crate::command::{Actor, Decision, Rejection};
use crate::id::{RoomId, UserId};
use crate::room::event::{Admission, ParticipantAdmitted, ParticipantRemoved, RoomEvent};
use crate::state::State;

/// Admit or refuse somebody who waits; admitting somebody who was removed lets them join again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Admit {
    /// Where.
    pub room: RoomId,
    /// Whom.
    pub user: UserId,
    /// In, or away.
    pub admit: bool,
}

impl Admit {
    pub(crate) fn decide(&self, state: &State, actor: Actor) -> Result<Decision, Rejection> {
        let by = acting_user(state, actor)?;
        let room = owned_room(state, by, self.room)?;
        let (room_id, user_id) = (self.room, self.user);
        let admitted = RoomEvent::ParticipantAdmitted(ParticipantAdmitted { room_id, user_id });
        let removed = RoomEvent::ParticipantRemoved(ParticipantRemoved { room_id, user_id });
        let waits = room.participants.get(&user_id).map(|p| p.admission == Admission::Waiting);
        match (waits, self.admit) {
            (Some(true), true) if room.has_place(Admission::Admitted) => Ok(one(room_id, admitted)),
            (Some(true), true) => Err(Rejection::RoomFull(room.settings.capacity)),
            (Some(true), false) => Ok(one(room_id, removed)),
            (Some(false), true) => Ok(nothing(room_id)),
            (Some(false), false) => {
                let detail = "is in the room already; remove them instead".to_owned();
                Err(Rejection::Invalid { field: "user", detail })
            }
            (None, true) if room.removed.contains(&user_id) => Ok(one(room_id, admitted)),
            (None, false) if room.removed.contains(&user_id) => Ok(nothing(room_id)),
            (None, _) => Err(Rejection::NotFound("participant")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    use crate::room::command::join::Join;
    use crate::room::command::leave::Remove;
    use crate::room::command::message::SendMessage;
    use crate::room::state::Settings;
    use crate::sealed::Clear;

    #[test]
    fn those_in_the_lobby_wait_until_they_are_let_in() {
        let mut town = Scenario::new();
        let ada = town.user("Ada");
        let room = town.room_with(ada, Settings { lobby: true, ..Settings::default() });
        let (bob, eve) = (town.joined(room, "Bob"), town.joined(room, "Eve"));
        let say = || SendMessage { room, text: Clear::new("hello") };
        assert_eq!(town.refused(Actor::User(bob), say()), Rejection::NotAdmitted);
        let admit = |user, admit| Admit { room, user, admit };
        let by_bob = town.refused(Actor::User(bob), admit(bob, true));
        assert!(matches!(by_bob, Rejection::Forbidden(_)));
        town.when(Actor::User(ada), admit(bob, true)).unwrap();
        town.when(Actor::User(ada), admit(eve, false)).unwrap();
        assert!(town.when(Actor::User(bob), say()).is_ok());
        assert_eq!(town.refused(Actor::User(eve), Join { room }), Rejection::Removed);
        assert!(town.when(Actor::User(ada), admit(bob, true)).unwrap().events.is_empty());
        let present = town.refused(Actor::User(ada), admit(bob, false));
        assert!(matches!(present, Rejection::Invalid { .. }));
    }

    #[test]
    fn who_waits_takes_no_place_in_the_call_and_is_let_in_while_there_is_one() {
        let mut town = Scenario::new();
        let ada = town.user("Ada");
        let settings = Settings { lobby: true, capacity: 2, ..Settings::default() };
        let room = town.room_with(ada, settings);
        let (bob, eve) = (town.joined(room, "Bob"), town.joined(room, "Eve"));
        let joe = town.user("Joe");
        assert_eq!(town.refused(Actor::User(joe), Join { room }), Rejection::RoomFull(2));
        let admit = |user| Admit { room, user, admit: true };
        town.when(Actor::User(ada), admit(bob)).unwrap();
        assert!(town.when(Actor::User(joe), Join { room }).is_ok(), "the lobby has a place again");
        assert_eq!(town.refused(Actor::User(ada), admit(eve)), Rejection::RoomFull(2));
        town.when(Actor::User(ada), Remove { room, user: bob }).unwrap();
        town.when(Actor::User(ada), admit(eve)).unwrap();
    }

    #[test]
    fn the_removed_may_be_let_back() {
        let mut town = Scenario::new();
        let ada = town.user("Ada");
        let room = town.room(ada);
        let bob = town.joined(room, "Bob");
        town.when(Actor::User(ada), Remove { room, user: bob }).unwrap();
        let nobody = Admit { room, user: UserId::new(1), admit: true };
        assert_eq!(town.refused(Actor::User(ada), nobody), Rejection::NotFound("participant"));
        town.when(Actor::User(ada), Admit { room, user: bob, admit: true }).unwrap();
        assert!(town.when(Actor::User(bob), Join { room }).is_ok());
    }
}
