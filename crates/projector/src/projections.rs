//! The tables, one file each: its row type, how events change it, how it is read.
//!
//! Writing is the same everywhere: [`needs`] names the rows that a batch of events touches, they
//! are loaded into a [`Work`] at once, every projection applies every event to it in memory, and
//! what changed is written once. So a row that changes a thousand times in a batch costs one write.

pub mod feed;
pub mod message;
pub mod participant;
pub mod room;
pub mod transcript;
pub mod user;

use events::room::RoomEvent;
use events::user::UserEvent;
use events::{Event, Position, Timestamp};

use crate::value::{Record as _, Table};
use crate::work::{Keys, Work};

/// When and where in the log an event happened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At {
    pub(crate) position: Position,
    pub(crate) time: Timestamp,
}

/// Every table of rows, parents before children. The checkpoint is not among them.
pub(crate) const TABLES: [&Table; 8] = [
    user::UserRow::TABLE,
    room::RoomRow::TABLE,
    participant::ParticipantRow::TABLE,
    message::MessageRow::TABLE,
    message::MessageRevisionRow::TABLE,
    transcript::TranscriptRow::TABLE,
    transcript::TranscriptRevisionRow::TABLE,
    feed::FeedRow::TABLE,
];

/// Names the stored rows without which an event can't be applied.
pub(crate) fn needs(event: &Event, keys: &mut Keys) {
    match event {
        Event::User(event) => {
            keys.users.extend(event.user_id());
            match event {
                UserEvent::Deleted(e) => {
                    keys.deleted_users.insert(e.user_id);
                    if e.erase_content {
                        keys.erased_users.insert(e.user_id);
                    }
                }
                UserEvent::Seen(e) => keys.users.extend(e.seen.iter().map(|(user, _)| *user)),
                UserEvent::Registered(_)
                | UserEvent::TokenIssued(_)
                | UserEvent::TokenRenewed(_)
                | UserEvent::TokenRevoked(_)
                | UserEvent::TokensRevoked(_)
                | UserEvent::LoginFailed(_)
                | UserEvent::LoginFailuresCleared(_)
                | UserEvent::LoginLockExpired(_)
                | UserEvent::PasswordChanged(_)
                | UserEvent::PasswordRehashed(_)
                | UserEvent::UsernameChanged(_)
                | UserEvent::EmailChanged(_)
                | UserEvent::ResetRequested(_)
                | UserEvent::AdminGranted(_)
                | UserEvent::AdminRevoked(_)
                | UserEvent::Blocked(_)
                | UserEvent::Unblocked(_)
                | UserEvent::ModelTaught(_) => {}
            }
        }
        Event::Webhook(_) => {}
        Event::Room(event) => {
            let room = event.room_id();
            keys.rooms.insert(room);
            match event {
                RoomEvent::ParticipantJoined(e) => keys.participant(room, e.user_id),
                RoomEvent::ParticipantAdmitted(e) => keys.participant(room, e.user_id),
                RoomEvent::ParticipantLeft(e) => keys.participant(room, e.user_id),
                RoomEvent::ParticipantRemoved(e) => keys.participant(room, e.user_id),
                RoomEvent::ParticipantSentBack(e) => keys.participant(room, e.user_id),
                RoomEvent::ConsentChanged(e) => keys.participant(room, e.user_id),
                RoomEvent::MessageEdited(e) => drop(keys.messages.insert(e.message_id)),
                RoomEvent::MessageDeleted(e) => drop(keys.messages.insert(e.message_id)),
                RoomEvent::TranscriptRevised(e) => drop(keys.transcripts.insert(e.transcript_id)),
                RoomEvent::Created(_)
                | RoomEvent::SettingsChanged(_)
                | RoomEvent::HandedOver(_)
                | RoomEvent::Closed(_)
                | RoomEvent::Deleted(_)
                | RoomEvent::MessageSent(_)
                | RoomEvent::TranscriptRecorded(_)
                | RoomEvent::TextsExpired(_) => {}
            }
        }
    }
}

/// Applies one event to every table. The order matters where one looks at another's rows: the
/// feed numbers its entries in the room, and names participants before they go.
pub(crate) fn apply(work: &mut Work, event: &Event, at: At) {
    user::apply(work, event, at);
    room::apply(work, event, at);
    feed::apply(work, event, at);
    participant::apply(work, event, at);
    message::apply(work, event, at);
    transcript::apply(work, event, at);
}

/// The text of a personal field that was opened; `None` when its key is gone.
pub(crate) fn text(field: &events::Personal) -> Option<String> {
    match field {
        events::Personal::Clear(text) => Some(text.clone()),
        events::Personal::Sealed(_) | events::Personal::Erased => None,
    }
}
