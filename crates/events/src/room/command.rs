//! What can be asked of rooms: one file per verb, each with its payload, `decide` and scenarios.

pub mod admit;
pub mod captions;
pub mod close;
pub mod create;
pub mod expire;
pub mod join;
pub mod leave;
pub mod message;
pub mod revise;
pub mod settings;
pub mod transcript;

use serde::{Deserialize, Serialize};

use super::state::{Phase, Room};
use crate::command::{Actor, Decision, Rejection, Stamp};
use crate::id::{RoomId, UserId};
use crate::state::State;

/// A command about one room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each variant is documented at its payload")]
pub enum RoomCommand {
    Create(create::Create),
    Join(join::Join),
    JoinAsGuest(join::JoinAsGuest),
    Admit(admit::Admit),
    Leave(leave::Leave),
    Remove(leave::Remove),
    SendBack(leave::SendBack),
    ChangeSettings(settings::ChangeSettings),
    Close(close::Close),
    Delete(close::Delete),
    SetCaptions(captions::SetCaptions),
    SendMessage(message::SendMessage),
    EditMessage(message::EditMessage),
    DeleteMessage(message::DeleteMessage),
    RecordTranscript(transcript::RecordTranscript),
    TypeCaption(transcript::TypeCaption),
    CorrectTranscript(transcript::CorrectTranscript),
    ReviseTranscript(revise::ReviseTranscript),
    ExpireTexts(expire::ExpireTexts),
}

impl RoomCommand {
    pub(crate) fn decide(
        &self,
        state: &State,
        actor: Actor,
        stamp: &mut Stamp,
    ) -> Result<Decision, Rejection> {
        match self {
            Self::Create(command) => command.decide(state, actor, stamp),
            Self::Join(command) => command.decide(state, actor, stamp),
            Self::JoinAsGuest(command) => command.decide(state, actor, stamp),
            Self::Admit(command) => command.decide(state, actor),
            Self::ChangeSettings(command) => command.decide(state, actor),
            Self::Leave(command) => command.decide(state, actor),
            Self::Remove(command) => command.decide(state, actor),
            Self::SendBack(command) => command.decide(state, actor),
            Self::Close(command) => command.decide(state, actor),
            Self::Delete(command) => command.decide(state, actor),
            Self::SetCaptions(command) => command.decide(state, actor),
            Self::SendMessage(command) => command.decide(state, actor, stamp),
            Self::EditMessage(command) => command.decide(state, actor),
            Self::DeleteMessage(command) => command.decide(state, actor),
            Self::RecordTranscript(command) => command.decide(state, actor, stamp),
            Self::TypeCaption(command) => command.decide(state, actor, stamp),
            Self::CorrectTranscript(command) => command.decide(state, actor),
            Self::ReviseTranscript(command) => command.decide(state, actor),
            Self::ExpireTexts(command) => command.decide(state, actor, stamp.now.day()),
        }
    }
}

/// The acting user, who must exist and not be blocked.
pub(crate) fn acting_user(state: &State, actor: Actor) -> Result<UserId, Rejection> {
    let id = actor.user().ok_or(Rejection::LoggedOut)?;
    let user = state.users.get(id).ok_or(Rejection::LoggedOut)?;
    if user.is_blocked() { Err(Rejection::Blocked) } else { Ok(id) }
}

/// The room, if the actor is in it (or is an administrator); else the same 404 as for no room.
pub(crate) fn room_of(state: &State, user: UserId, room: RoomId) -> Result<&Room, Rejection> {
    let found = state.rooms.get(room).ok_or(Rejection::NotFound("room"))?;
    let admin = state.users.get(user).is_some_and(|user| user.is_admin);
    if admin || found.owner == user || found.participants.contains_key(&user) {
        return Ok(found);
    }
    Err(Rejection::NotFound("room"))
}

/// The room, if the actor is admitted to it and it is open.
pub(crate) fn open_room_of(state: &State, user: UserId, room: RoomId) -> Result<&Room, Rejection> {
    let found = room_of(state, user, room)?;
    if found.phase != Phase::Open {
        return Err(Rejection::RoomClosed);
    }
    match found.participants.get(&user) {
        None => Err(Rejection::NotFound("room")),
        Some(_) if found.admits(user) => Ok(found),
        Some(_) => Err(Rejection::NotAdmitted),
    }
}

/// The room, if the actor owns it or is an administrator.
pub(crate) fn owned_room(state: &State, user: UserId, room: RoomId) -> Result<&Room, Rejection> {
    let found = room_of(state, user, room)?;
    let admin = state.users.get(user).is_some_and(|user| user.is_admin);
    if admin || found.owner == user {
        return Ok(found);
    }
    Err(Rejection::Forbidden("only the room's owner or an administrator may do this".to_owned()))
}
