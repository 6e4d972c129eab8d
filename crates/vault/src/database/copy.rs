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
        // Last: without them it is nobody's vault.
        for (name, value) in facts {
            to.fact(&name, &value).await?;
        }
        Ok(())
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
            }
        }
        Ok(())
    }
}
