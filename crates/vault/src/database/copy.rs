//! A vault as a whole: copied as it was at one moment while others go on, and compacted so that
//! nothing of what was destroyed lies in its files.

use super::{Database, Row, StoredKey};
use crate::error::VaultError;

/// Keys copied at once.
const PAGE: usize = 10_000;

const FACTS: &str = "SELECT name, value FROM vault_meta";
/// Tombstones among them.
const KEYS: &str = "SELECT user_id, room_id, day, kind, wrapped FROM vault_key \
     ORDER BY user_id, room_id, day, kind";

impl Database {
    /// Whether it holds no key and is tied to nothing.
    pub(crate) async fn is_empty(&self) -> Result<bool, VaultError> {
        const FACTS: &str = "SELECT count(*) FROM vault_meta WHERE name <> 'schema'";
        let facts: i64 = on_pool!(self, pool => sqlx::query_scalar(FACTS).fetch_one(pool).await?);
        Ok(facts == 0)
    }

    /// Copies everything, as it is at one moment, into an empty one.
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
        for page in keys.chunks(PAGE) {
            to.insert(page).await?;
        }
        self.copy_kept(to).await?;
        // Last: without them it is nobody's vault.
        for (name, value) in facts {
            to.fact(&name, &value).await?;
        }
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

    /// Rewrites the tables without the space of what was deleted.
    pub(crate) async fn compact(&self) -> Result<(), VaultError> {
        match self {
            Self::Sqlite(pool) => {
                sqlx::query("VACUUM").execute(pool).await?;
                sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(pool).await?;
            }
            Self::Postgres(pool) => {
                sqlx::query("VACUUM FULL vault_key").execute(pool).await?;
                sqlx::query("VACUUM FULL vault_meta").execute(pool).await?;
                sqlx::query("VACUUM FULL vault_kept").execute(pool).await?;
            }
        }
        Ok(())
    }
}
