//! Tables `transcript` and `transcript_revision`: what was signed or typed, and what was read
//! before a correction.

use events::room::{RoomEvent, TranscriptKind};
use events::user::UserEvent;
use events::{Event, RoomId, SegmentId, TextKind, Timestamp, TranscriptId, UserId};

use super::{At, text};
use crate::error::StoreError;
use crate::read::{Listing, Order, Page};
use crate::search::{self, Search};
use crate::store::Store;
use crate::value::{Value, record};
use crate::work::{Expiry, Work, ints};

record! {
    /// A row of `transcript`.
    pub TranscriptRow of "transcript", key 1 {
        /// Below 2^53.
        id: TranscriptId,
        /// The text; `None` when it was erased or is past its retention.
        ts_content: Option<String>,
        /// When it was first stored.
        created_at: Timestamp,
        /// Where.
        room_id: RoomId,
        /// Who signed or typed it; `None` when that user was deleted.
        user_id: Option<UserId>,
        /// The segment, stable for ever.
        segment_id: SegmentId,
        /// Counts its texts, from 1.
        revision: u32,
        /// Milliseconds since the room was created.
        start_ms: u64,
        /// Milliseconds since the room was created.
        end_ms: u64,
        /// 0 to 1, of the first reading; `None` for typed text.
        confidence: Option<f64>,
        /// Signed word, spelled word, or typed.
        kind: TranscriptKind,
        /// Name and version of the model that last read it; `None` for typed text.
        model: Option<String>,
        /// When it was last revised.
        revised_at: Option<Timestamp>,
        /// The person who made the newest revision; `None` for a model, or a deleted user.
        editor_id: Option<UserId>,
        /// The words of the text, folded, for searching; `None` without a text.
        #[serde(skip)]
        words: Option<String>,
    }
}

record! {
    /// A row of `transcript_revision`: a text that a later one has taken the place of.
    pub TranscriptRevisionRow of "transcript_revision", key 2 {
        /// Which segment.
        transcript_id: TranscriptId,
        /// From 1.
        revision: u32,
        /// The text as it was; `None` when it was erased.
        ts_content: Option<String>,
        /// When this text was written.
        created_at: Timestamp,
        /// The person who wrote it; `None` for a model, the first text, or a deleted user.
        editor_id: Option<UserId>,
        /// The model that had last read the segment.
        model: Option<String>,
    }
}

impl TranscriptRow {
    fn write(&mut self, text: Option<String>) {
        self.words = text.as_deref().map(|text| search::words(self.room_id, text));
        self.ts_content = text;
    }

    /// The newest text, as a revision.
    fn revision(&self) -> TranscriptRevisionRow {
        TranscriptRevisionRow {
            transcript_id: self.id,
            revision: self.revision,
            ts_content: self.ts_content.clone(),
            created_at: self.revised_at.unwrap_or(self.created_at),
            editor_id: self.editor_id,
            model: self.model.clone(),
        }
    }
}

pub(crate) fn apply(work: &mut Work, event: &Event, at: At) {
    match event {
        Event::User(UserEvent::Deleted(e)) => {
            let gone = Some(e.user_id);
            if e.erase_content {
                forget(work, |row| row.user_id == gone);
            }
            work.transcripts.edit_where(|row| row.user_id == gone, |row| row.user_id = None);
            work.transcripts.edit_where(|row| row.editor_id == gone, |row| row.editor_id = None);
            let revisions = &mut work.transcript_revisions;
            revisions.edit_where(|row| row.editor_id == gone, |row| row.editor_id = None);
        }
        Event::User(_) | Event::Webhook(_) => {}
        Event::Room(event) => apply_room(work, event, at),
    }
}

fn apply_room(work: &mut Work, event: &RoomEvent, at: At) {
    match event {
        RoomEvent::TranscriptRecorded(e) => {
            if work.rooms.get(&e.room_id).is_some() {
                let mut row = TranscriptRow {
                    id: e.transcript_id,
                    ts_content: None,
                    created_at: at.time,
                    room_id: e.room_id,
                    user_id: Some(e.user_id),
                    segment_id: e.segment_id,
                    revision: 1,
                    start_ms: e.start_ms,
                    end_ms: e.end_ms,
                    confidence: e.confidence.and_then(shortest),
                    kind: e.kind,
                    model: e.model.clone(),
                    revised_at: None,
                    editor_id: None,
                    words: None,
                };
                row.write(text(&e.text));
                work.transcripts.insert(e.transcript_id, row);
            }
        }
        RoomEvent::TranscriptRevised(e) => {
            if let Some(row) = work.transcripts.edit(&e.transcript_id) {
                let before = row.revision();
                row.write(text(&e.text));
                row.revision = e.revision;
                row.revised_at = Some(at.time);
                row.editor_id = e.editor;
                row.model = e.model.clone().or(row.model.take());
                work.transcript_revisions.insert((e.transcript_id, before.revision), before);
            }
        }
        RoomEvent::TextsExpired(e) => {
            if let Some(day) = e.transcripts_before {
                forget(work, |row| row.room_id == e.room_id && row.created_at.day() < day);
                let kind = TextKind::Transcript;
                work.sweep.expired.push(Expiry { room: e.room_id, kind, before: day });
            }
        }
        RoomEvent::Created(_)
        | RoomEvent::SettingsChanged(_)
        | RoomEvent::HandedOver(_)
        | RoomEvent::Closed(_)
        | RoomEvent::Deleted(_)
        | RoomEvent::ParticipantJoined(_)
        | RoomEvent::ParticipantAdmitted(_)
        | RoomEvent::ParticipantLeft(_)
        | RoomEvent::ParticipantRemoved(_)
        | RoomEvent::ParticipantSentBack(_)
        | RoomEvent::ConsentChanged(_)
        | RoomEvent::MessageSent(_)
        | RoomEvent::MessageEdited(_)
        | RoomEvent::MessageDeleted(_) => {}
    }
}

