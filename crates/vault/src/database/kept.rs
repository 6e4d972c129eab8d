//! The table of kept landmarks: sealed batches, found by room.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use chrono::NaiveDate;
use events::{RoomId, UserId};

use super::{Database, signed};
use crate::error::VaultError;
use crate::kept::Kept;

/// Which batch: its key in the table.
pub(crate) struct LookKept<'a> {
    pub(crate) room: RoomId,
    pub(crate) user: UserId,
    pub(crate) stream: &'a str,
    pub(crate) first_seq: u64,
}

/// A row, still sealed.
#[derive(sqlx::FromRow)]
pub(crate) struct KeptRow {
    user_id: i64,
    stream: String,
    first_seq: i64,
    received_us: i64,
    day: String,
    until_day: String,
    pose: bool,
    sealed: Vec<u8>,
}

/// Stands for "for good": after every day.
const NEVER: &str = "9999-12-31";

impl KeptRow {
    pub(crate) fn user(&self) -> UserId {
        UserId::new(self.user_id.unsigned_abs())
    }

    /// The batch, its bytes still sealed.
    pub(crate) fn read(self, room: RoomId) -> Result<Kept, VaultError> {
        let unreadable = || VaultError::Unreadable { what: format!("a kept batch of room {room}") };
        let until: NaiveDate = self.until_day.parse().map_err(|_| unreadable())?;
        Ok(Kept {
            room,
            user: self.user(),
            first_seq: self.first_seq.unsigned_abs(),
            received_us: self.received_us,
            day: self.day.parse().map_err(|_| unreadable())?,
            until: (self.until_day != NEVER).then_some(until),
            pose: self.pose,
            stream: self.stream,
            bytes: self.sealed,
        })
    }
}

impl Database {
    /// Stores sealed batches; how many were left out because there is too much already.
    pub(crate) async fn keep(
        &self,
        rows: &[(&Kept, Vec<u8>)],
        most: u64,
    ) -> Result<usize, VaultError> {
        const HELD: &str = "SELECT COALESCE(CAST(SUM(LENGTH(sealed)) AS BIGINT), 0) \
             FROM vault_kept WHERE room_id = $1 AND user_id = $2";
        const INSERT: &str = "INSERT INTO vault_kept (room_id, user_id, stream, first_seq, \
             received_us, day, until_day, pose, sealed) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
             ON CONFLICT DO NOTHING";
        let mut held = HashMap::<(RoomId, UserId), u64>::new();
        let mut left_out = 0;
        on_pool!(self, pool => {
            let mut tx = pool.begin().await?;
            for (kept, sealed) in rows {
                let (room, user) = (signed(kept.room.get()), signed(kept.user.get()));
                let place = (kept.room, kept.user);
                let bytes = match held.entry(place) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(unknown) => {
                        let found: i64 = sqlx::query_scalar(HELD)
                            .bind(room).bind(user).fetch_one(&mut *tx).await?;
                        unknown.insert(found.unsigned_abs())
                    }
                };
                if *bytes + sealed.len() as u64 > most {
                    left_out += 1;
                    continue;
                }
                *bytes += sealed.len() as u64;
                let until = kept.until.map_or_else(|| NEVER.to_owned(), |day| day.to_string());
                sqlx::query(INSERT)
                    .bind(room).bind(user).bind(&kept.stream).bind(signed(kept.first_seq))
                    .bind(kept.received_us).bind(kept.day.to_string()).bind(until)
                    .bind(kept.pose).bind(sealed)
                    .execute(&mut *tx).await?;
            }
            tx.commit().await?;
        });
        Ok(left_out)
    }

    /// The batches of a room that are kept on that day.
    pub(crate) async fn kept(
        &self,
        room: RoomId,
        today: NaiveDate,
    ) -> Result<Vec<KeptRow>, VaultError> {
        const SELECT: &str = "SELECT user_id, stream, first_seq, received_us, day, until_day, pose, \
             sealed FROM vault_kept WHERE room_id = $1 AND until_day > $2 \
             ORDER BY user_id, stream, received_us, first_seq";
        Ok(on_pool!(self, pool => {
            sqlx::query_as(SELECT).bind(signed(room.get()))
                .bind(today.to_string()).fetch_all(pool).await?
        }))
    }

    /// The rooms in which anything is kept of a user.
    pub(crate) async fn rooms_with_kept(&self, user: UserId) -> Result<Vec<RoomId>, VaultError> {
        const SELECT: &str =
            "SELECT DISTINCT room_id FROM vault_kept WHERE user_id = $1 ORDER BY 1";
        let rooms: Vec<i64> = on_pool!(self, pool => {
            sqlx::query_scalar(SELECT).bind(signed(user.get())).fetch_all(pool).await?
        });
        Ok(rooms.into_iter().map(|room| RoomId::new(room.unsigned_abs())).collect())
    }

    /// The batch that comes after one of the same user in the same room, or the first one, of those
    /// that are kept on that day.
    pub(crate) async fn next_kept(
        &self,
        (room, user): (RoomId, UserId),
        after: Option<(&str, i64, u64)>,
        today: NaiveDate,
    ) -> Result<Option<KeptRow>, VaultError> {
        const SELECT: &str = "SELECT user_id, stream, first_seq, received_us, day, until_day, pose, \
             sealed FROM vault_kept WHERE room_id = $1 AND user_id = $2 AND until_day > $3 \
             AND (stream, received_us, first_seq) > ($4, $5, $6) \
             ORDER BY stream, received_us, first_seq LIMIT 1";
        let (stream, received_us, first_seq) =
            after.map_or(("", -1, -1), |(stream, at, seq)| (stream, at, signed(seq)));
        Ok(on_pool!(self, pool => {
            sqlx::query_as(SELECT).bind(signed(room.get())).bind(signed(user.get()))
                .bind(today.to_string()).bind(stream).bind(received_us).bind(first_seq)
                .fetch_optional(pool).await?
        }))
    }

    /// Deletes what is kept of a participant in a room.
    pub(crate) async fn drop_kept(&self, room: RoomId, user: UserId) -> Result<(), VaultError> {
        const DELETE: &str = "DELETE FROM vault_kept WHERE room_id = $1 AND user_id = $2";
        let (room, user) = (signed(room.get()), signed(user.get()));
        on_pool!(self, pool => {
            sqlx::query(DELETE).bind(room).bind(user).execute(pool).await?;
        });
        Ok(())
    }

    /// Deletes what is past its time on that day; how many batches.
    pub(crate) async fn expire_kept(&self, today: NaiveDate) -> Result<u64, VaultError> {
        const DELETE: &str = "DELETE FROM vault_kept WHERE until_day <= $1";
        Ok(on_pool!(self, pool => {
            sqlx::query(DELETE).bind(today.to_string()).execute(pool).await?.rows_affected()
        }))
    }
}
