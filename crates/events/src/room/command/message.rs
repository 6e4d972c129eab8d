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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    fn said(town: &mut Scenario) -> (RoomId, UserId, UserId, MessageId) {
        let ada = town.user("Ada");
        let room = town.room(ada);
        let bob = town.joined(room, "Bob");
        let say = SendMessage { room, text: Clear::new("hello") };
        let message = MessageId::new(town.made(Actor::User(bob), say));
        (room, ada, bob, message)
    }

    #[test]
    fn a_message_is_its_authors_to_change() {
        let mut town = Scenario::new();
        let (room, ada, bob, message) = said(&mut town);
        let edit = |expected| EditMessage { room, message, text: Clear::new("bye"), expected };
        assert!(matches!(town.refused(Actor::User(ada), edit(None)), Rejection::Forbidden(_)));
        town.when(Actor::User(bob), edit(Some(1))).unwrap();
        assert_eq!(town.refused(Actor::User(bob), edit(Some(1))), Rejection::Stale);
        assert_eq!(town.state().rooms.get(room).unwrap().message(message).unwrap().revision, 2);
        let delete = DeleteMessage { room, message, expected: None };
        assert!(matches!(town.refused(Actor::User(ada), delete.clone()), Rejection::Forbidden(_)));
        town.when(Actor::User(bob), delete.clone()).unwrap();
        assert_eq!(town.refused(Actor::User(bob), delete), Rejection::NotFound("message"));
        assert_eq!(town.refused(Actor::User(bob), edit(None)), Rejection::NotFound("message"));
    }

    #[test]
    fn text_has_its_bounds_and_outsiders_no_voice() {
        let mut town = Scenario::new();
        let (room, _ada, bob, _message) = said(&mut town);
        let eve = town.user("Eve");
        let say = |text: String| SendMessage { room, text: Clear::new(text) };
        assert_eq!(town.refused(Actor::User(eve), say("x".into())), Rejection::NotFound("room"));
        for wrong in [String::new(), "x".repeat(4001), "a\0b".into()] {
            let refused = town.refused(Actor::User(bob), say(wrong));
            assert!(matches!(refused, Rejection::Invalid { field: "msg_content", .. }));
        }
        assert!(town.when(Actor::User(bob), say("x".repeat(4000))).is_ok());
    }
}
