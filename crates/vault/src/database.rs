//! The table of wrapped keys, on SQLite or PostgreSQL. The statements are the same text on both,
//! but for the way a whole list goes in.

use events::{KeyScope, RoomId, TextKind, UserId};
use sqlx::postgres::PgPool;
use sqlx::sqlite::SqlitePool;

use crate::destruction::Destruction;
use crate::error::VaultError;

/// Scopes in one statement.
const SCOPES_MAX: usize = 10_000;
/// The schema that this binary writes.
pub(crate) const SCHEMA: &str = "1";
/// The fact that names the secrets under which keys are wrapped.
pub(crate) const FINGERPRINT: &str = "fingerprint";

/// A key as it is stored: wrapped, or destroyed.
pub(crate) type StoredKey = (KeyScope, Option<Vec<u8>>);

pub(crate) enum Database {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

const SQLITE_LOAD: &str = "SELECT k.user_id, k.room_id, k.day, k.kind, k.wrapped \
     FROM json_each($1) j CROSS JOIN vault_key k ON k.user_id = j.value->>0 \
     AND k.room_id = j.value->>1 AND k.day = j.value->>2 AND k.kind = j.value->>3";
const SQLITE_INSERT: &str = "INSERT INTO vault_key (user_id, room_id, day, kind, wrapped) \
     SELECT j.value->>0, j.value->>1, j.value->>2, j.value->>3, unhex(j.value->>4) \
     FROM json_each($1) j WHERE true ON CONFLICT DO NOTHING";
const POSTGRES_LOAD: &str = "SELECT k.user_id, k.room_id, k.day, k.kind, k.wrapped \
     FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[]) \
     AS s (user_id, room_id, day, kind) JOIN vault_key k USING (user_id, room_id, day, kind)";
/// The fingerprint's row stays as it is until this is committed: a rotation waits.
const POSTGRES_INSERT: &str = "WITH mine AS MATERIALIZED (SELECT 1 FROM vault_meta \
     WHERE name = 'fingerprint' AND value = $6 FOR SHARE) \
     INSERT INTO vault_key (user_id, room_id, day, kind, wrapped) \
     SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bytea[]) \
     WHERE EXISTS (SELECT 1 FROM mine) ON CONFLICT DO NOTHING";

const STATED: &str = "SELECT value FROM vault_meta WHERE name = $1";
const STATE: &str = "INSERT INTO vault_meta (name, value) VALUES ($1, $2) \
     ON CONFLICT (name) DO UPDATE SET value = excluded.value";

/// Runs the same expression on whichever pool there is.
macro_rules! on_pool {
    ($database:expr, $pool:ident => $run:expr) => {
        match $database {
            Database::Sqlite($pool) => $run,
            Database::Postgres($pool) => $run,
        }
    };
}

mod copy;
mod kept;
mod open;
mod rotate;

pub(crate) use kept::{KeptRow, LookKept};

impl Database {
    pub(crate) async fn close(&self) {
        on_pool!(self, pool => pool.close().await);
    }

