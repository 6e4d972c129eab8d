//! Chat: sending, editing one's own, and deleting one's own, or anybody's in one's room.

use serde::{Deserialize, Serialize};

use super::leave::one;
use super::{acting_user, open_room_of, owned_room, room_of};
use crate::command::{Actor, Created, Decision, Rejection, Stamp};
use crate::id::{MessageId, RoomId};
use crate::room::event::{MessageDeleted, MessageEdited, MessageSent, RoomEvent};
use crate::room::state::{Room, TextOf};
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

/// Hide a message: one's own, or as the room's owner or an administrator anybody's. A tombstone stays.
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

/// A message that the actor may change, is no tombstone, and is as the actor last saw it.
fn message_of(
    room: &Room,
    message: MessageId,
    expected: Option<u32>,
    may: impl Fn(&TextOf) -> Result<(), Rejection>,
) -> Result<TextOf, Rejection> {
    let found = room.message(message).filter(|text| !text.deleted);
    let text = found.ok_or(Rejection::NotFound("message"))?;
    may(text)?;
    match expected {
        Some(revision) if revision != text.revision => Err(Rejection::Stale),
        Some(_) | None => Ok(*text),
    }
}

impl EditMessage {
    pub(crate) fn decide(&self, state: &State, actor: Actor) -> Result<Decision, Rejection> {
        let user_id = acting_user(state, actor)?;
        let room = room_of(state, user_id, self.room)?;
        let now = message_of(room, self.message, self.expected, |text| {
            if text.author == user_id {
                return Ok(());
            }
            Err(Rejection::Forbidden("only its author may change a message".to_owned()))
        })?;
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
        let user = acting_user(state, actor)?;
        let room = room_of(state, user, self.room)?;
        message_of(room, self.message, self.expected, |text| {
            let own = text.author == user;
            if own { Ok(()) } else { owned_room(state, user, self.room).map(drop) }
        })?;
        let deleted =
            MessageDeleted { room_id: self.room, message_id: self.message, deleted_by: Some(user) };
        Ok(one(self.room, RoomEvent::MessageDeleted(deleted)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    use crate::event::Event;
    use crate::id::UserId;

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
        let eve = Actor::User(town.joined(room, "Eve"));
        assert!(matches!(town.refused(eve, delete.clone()), Rejection::Forbidden(_)));
        town.when(Actor::User(bob), delete.clone()).unwrap();
        assert_eq!(town.refused(Actor::User(bob), delete), Rejection::NotFound("message"));
        assert_eq!(town.refused(Actor::User(bob), edit(None)), Rejection::NotFound("message"));
    }

    #[test]
    fn who_runs_the_room_deletes_what_others_wrote_and_is_named() {
        let mut town = Scenario::new();
        let (room, ada, bob, first) = said(&mut town);
        let say = SendMessage { room, text: Clear::new("more") };
        let second = MessageId::new(town.made(Actor::User(bob), say));
        let root = town.admin("Root");
        for (message, user) in [(first, ada), (second, root)] {
            let delete = DeleteMessage { room, message, expected: Some(1) };
            let deleted = town.when(Actor::User(user), delete).unwrap();
            let [Event::Room(RoomEvent::MessageDeleted(deleted))] = &deleted.events[..] else {
                panic!("{deleted:?}");
            };
            assert_eq!(deleted.deleted_by, Some(user));
            assert!(town.state().rooms.get(room).unwrap().message(message).unwrap().deleted);
        }
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
