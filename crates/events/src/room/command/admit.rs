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
            (Some(true), true) => Ok(one(room_id, admitted)),
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
