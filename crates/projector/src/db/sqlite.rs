//! SQLite: WAL, one writer connection, several readers; rows go in by statements of many rows.

use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteRow, SqliteSynchronous,
};
use sqlx::{Arguments as _, AssertSqlSafe, Row as _, SqliteConnection, ValueRef as _};

use super::readers::Readers;
use super::{Db, Dialect, MIGRATIONS_TABLE, Purpose};
use crate::error::StoreError;
use crate::value::{Column, Kind, Table, Value};

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/sqlite");

const READERS: u32 = 4;
/// How long a statement waits for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Two processes that make the same new file: the slower one tries again this often.
const MIGRATION_TRIES: u32 = 50;
const MIGRATION_PAUSE: Duration = Duration::from_millis(100);
/// The write-ahead log is cut back to this size, in bytes.
const WAL_BYTES: &str = "67108864";
/// At as many pages, of 4 KiB, the writer itself moves the write-ahead log into the file. Before,
/// [`settle`] does so beside it: whoever does it waits for the disk.
const WAL_PAGES: &str = "16384";
/// Memory for pages, in KiB (negative is how SQLite is told so).
const LIVE_CACHE: &str = "-16384";
const SHADOW_CACHE: &str = "-49152";
/// Rows in one statement at most; fewer go in powers of two, so that few statements are prepared.
const ROWS_PER_STATEMENT: usize = 128;
const STATEMENTS_CACHED: usize = 256;
/// Rows on their way from SQLite's thread to the reader's.
const ROWS_BUFFERED: usize = 1000;

/// Begins a transaction that writes, on the pool's one connection.
pub(super) async fn begin(
    write: &SqlitePool,
) -> Result<sqlx::Transaction<'static, sqlx::Sqlite>, sqlx::Error> {
    const BEGIN: &str = "BEGIN IMMEDIATE";
    match write.begin_with(BEGIN).await {
        // A full disk ended the last transaction, and sqlx still counts it: SQLite rolls back by
        // itself then, and refuses the second rollback.
        Err(sqlx::Error::InvalidSavePointStatement) => {
            write.acquire().await?.close().await?;
            write.begin_with(BEGIN).await
        }
        begun => begun,
    }
}

pub(super) async fn open(path: &str, purpose: Purpose) -> Result<Db, StoreError> {
    let place = path.to_owned();
    let unreachable = |source| StoreError::Unreachable { place: place.clone(), source };
    let base = SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY_TIMEOUT)
        .row_buffer_size(ROWS_BUFFERED)
        .statement_cache_capacity(STATEMENTS_CACHED);
    let writer = match purpose {
        Purpose::Live => base
            .clone()
            .journal_mode(SqliteJournalMode::Wal)
            // A lost last commit is projected again: the checkpoint is lost with it.
            .synchronous(SqliteSynchronous::Normal)
            .pragma("journal_size_limit", WAL_BYTES)
            .pragma("wal_autocheckpoint", WAL_PAGES)
            .pragma("cache_size", LIVE_CACHE),
        Purpose::Shadow => base
            .clone()
            // A killed process must leave whole transactions: it is gone on with. New pages, which
            // are nearly all, cost the journal nothing.
            .journal_mode(SqliteJournalMode::Truncate)
            .synchronous(SqliteSynchronous::Off)
            .foreign_keys(false)
            .pragma("cache_size", SHADOW_CACHE),
    };
    let writer = writer.create_if_missing(true);
    let pool = SqlitePoolOptions::new().max_connections(1).max_lifetime(None).idle_timeout(None);
    let connect = || pool.clone().connect_with(writer.clone());
    let write = streams::log::embedded::open_patiently(BUSY_TIMEOUT, connect).await;
    let write = write.map_err(unreachable)?;
    let mut migrator = Migrator::with_migrations(MIGRATIONS.migrations.to_vec());
    migrator.dangerous_set_table_name(MIGRATIONS_TABLE);
    let mut tries = 1;
    while let Err(source) = migrator.run(&write).await {
        use sqlx::migrate::MigrateError::{Execute, ExecuteMigration};
        let raced = matches!(source, Execute(_) | ExecuteMigration(..));
        if tries == MIGRATION_TRIES || !raced {
            return Err(StoreError::migration(place, source));
        }
        tries += 1;
        tokio::time::sleep(MIGRATION_PAUSE).await;
    }
    let reader = base.pragma("query_only", "ON");
    let read = SqlitePoolOptions::new()
        .max_connections(READERS)
        // A file does not go away as a server does, and each test is a trip to another thread.
        .test_before_acquire(false)
        .connect_with(reader.clone())
        .await
        .map_err(unreachable)?;
    let lists = Arc::new(Readers::new(reader, READERS as usize));
    Ok(Db::Sqlite { write, read, lists, place })
}