    /// A fact about this vault: the one that is there, after `value` was offered.
    pub(crate) async fn fact(&self, name: &str, value: &str) -> Result<String, VaultError> {
        const OFFER: &str =
            "INSERT INTO vault_meta (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        Ok(on_pool!(self, pool => {
            sqlx::query(OFFER).bind(name).bind(value).execute(pool).await?;
            sqlx::query_scalar(STATED).bind(name).fetch_one(pool).await?
        }))
    }

    /// A fact about this vault, if it was ever stated.
    pub(crate) async fn stated(&self, name: &str) -> Result<Option<String>, VaultError> {
        Ok(
            on_pool!(self, pool => sqlx::query_scalar(STATED).bind(name).fetch_optional(pool).await?),
        )
    }

    /// States a fact about this vault, whatever was stated before.
    pub(crate) async fn state(&self, name: &str, value: &str) -> Result<(), VaultError> {
        on_pool!(self, pool => {
            sqlx::query(STATE).bind(name).bind(value).execute(pool).await?;
        });
        Ok(())
    }

    /// The keys among `scopes` that are or were there.
    pub(crate) async fn load(&self, scopes: &[KeyScope]) -> Result<Vec<StoredKey>, VaultError> {
        let mut found = Vec::with_capacity(scopes.len());
        for chunk in scopes.chunks(SCOPES_MAX) {
            let rows: Vec<Row> = match self {
                Self::Sqlite(pool) => {
                    sqlx::query_as(SQLITE_LOAD).bind(json(chunk, &[])).fetch_all(pool).await?
                }
                Self::Postgres(pool) => {
                    let (users, rooms, days, kinds) = columns(chunk);
                    let query = sqlx::query_as(POSTGRES_LOAD).bind(users).bind(rooms);
                    query.bind(days).bind(kinds).fetch_all(pool).await?
                }
            };
            for row in rows {
                found.push(row.read()?);
            }
        }
        Ok(found)
    }

    /// Stores keys (or tombstones) where there is and was none, all in one durable transaction, and
    /// only if keys are still wrapped under the secrets of this fingerprint: after a rotation nobody
    /// could open what was wrapped under the old ones.
    pub(crate) async fn insert(
        &self,
        keys: &[StoredKey],
        fingerprint: &str,
    ) -> Result<(), VaultError> {
        let scopes: Vec<KeyScope> = keys.iter().map(|(scope, _)| *scope).collect();
        let wrapped: Vec<Option<&[u8]>> = keys.iter().map(|(_, key)| key.as_deref()).collect();
        match self {
            Self::Sqlite(pool) => {
                let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
                let found: Option<String> =
                    sqlx::query_scalar(STATED).bind(FINGERPRINT).fetch_optional(&mut *tx).await?;
                same_secrets(found.as_deref(), fingerprint)?;
                sqlx::query(SQLITE_INSERT).bind(json(&scopes, &wrapped)).execute(&mut *tx).await?;
                tx.commit().await?;
            }
            Self::Postgres(pool) => {
                let (users, rooms, days, kinds) = columns(&scopes);
                let query = sqlx::query(POSTGRES_INSERT).bind(users).bind(rooms).bind(days);
                let query = query.bind(kinds).bind(wrapped).bind(fingerprint);
                // None of them is new, or the secrets are not these.
                if query.execute(pool).await?.rows_affected() == 0 {
                    same_secrets(self.stated(FINGERPRINT).await?.as_deref(), fingerprint)?;
                }
            }
        }
        Ok(())
    }

    /// Puts tombstones where keys were, and remembers up to where the log has been followed.
    pub(crate) async fn destroy(&self, gone: &[Destruction], upto: u64) -> Result<(), VaultError> {
        on_pool!(self, pool => {
            let mut tx = pool.begin().await?;
            for (statement, args) in gone.iter().flat_map(statements) {
                let mut query = sqlx::query(statement);
                for arg in args {
                    query = match arg {
                        Arg::Id(id) => query.bind(id),
                        Arg::Text(text) => query.bind(text),
                    };
                }
                query.execute(&mut *tx).await?;
            }
            sqlx::query(STATE)
            .bind("swept")
            .bind(upto.to_string())
            .execute(&mut *tx)
            .await?;
            tx.commit().await?;
        });
        if let Self::Sqlite(pool) = self {
            // Out of the write-ahead log too. Another reader may keep it: then the next one does it.
            sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(pool).await?;
        }
        Ok(())
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    user_id: i64,
    room_id: i64,
    day: String,
    kind: String,
    wrapped: Option<Vec<u8>>,
}

