//! Which room a code names, for whom. Outsiders get the same 404 whether it exists or not.

use events::room::Room;
use events::{RoomCode, RoomId, State};

use crate::auth::Caller;
use crate::error::ApiError;
use crate::state::App;

/// What the caller wants of the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// To come in: everybody may know that an open room exists, if they have its code.
    Join,
    /// To see the room itself: participants, those who wait, the owner, administrators.
    See,
    /// To read what is said: those who are in, the owner, administrators.
    Read,
    /// To speak: those who are in.
    Speak,
}

impl App {
    /// The room of a code, if the caller may have what they want of it.
    pub(crate) fn room(&self, caller: &Caller, code: &str, need: Need) -> Result<RoomId, ApiError> {
        let found = code.parse::<RoomCode>().ok().and_then(|code| {
            self.look(|state| {
                let (id, room) = state.rooms.by_code(code)?;
                Some((id, allowed(id, room, caller, need)))
            })
        });
        let joinable = match found {
            Some((id, Ok(()))) if need == Need::Join => Some(id),
            Some((id, Ok(()))) => return Ok(id),
            Some((_, Err(Denied::Waiting))) => return Err(Denied::Waiting.into()),
            Some((_, Err(Denied::Outsider))) | None => None,
        };
        // Before anything can be told from the answer: known and unknown codes alike.
        let throttle = &self.throttles.unknown_codes;
        throttle.look(&caller.user)?;
        if let Some(id) = joinable {
            return Ok(id);
        }
        throttle.take(caller.user)?;
        Err(ApiError::NO_ROOM)
    }
}

impl App {
    /// What the caller may read of a room begins behind this id: at its beginning for all but guests.
    pub(crate) fn reads_after(&self, caller: &Caller, room: RoomId) -> u64 {
        self.look(|state| match (caller.guest_of, state.rooms.get(room)) {
            (Some(_), Some(room)) => room.guest_reads_after(caller.user),
            (Some(_) | None, _) => 0,
        })
    }
}

/// Whether the caller may have what they want of a room, for open sockets.
pub(crate) fn check(
    state: &State,
    room: RoomId,
    caller: &Caller,
    need: Need,
) -> Result<(), ApiError> {
    let found = state.rooms.get(room).ok_or(ApiError::NO_ROOM)?;
    allowed(room, found, caller, need).map_err(ApiError::from)
}

/// Why a room is not open to somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Denied {
    /// They are not to know that it exists.
    Outsider,
    /// They wait in the lobby.
    Waiting,
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Outsider => Self::NO_ROOM,
            Denied::Waiting => events::Rejection::NotAdmitted.into(),
        }
    }
}

fn allowed(id: RoomId, room: &Room, caller: &Caller, need: Need) -> Result<(), Denied> {
    if caller.guest_of.is_some_and(|only| only != id) {
        return Err(Denied::Outsider);
    }
    let participant = room.participants.contains_key(&caller.user);
    let overseer = caller.is_admin || room.owner == caller.user;
    let waiting = || if participant { Denied::Waiting } else { Denied::Outsider };
    match need {
        Need::Join => Ok(()),
        Need::See if participant || overseer => Ok(()),
        Need::See => Err(Denied::Outsider),
        Need::Read if room.admits(caller.user) || overseer => Ok(()),
        Need::Speak if room.admits(caller.user) => Ok(()),
        Need::Read | Need::Speak => Err(waiting()),
    }
}