/// See [`super::Db::settle`].
pub(super) async fn settle(read: &SqlitePool) -> Result<(), StoreError> {
    sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").fetch_all(read).await?;
    Ok(())
}

/// Parameters of a statement.
pub(super) fn arguments(values: Vec<Value>) -> SqliteArguments {
    let mut arguments = SqliteArguments::default();
    arguments.reserve(values.len(), 0);
    for value in values {
        push(&mut arguments, value);
    }
    arguments
}

fn push(arguments: &mut SqliteArguments, value: Value) {
    // Encoding these types into SQLite's own values has no way to fail.
    let _infallible = match value {
        Value::Null => arguments.add(None::<i64>),
        Value::Int(value) => arguments.add(value),
        Value::Real(value) => arguments.add(value),
        Value::Text(value) => arguments.add(value),
        Value::Bool(value) => arguments.add(value),
        Value::Time(value) => arguments.add(value.to_string()),
        Value::Ints(values) => arguments.add(serde_json::Value::from(values).to_string()),
    };
}

/// A row as values.
pub(super) fn values(row: &SqliteRow, table: &Table) -> Result<Vec<Value>, StoreError> {
    let mut values = Vec::with_capacity(table.columns.len());
    for (index, column) in table.columns.iter().enumerate() {
        if row.try_get_raw(index)?.is_null() {
            values.push(Value::Null);
            continue;
        }
        values.push(match column.kind {
            Kind::Int => Value::Int(row.try_get_unchecked(index)?),
            Kind::Real => Value::Real(row.try_get_unchecked(index)?),
            Kind::Text => Value::Text(row.try_get_unchecked(index)?),
            Kind::Bool => Value::Bool(row.try_get_unchecked(index)?),
            Kind::Time => {
                let text: &str = row.try_get_unchecked(index)?;
                let unreadable = StoreError::Row { table: table.name, column: column.name };
                Value::Time(text.parse().map_err(|_| unreadable)?)
            }
        });
    }
    Ok(values)
}

/// See [`super::Session::insert`]; what `tail` says happens to rows that are there already.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    table: &Table,
    rows: Vec<Vec<Value>>,
    tail: &str,
) -> Result<(), StoreError> {
    let names = Dialect::column_names(table);
    let sql = |values: &str| format!("INSERT INTO \"{}\" ({names}) {values} {tail}", table.name);
    run(connection, rows, sql).await
}

/// See [`super::Session::update`].
pub(super) async fn update(
    connection: &mut SqliteConnection,
    table: &Table,
    columns: &[Column],
    rows: Vec<Vec<Value>>,
) -> Result<(), StoreError> {
    let place = |n, _: &Column| format!("v.column{}", n + 1);
    let sql = |values: &str| Dialect::update(table, columns, &format!("({values}) AS v"), place);
    run(connection, rows, sql).await
}

/// Runs statements, each over many rows, as `VALUES`.
async fn run(
    connection: &mut SqliteConnection,
    rows: Vec<Vec<Value>>,
    sql: impl Fn(&str) -> String,
) -> Result<(), StoreError> {
    let width = rows.first().map_or(0, Vec::len);
    let row = format!("({})", vec!["?"; width].join(","));
    let mut statements = statements(rows.len());
    let mut rows = rows.into_iter();
    let mut fill = |count| {
        let mut arguments = SqliteArguments::default();
        arguments.reserve(count * width, 0);
        for value in rows.by_ref().take(count).flatten() {
            push(&mut arguments, value);
        }
        (count, arguments)
    };
    let mut next = statements.next().map(&mut fill);
    while let Some((count, arguments)) = next {
        let sql = sql(&format!("VALUES {}", vec![row.as_str(); count].join(",")));
        let query = sqlx::query_with(AssertSqlSafe(sql), arguments);
        // SQLite works on a thread of its own: meanwhile the next statement is made.
        let (done, following) = tokio::join!(query.execute(&mut *connection), async {
            statements.next().map(&mut fill)
        });
        done?;
        next = following;
    }
    Ok(())
}

/// How many rows go into each statement: few different numbers, so that few are prepared.
fn statements(rows: usize) -> impl Iterator<Item = usize> {
    let mut left = rows;
    std::iter::from_fn(move || {
        let count = ROWS_PER_STATEMENT.min(1 << left.checked_ilog2()?);
        left -= count;
        Some(count)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_take_every_row() {
        assert_eq!(statements(0).count(), 0);
        assert_eq!(statements(300).collect::<Vec<_>>(), [128, 128, 32, 8, 4]);
    }
}