impl Row {
    fn read(self) -> Result<StoredKey, VaultError> {
        let user = UserId::new(self.user_id.unsigned_abs());
        let kind = match self.kind.as_str() {
            "user" => return Ok((KeyScope::User(user), self.wrapped)),
            "message" => Some(TextKind::Message),
            "transcript" => Some(TextKind::Transcript),
            _ => None,
        };
        let (Some(kind), Ok(day)) = (kind, self.day.parse()) else {
            let what = format!("the row {}/{}/{}", self.kind, self.user_id, self.day);
            return Err(VaultError::Unreadable { what });
        };
        let room = RoomId::new(self.room_id.unsigned_abs());
        Ok((KeyScope::Text { kind, author: user, room, day }, self.wrapped))
    }
}

/// Refuses secrets under which keys are not wrapped (any more).
fn same_secrets(found: Option<&str>, mine: &str) -> Result<(), VaultError> {
    if found == Some(mine) { Ok(()) } else { Err(VaultError::WrongSecrets) }
}

/// Ids are below 2^53.
fn signed(id: u64) -> i64 {
    id.cast_signed()
}

fn column(scope: &KeyScope) -> (i64, i64, String, &'static str) {
    match scope {
        KeyScope::User(user) => (signed(user.get()), 0, String::new(), "user"),
        KeyScope::Text { kind, author, room, day } => {
            (signed(author.get()), signed(room.get()), day.to_string(), kind.as_str())
        }
    }
}

/// A parameter of a statement.
enum Arg {
    Id(i64),
    Text(String),
}

/// What a destruction does: tombstones for keys, and no rows any more of what was kept under them.
fn statements(gone: &Destruction) -> Vec<(&'static str, Vec<Arg>)> {
    let id = |id: u64| Arg::Id(signed(id));
    match *gone {
        Destruction::User(user) => vec![
            (
                "UPDATE vault_key SET wrapped = NULL WHERE user_id = $1 AND kind = 'user'",
                vec![id(user.get())],
            ),
            ("DELETE FROM vault_kept WHERE user_id = $1", vec![id(user.get())]),
        ],
        Destruction::Author(user) => vec![(
            "UPDATE vault_key SET wrapped = NULL WHERE user_id = $1 AND kind <> 'user'",
            vec![id(user.get())],
        )],
        Destruction::Room(room) => vec![
            ("UPDATE vault_key SET wrapped = NULL WHERE room_id = $1", vec![id(room.get())]),
            ("DELETE FROM vault_kept WHERE room_id = $1", vec![id(room.get())]),
        ],
        Destruction::Texts { room, kind, before } => {
            let (kind, before) = (kind.as_str(), before.to_string());
            let keys = vec![id(room.get()), Arg::Text(kind.to_owned()), Arg::Text(before.clone())];
            let mut all = vec![(
                "UPDATE vault_key SET wrapped = NULL \
                 WHERE room_id = $1 AND kind = $2 AND day < $3",
                keys,
            )];
            // Landmarks are kept for no longer than what was read from them.
            if kind == TextKind::Transcript.as_str() {
                let kept = vec![id(room.get()), Arg::Text(before)];
                all.push(("DELETE FROM vault_kept WHERE room_id = $1 AND day < $2", kept));
            }
            all
        }
        Destruction::Kept { room, user } => vec![(
            "DELETE FROM vault_kept WHERE room_id = $1 AND user_id = $2",
            vec![id(room.get()), id(user.get())],
        )],
    }
}

type Columns = (Vec<i64>, Vec<i64>, Vec<String>, Vec<&'static str>);

fn columns(scopes: &[KeyScope]) -> Columns {
    let mut columns = Columns::default();
    for scope in scopes {
        let (user, room, day, kind) = column(scope);
        columns.0.push(user);
        columns.1.push(room);
        columns.2.push(day);
        columns.3.push(kind);
    }
    columns
}

fn json(scopes: &[KeyScope], wrapped: &[Option<&[u8]>]) -> String {
    let wrapped = wrapped.iter().map(|key| key.map(hex::encode)).chain(std::iter::repeat(None));
    let rows = scopes.iter().zip(wrapped).map(|(scope, wrapped)| {
        let (user, room, day, kind) = column(scope);
        serde_json::json!([user, room, day, kind, wrapped])
    });
    rows.collect::<serde_json::Value>().to_string()
}
