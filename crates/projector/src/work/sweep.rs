//! What a batch does to rows that are not loaded, as statements over many rows at once.

use chrono::NaiveDate;
use events::{MessageId, ParticipantId, RoomId, TextKind, Timestamp, UserId};
use vault::Destruction;

use super::ints;
use crate::db::Session;
use crate::error::StoreError;
use crate::value::Value;

/// Texts of a room that are past their retention.
#[derive(Debug)]
pub(crate) struct Expiry {
    pub(crate) room: RoomId,
    pub(crate) kind: TextKind,
    pub(crate) before: NaiveDate,
}

/// What happens to rows that are not loaded.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    /// Deleted users.
    pub(crate) users: Vec<UserId>,
    /// Deleted users whose texts go too.
    pub(crate) erased: Vec<UserId>,
    /// Users whose names change: they step aside first, so that names can pass from one to another.
    pub(crate) names: Vec<UserId>,
    /// Deleted rooms.
    pub(crate) rooms: Vec<RoomId>,
    /// Participants who went.
    pub(crate) participants: Vec<ParticipantId>,
    /// Deleted messages, whose former texts go.
    pub(crate) tombstones: Vec<MessageId>,
    /// Texts past their retention.
    pub(crate) expired: Vec<Expiry>,
}

impl Sweep {
    /// The keys that are gone with what this sweeps away, for this process to forget.
    pub(super) fn destroyed(&self) -> Vec<Destruction> {
        let users = self.users.iter().map(|user| Destruction::User(*user));
        let authors = self.erased.iter().map(|user| Destruction::Author(*user));
        let rooms = self.rooms.iter().map(|room| Destruction::Room(*room));
        let texts = self.expired.iter().map(|expiry| {
            let Expiry { room, kind, before } = *expiry;
            Destruction::Texts { room, kind, before }
        });
        users.chain(authors).chain(rooms).chain(texts).collect()
    }

    /// Everything but the users' own rows.
    pub(super) async fn before_rows(&self, session: &mut Session<'_>) -> Result<(), StoreError> {
        let erased: Vec<u64> = self.erased.iter().map(|id| id.get()).collect();
        let users: Vec<u64> = self.users.iter().map(|id| id.get()).collect();
        let rooms: Vec<u64> = self.rooms.iter().map(|id| id.get()).collect();
        let participants: Vec<u64> = self.participants.iter().map(|id| id.get()).collect();
        let tombstones: Vec<u64> = self.tombstones.iter().map(|id| id.get()).collect();
        let names: Vec<u64> = self.names.iter().chain(&self.users).map(|id| id.get()).collect();
        let groups: [(&[u64], &[Statement]); 6] = [
            (&rooms, &ROOMS_GO),
            (&erased, &TEXTS_GO),
            (&users, &USERS_GO),
            (&participants, &[("DELETE FROM room_participant WHERE {}", "id")]),
            (
                &tombstones,
                &[("UPDATE message_revision SET msg_content = NULL WHERE {}", "message_id")],
            ),
            (
                &names,
                &[("UPDATE \"user\" SET username = ':' || id, email = ':' || id WHERE {}", "id")],
            ),
        ];
        for (ids, statements) in groups {
            for (statement, column) in statements {
                run(session, statement, column, ids).await?;
            }
        }
        for expiry in &self.expired {
            expiry.run(session).await?;
        }
        Ok(())
    }

    pub(super) async fn after_rows(&self, session: &mut Session<'_>) -> Result<(), StoreError> {
        let users: Vec<u64> = self.users.iter().map(|id| id.get()).collect();
        run(session, "DELETE FROM \"user\" WHERE {}", "id", &users).await
    }
}

/// A statement with `{}` for the condition that a column is one of some ids, and that column.
type Statement = (&'static str, &'static str);

const ROOMS_GO: [Statement; 7] = [
    ("DELETE FROM room_feed WHERE {}", "room_id"),
    (
        "DELETE FROM message_revision WHERE message_id IN (SELECT id FROM message WHERE {})",
        "room_id",
    ),
    (
        "DELETE FROM transcript_revision WHERE transcript_id IN (SELECT id FROM transcript WHERE {})",
        "room_id",
    ),
    ("DELETE FROM message WHERE {}", "room_id"),
    ("DELETE FROM transcript WHERE {}", "room_id"),
    ("DELETE FROM room_participant WHERE {}", "rp_room_id"),
    ("DELETE FROM room WHERE {}", "id"),
];
const TEXTS_GO: [Statement; 4] = [
    (
        "UPDATE message_revision SET msg_content = NULL WHERE message_id IN (SELECT id FROM message WHERE {})",
        "user_id",
    ),
    (
        "UPDATE transcript_revision SET ts_content = NULL WHERE transcript_id IN (SELECT id FROM transcript WHERE {})",
        "user_id",
    ),
    ("UPDATE message SET msg_content = NULL WHERE {}", "user_id"),
    ("UPDATE transcript SET ts_content = NULL, words = NULL WHERE {}", "user_id"),
];
const USERS_GO: [Statement; 6] = [
    ("UPDATE message SET user_id = NULL WHERE {}", "user_id"),
    ("UPDATE message SET deleted_by = NULL WHERE {}", "deleted_by"),
    ("UPDATE transcript SET user_id = NULL WHERE {}", "user_id"),
    ("UPDATE transcript SET editor_id = NULL WHERE {}", "editor_id"),
    ("UPDATE transcript_revision SET editor_id = NULL WHERE {}", "editor_id"),
    ("DELETE FROM room_participant WHERE {}", "rp_user_id"),
];

async fn run(
    session: &mut Session<'_>,
    statement: &str,
    column: &str,
    ids: &[u64],
) -> Result<(), StoreError> {
    if !ids.is_empty() {
        let sql = statement.replace("{}", &session.dialect().any(column, 1));
        session.execute(&sql, vec![ints(ids.iter().copied())]).await?;
    }
    Ok(())
}

impl Expiry {
    async fn run(&self, session: &mut Session<'_>) -> Result<(), StoreError> {
        let (table, content, and) = match self.kind {
            TextKind::Message => ("message", "msg_content", ""),
            TextKind::Transcript => ("transcript", "ts_content", ", words = NULL"),
        };
        let midnight = self.before.and_time(chrono::NaiveTime::MIN).and_utc();
        let args =
            || vec![Value::Int(self.room.get() as i64), Value::Time(Timestamp::new(midnight))];
        let old = format!("room_id = $1 AND created_at < {}", session.dialect().time(2));
        let former = format!(
            "UPDATE {table}_revision SET {content} = NULL \
             WHERE {content} IS NOT NULL AND {table}_id IN (SELECT id FROM {table} WHERE {old})"
        );
        session.execute(&former, args()).await?;
        let newest = format!(
            "UPDATE {table} SET {content} = NULL{and} WHERE {content} IS NOT NULL AND {old}"
        );
        session.execute(&newest, args()).await?;
        Ok(())
    }
}
