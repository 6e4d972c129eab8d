//! Joining a room by its id (the API looked the code up): into the call, or into the lobby.

use serde::{Deserialize, Serialize};

use super::acting_user;
use crate::command::{Actor, Created, Decision, Rejection, Stamp};
use crate::event::Event;
use crate::id::{NameDigest, ParticipantId, RoomId, UserId};
use crate::room::event::{Admission, ParticipantJoined, RoomEvent};
use crate::room::state::{Phase, Room};
use crate::sealed::{Clear, Personal};
use crate::state::State;
use crate::subject::Subject;
use crate::text;

/// Join a room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Join {
    /// Which.
    pub room: RoomId,
}

/// Join the one room of a guest, under a display name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JoinAsGuest {
    /// Which.
    pub room: RoomId,
    /// What the guest wants to be called.
    pub display_name: Clear,
    /// Of that name, as usernames are compared: guests imitate nobody in the room.
    pub name_digest: NameDigest,
}

impl Join {
    pub(crate) fn decide(
        &self,
        state: &State,
        actor: Actor,
        stamp: &mut Stamp,
    ) -> Result<Decision, Rejection> {
        join(state, actor, self.room, None, stamp)
    }
}

impl JoinAsGuest {
    pub(crate) fn decide(
        &self,
        state: &State,
        actor: Actor,
        stamp: &mut Stamp,
    ) -> Result<Decision, Rejection> {
        let guest = acting_user(state, actor)?;
        if state.users.get(guest).is_none_or(|user| user.guest_of.is_none()) {
            let detail = "users join under their own names".to_owned();
            return Err(Rejection::Forbidden(detail));
        }
        let name = text::name("display_name", &self.display_name, text::DISPLAY_NAME)?;
        join(state, actor, self.room, Some((name, self.name_digest)), stamp)
    }
}

/// Refuses a guest's name that is that of the room's owner or of somebody in it.
fn imitates_nobody(state: &State, room: &Room, name: NameDigest) -> Result<(), Rejection> {
    match state.users.by_username(name) {
        Some(user) if room.owner == user || room.participants.contains_key(&user) => {
            let detail = "is what somebody in this room is called; choose another".to_owned();
            Err(Rejection::Invalid { field: "display_name", detail })
        }
        Some(_) | None => Ok(()),
    }
}

/// Whether this room takes somebody new in, and how. Unknown and closed can't be told apart.
pub(crate) fn admission(room: Option<&Room>, user: Option<UserId>) -> Result<Admission, Rejection> {
    let room = room.filter(|room| room.phase == Phase::Open).ok_or(Rejection::NotFound("room"))?;
    let owner = user == Some(room.owner);
    if room.settings.locked && !owner {
        return Err(Rejection::RoomLocked);
    }
    let sent_back = user.is_some_and(|user| room.sent_back.contains(&user));
    let waits = (room.settings.lobby || sent_back) && !owner;
    let admission = if waits { Admission::Waiting } else { Admission::Admitted };
    room.has_place(admission)
        .then_some(admission)
        .ok_or(Rejection::RoomFull(room.settings.capacity))
}

fn join(
    state: &State,
    actor: Actor,
    room_id: RoomId,
    name: Option<(String, NameDigest)>,
    stamp: &mut Stamp,
) -> Result<Decision, Rejection> {
    let user_id = acting_user(state, actor)?;
    let subject = Subject::Room(room_id);
    let open = state.rooms.get(room_id).filter(|room| room.phase == Phase::Open);
    let room = open.ok_or(Rejection::NotFound("room"))?;
    if let Some(participant) = room.participants.get(&user_id) {
        let created = Some(Created::Participant(participant.id));
        return Ok(Decision { subject, events: Vec::new(), created });
    }
    let guest_of = state.users.get(user_id).and_then(|user| user.guest_of);
    if guest_of.is_some_and(|only| only != room_id) {
        return Err(Rejection::NotFound("room"));
    }
    if room.removed.contains(&user_id) {
        return Err(Rejection::Removed);
    }
    let admission = admission(Some(room), Some(user_id))?;
    if let Some((_, digest)) = &name {
        imitates_nobody(state, room, *digest)?;
    }
    let display_name = name.map(|(name, _)| Personal::Clear(name));
    let participant_id = ParticipantId::new(stamp.id());
    let joined = ParticipantJoined { room_id, participant_id, user_id, admission, display_name };
    let created = Some(Created::Participant(participant_id));
    Ok(Decision {
        subject,
        events: vec![Event::Room(RoomEvent::ParticipantJoined(joined))],
        created,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    use crate::room::command::close::Close;
    use crate::room::command::leave::{Leave, Remove};
    use crate::room::state::Settings;

    #[test]
    fn joining_twice_is_joining_once() {
        let mut town = Scenario::new();
        let ada = town.user("Ada");
        let room = town.room(ada);
        let bob = town.user("Bob");
        let first = town.when(Actor::User(bob), Join { room }).unwrap();
        let again = town.when(Actor::User(bob), Join { room }).unwrap();
        assert_eq!(first.created, again.created);
        assert!(again.events.is_empty());
    }

    #[test]
    fn locked_full_and_closed_rooms_take_nobody_in() {
        let mut town = Scenario::new();
        let (ada, bob) = (town.user("Ada"), town.user("Bob"));
        let by = Actor::User(bob);
        let locked = town.room_with(ada, Settings { locked: true, ..Settings::default() });
        assert_eq!(town.refused(by, Join { room: locked }), Rejection::RoomLocked);
        town.when(Actor::User(ada), Leave { room: locked }).unwrap();
        assert!(town.when(Actor::User(ada), Join { room: locked }).is_ok(), "its owner comes back");
        let full = town.room_with(ada, Settings { capacity: 2, ..Settings::default() });
        town.joined(full, "Eve");
        assert_eq!(town.refused(by, Join { room: full }), Rejection::RoomFull(2));
        let closed = town.room(ada);
        town.when(Actor::User(ada), Close { room: closed }).unwrap();
        let unknown = town.refused(by, Join { room: RoomId::new(1) });
        assert_eq!(town.refused(by, Join { room: closed }), unknown);
    }

    #[test]
    fn the_removed_do_not_come_back() {
        let mut town = Scenario::new();
        let ada = town.user("Ada");
        let room = town.room(ada);
        let bob = town.joined(room, "Bob");
        town.when(Actor::User(ada), Remove { room, user: bob }).unwrap();
        assert_eq!(town.refused(Actor::User(bob), Join { room }), Rejection::Removed);
    }

    #[test]
    fn users_join_under_their_own_names() {
        let mut town = Scenario::new();
        let ada = town.user("Ada");
        let room = town.room(ada);
        let bob = town.user("Bob");
        let join = Scenario::join_as_guest(room, "Visitor");
        assert!(matches!(town.refused(Actor::User(bob), join), Rejection::Forbidden(_)));
    }
}
