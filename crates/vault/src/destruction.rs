//! What an event says must be destroyed: the one reading of it, for the writer that destroys and
//! for every process that has to forget.

use chrono::NaiveDate;
use events::room::{Consent, RoomEvent};
use events::user::UserEvent;
use events::{Event, KeyScope, RoomId, State, TextKind, UserId};
use serde::{Deserialize, Serialize};

/// A set of keys that are to go for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Destruction {
    /// A user's own key.
    User(UserId),
    /// The keys of all texts of an author, wherever they are.
    Author(UserId),
    /// The keys of all texts in a room.
    Room(RoomId),
    /// The keys of one kind of text in one room, up to a day.
    Texts {
        /// Where.
        room: RoomId,
        /// Chat or transcript.
        kind: TextKind,
        /// The first UTC day that is kept.
        before: NaiveDate,
    },
    /// What was kept of a participant's landmarks in a room; no key.
    Kept {
        /// Where.
        room: RoomId,
        /// Whose.
        user: UserId,
    },
}

impl Destruction {
    /// What must go after this event, on the state just before it (owned rooms go with their
    /// owner). Adds to `into`; most events add nothing.
    pub fn collect(before: &State, event: &Event, into: &mut Vec<Self>) {
        match event {
            Event::User(UserEvent::Deleted(e)) => {
                into.push(Self::User(e.user_id));
                if e.erase_content {
                    into.push(Self::Author(e.user_id));
                }
                let rooms = before.rooms.of_member(e.user_id);
                let owned = rooms.filter(|(_, room)| room.owner == e.user_id);
                into.extend(owned.map(|(id, _)| Self::Room(id)));
            }
            Event::Room(RoomEvent::Deleted(e)) => into.push(Self::Room(e.room_id)),
            Event::Room(RoomEvent::TextsExpired(e)) => {
                let days = [
                    (TextKind::Transcript, e.transcripts_before),
                    (TextKind::Message, e.messages_before),
                ];
                let texts = |(kind, before): (_, Option<_>)| {
                    before.map(|before| Self::Texts { room: e.room_id, kind, before })
                };
                into.extend(days.into_iter().filter_map(texts));
            }
            // Leaving ends the consent for what comes, not for what is kept; taking it back does.
            Event::Room(RoomEvent::ConsentChanged(e)) => {
                let room = before.rooms.get(e.room_id);
                let had = room.and_then(|room| room.participants.get(&e.user_id));
                let keeping = Consent::CaptionsAndKeeping;
                if e.consent != keeping && had.is_some_and(|had| had.consent == keeping) {
                    into.push(Self::Kept { room: e.room_id, user: e.user_id });
                }
            }
            Event::User(_) | Event::Room(_) | Event::Webhook(_) => {}
        }
    }

    /// Whether this key is one of those.
    pub fn covers(&self, scope: &KeyScope) -> bool {
        match (*self, *scope) {
            (Self::User(gone), KeyScope::User(user)) => gone == user,
            (Self::Author(gone), KeyScope::Text { author, .. }) => gone == author,
            (Self::Room(gone), KeyScope::Text { room, .. }) => gone == room,
            (
                Self::Texts { room: gone, kind: sort, before },
                KeyScope::Text { room, kind, day, .. },
            ) => gone == room && sort == kind && day < before,
            (Self::Kept { .. }, _)
            | (Self::User(_), KeyScope::Text { .. })
            | (Self::Author(_) | Self::Room(_) | Self::Texts { .. }, KeyScope::User(_)) => false,
        }
    }
}
