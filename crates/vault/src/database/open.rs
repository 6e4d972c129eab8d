//! Opening the database of keys: the one that is there, or a new one.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _};

use super::Database;
use crate::error::VaultError;

/// How long to wait for the database to answer, or for another process to finish writing.
const PATIENCE: Duration = Duration::from_secs(5);
/// Connections of one process.
const CONNECTIONS_MAX: u32 = 4;
/// Serializes the making of the tables in PostgreSQL.
const SCHEMA_LOCK: i64 = 0x5349_474e_5641_554c;

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

/// What to do where there is no vault.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Absent {
    /// A new one.
    Make,
    /// Nothing, and say so.
    Refuse,
}

impl Database {
    /// Opens `sqlite:PATH` or `postgres://…` and makes the tables if there are none.
    pub(crate) async fn open(url: &str) -> Result<Self, VaultError> {
        Self::open_or(url, Absent::Make).await
    }

    /// As [`Self::open`], but where there is no vault, none is made.
    pub(crate) async fn open_existing(url: &str) -> Result<Self, VaultError> {
        Self::open_or(url, Absent::Refuse).await
    }

    async fn open_or(url: &str, absent: Absent) -> Result<Self, VaultError> {
        if url.starts_with("sqlite:") {
            return sqlite(url.parse()?, absent).await.map(Self::Sqlite);
        }
        if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            return postgres(url.parse()?, absent).await;
        }
        let scheme = url.split(':').next().unwrap_or_default();
        Err(VaultError::Url { url: format!("{scheme}:…") })
    }
}

async fn sqlite(options: SqliteConnectOptions, absent: Absent) -> Result<SqlitePool, VaultError> {
    const HAS_TABLES: &str = "SELECT count(*) FROM sqlite_schema WHERE name = 'vault_meta'";
    let file = options.get_filename();
    let missing = || VaultError::Missing { place: file.display().to_string() };
    if absent == Absent::Refuse && !file.exists() {
        return Err(missing());
    }
    let options = (options.clone())
        .create_if_missing(absent == Absent::Make)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(PATIENCE)
        .pragma("secure_delete", "ON");
    // A full disk ended its last transaction, and sqlx still counts it: SQLite rolls back by itself
    // then, and refuses the second rollback. It is closed, and another one opened.
    let pool = SqlitePoolOptions::new()
        .max_connections(CONNECTIONS_MAX)
        .before_acquire(|held, _| Box::pin(async move { Ok(!held.is_in_transaction()) }));
    let pool = connect(pool.acquire_timeout(PATIENCE), options).await?;
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    if absent == Absent::Refuse {
        let found: i64 = sqlx::query_scalar(HAS_TABLES).fetch_one(&mut *tx).await?;
        if found == 0 {
            return Err(missing());
        }
    }
    for table in TABLES {
        sqlx::query(table).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    Ok(pool)
}

async fn postgres(options: PgConnectOptions, absent: Absent) -> Result<Database, VaultError> {
    const HAS_TABLES: &str = "SELECT to_regclass('vault.vault_meta') IS NOT NULL";
    let place = format!("{}:{}", options.get_host(), options.get_port());
    let options = options.options([("search_path", "vault")]);
    reach(&options, &place).await?;
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS_MAX);
    let pool = pool.acquire_timeout(PATIENCE).connect_with(options).await?;
    let mut tx = pool.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(SCHEMA_LOCK).execute(&mut *tx).await?;
    if absent == Absent::Refuse {
        let found: bool = sqlx::query_scalar(HAS_TABLES).fetch_one(&mut *tx).await?;
        if !found {
            return Err(VaultError::Missing { place });
        }
    }
    sqlx::query("CREATE SCHEMA IF NOT EXISTS vault").execute(&mut *tx).await?;
    for table in TABLES {
        sqlx::query(table).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    Ok(Database::Postgres(pool))
}

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

/// One connection, or soon a clear word on why there is none: a pool would only say that time ran
/// out.
async fn reach(options: &PgConnectOptions, place: &str) -> Result<(), VaultError> {
    let connected = tokio::time::timeout(PATIENCE, options.connect()).await;
    let connection = connected.unwrap_or(Err(sqlx::Error::PoolTimedOut));
    let place = || place.to_owned();
    let connection =
        connection.map_err(|source| VaultError::Unreachable { place: place(), source })?;
    Ok(connection.close().await?)
}
