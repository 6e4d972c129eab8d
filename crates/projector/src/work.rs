//! The working set of one batch: the rows that its events touch, changed in memory and written
//! once, in the transaction that moves the checkpoint.
//!
//! Rows that are not loaded can be changed by few events (a deletion, an expiry); those are
//! gathered in [`Sweep`] and run as statements before the loaded rows are written. No other event
//! of the batch concerns an unloaded row, so the result is that of one event after the other.

mod sweep;

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use events::{MessageId, RoomId, TranscriptId, UserId};
pub(crate) use sweep::{Expiry, Sweep};

use vault::Destruction;

use crate::db::Session;
use crate::error::StoreError;
use crate::projections::At;
use crate::projections::feed::{FeedKind, FeedRow};
use crate::projections::message::{MessageRevisionRow, MessageRow};
use crate::projections::participant::ParticipantRow;
use crate::projections::room::RoomRow;
use crate::projections::transcript::{TranscriptRevisionRow, TranscriptRow};
use crate::projections::user::UserRow;
use crate::value::{Record, Value};

/// The stored rows that a batch needs.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    pub(crate) users: HashSet<UserId>,
    pub(crate) deleted_users: HashSet<UserId>,
    pub(crate) rooms: HashSet<RoomId>,
    pub(crate) messages: HashSet<MessageId>,
    pub(crate) transcripts: HashSet<TranscriptId>,
    participants: HashSet<(RoomId, UserId)>,
}

impl Keys {
    pub(crate) fn participant(&mut self, room: RoomId, user: UserId) {
        self.participants.insert((room, user));
    }
}

/// Rows of one table in memory.
#[derive(Debug)]
pub(crate) struct Cache<K, R> {
    rows: HashMap<K, R>,
    dirty: HashSet<K>,
    /// Those that the database has: the others are new to it.
    stored: HashSet<K>,
}

impl<K, R> Default for Cache<K, R> {
    fn default() -> Self {
        Self { rows: HashMap::new(), dirty: HashSet::new(), stored: HashSet::new() }
    }
}

impl<K: Copy + Eq + Hash + Ord, R: Record> Cache<K, R> {
    fn load(&mut self, rows: Vec<R>, key: impl Fn(&R) -> K) {
        for row in rows {
            let key = key(&row);
            self.stored.insert(key);
            self.rows.insert(key, row);
        }
    }

    pub(crate) fn get(&self, key: &K) -> Option<&R> {
        self.rows.get(key)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &R)> {
        self.rows.iter()
    }

    pub(crate) fn insert(&mut self, key: K, row: R) {
        self.dirty.insert(key);
        self.rows.insert(key, row);
    }

    pub(crate) fn edit(&mut self, key: &K) -> Option<&mut R> {
        let row = self.rows.get_mut(key)?;
        self.dirty.insert(*key);
        Some(row)
    }

    pub(crate) fn edit_where(&mut self, meant: impl Fn(&R) -> bool, change: impl Fn(&mut R)) {
        for (key, row) in self.rows.iter_mut().filter(|(_, row)| meant(row)) {
            self.dirty.insert(*key);
            change(row);
        }
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<R> {
        self.dirty.remove(key);
        self.rows.remove(key)
    }

    fn remove_where(&mut self, meant: impl Fn(&R) -> bool) {
        self.rows.retain(|key, row| {
            let goes = meant(row);
            if goes {
                self.dirty.remove(key);
            }
            !goes
        });
    }

    /// Writes the rows that changed, in the order of their keys.
    async fn write(mut self, session: &mut Session<'_>) -> Result<(), StoreError> {
        let mut keys: Vec<K> = self.dirty.into_iter().collect();
        keys.sort_unstable();
        let (old, new): (Vec<K>, Vec<K>) =
            keys.into_iter().partition(|key| self.stored.contains(key));
        let mut values = |keys: Vec<K>| -> Vec<Vec<Value>> {
            keys.iter().filter_map(|key| self.rows.remove(key)).map(R::into_values).collect()
        };
        session.upsert(R::TABLE, values(old)).await?;
        session.insert(R::TABLE, values(new)).await
    }
}

/// Ids as one parameter.
pub(crate) fn ints(ids: impl IntoIterator<Item = u64>) -> Value {
    Value::Ints(ids.into_iter().map(|id| id as i64).collect())
}

/// What others want to hear of a batch once it is committed.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// The rooms whose feeds grew, with their newest sequence.
    pub(crate) grown: HashMap<RoomId, u64>,
    /// The keys that are gone.
    pub(crate) destroyed: Vec<Destruction>,
}

