//! Joining a room by its id (the API looked the code up): into the call, or into the lobby.

use serde::{Deserialize, Serialize};

use super::acting_user;
use crate::command::{Actor, Created, Decision, Rejection, Stamp};
use crate::event::Event;
use crate::id::{ParticipantId, RoomId};
use crate::room::event::{Admission, ParticipantJoined, RoomEvent};
use crate::room::state::Phase;
use crate::state::State;
use crate::subject::Subject;

/// Join a room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Join {
    /// Which.
    pub room: RoomId,
}

impl Join {
    pub(crate) fn decide(
        &self,
        state: &State,
        actor: Actor,
        stamp: &mut Stamp,
    ) -> Result<Decision, Rejection> {
        let user_id = acting_user(state, actor)?;
        let subject = Subject::Room(self.room);
        let room = state.rooms.get(self.room).ok_or(Rejection::NotFound("room"))?;
        if room.phase != Phase::Open {
            // Unknown and closed can't be told apart by those outside.
            return Err(Rejection::NotFound("room"));
        }
        if let Some(participant) = room.participants.get(&user_id) {
            let created = Some(Created::Participant(participant.id));
            return Ok(Decision { subject, events: Vec::new(), created });
        }
        let guest_of = state.users.get(user_id).and_then(|user| user.guest_of);
        if guest_of.is_some_and(|only| only != self.room) {
            return Err(Rejection::NotFound("room"));
        }
        if room.removed.contains(&user_id) {
            return Err(Rejection::Removed);
        }
        let owner = room.owner == user_id;
        if room.settings.locked && !owner {
            return Err(Rejection::RoomLocked);
        }
        if room.participants.len() >= room.settings.capacity as usize {
            return Err(Rejection::RoomFull(room.settings.capacity));
        }
        let waits = room.settings.lobby && !owner;
        let joined = ParticipantJoined {
            room_id: self.room,
            participant_id: ParticipantId::new(stamp.id()),
            user_id,
            admission: if waits { Admission::Waiting } else { Admission::Admitted },
        };
        let created = Some(Created::Participant(joined.participant_id));
        let events = vec![Event::Room(RoomEvent::ParticipantJoined(joined))];
        Ok(Decision { subject, events, created })
    }
}
