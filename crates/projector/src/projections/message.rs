//! Tables `message` and `message_revision`: the chat, and the texts that edits took the place of.

use events::room::RoomEvent;
use events::user::UserEvent;
use events::{Event, MessageId, RoomId, TextKind, Timestamp, UserId};

use super::{At, text};
use crate::error::StoreError;
use crate::read::{Listing, Order, Page};
use crate::store::Store;
use crate::value::{Value, record};
use crate::work::{Expiry, Work, ints};

record! {
    /// A row of `message`.
    pub MessageRow of "message", key 1 {
        /// Below 2^53.
        id: MessageId,
        /// The text; `None` when it was deleted, erased, or is past its retention.
        msg_content: Option<String>,
        /// When it was sent.
        created_at: Timestamp,
        /// Who sent it; `None` when that user was deleted.
        user_id: Option<UserId>,
        /// Where.
        room_id: RoomId,
        /// When it was last edited.
        edited_at: Option<Timestamp>,
        /// When it was deleted; its tombstone stays.
        deleted_at: Option<Timestamp>,
        /// Counts its texts, from 1.
        revision: u32,
        /// Who deleted it; unknown of deletions of old, and when that user was deleted.
        deleted_by: Option<UserId>,
    }
}

record! {
    /// A row of `message_revision`: a text that a later one has taken the place of.
    pub MessageRevisionRow of "message_revision", key 2 {
        /// Which message.
        message_id: MessageId,
        /// From 1.
        revision: u32,
        /// The text as it was; `None` when it was deleted or erased.
        msg_content: Option<String>,
        /// When this text was written.
        created_at: Timestamp,
    }
}

impl MessageRow {
    /// The newest text, as a revision.
    fn revision(&self) -> MessageRevisionRow {
        MessageRevisionRow {
            message_id: self.id,
            revision: self.revision,
            msg_content: self.msg_content.clone(),
            created_at: self.edited_at.unwrap_or(self.created_at),
        }
    }
}

pub(crate) fn apply(work: &mut Work, event: &Event, at: At) {
    match event {
        Event::User(UserEvent::Deleted(e)) => {
            let theirs = |row: &MessageRow| row.user_id == Some(e.user_id);
            if e.erase_content {
                forget(work, theirs);
            }
            work.messages.edit_where(theirs, |row| row.user_id = None);
            let by_them = |row: &MessageRow| row.deleted_by == Some(e.user_id);
            work.messages.edit_where(by_them, |row| row.deleted_by = None);
        }
        Event::User(_) | Event::Webhook(_) => {}
        Event::Room(event) => apply_room(work, event, at),
    }
}

fn apply_room(work: &mut Work, event: &RoomEvent, at: At) {
    match event {
        RoomEvent::MessageSent(e) => {
            if work.rooms.get(&e.room_id).is_some() {
                let row = MessageRow {
                    id: e.message_id,
                    msg_content: text(&e.text),
                    created_at: at.time,
                    user_id: Some(e.user_id),
                    room_id: e.room_id,
                    edited_at: None,
                    deleted_at: None,
                    revision: 1,
                    deleted_by: None,
                };
                work.messages.insert(e.message_id, row);
            }
        }
        RoomEvent::MessageEdited(e) => {
            if let Some(row) = work.messages.edit(&e.message_id) {
                let before = row.revision();
                row.msg_content = text(&e.text);
                row.edited_at = Some(at.time);
                row.revision = e.revision;
                work.message_revisions.insert((e.message_id, before.revision), before);
            }
        }
        RoomEvent::MessageDeleted(e) => {
            if let Some(row) = work.messages.edit(&e.message_id) {
                row.deleted_at = Some(at.time);
                row.deleted_by = e.deleted_by;
                forget(work, |row| row.id == e.message_id);
                work.sweep.tombstones.push(e.message_id);
            }
        }
        RoomEvent::TextsExpired(e) => {
            if let Some(day) = e.messages_before {
                forget(work, |row| row.room_id == e.room_id && row.created_at.day() < day);
                let kind = TextKind::Message;
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
        | RoomEvent::TranscriptRecorded(_)
        | RoomEvent::TranscriptRevised(_) => {}
    }
}

/// Takes the texts away from the loaded messages that are meant, former ones included.
fn forget(work: &mut Work, meant: impl Fn(&MessageRow) -> bool) {
    work.messages.edit_where(&meant, |row| row.msg_content = None);
    let messages = &work.messages;
    work.message_revisions.edit_where(
        |row| messages.get(&row.message_id).is_some_and(&meant),
        |row| row.msg_content = None,
    );
}

impl Store {
    /// A message of a room, tombstones included.
    pub async fn message(
        &self,
        room: RoomId,
        id: MessageId,
    ) -> Result<Option<MessageRow>, StoreError> {
        let args = vec![Value::Int(id.get() as i64), Value::Int(room.get() as i64)];
        self.find("WHERE id = $1 AND room_id = $2", args).await
    }

    /// A room's messages, oldest first.
    pub async fn messages(
        &self,
        room: RoomId,
        page: Page<MessageId>,
    ) -> Result<Listing<MessageRow>, StoreError> {
        let args = vec![Value::Int(room.get() as i64)];
        self.page("room_id = $1", args, Order::OldestFirst, page).await
    }

    /// What a user wrote in any room, oldest first.
    pub async fn messages_of(
        &self,
        user: UserId,
        page: Page<MessageId>,
    ) -> Result<Listing<MessageRow>, StoreError> {
        let args = vec![Value::Int(user.get() as i64)];
        self.page("user_id = $1", args, Order::OldestFirst, page).await
    }

    /// The former texts of these messages, oldest first, a page at a time: those after this
    /// message's of this number.
    pub async fn former_texts(
        &self,
        messages: &[MessageId],
        after: Option<(MessageId, u32)>,
        limit: u32,
    ) -> Result<Vec<MessageRevisionRow>, StoreError> {
        let theirs = self.dialect().any("message_id", 1);
        let (id, revision) = after.map_or((0, 0), |(id, revision)| (id.get(), revision));
        let args = vec![
            ints(messages.iter().map(|id| id.get())),
            Value::Int(id as i64),
            Value::Int(i64::from(revision)),
        ];
        let tail = format!(
            "WHERE {theirs} AND (message_id, revision) > ($2, $3) \
             ORDER BY message_id, revision LIMIT {limit}"
        );
        self.list(&tail, args).await
    }

    /// All texts that a message has had, oldest first, the newest included. `None` when the room
    /// has no such message.
    pub async fn message_revisions(
        &self,
        room: RoomId,
        id: MessageId,
    ) -> Result<Option<Vec<MessageRevisionRow>>, StoreError> {
        let Some(message) = self.message(room, id).await? else { return Ok(None) };
        let args = vec![Value::Int(id.get() as i64)];
        let mut rows: Vec<MessageRevisionRow> =
            self.list("WHERE message_id = $1 ORDER BY revision", args).await?;
        rows.retain(|row| row.revision < message.revision);
        rows.push(message.revision());
        Ok(Some(rows))
    }
}
