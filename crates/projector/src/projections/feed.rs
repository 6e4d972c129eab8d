//! Table `room_feed`: what happened in a room, numbered from 1 without a gap, from which live
//! readers catch up. It names rows and holds no text; reading joins the rows as they are now.

use std::collections::HashMap;

use chrono::{Datelike as _, NaiveDate};
use events::room::RoomEvent;
use events::user::UserEvent;
use events::{Event, MessageId, ParticipantId, Position, RoomId, Timestamp, TranscriptId, UserId};
use serde::Serialize;
use serde_json::json;

use super::At;
use super::message::MessageRow;
use super::participant::ParticipantRow;
use super::transcript::TranscriptRow;
use crate::error::StoreError;
use crate::read::Listing;
use crate::store::Store;
use crate::value::{Value, record, text_fields};
use crate::work::Work;

record! {
    /// A row of `room_feed`.
    pub FeedRow of "room_feed", key 2 {
        /// Where.
        room_id: RoomId,
        /// From 1, without a gap.
        seq: u64,
        /// The commit.
        position: Position,
        /// What happened.
        kind: FeedKind,
        /// When.
        created_at: Timestamp,
        /// The row it is about, in the table that the kind names; for texts that expired the first
        /// day whose are kept, counted from 0001-01-01.
        ref_id: Option<u64>,
        /// The participant it is about.
        user_id: Option<UserId>,
    }
}

/// What an entry says, and with it which row it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the events of the same names are documented")]
pub enum FeedKind {
    Message,
    MessageEdited,
    MessageDeleted,
    Transcript,
    TranscriptRevised,
    ParticipantJoined,
    ParticipantAdmitted,
    ParticipantLeft,
    ParticipantRemoved,
    ParticipantSentBack,
    ConsentChanged,
    RoomChanged,
    RoomClosed,
    TextsErased,
    /// Of chat.
    #[serde(rename = "texts_expired")]
    MessagesExpired,
    /// Of the transcript.
    #[serde(rename = "texts_expired")]
    TranscriptsExpired,
}

text_fields! {
    FeedKind {
        Message => "message",
        MessageEdited => "message_edited",
        MessageDeleted => "message_deleted",
        Transcript => "transcript",
        TranscriptRevised => "transcript_revised",
        ParticipantJoined => "participant_joined",
        ParticipantAdmitted => "participant_admitted",
        ParticipantLeft => "participant_left",
        ParticipantRemoved => "participant_removed",
        ParticipantSentBack => "participant_sent_back",
        ConsentChanged => "consent_changed",
        RoomChanged => "room_changed",
        RoomClosed => "room_closed",
        TextsErased => "texts_erased",
        MessagesExpired => "messages_expired",
        TranscriptsExpired => "transcripts_expired",
    }
}

/// One entry as live readers get it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FeedEntry {
    /// The room's sequence.
    pub seq: u64,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: FeedKind,
    /// The row it is about as it is now, with the tables' column names; only the ids when the row
    /// is gone. Of texts that are gone, whose or from before which day.
    pub data: serde_json::Value,
}

pub(crate) fn apply(work: &mut Work, event: &Event, at: At) {
    match event {
        Event::User(UserEvent::Deleted(e)) => {
            for (room, user) in work.rooms_with(e.user_id) {
                about_participant(work, FeedKind::ParticipantLeft, room, user, at);
            }
            if e.erase_content {
                for room in work.rooms_with_texts_of(e.user_id) {
                    work.feed(room, FeedKind::TextsErased, None, Some(e.user_id), at);
                }
            }
        }
        Event::User(_) | Event::Webhook(_) => {}
        Event::Room(event) => apply_room(work, event, at),
    }
}

fn apply_room(work: &mut Work, event: &RoomEvent, at: At) {
    use FeedKind as K;
    let room = event.room_id();
    match event {
        RoomEvent::Created(e) => {
            let id = Some(e.participant_id.get());
            work.feed(room, K::ParticipantJoined, id, Some(e.owner_id), at);
        }
        RoomEvent::ParticipantJoined(e) => {
            let id = Some(e.participant_id.get());
            work.feed(room, K::ParticipantJoined, id, Some(e.user_id), at);
        }
        RoomEvent::ParticipantAdmitted(e) => {
            about_participant(work, K::ParticipantAdmitted, room, e.user_id, at);
        }
        RoomEvent::ParticipantLeft(e) => {
            about_participant(work, K::ParticipantLeft, room, e.user_id, at);
        }
        RoomEvent::ParticipantRemoved(e) => {
            about_participant(work, K::ParticipantRemoved, room, e.user_id, at);
        }
        RoomEvent::ParticipantSentBack(e) => {
            about_participant(work, K::ParticipantSentBack, room, e.user_id, at);
        }
        RoomEvent::ConsentChanged(e) => {
            about_participant(work, K::ConsentChanged, room, e.user_id, at);
        }
        RoomEvent::MessageSent(e) => {
            work.feed(room, K::Message, Some(e.message_id.get()), None, at);
        }
        RoomEvent::MessageEdited(e) => {
            work.feed(room, K::MessageEdited, Some(e.message_id.get()), None, at);
        }
        RoomEvent::MessageDeleted(e) => {
            work.feed(room, K::MessageDeleted, Some(e.message_id.get()), None, at);
        }
        RoomEvent::TranscriptRecorded(e) => {
            work.feed(room, K::Transcript, Some(e.transcript_id.get()), None, at);
        }
        RoomEvent::TranscriptRevised(e) => {
            work.feed(room, K::TranscriptRevised, Some(e.transcript_id.get()), None, at);
        }
        RoomEvent::SettingsChanged(_) | RoomEvent::HandedOver(_) => {
            work.feed(room, K::RoomChanged, None, None, at);
        }
        RoomEvent::Closed(_) => work.feed(room, K::RoomClosed, None, None, at),
        RoomEvent::TextsExpired(e) => {
            let days = [
                (K::MessagesExpired, e.messages_before),
                (K::TranscriptsExpired, e.transcripts_before),
            ];
            for (kind, before) in days {
                if let Some(day) = before.map(|day| u64::try_from(day.num_days_from_ce())) {
                    work.feed(room, kind, day.ok(), None, at);
                }
            }
        }
        RoomEvent::Deleted(_) => {}
    }
}

