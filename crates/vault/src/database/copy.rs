//! A vault as a whole: copied as it was at one moment while others go on, and compacted so that
//! nothing of what was destroyed lies in its files.

use std::time::{Duration, Instant};

use sqlx::sqlite::SqlitePool;

use super::{Database, FINGERPRINT, Row, StoredKey};
use crate::error::VaultError;

/// The fact that a vault is only half of what it is to be.
const UNFINISHED: &str = "unfinished";
/// How long those who read an older state of the file are waited for.
const READERS_WITHIN: Duration = Duration::from_secs(5);
/// Keys copied at once.
const PAGE: usize = 10_000;

const FACTS: &str = "SELECT name, value FROM vault_meta";
/// Tombstones among them.
const KEYS: &str = "SELECT user_id, room_id, day, kind, wrapped FROM vault_key \
     ORDER BY user_id, room_id, day, kind";

impl Database {
    /// Copies everything, as it is at one moment, into a vault that is empty: tied to no log, without
    /// a key. Until [`Self::finish`] it is an unfinished one, which nobody opens, and which the next
    /// copy begins anew.
    pub(crate) async fn copy_into(&self, to: &Self) -> Result<(), VaultError> {
        let (facts, keys) = match self {
            Self::Sqlite(pool) => {
                let mut tx = pool.begin().await?;
                let facts = sqlx::query_as(FACTS).fetch_all(&mut *tx).await?;
                (facts, sqlx::query_as::<_, Row>(KEYS).fetch_all(&mut *tx).await?)
            }
            Self::Postgres(pool) => {
                const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
                let mut tx = pool.begin_with(SNAPSHOT).await?;
                let facts = sqlx::query_as(FACTS).fetch_all(&mut *tx).await?;
                (facts, sqlx::query_as::<_, Row>(KEYS).fetch_all(&mut *tx).await?)
            }
        };
        let facts: Vec<(String, String)> = facts;
        let keys = keys.into_iter().map(Row::read).collect::<Result<Vec<StoredKey>, _>>()?;
        to.begin().await?;
        for (name, value) in &facts {
            to.state(name, value).await?;
        }
        let fingerprint = facts.iter().find(|(name, _)| name == FINGERPRINT);
        let fingerprint = fingerprint.map_or("", |(_, value)| value.as_str());
        for page in keys.chunks(PAGE) {
            to.insert(page, fingerprint).await?;
        }
        self.copy_kept(to).await
    }

    /// Marks an empty or unfinished vault as unfinished, and takes out what is in it: facts of a
    /// start that came to nothing, or half of another copy.
    async fn begin(&self) -> Result<(), VaultError> {
        const IN_USE: &str = "SELECT CAST(CASE WHEN \
             NOT EXISTS (SELECT 1 FROM vault_meta WHERE name = 'unfinished') AND \
             (EXISTS (SELECT 1 FROM vault_meta WHERE name = 'log') \
             OR EXISTS (SELECT 1 FROM vault_key)) THEN 1 ELSE 0 END AS BIGINT)";
        const CLEAR: [&str; 4] = [
            "DELETE FROM vault_meta",
            "DELETE FROM vault_key",
            "DELETE FROM vault_kept",
            "INSERT INTO vault_meta (name, value) VALUES ('unfinished', 'yes')",
        ];
        on_pool!(self, pool => {
            let mut tx = pool.begin().await?;
            let in_use: i64 = sqlx::query_scalar(IN_USE).fetch_one(&mut *tx).await?;
            if in_use != 0 {
                return Err(VaultError::Occupied);
            }
            for statement in CLEAR {
                sqlx::query(statement).execute(&mut *tx).await?;
            }
            tx.commit().await?;
        });
        Ok(())
    }

    /// Whether what [`Self::copy_into`] began is still to be finished.
    pub(crate) async fn is_unfinished(&self) -> Result<bool, VaultError> {
        Ok(self.stated(UNFINISHED).await?.is_some())
    }

    /// From here on it is a vault like any other.
    pub(crate) async fn finish(&self) -> Result<(), VaultError> {
        const FINISH: &str = "DELETE FROM vault_meta WHERE name = $1";
        on_pool!(self, pool => {
            sqlx::query(FINISH).bind(UNFINISHED).execute(pool).await?;
        });
        Ok(())
    }

    /// Copies what is kept, row by row in the order of its key: there may be much of it. What comes
    /// while it runs may be in the copy or not; keys that it needs are.
    async fn copy_kept(&self, to: &Self) -> Result<(), VaultError> {
        const PAGE: &str = "SELECT room_id, user_id, stream, received_us, first_seq, day, until_day, \
             pose, sealed FROM vault_kept WHERE (room_id, user_id, stream, received_us, first_seq) \
             > ($1, $2, $3, $4, $5) ORDER BY room_id, user_id, stream, received_us, first_seq \
             LIMIT 256";
        const INSERT: &str = "INSERT INTO vault_kept (room_id, user_id, stream, received_us, \
             first_seq, day, until_day, pose, sealed) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
             ON CONFLICT DO NOTHING";
        type KeptCopy = (i64, i64, String, i64, i64, String, String, bool, Vec<u8>);
        let mut last = (-1, 0, String::new(), 0, 0);
        loop {
            let (room, user, stream, received, seq) = last.clone();
            let page: Vec<KeptCopy> = on_pool!(self, pool => {
                sqlx::query_as(PAGE).bind(room).bind(user).bind(stream).bind(received).bind(seq)
                    .fetch_all(pool).await?
            });
            let Some(end) = page.last() else { return Ok(()) };
            last = (end.0, end.1, end.2.clone(), end.3, end.4);
            on_pool!(to, pool => {
                let mut tx = pool.begin().await?;
                for row in page {
                    sqlx::query(INSERT)
                        .bind(row.0).bind(row.1).bind(row.2).bind(row.3).bind(row.4).bind(row.5)
                        .bind(row.6).bind(row.7).bind(row.8).execute(&mut *tx).await?;
                }
                tx.commit().await?;
            });
        }
    }

    /// Rewrites the tables without the space of what was deleted. False when somebody reads an
    /// older state of a SQLite file all along: then it and its write-ahead log still hold that.
    pub(crate) async fn compact(&self) -> Result<bool, VaultError> {
        match self {
            Self::Sqlite(pool) => {
                sqlx::query("VACUUM").execute(pool).await?;
                return cut_wal(pool).await;
            }
            Self::Postgres(pool) => {
                sqlx::query("VACUUM FULL vault_key").execute(pool).await?;
                sqlx::query("VACUUM FULL vault_meta").execute(pool).await?;
                sqlx::query("VACUUM FULL vault_kept").execute(pool).await?;
            }
        }
        Ok(true)
    }
}

/// Takes the write-ahead log into the file and cuts it to nothing, as soon as nobody reads an older
/// state; false when somebody does all along.
async fn cut_wal(pool: &SqlitePool) -> Result<bool, VaultError> {
    // Each attempt keeps others from writing.
    const ATTEMPT: &str = "PRAGMA busy_timeout = 200";
    let mut connection = pool.acquire().await?;
    // It waits less for others from here on.
    connection.close_on_drop();
    sqlx::query(ATTEMPT).execute(&mut *connection).await?;
    let begun = Instant::now();
    loop {
        let (blocked, _, _): (i64, i64, i64) =
            sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut *connection).await?;
        if blocked == 0 {
            return Ok(true);
        }
        if begun.elapsed() >= READERS_WITHIN {
            return Ok(false);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