/// The double that reads like the single: 0.93 stays 0.93.
fn shortest(single: f32) -> Option<f64> {
    single.to_string().parse().ok()
}

/// Takes the texts away from the loaded transcripts that are meant, former ones included.
fn forget(work: &mut Work, meant: impl Fn(&TranscriptRow) -> bool) {
    work.transcripts.edit_where(&meant, |row| row.write(None));
    let transcripts = &work.transcripts;
    work.transcript_revisions.edit_where(
        |row| transcripts.get(&row.transcript_id).is_some_and(&meant),
        |row| row.ts_content = None,
    );
}

/// Which transcripts of a room to read; the default is all.
#[derive(Debug, Clone, Copy, Default)]
pub struct TranscriptFilter<'a> {
    /// Only what this user signed or typed.
    pub user: Option<UserId>,
    /// Only texts in which this finds something.
    pub q: Option<&'a Search>,
}

impl Store {
    /// A segment of a room.
    pub async fn transcript(
        &self,
        room: RoomId,
        id: TranscriptId,
    ) -> Result<Option<TranscriptRow>, StoreError> {
        let args = vec![Value::Int(id.get() as i64), Value::Int(room.get() as i64)];
        self.find("WHERE id = $1 AND room_id = $2", args).await
    }

    /// A room's transcripts, oldest first.
    pub async fn transcripts(
        &self,
        room: RoomId,
        filter: TranscriptFilter<'_>,
        page: Page<TranscriptId>,
    ) -> Result<Listing<TranscriptRow>, StoreError> {
        let mut clause = "room_id = $1".to_owned();
        let mut args = vec![Value::Int(room.get() as i64)];
        if let Some(user) = filter.user {
            args.push(Value::Int(user.get() as i64));
            clause = format!("{clause} AND user_id = ${}", args.len());
        }
        if let Some(q) = filter.q {
            if q.is_empty() {
                return Ok(Listing { rows: Vec::new(), has_more: false });
            }
            args.push(Value::Text(q.parameter(self.dialect(), room)));
            clause = format!("{clause} AND {}", Search::condition(self.dialect(), args.len()));
        }
        self.page(&clause, args, Order::OldestFirst, page).await
    }

    /// What a user signed or typed in any room, oldest first.
    pub async fn transcripts_of(
        &self,
        user: UserId,
        page: Page<TranscriptId>,
    ) -> Result<Listing<TranscriptRow>, StoreError> {
        let args = vec![Value::Int(user.get() as i64)];
        self.page("user_id = $1", args, Order::OldestFirst, page).await
    }

    /// What others signed or typed and a user has given its present text, oldest first.
    pub async fn transcripts_corrected_by(
        &self,
        user: UserId,
        page: Page<TranscriptId>,
    ) -> Result<Listing<TranscriptRow>, StoreError> {
        let args = vec![Value::Int(user.get() as i64)];
        let clause = "editor_id = $1 AND (user_id IS NULL OR user_id <> $1)";
        self.page(clause, args, Order::OldestFirst, page).await
    }

    /// The former texts of these segments, oldest first, a page at a time: those after this
    /// segment's of this number.
    pub async fn former_readings(
        &self,
        transcripts: &[TranscriptId],
        after: Option<(TranscriptId, u32)>,
        limit: u32,
    ) -> Result<Vec<TranscriptRevisionRow>, StoreError> {
        let theirs = self.dialect().any("transcript_id", 1);
        let ids = ints(transcripts.iter().map(|id| id.get()));
        self.readings_after(&theirs, ids, after, limit).await
    }

    /// The former texts that a user gave to what others signed or typed; as
    /// [`former_readings`](Self::former_readings).
    pub async fn former_corrections_by(
        &self,
        user: UserId,
        after: Option<(TranscriptId, u32)>,
        limit: u32,
    ) -> Result<Vec<TranscriptRevisionRow>, StoreError> {
        let own = "SELECT 1 FROM transcript WHERE id = transcript_id AND user_id = $1";
        let theirs = format!("editor_id = $1 AND NOT EXISTS ({own})");
        self.readings_after(&theirs, Value::Int(user.get() as i64), after, limit).await
    }

    async fn readings_after(
        &self,
        clause: &str,
        of: Value,
        after: Option<(TranscriptId, u32)>,
        limit: u32,
    ) -> Result<Vec<TranscriptRevisionRow>, StoreError> {
        let (id, revision) = after.map_or((0, 0), |(id, revision)| (id.get(), revision));
        let args = vec![of, Value::Int(id as i64), Value::Int(i64::from(revision))];
        let tail = format!(
            "WHERE {clause} AND (transcript_id, revision) > ($2, $3) \
             ORDER BY transcript_id, revision LIMIT {limit}"
        );
        self.list(&tail, args).await
    }

    /// All texts that a segment has had, oldest first, the newest included. `None` when the room
    /// has no such segment.
    pub async fn transcript_revisions(
        &self,
        room: RoomId,
        id: TranscriptId,
    ) -> Result<Option<Vec<TranscriptRevisionRow>>, StoreError> {
        let Some(transcript) = self.transcript(room, id).await? else { return Ok(None) };
        let args = vec![Value::Int(id.get() as i64)];
        let mut rows: Vec<TranscriptRevisionRow> =
            self.list("WHERE transcript_id = $1 ORDER BY revision", args).await?;
        rows.retain(|row| row.revision < transcript.revision);
        rows.push(transcript.revision());
        Ok(Some(rows))
    }
}
