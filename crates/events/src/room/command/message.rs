//! Chat: sending, and editing or deleting one's own.

use serde::{Deserialize, Serialize};

use super::leave::one;
use super::{acting_user, open_room_of, room_of};
use crate::command::{Actor, Created, Decision, Rejection, Stamp};
use crate::id::{MessageId, RoomId, UserId};
use crate::room::event::{MessageDeleted, MessageEdited, MessageSent, RoomEvent};
use crate::room::state::TextOf;
use crate::sealed::{Clear, Personal};
use crate::state::State;
use crate::text;

/// Send a chat message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SendMessage {
    /// Where.
    pub room: RoomId,
    /// The text.
    pub text: Clear,
}

/// Change the text of one's own message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EditMessage {
    /// Where.
    pub room: RoomId,
    /// Which.
    pub message: MessageId,
    /// The new text.
    pub text: Clear,
    /// The revision that the editor saw, to tell a collision.
    pub expected: Option<u32>,
}

/// Hide one's own message; a tombstone stays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeleteMessage {
    /// Where.
    pub room: RoomId,
    /// Which.
    pub message: MessageId,
    /// The revision that the deleter saw, to tell a collision.
    pub expected: Option<u32>,
}

impl SendMessage {
    pub(crate) fn decide(
        &self,
        state: &State,
        actor: Actor,
        stamp: &mut Stamp,
    ) -> Result<Decision, Rejection> {
        let user_id = acting_user(state, actor)?;
        open_room_of(state, user_id, self.room)?;
        let text = Personal::Clear(text::body("msg_content", &self.text, text::MESSAGE)?);
        let message_id = MessageId::new(stamp.id());
        let sent = MessageSent { room_id: self.room, message_id, user_id, text };
        let mut decision = one(self.room, RoomEvent::MessageSent(sent));
        decision.created = Some(Created::Message(message_id));
        Ok(decision)
    }
}

/// The actor's own message that is no tombstone, as the actor last saw it.
fn own_message(
    state: &State,
    actor: Actor,
    room: RoomId,
    message: MessageId,
    expected: Option<u32>,
) -> Result<(UserId, TextOf), Rejection> {
    let user = acting_user(state, actor)?;
    let found = room_of(state, user, room)?.message(message);
    let text = found.filter(|text| !text.deleted).ok_or(Rejection::NotFound("message"))?;
    if text.author != user {
        return Err(Rejection::Forbidden("only its author may change a message".to_owned()));
    }
    match expected {
        Some(revision) if revision != text.revision => Err(Rejection::Stale),
        Some(_) | None => Ok((user, *text)),
    }
}

impl EditMessage {
    pub(crate) fn decide(&self, state: &State, actor: Actor) -> Result<Decision, Rejection> {
        let (user_id, now) = own_message(state, actor, self.room, self.message, self.expected)?;
        open_room_of(state, user_id, self.room)?;
        let text = Personal::Clear(text::body("msg_content", &self.text, text::MESSAGE)?);
        let mut decision = one(
            self.room,
            RoomEvent::MessageEdited(MessageEdited {
                room_id: self.room,
                message_id: self.message,
                user_id,
                revision: now.revision + 1,
                text,
            }),
        );
        decision.created = Some(Created::Message(self.message));
        Ok(decision)
    }
}

impl DeleteMessage {
    pub(crate) fn decide(&self, state: &State, actor: Actor) -> Result<Decision, Rejection> {
        own_message(state, actor, self.room, self.message, self.expected)?;
        let deleted = MessageDeleted { room_id: self.room, message_id: self.message };
        Ok(one(self.room, RoomEvent::MessageDeleted(deleted)))
    }
}
