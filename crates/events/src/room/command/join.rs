//! Joining a room by its id (the API looked the code up): into the call, or into the lobby.

use serde::{Deserialize, Serialize};

use super::acting_user;
use crate::command::{Actor, Created, Decision, Rejection, Stamp};
use crate::event::Event;
use crate::id::{ParticipantId, RoomId};
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
        join(state, actor, self.room, Some(Personal::Clear(name)), stamp)
    }
}

/// Whether this room takes somebody new in, and how. Unknown and closed can't be told apart.
pub(crate) fn admission(room: Option<&Room>, owner: bool) -> Result<Admission, Rejection> {
    let room = room.filter(|room| room.phase == Phase::Open).ok_or(Rejection::NotFound("room"))?;
    if room.settings.locked && !owner {
        return Err(Rejection::RoomLocked);
    }
    if room.participants.len() >= room.settings.capacity as usize {
        return Err(Rejection::RoomFull(room.settings.capacity));
    }
    let waits = room.settings.lobby && !owner;
    Ok(if waits { Admission::Waiting } else { Admission::Admitted })
}

fn join(
    state: &State,
    actor: Actor,
    room_id: RoomId,
    display_name: Option<Personal>,
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
    let admission = admission(Some(room), room.owner == user_id)?;
    let participant_id = ParticipantId::new(stamp.id());
    let joined = ParticipantJoined { room_id, participant_id, user_id, admission, display_name };
    let created = Some(Created::Participant(participant_id));
    Ok(Decision {
        subject,
        events: vec![Event::Room(RoomEvent::ParticipantJoined(joined))],
        created,
    })
}
