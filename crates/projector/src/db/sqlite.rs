//! SQLite: WAL, one writer connection, several readers; rows go in by statements of many rows.

use std::time::Duration;

use chrono::{Datelike as _, NaiveDate, Timelike as _};
use events::Timestamp;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{Arguments as _, AssertSqlSafe, Row as _, SqliteConnection, ValueRef as _};

use super::{Db, Dialect, MIGRATIONS_TABLE, Purpose};
use crate::error::StoreError;
use crate::value::{Kind, Table, Value};

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/sqlite");

const READERS: u32 = 4;
/// How long a statement waits for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Two processes that make the same new file: the slower one tries again this often.
const MIGRATION_TRIES: u32 = 50;
const MIGRATION_PAUSE: Duration = Duration::from_millis(100);
/// The write-ahead log is cut back to this size, in bytes.
const WAL_BYTES: &str = "67108864";
/// Memory for pages, in KiB (negative is how SQLite is told so).
const LIVE_CACHE: &str = "-16384";
const SHADOW_CACHE: &str = "-65536";
/// Rows in one statement at most; fewer go in powers of two, so that few statements are prepared.
const ROWS_PER_STATEMENT: usize = 128;
const STATEMENTS_CACHED: usize = 256;
/// Rows on their way from SQLite's thread to the reader's.
const ROWS_BUFFERED: usize = 1000;

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
    let write = SqlitePoolOptions::new()
        .max_connections(1)
        .max_lifetime(None)
        .idle_timeout(None)
        .connect_with(writer.create_if_missing(true))
        .await
        .map_err(unreachable)?;
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
    let read = SqlitePoolOptions::new()
        .max_connections(READERS)
        // A file does not go away as a server does, and each test is a trip to another thread.
        .test_before_acquire(false)
        .connect_with(base.pragma("query_only", "ON"))
        .await
        .map_err(unreachable)?;
    Ok(Db::Sqlite { write, read, place })
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
        Value::Time(value) => arguments.add(text_of(value)),
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
                Value::Time(time_of(text).ok_or(unreadable)?)
            }
        });
    }
    Ok(values)
}

/// What [`Timestamp`]'s `Display` writes, several times faster: rows are made of times.
fn text_of(time: Timestamp) -> String {
    let utc = time.utc();
    let (date, clock) = (utc.date_naive(), utc.time());
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    let mut put = |from: usize, to: usize, mut number: u32| {
        for place in text[from..to].iter_mut().rev() {
            *place = b'0' + (number % 10) as u8;
            number /= 10;
        }
    };
    put(0, 4, date.year().unsigned_abs());
    put(5, 7, date.month());
    put(8, 10, date.day());
    put(11, 13, clock.hour());
    put(14, 16, clock.minute());
    put(17, 19, clock.second());
    put(20, 26, utc.timestamp_subsec_micros());
    text.iter().map(|byte| char::from(*byte)).collect()
}

/// Reads what [`Timestamp`]'s `Display` wrote: always the same 27 characters.
fn time_of(text: &str) -> Option<Timestamp> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u32>().ok();
    let year = text.get(..4)?.parse().ok()?;
    let date = NaiveDate::from_ymd_opt(year, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let time = date?.and_hms_micro_opt(hour, minute, second, number(20, 26)?)?;
    Some(Timestamp::new(time.and_utc()))
}

/// See [`super::Session::insert`]; what `tail` says happens to rows that are there already.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    table: &Table,
    rows: Vec<Vec<Value>>,
    tail: &str,
) -> Result<(), StoreError> {
    let head = format!("INSERT INTO \"{}\" ({}) VALUES ", table.name, Dialect::column_names(table));
    let row = format!("({})", vec!["?"; table.columns.len()].join(","));
    let mut statements = statements(rows.len());
    let mut rows = rows.into_iter();
    let mut fill = |count| {
        let mut arguments = SqliteArguments::default();
        arguments.reserve(count * table.columns.len(), 0);
        for value in rows.by_ref().take(count).flatten() {
            push(&mut arguments, value);
        }
        (count, arguments)
    };
    let mut next = statements.next().map(&mut fill);
    while let Some((count, arguments)) = next {
        let sql = format!("{head}{} {tail}", vec![row.as_str(); count].join(","));
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
    fn times_read_back() {
        for micros in [0, 1, 1_767_225_600_123_456, 253_402_300_799_999_999] {
            let time = Timestamp::from_micros(micros);
            assert_eq!(time_of(&time.to_string()), Some(time));
            assert_eq!(text_of(time), time.to_string());
        }
        assert_eq!(time_of("2026-13-01T00:00:00.000000Z"), None);
        assert_eq!(time_of("yesterday"), None);
    }

    #[test]
    fn statements_take_every_row() {
        assert_eq!(statements(0).count(), 0);
        assert_eq!(statements(300).collect::<Vec<_>>(), [128, 128, 32, 8, 4]);
    }
}
