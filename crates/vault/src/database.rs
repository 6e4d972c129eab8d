//! The table of wrapped keys, on SQLite or PostgreSQL. The statements are the same text on both,
//! but for the way a whole list goes in.

use std::time::Duration;

use events::{KeyScope, RoomId, TextKind, UserId};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::destruction::Destruction;
use crate::error::VaultError;

/// How long to wait for the database to answer, or for another process to finish writing.
const PATIENCE: Duration = Duration::from_secs(5);
/// Connections of one process.
const CONNECTIONS_MAX: u32 = 4;
/// Scopes in one statement.
const SCOPES_MAX: usize = 10_000;
/// Serializes the making of the tables in PostgreSQL.
const SCHEMA_LOCK: i64 = 0x5349_474e_5641_554c;
/// The schema that this binary writes.
pub(crate) const SCHEMA: &str = "1";

/// A key as it is stored: wrapped, or destroyed.
pub(crate) type StoredKey = (KeyScope, Option<Vec<u8>>);

pub(crate) enum Database {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

const TABLES: [&str; 6] = [
    "CREATE TABLE IF NOT EXISTS vault_meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS vault_key (user_id BIGINT NOT NULL, room_id BIGINT NOT NULL, \
     day TEXT NOT NULL, kind TEXT NOT NULL, wrapped BYTEA, \
     PRIMARY KEY (user_id, room_id, day, kind))",
    "CREATE INDEX IF NOT EXISTS vault_key_room ON vault_key (room_id)",
    "CREATE TABLE IF NOT EXISTS vault_kept (room_id BIGINT NOT NULL, user_id BIGINT NOT NULL, \
     stream TEXT NOT NULL, first_seq BIGINT NOT NULL, received_us BIGINT NOT NULL, \
     day TEXT NOT NULL, until_day TEXT NOT NULL, pose BOOLEAN NOT NULL, sealed BYTEA NOT NULL, \
     PRIMARY KEY (room_id, user_id, stream, received_us, first_seq))",
    "CREATE INDEX IF NOT EXISTS vault_kept_user ON vault_kept (user_id)",
    "CREATE INDEX IF NOT EXISTS vault_kept_until ON vault_kept (until_day)",
];

const SQLITE_LOAD: &str = "SELECT k.user_id, k.room_id, k.day, k.kind, k.wrapped \
     FROM json_each($1) j CROSS JOIN vault_key k ON k.user_id = j.value->>0 \
     AND k.room_id = j.value->>1 AND k.day = j.value->>2 AND k.kind = j.value->>3";
const SQLITE_INSERT: &str = "INSERT INTO vault_key (user_id, room_id, day, kind, wrapped) \
     SELECT j.value->>0, j.value->>1, j.value->>2, j.value->>3, unhex(j.value->>4) \
     FROM json_each($1) j WHERE true ON CONFLICT DO NOTHING";
const POSTGRES_LOAD: &str = "SELECT k.user_id, k.room_id, k.day, k.kind, k.wrapped \
     FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[]) \
     AS s (user_id, room_id, day, kind) JOIN vault_key k USING (user_id, room_id, day, kind)";
const POSTGRES_INSERT: &str = "INSERT INTO vault_key (user_id, room_id, day, kind, wrapped) \
     SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bytea[]) \
     ON CONFLICT DO NOTHING";

const STATE: &str = "INSERT INTO vault_meta (name, value) VALUES ($1, $2) \
     ON CONFLICT (name) DO UPDATE SET value = excluded.value";

/// Two processes that make the same new file race for its journal mode, and there SQLite refuses
/// the slower one at once (`SQLITE_BUSY`), whatever its busy timeout.
async fn connect(
    pool: SqlitePoolOptions,
    options: SqliteConnectOptions,
) -> Result<SqlitePool, sqlx::Error> {
    let begun = tokio::time::Instant::now();
    loop {
        match pool.clone().connect_with(options.clone()).await {
            Err(sqlx::Error::Database(error))
                if error.code().as_deref() == Some("5") && begun.elapsed() < PATIENCE =>
            {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            connected => return connected,
        }
    }
}

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

pub(crate) use kept::{KeptRow, LookKept};

impl Database {
    /// Opens `sqlite:PATH` or `postgres://…` and makes the tables if there are none.
    pub(crate) async fn open(url: &str) -> Result<Self, VaultError> {
        if url.starts_with("sqlite:") {
            let options = url
                .parse::<SqliteConnectOptions>()?
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(PATIENCE)
                .pragma("secure_delete", "ON");
            // A full disk ended its last transaction, and sqlx still counts it: SQLite rolls back by
            // itself then, and refuses the second rollback. It is closed, and another one opened.
            let pool = SqlitePoolOptions::new()
                .max_connections(CONNECTIONS_MAX)
                .before_acquire(|held, _| Box::pin(async move { Ok(!held.is_in_transaction()) }));
            let pool = connect(pool.acquire_timeout(PATIENCE), options).await?;
            let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
            for table in TABLES {
                sqlx::query(table).execute(&mut *tx).await?;
            }
            tx.commit().await?;
            return Ok(Self::Sqlite(pool));
        }
        if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            let options = url.parse::<PgConnectOptions>()?.options([("search_path", "vault")]);
            reach(&options).await?;
            let pool = PgPoolOptions::new().max_connections(CONNECTIONS_MAX);
            let pool = pool.acquire_timeout(PATIENCE).connect_with(options).await?;
            let mut tx = pool.begin().await?;
            sqlx::query("SELECT pg_advisory_xact_lock($1)")
                .bind(SCHEMA_LOCK)
                .execute(&mut *tx)
                .await?;
            sqlx::query("CREATE SCHEMA IF NOT EXISTS vault").execute(&mut *tx).await?;
            for table in TABLES {
                sqlx::query(table).execute(&mut *tx).await?;
            }
            tx.commit().await?;
            return Ok(Self::Postgres(pool));
        }
        let scheme = url.split(':').next().unwrap_or_default();
        Err(VaultError::Url { url: format!("{scheme}:…") })
    }

    pub(crate) async fn close(&self) {
        on_pool!(self, pool => pool.close().await);
    }

    /// A fact about this vault: the one that is there, after `value` was offered.
    pub(crate) async fn fact(&self, name: &str, value: &str) -> Result<String, VaultError> {
        const OFFER: &str =
            "INSERT INTO vault_meta (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        const READ: &str = "SELECT value FROM vault_meta WHERE name = $1";
        Ok(on_pool!(self, pool => {
            sqlx::query(OFFER).bind(name).bind(value).execute(pool).await?;
            sqlx::query_scalar(READ).bind(name).fetch_one(pool).await?
        }))
    }

    /// A fact about this vault, if it was ever stated.
    pub(crate) async fn stated(&self, name: &str) -> Result<Option<String>, VaultError> {
        const READ: &str = "SELECT value FROM vault_meta WHERE name = $1";
        Ok(on_pool!(self, pool => sqlx::query_scalar(READ).bind(name).fetch_optional(pool).await?))
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

    /// Stores keys (or tombstones) where there is and was none, all in one durable transaction.
    pub(crate) async fn insert(&self, keys: &[StoredKey]) -> Result<(), VaultError> {
        let scopes: Vec<KeyScope> = keys.iter().map(|(scope, _)| *scope).collect();
        let wrapped: Vec<Option<&[u8]>> = keys.iter().map(|(_, key)| key.as_deref()).collect();
        match self {
            Self::Sqlite(pool) => {
                let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
                sqlx::query(SQLITE_INSERT).bind(json(&scopes, &wrapped)).execute(&mut *tx).await?;
                tx.commit().await?;
            }
            Self::Postgres(pool) => {
                let (users, rooms, days, kinds) = columns(&scopes);
                let query = sqlx::query(POSTGRES_INSERT).bind(users).bind(rooms).bind(days);
                query.bind(kinds).bind(wrapped).execute(pool).await?;
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

    /// Stored keys after `last`, in the order of the table.
    pub(crate) async fn page(&self, last: Option<KeyScope>) -> Result<Vec<StoredKey>, VaultError> {
        const PAGE: &str = "SELECT user_id, room_id, day, kind, wrapped FROM vault_key \
             WHERE (user_id, room_id, day, kind) > ($1, $2, $3, $4) AND wrapped IS NOT NULL \
             ORDER BY user_id, room_id, day, kind LIMIT 1000";
        let (user, room, day, kind) =
            last.as_ref().map_or((-1, 0, String::new(), ""), |scope| column(scope));
        let rows: Vec<Row> = on_pool!(self, pool => {
            sqlx::query_as(PAGE).bind(user).bind(room).bind(day).bind(kind).fetch_all(pool).await?
        });
        rows.into_iter().map(Row::read).collect()
    }

    /// Replaces wrapped keys and one fact, all or nothing.
    pub(crate) async fn replace(
        &self,
        keys: &[(KeyScope, Vec<u8>)],
        name: &str,
        value: &str,
    ) -> Result<(), VaultError> {
        on_pool!(self, pool => {
            let mut tx = pool.begin().await?;
            for (scope, wrapped) in keys {
                let (user, room, day, kind) = column(scope);
                sqlx::query(
                    "UPDATE vault_key SET wrapped = $5 WHERE user_id = $1 AND room_id = $2 \
                     AND day = $3 AND kind = $4 AND wrapped IS NOT NULL",
                )
                .bind(user).bind(room).bind(day).bind(kind).bind(wrapped)
                .execute(&mut *tx).await?;
            }
            sqlx::query("UPDATE vault_meta SET value = $2 WHERE name = $1")
                .bind(name).bind(value).execute(&mut *tx).await?;
            tx.commit().await?;
        });
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

/// One connection, or soon a clear word on why there is none: a pool would only say that time ran
/// out.
async fn reach(options: &PgConnectOptions) -> Result<(), VaultError> {
    let connected = tokio::time::timeout(PATIENCE, options.connect()).await;
    let connection = connected.unwrap_or(Err(sqlx::Error::PoolTimedOut));
    let place = || format!("{}:{}", options.get_host(), options.get_port());
    let connection =
        connection.map_err(|source| VaultError::Unreachable { place: place(), source })?;
    Ok(connection.close().await?)
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
