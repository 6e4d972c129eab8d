//! Every key wrapped anew, in one transaction in which nobody else stores one.

use events::KeyScope;

use super::{Database, FINGERPRINT, Row, STATE, STATED, column, same_secrets};
use crate::error::VaultError;

/// Stored keys after one of them, in the order of the table.
const PAGE: &str = "SELECT user_id, room_id, day, kind, wrapped FROM vault_key \
     WHERE (user_id, room_id, day, kind) > ($1, $2, $3, $4) AND wrapped IS NOT NULL \
     ORDER BY user_id, room_id, day, kind LIMIT 1000";
const REPLACE: &str = "UPDATE vault_key SET wrapped = $5 WHERE user_id = $1 AND room_id = $2 \
     AND day = $3 AND kind = $4";

/// The same steps within either database's transaction.
macro_rules! rewrap_in {
    ($tx:ident, $from:ident, $to:ident, $rewrap:ident) => {{
        let found: Option<String> =
            sqlx::query_scalar(STATED).bind(FINGERPRINT).fetch_optional(&mut *$tx).await?;
        same_secrets(found.as_deref(), $from)?;
        sqlx::query(STATE).bind(FINGERPRINT).bind($to).execute(&mut *$tx).await?;
        let (mut count, mut last) = (0, (-1, 0, String::new(), ""));
        loop {
            let (user, room, day, kind) = last;
            let page = sqlx::query_as(PAGE).bind(user).bind(room).bind(day).bind(kind);
            let page: Vec<Row> = page.fetch_all(&mut *$tx).await?;
            count += page.len();
            let mut end = None;
            for row in page {
                let (scope, wrapped) = row.read()?;
                let wrapped = $rewrap(scope, &wrapped.unwrap_or_default())?;
                let (user, room, day, kind) = column(&scope);
                let replace = sqlx::query(REPLACE).bind(user).bind(room).bind(day).bind(kind);
                replace.bind(wrapped).execute(&mut *$tx).await?;
                end = Some(scope);
            }
            match end {
                Some(scope) => last = column(&scope),
                None => break,
            }
        }
        $tx.commit().await?;
        Ok(count)
    }};
}

impl Database {
    /// Wraps every key anew, and states the new secrets' fingerprint: all or nothing, and only if
    /// the old ones' is there. Who wants to store a key meanwhile waits, and is then refused.
    pub(crate) async fn rewrap(
        &self,
        from: &str,
        to: &str,
        rewrap: impl Fn(KeyScope, &[u8]) -> Result<Vec<u8>, VaultError>,
    ) -> Result<usize, VaultError> {
        const ALONE: &str = "LOCK TABLE vault_key IN SHARE ROW EXCLUSIVE MODE";
        match self {
            Self::Sqlite(pool) => {
                let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
                rewrap_in!(tx, from, to, rewrap)
            }
            Self::Postgres(pool) => {
                let mut tx = pool.begin().await?;
                sqlx::query(ALONE).execute(&mut *tx).await?;
                rewrap_in!(tx, from, to, rewrap)
            }
        }
    }
}