impl Done {
    /// And what a later part of the batch did.
    pub(crate) fn add(&mut self, more: Self) {
        self.grown.extend(more.grown);
        self.destroyed.extend(more.destroyed);
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Work {
    pub(crate) users: Cache<UserId, UserRow>,
    pub(crate) rooms: Cache<RoomId, RoomRow>,
    pub(crate) participants: Cache<(RoomId, UserId), ParticipantRow>,
    pub(crate) messages: Cache<MessageId, MessageRow>,
    pub(crate) message_revisions: Cache<(MessageId, u32), MessageRevisionRow>,
    pub(crate) transcripts: Cache<TranscriptId, TranscriptRow>,
    pub(crate) transcript_revisions: Cache<(TranscriptId, u32), TranscriptRevisionRow>,
    feed: Cache<(RoomId, u64), FeedRow>,
    pub(crate) sweep: Sweep,
}

impl Work {
    /// Loads the rows that a batch needs.
    pub(crate) async fn load(session: &mut Session<'_>, keys: &Keys) -> Result<Self, StoreError> {
        let mut work = Self::default();
        let dialect = session.dialect();
        let pairs = keys.participants.iter().map(|(room, user)| (room.get(), user.get()));
        let (clause, args) = dialect.pairs("rp_room_id", "rp_user_id", pairs);
        let mut found = rows(session, &clause, args, keys.participants.is_empty()).await?;
        let deleted = || vec![ints(keys.deleted_users.iter().map(|id| id.get()))];
        let no_deleted = keys.deleted_users.is_empty();
        let theirs = dialect.any("rp_user_id", 1);
        found.extend(rows(session, &theirs, deleted(), no_deleted).await?);
        let meant = keys.rooms.iter().copied();
        let met = found.iter().map(|row: &ParticipantRow| row.rp_room_id);
        let rooms: HashSet<RoomId> = meant.chain(met).collect();
        work.participants.load(found, |row| (row.rp_room_id, row.rp_user_id));

        let owned = rows(session, &dialect.any("owner_id", 1), deleted(), no_deleted).await?;
        work.rooms.load(owned, |row| row.id);
        let found = by_id(session, rooms.iter().map(|id| id.get())).await?;
        work.rooms.load(found, |row| row.id);
        let found = by_id(session, keys.users.iter().map(|id| id.get())).await?;
        work.users.load(found, |row| row.id);
        let found = by_id(session, keys.messages.iter().map(|id| id.get())).await?;
        work.messages.load(found, |row| row.id);
        let found = by_id(session, keys.transcripts.iter().map(|id| id.get())).await?;
        work.transcripts.load(found, |row| row.id);
        Ok(work)
    }

    /// The loaded rooms that a user is in or waits for.
    pub(crate) fn rooms_with(&self, user: UserId) -> Vec<(RoomId, UserId)> {
        self.participants.rows.keys().filter(|(_, member)| *member == user).copied().collect()
    }

    /// Appends to a room's feed, if there is such a room.
    pub(crate) fn feed(
        &mut self,
        room: RoomId,
        kind: FeedKind,
        ref_id: Option<u64>,
        user_id: Option<UserId>,
        at: At,
    ) {
        let Some(row) = self.rooms.edit(&room) else { return };
        row.feed_seq += 1;
        let (seq, position) = (row.feed_seq, at.position);
        let entry =
            FeedRow { room_id: room, seq, position, kind, created_at: at.time, ref_id, user_id };
        self.feed.insert((room, seq), entry);
    }

    /// Takes a room away with everything in it.
    pub(crate) fn delete_room(&mut self, id: RoomId) {
        self.rooms.remove(&id);
        self.participants.remove_where(|row| row.rp_room_id == id);
        let messages = &self.messages;
        self.message_revisions
            .remove_where(|row| messages.get(&row.message_id).is_some_and(|m| m.room_id == id));
        self.messages.remove_where(|row| row.room_id == id);
        let transcripts = &self.transcripts;
        self.transcript_revisions.remove_where(|row| {
            transcripts.get(&row.transcript_id).is_some_and(|t| t.room_id == id)
        });
        self.transcripts.remove_where(|row| row.room_id == id);
        self.feed.remove_where(|row| row.room_id == id);
        self.sweep.rooms.push(id);
    }

    /// Writes everything that changed.
    pub(crate) async fn write(self, session: &mut Session<'_>) -> Result<Done, StoreError> {
        let mut grown = HashMap::new();
        for (room, seq) in self.feed.rows.keys() {
            let newest = grown.entry(*room).or_insert(*seq);
            *newest = (*newest).max(*seq);
        }
        let done = Done { grown, destroyed: self.sweep.destroyed() };
        self.sweep.before_rows(session).await?;
        self.users.write(session).await?;
        self.rooms.write(session).await?;
        self.participants.write(session).await?;
        self.messages.write(session).await?;
        self.message_revisions.write(session).await?;
        self.transcripts.write(session).await?;
        self.transcript_revisions.write(session).await?;
        self.feed.write(session).await?;
        self.sweep.after_rows(session).await?;
        Ok(done)
    }
}

async fn by_id<R: Record>(
    session: &mut Session<'_>,
    ids: impl ExactSizeIterator<Item = u64>,
) -> Result<Vec<R>, StoreError> {
    let none = ids.len() == 0;
    let clause = session.dialect().any("id", 1);
    rows(session, &clause, vec![ints(ids)], none).await
}

async fn rows<R: Record>(
    session: &mut Session<'_>,
    clause: &str,
    args: Vec<Value>,
    none: bool,
) -> Result<Vec<R>, StoreError> {
    if none {
        return Ok(Vec::new());
    }
    let found = session.select(R::TABLE, &format!("WHERE {clause}"), args).await?;
    found.into_iter().map(R::from_values).collect()
}
