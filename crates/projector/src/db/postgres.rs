//! PostgreSQL: rows go in by arrays, one per column, through `UNNEST`.

use std::str::FromStr as _;
use std::time::Duration;

use events::Timestamp;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPoolOptions, PgRow};
use sqlx::{
    Arguments as _, AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _,
    PgConnection, Row as _, ValueRef as _,
};

use super::{Db, Dialect, MIGRATIONS_TABLE, Purpose, SHADOW_SCHEMA};
use crate::error::StoreError;
use crate::value::{Column, Field, Kind, Table, Value};

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/postgres");

const CONNECTIONS: u32 = 10;
/// How long the first connection may take, and a statement may wait for a free one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);
/// Rows in one statement at most.
const ROWS_PER_STATEMENT: usize = 5000;

/// A lost last commit is projected again: the checkpoint is lost with it.
const LIVE_SETUP: &str = "SET synchronous_commit = off";

/// Microseconds since 1970, exactly.
pub(super) fn micros_of(time: &str) -> String {
    format!("(extract(epoch FROM {time}) * 1000000)::bigint")
}

/// The time of microseconds since 1970, exactly.
pub(super) fn time_of(micros: &str) -> String {
    format!("(timestamptz 'epoch' + {micros}::bigint * interval '1 microsecond')")
}

pub(super) async fn open(url: &str, purpose: Purpose) -> Result<Db, StoreError> {
    let options = PgConnectOptions::from_str(url)?.application_name("signcall");
    let database = options.get_database().unwrap_or_else(|| options.get_username());
    let place = format!("{}:{}/{database}", options.get_host(), options.get_port());
    let setup = match purpose {
        Purpose::Live => LIVE_SETUP.to_owned(),
        Purpose::Shadow => format!("{LIVE_SETUP}; SET search_path = {SHADOW_SCHEMA}"),
    };
    let mut first = connect(&options, &place).await?;
    first.execute(AssertSqlSafe(setup.clone())).await?;
    let mut migrator = Migrator::with_migrations(MIGRATIONS.migrations.to_vec());
    migrator.dangerous_set_table_name(MIGRATIONS_TABLE);
    let migrated = migrator.run_direct(None, &mut first, false).await;
    migrated.map_err(|source| StoreError::migration(place.clone(), source))?;
    first.close().await?;
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(CONNECT_TIMEOUT)
        .after_connect(move |connection, _| {
            let setup = setup.clone();
            Box::pin(async move {
                connection.execute(AssertSqlSafe(setup)).await?;
                Ok(())
            })
        })
        .connect_lazy_with(options);
    Ok(Db::Postgres { pool })
}

/// One connection, or soon a clear word on why there is none.
async fn connect(options: &PgConnectOptions, place: &str) -> Result<PgConnection, StoreError> {
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, options.connect()).await;
    connected
        .unwrap_or(Err(sqlx::Error::PoolTimedOut))
        .map_err(|source| StoreError::Unreachable { place: place.to_owned(), source })
}

/// Parameters of a statement.
pub(super) fn arguments(values: Vec<Value>) -> Result<PgArguments, StoreError> {
    let mut arguments = PgArguments::default();
    for value in values {
        match value {
            Value::Null => arguments.add(None::<i64>),
            Value::Int(value) => arguments.add(value),
            Value::Real(value) => arguments.add(value),
            Value::Text(value) => arguments.add(value),
            Value::Bool(value) => arguments.add(value),
            Value::Time(value) => arguments.add(value.micros()),
            Value::Ints(values) => arguments.add(values),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

/// A row as values.
pub(super) fn values(row: &PgRow, table: &Table) -> Result<Vec<Value>, StoreError> {
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
            Kind::Time => Value::Time(Timestamp::from_micros(row.try_get_unchecked(index)?)),
        });
    }
    Ok(values)
}

/// See [`super::Session::upsert`].
pub(super) async fn upsert(
    connection: &mut PgConnection,
    table: &Table,
    rows: Vec<Vec<Value>>,
) -> Result<(), StoreError> {
    let names = Dialect::column_names(table);
    let places: Vec<String> = table.columns.iter().map(place).collect();
    let sql = format!(
        "INSERT INTO \"{}\" ({names}) SELECT {} FROM {} {}",
        table.name,
        places.join(", "),
        unnest(table.columns),
        Dialect::on_conflict(table),
    );
    run(connection, table.columns, rows, &sql).await
}

/// See [`super::Session::update`].
pub(super) async fn update(
    connection: &mut PgConnection,
    table: &Table,
    columns: &[Column],
    rows: Vec<Vec<Value>>,
) -> Result<(), StoreError> {
    let sql = Dialect::update(table, columns, &unnest(columns), |_, column| place(column));
    run(connection, columns, rows, &sql).await
}

/// Where a column's value is found among the rows of [`unnest`].
fn place(column: &Column) -> String {
    let name = format!("v.\"{}\"", column.name);
    match column.kind {
        Kind::Int | Kind::Real | Kind::Text | Kind::Bool => name,
        Kind::Time => time_of(&name),
    }
}

/// Rows called `v`, from one array per column.
fn unnest(columns: &[Column]) -> String {
    let (mut arrays, mut names) = (Vec::new(), Vec::new());
    for (index, column) in columns.iter().enumerate() {
        let kind = match column.kind {
            Kind::Int | Kind::Time => "bigint",
            Kind::Real => "double precision",
            Kind::Text => "text",
            Kind::Bool => "boolean",
        };
        arrays.push(format!("${}::{kind}[]", index + 1));
        names.push(format!("\"{}\"", column.name));
    }
    format!("UNNEST({}) AS v ({})", arrays.join(", "), names.join(", "))
}

/// Runs a statement over many rows, in arrays.
async fn run(
    connection: &mut PgConnection,
    columns: &[Column],
    rows: Vec<Vec<Value>>,
    sql: &str,
) -> Result<(), StoreError> {
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let chunk: Vec<_> = rows.by_ref().take(ROWS_PER_STATEMENT).collect();
        let arguments = arrays(columns, chunk).map_err(sqlx::Error::Encode)?;
        sqlx::query_with(AssertSqlSafe(sql), arguments).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Rows turned into one array per column.
fn arrays(
    columns: &[Column],
    rows: Vec<Vec<Value>>,
) -> Result<PgArguments, Box<dyn std::error::Error + Send + Sync>> {
    let count = rows.len();
    let mut lists: Vec<Vec<Value>> = columns.iter().map(|_| Vec::with_capacity(count)).collect();
    for row in rows {
        for (list, value) in lists.iter_mut().zip(row) {
            list.push(value);
        }
    }
    let mut arguments = PgArguments::default();
    for (column, values) in columns.iter().zip(lists) {
        match column.kind {
            Kind::Int => arguments.add(array::<i64>(values)),
            Kind::Time => {
                let times = array::<Timestamp>(values).into_iter();
                arguments.add(times.map(|time| time.map(Timestamp::micros)).collect::<Vec<_>>())
            }
            Kind::Real => arguments.add(array::<f64>(values)),
            Kind::Text => arguments.add(array::<String>(values)),
            Kind::Bool => arguments.add(array::<bool>(values)),
        }?;
    }
    Ok(arguments)
}

fn array<T: Field>(values: Vec<Value>) -> Vec<Option<T>> {
    values.into_iter().map(T::from_value).collect()
}
