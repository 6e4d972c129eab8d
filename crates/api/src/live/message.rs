//! What listeners get: entries of the room's sequence, and ephemeral messages, marked as such.

use axum::extract::ws::Utf8Bytes;
use events::room::Room;
use events::{State, UserId};
use projector::{FeedEntry, FeedKind};
use serde_json::{Value, json};
use streams::LiveMessage;

use super::Close;

/// One message on its way to listeners of a room.
#[derive(Debug)]
pub(crate) enum Out {
    /// An entry of the room's sequence.
    Entry(Entry),
    /// The sequence has come this far; who is behind reads it from the tables.
    Head(u64),
    /// Not part of the sequence.
    Ephemeral {
        /// JSON.
        text: Utf8Bytes,
        /// For this user alone.
        to: Option<UserId>,
    },
}

/// An entry of a room's sequence, written once for all who get it.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Its place.
    pub(crate) seq: u64,
    /// JSON.
    pub(crate) text: Utf8Bytes,
    /// It says that the call is over.
    pub(crate) ends: bool,
    /// The message or the segment that it tells of.
    pub(crate) said: Option<u64>,
}

impl Entry {
    pub(crate) fn new(entry: &FeedEntry) -> Self {
        let text = serde_json::to_string(entry).unwrap_or_default().into();
        let said = match entry.kind {
            FeedKind::Message
            | FeedKind::MessageEdited
            | FeedKind::MessageDeleted
            | FeedKind::Transcript
            | FeedKind::TranscriptRevised => entry.data.get("id").and_then(Value::as_u64),
            FeedKind::ParticipantJoined
            | FeedKind::ParticipantAdmitted
            | FeedKind::ParticipantLeft
            | FeedKind::ParticipantRemoved
            | FeedKind::ParticipantSentBack
            | FeedKind::ConsentChanged
            | FeedKind::RoomChanged
            | FeedKind::RoomClosed
            | FeedKind::TextsErased
            | FeedKind::MessagesExpired
            | FeedKind::TranscriptsExpired => None,
        };
        Self { seq: entry.seq, text, ends: entry.kind == FeedKind::RoomClosed, said }
    }

    /// The entry with ids alone, as if its row was gone: for those who may not read what it tells.
    pub(crate) fn bare(&self) -> Utf8Bytes {
        let whole: Value = serde_json::from_str(&self.text).unwrap_or_default();
        let data = json!({ "id": whole["data"]["id"], "room_id": whole["data"]["room_id"] });
        json!({ "seq": self.seq, "type": whole["type"], "data": data }).to_string().into()
    }
}

fn ephemeral(kind: &str, data: &Value, to: Option<UserId>) -> Out {
    let text = json!({ "type": kind, "ephemeral": true, "data": data }).to_string().into();
    Out::Ephemeral { text, to }
}

/// What listeners get of a message between processes; `None` for what they must not, such as a
/// partial caption of somebody who has withdrawn consent in the meantime.
pub(crate) fn relayed(message: &LiveMessage, state: &State) -> Option<Out> {
    let room = state.rooms.get(message.room())?;
    match message {
        LiveMessage::Feed { .. } | LiveMessage::Present { .. } | LiveMessage::TicketUsed { .. } => {
            None
        }
        LiveMessage::Partial { segment, .. } if is_final(room, segment) => None,
        LiveMessage::Partial { user, segment, .. } => room.captions(*user).then(|| {
            let mut data = segment.clone();
            if let Value::Object(fields) = &mut data {
                fields.insert("user_id".to_owned(), json!(user));
            }
            ephemeral("partial", &data, None)
        }),
        LiveMessage::Signing { user, active, .. } => room
            .captions(*user)
            .then(|| ephemeral("signing", &json!({ "user_id": user, "active": active }), None)),
        LiveMessage::FramesDone { user, stream, done_seq, .. } => {
            let data = json!({ "user_id": user, "stream": stream, "done_seq": done_seq });
            Some(ephemeral("frames.done", &data, Some(*user)))
        }
        LiveMessage::Degraded { user, reason, .. } => {
            let data = json!({ "user_id": user, "reason": reason });
            Some(ephemeral("degraded", &data, Some(*user)))
        }
        LiveMessage::Typing { user, .. } => {
            room.admits(*user).then(|| ephemeral("typing", &json!({ "user_id": user }), None))
        }
        LiveMessage::Signal { from, to, payload, .. } => (room.admits(*from) && room.admits(*to))
            .then(|| {
                let data = json!({ "user_id": from, "payload": payload });
                ephemeral("signal", &data, Some(*to))
            }),
    }
}

/// Whether a segment's final is in the log already. A worker that takes over plays the frames of an
/// utterance again, and what was final must not seem open again.
fn is_final(room: &Room, segment: &Value) -> bool {
    let id = segment.get("segment_id").and_then(Value::as_str).and_then(|id| id.parse().ok());
    id.is_some_and(|id| room.segment(id).is_some())
}

/// Everything up to here was sent: what follows is live.
pub(crate) fn ready(seq: u64) -> Utf8Bytes {
    json!({ "type": "ready", "ephemeral": true, "data": { "seq": seq } }).to_string().into()
}

/// The last words of an event stream; a WebSocket has its close frame for it.
pub(crate) fn closing(close: Close) -> Utf8Bytes {
    let (code, reason) = (close.code(), close.reason());
    let data = json!({ "code": code, "reason": reason, "reconnect": close.may_reconnect() });
    json!({ "type": "close", "ephemeral": true, "data": data }).to_string().into()
}