fn about_participant(work: &mut Work, kind: FeedKind, room: RoomId, user: UserId, at: At) {
    let id = work.participants.get(&(room, user)).map(|row| row.id.get());
    work.feed(room, kind, id, Some(user), at);
}

/// The rows that entries name, as they are now.
#[derive(Default)]
struct Named {
    messages: HashMap<u64, serde_json::Value>,
    transcripts: HashMap<u64, serde_json::Value>,
    participants: HashMap<u64, serde_json::Value>,
    room: Option<serde_json::Value>,
}

impl Store {
    /// What happened in a room after `after` (0 for all), oldest first, up to `limit` entries.
    pub async fn feed(
        &self,
        room: RoomId,
        after: u64,
        limit: u32,
    ) -> Result<Listing<FeedEntry>, StoreError> {
        let args = vec![Value::Int(room.get() as i64), Value::Int(after as i64)];
        // Written out: SQLite plans a statement anew each time its bound limit is set.
        let tail = format!(
            "WHERE room_id = $1 AND seq > $2 ORDER BY seq LIMIT {}",
            limit.saturating_add(1)
        );
        let mut rows: Vec<FeedRow> = self.list(&tail, args).await?;
        let has_more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let named = self.named_by(room, &rows).await?;
        Ok(Listing { rows: rows.iter().map(|row| named.entry(row)).collect(), has_more })
    }

    /// The newest sequence in a room's feed, 0 when there is none.
    pub async fn feed_seq(&self, room: RoomId) -> Result<u64, StoreError> {
        Ok(self.room(room).await?.map_or(0, |row| row.feed_seq))
    }

    async fn named_by(&self, room: RoomId, rows: &[FeedRow]) -> Result<Named, StoreError> {
        let (mut messages, mut transcripts, mut participants) = (vec![], vec![], vec![]);
        let mut about_room = false;
        for row in rows {
            match row.kind.about() {
                About::Message => messages.extend(row.ref_id),
                About::Transcript => transcripts.extend(row.ref_id),
                About::Participant => participants.extend(row.ref_id),
                About::Room => about_room = true,
                About::Author | About::Days(_) => {}
            }
        }
        let messages: Vec<MessageRow> = self.find_all("id", messages).await?;
        let transcripts: Vec<TranscriptRow> = self.find_all("id", transcripts).await?;
        let participants: Vec<ParticipantRow> = self.find_all("id", participants).await?;
        let participants = self.named(participants).await?;
        let room = if about_room { self.room(room).await? } else { None };
        Ok(Named {
            messages: messages.iter().map(|row| (row.id.get(), json!(row))).collect(),
            transcripts: transcripts.iter().map(|row| (row.id.get(), json!(row))).collect(),
            participants: participants.iter().map(|p| (p.row.id.get(), json!(p))).collect(),
            room: room.map(|row| json!(row)),
        })
    }
}

/// What entries are about.
#[derive(Debug, Clone, Copy)]
enum About {
    /// A row of `message`.
    Message,
    /// A row of `transcript`.
    Transcript,
    /// A row of `room_participant`.
    Participant,
    /// The room itself.
    Room,
    /// All texts of one user.
    Author,
    /// All texts of a kind from before a day.
    Days(&'static str),
}

impl FeedKind {
    fn about(self) -> About {
        match self {
            Self::Message | Self::MessageEdited | Self::MessageDeleted => About::Message,
            Self::Transcript | Self::TranscriptRevised => About::Transcript,
            Self::ParticipantJoined
            | Self::ParticipantAdmitted
            | Self::ParticipantLeft
            | Self::ParticipantRemoved
            | Self::ParticipantSentBack
            | Self::ConsentChanged => About::Participant,
            Self::RoomChanged | Self::RoomClosed => About::Room,
            Self::TextsErased => About::Author,
            Self::MessagesExpired => About::Days("message"),
            Self::TranscriptsExpired => About::Days("transcript"),
        }
    }
}

impl Named {
    fn entry(&self, row: &FeedRow) -> FeedEntry {
        let id = row.ref_id.unwrap_or_default();
        let room = row.room_id;
        let (found, ids) = match row.kind.about() {
            About::Message => {
                let id = MessageId::new(id);
                (self.messages.get(&id.get()), json!({ "id": id, "room_id": room }))
            }
            About::Transcript => {
                let id = TranscriptId::new(id);
                (self.transcripts.get(&id.get()), json!({ "id": id, "room_id": room }))
            }
            About::Participant => {
                let id = row.ref_id.map(ParticipantId::new);
                let ids = json!({ "id": id, "rp_user_id": row.user_id, "rp_room_id": room });
                (id.and_then(|id| self.participants.get(&id.get())), ids)
            }
            About::Room => (self.room.as_ref(), json!({ "id": room })),
            About::Author => (None, json!({ "room_id": room, "user_id": row.user_id })),
            About::Days(kind) => {
                let days = i32::try_from(id).ok();
                let before = days.and_then(NaiveDate::from_num_days_from_ce_opt);
                (None, json!({ "room_id": room, "kind": kind, "before": before }))
            }
        };
        FeedEntry { seq: row.seq, kind: row.kind, data: found.cloned().unwrap_or(ids) }
    }
}
