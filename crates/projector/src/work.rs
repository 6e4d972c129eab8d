//! The working set of one batch: the rows that its events touch, changed in memory and written
//! once, in the transaction that moves the checkpoint.
//!
//! Rows that are not loaded can be changed by few events (a deletion, an expiry); those are
//! gathered in [`Sweep`] and run as statements before the loaded rows are written. No other event
//! of the batch concerns an unloaded row, so the result is that of one event after the other.

mod sweep;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

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
use crate::projections::user::{UserRow, placeholder};
use crate::value::{Record, Value};

/// The stored rows that a batch needs.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    pub(crate) users: HashSet<UserId>,
    pub(crate) deleted_users: HashSet<UserId>,
    /// Of them, those whose texts go too.
    pub(crate) erased_users: HashSet<UserId>,
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

/// Rows of one table in memory, in the order of their keys.
#[derive(Debug)]
pub(crate) struct Cache<K, R>(BTreeMap<K, Held<R>>);

#[derive(Debug)]
struct Held<R> {
    row: R,
    was: Was<R>,
}

/// What the database has of a row.
#[derive(Debug)]
enum Was<R> {
    Nothing,
    TheSame,
    Other(R),
}

impl<K, R> Default for Cache<K, R> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Copy + Ord, R: Record + Clone> Cache<K, R> {
    fn load(&mut self, rows: Vec<R>, key: impl Fn(&R) -> K) {
        let held = |row| (key(&row), Held { row, was: Was::TheSame });
        self.0.extend(rows.into_iter().map(held));
    }

    pub(crate) fn get(&self, key: &K) -> Option<&R> {
        self.0.get(key).map(|held| &held.row)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &R)> {
        self.0.iter().map(|(key, held)| (key, &held.row))
    }

    pub(crate) fn insert(&mut self, key: K, row: R) {
        match self.0.entry(key) {
            Entry::Vacant(place) => {
                place.insert(Held { row, was: Was::Nothing });
            }
            Entry::Occupied(mut known) => *known.get_mut().edit() = row,
        }
    }

    pub(crate) fn edit(&mut self, key: &K) -> Option<&mut R> {
        self.0.get_mut(key).map(Held::edit)
    }

    pub(crate) fn edit_where(&mut self, meant: impl Fn(&R) -> bool, change: impl Fn(&mut R)) {
        self.0.values_mut().filter(|held| meant(&held.row)).for_each(|held| change(held.edit()));
    }

    /// Says that a statement made the stored row another one.
    fn was(&mut self, key: &K, change: impl Fn(&mut R)) {
        if let Some(Held { was: Was::Other(before), .. }) = self.0.get_mut(key) {
            change(before);
        }
    }

    /// The caller sees to it that it goes from the database too.
    pub(crate) fn remove(&mut self, key: &K) -> Option<R> {
        self.0.remove(key).map(|held| held.row)
    }

    fn remove_where(&mut self, meant: impl Fn(&R) -> bool) {
        self.0.retain(|_, held| !meant(&held.row));
    }

    /// Writes the rows that are new, and of the others the columns that changed, in the order of
    /// their keys: an index over what stays as it is costs nothing.
    async fn write(self, session: &mut Session<'_>) -> Result<(), StoreError> {
        let (mut new, mut changed) = (Vec::new(), BTreeMap::<Vec<usize>, Vec<_>>::new());
        for held in self.0.into_values() {
            match held.was {
                Was::Nothing => new.push(held.row.into_values()),
                Was::TheSame => {}
                Was::Other(before) => {
                    let (before, row) = (before.into_values(), held.row.into_values());
                    let columns = (0..row.len()).filter(|n| before[*n] != row[*n]);
                    let columns: Vec<usize> = columns.collect();
                    match columns.first() {
                        None => {}
                        // Another row in its place: the database is to refuse it.
                        Some(first) if *first < R::TABLE.key => new.push(row),
                        Some(_) => changed.entry(columns).or_default().push(row),
                    }
                }
            }
        }
        for (columns, rows) in changed {
            session.update(R::TABLE, &columns, rows).await?;
        }
        session.insert(R::TABLE, new).await
    }
}

impl<R: Clone> Held<R> {
    fn edit(&mut self) -> &mut R {
        if matches!(self.was, Was::TheSame) {
            self.was = Was::Other(self.row.clone());
        }
        &mut self.row
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
    /// In which rooms the stored texts are of those whose texts go.
    written: Vec<(UserId, RoomId)>,
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
        let met: HashSet<RoomId> = meant.chain(met).collect();
        work.participants.load(found, |row| (row.rp_room_id, row.rp_user_id));

        let owned = rows(session, &dialect.any("owner_id", 1), deleted(), no_deleted).await?;
        work.rooms.load(owned, |row| row.id);
        for user in &keys.erased_users {
            let theirs = dialect.any("user_id", 1);
            let clause = format!(
                "id IN (SELECT room_id FROM message WHERE {theirs} \
                 UNION SELECT room_id FROM transcript WHERE {theirs})"
            );
            let found: Vec<RoomRow> =
                rows(session, &clause, vec![ints([user.get()])], false).await?;
            work.written.extend(found.iter().map(|room| (*user, room.id)));
            work.rooms.load(found, |row| row.id);
        }
        let found = by_id(session, met.iter().map(|id| id.get())).await?;
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
        let keys = self.participants.iter().map(|(key, _)| *key);
        keys.filter(|(_, member)| *member == user).collect()
    }

    /// The rooms in which there are messages or captions of a user, tombstones included; they are
    /// loaded if the user's texts go in this batch.
    pub(crate) fn rooms_with_texts_of(&self, user: UserId) -> BTreeSet<RoomId> {
        let stored = self.written.iter().filter(|(author, _)| *author == user);
        let messages = self.messages.iter().filter(|(_, row)| row.user_id == Some(user));
        let transcripts = self.transcripts.iter().filter(|(_, row)| row.user_id == Some(user));
        let stored = stored.map(|(_, room)| *room);
        let new = messages.map(|(_, row)| row.room_id);
        stored.chain(new).chain(transcripts.map(|(_, row)| row.room_id)).collect()
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
    pub(crate) async fn write(mut self, session: &mut Session<'_>) -> Result<Done, StoreError> {
        // In the order of the sequences: the newest of each room stays.
        let grown = self.feed.iter().map(|((room, seq), _)| (*room, *seq)).collect();
        let done = Done { grown, destroyed: self.sweep.destroyed() };
        self.sweep.before_rows(session).await?;
        for user in &self.sweep.names {
            self.users.was(user, |row| {
                (row.username, row.email) = (placeholder(*user), placeholder(*user));
            });
        }
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
