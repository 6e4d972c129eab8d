//! The two databases behind one face. Everything that differs between them is said here and in
//! [`sqlite`] and [`postgres`]; the rest of the crate writes one SQL.

mod copy;
mod postgres;
mod readers;
mod sqlite;

use std::sync::Arc;

use sqlx::pool::PoolConnection;
use sqlx::{
    AssertSqlSafe, PgConnection, PgPool, Postgres, Sqlite, SqliteConnection, SqlitePool,
    Transaction,
};

use crate::error::StoreError;
use crate::value::{Column, Kind, Table, Value};

/// What a database is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The tables that are served.
    Live,
    /// Tables that are built beside them: fast, and worthless if the machine stops half-way.
    Shadow,
}

/// The schema in PostgreSQL in which tables are rebuilt.
pub(crate) const SHADOW_SCHEMA: &str = "signcall_rebuild";
/// Where each database notes which migrations it has.
const MIGRATIONS_TABLE: &str = "signcall_migrations";

/// A pool of connections.
#[derive(Debug, Clone)]
pub(crate) enum Db {
    /// One writer, several readers.
    Sqlite {
        write: SqlitePool,
        read: SqlitePool,
        /// For whole lists, which are most of what is read.
        lists: Arc<readers::Readers>,
        place: String,
    },
    Postgres {
        pool: PgPool,
    },
}

impl Db {
    /// Opens `sqlite:PATH` or `postgres://…` and brings its tables up to date.
    pub(crate) async fn open(url: &str, purpose: Purpose) -> Result<Self, StoreError> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            return sqlite::open(path.trim_start_matches("//"), purpose).await;
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return postgres::open(url, purpose).await;
        }
        let scheme = url.split(':').next().unwrap_or_default();
        Err(StoreError::Url { url: format!("{scheme}:…") })
    }

    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite { .. } => Dialect::Sqlite,
            Self::Postgres { .. } => Dialect::Postgres,
        }
    }

    /// All rows of a table for which `tail` holds, with a connection of its own.
    pub(crate) async fn rows(
        &self,
        table: &Table,
        tail: &str,
        args: Vec<Value>,
    ) -> Result<Vec<Vec<Value>>, StoreError> {
        match self {
            Self::Sqlite { lists, .. } => {
                lists.rows(Dialect::Sqlite.select(table, tail), args, table).await
            }
            Self::Postgres { .. } => self.lease().await?.session().select(table, tail, args).await,
        }
    }

    /// A connection for reading.
    pub(crate) async fn lease(&self) -> Result<Lease, StoreError> {
        Ok(match self {
            Self::Sqlite { read, .. } => Lease::Sqlite(read.acquire().await?),
            Self::Postgres { pool } => Lease::Postgres(pool.acquire().await?),
        })
    }

    /// Begins a transaction that writes. On SQLite it is the only one from here on.
    pub(crate) async fn begin(&self) -> Result<Tx, StoreError> {
        Ok(match self {
            Self::Sqlite { write, .. } => Tx::Sqlite(sqlite::begin(write).await?),
            Self::Postgres { pool } => Tx::Postgres(pool.begin().await?),
        })
    }

    /// Begins a transaction that sees the tables as they are at its first read, for as long as it
    /// lasts, and hinders nobody.
    pub(crate) async fn snapshot(&self) -> Result<Tx, StoreError> {
        const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        Ok(match self {
            Self::Sqlite { read, .. } => Tx::Sqlite(read.begin().await?),
            Self::Postgres { pool } => Tx::Postgres(pool.begin_with(SNAPSHOT).await?),
        })
    }

    /// Moves what was committed out of SQLite's write-ahead log, while others write and read.
    /// PostgreSQL does so by itself.
    pub(crate) async fn settle(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite { read, .. } => sqlite::settle(read).await,
            Self::Postgres { .. } => Ok(()),
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite { write, read, lists, .. } => {
                lists.close().await;
                read.close().await;
                write.close().await;
            }
            Self::Postgres { pool } => pool.close().await,
        }
    }
}

/// A connection on loan from its pool.
pub(crate) enum Lease {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

impl Lease {
    /// Ends the connection, and with it what it holds, when the loan ends.
    pub(crate) fn never_lend_again(&mut self) {
        match self {
            Self::Sqlite(connection) => connection.close_on_drop(),
            Self::Postgres(connection) => connection.close_on_drop(),
        }
    }

    pub(crate) fn session(&mut self) -> Session<'_> {
        match self {
            Self::Sqlite(connection) => Session::Sqlite(connection),
            Self::Postgres(connection) => Session::Postgres(connection),
        }
    }
}

/// A transaction; dropped, it is rolled back.
pub(crate) enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Tx {
    pub(crate) fn session(&mut self) -> Session<'_> {
        match self {
            Self::Sqlite(tx) => Session::Sqlite(tx),
            Self::Postgres(tx) => Session::Postgres(tx),
        }
    }

    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => tx.commit().await?,
            Self::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }
}

/// A connection in use.
pub(crate) enum Session<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

impl Session<'_> {
    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Runs a statement; returns how many rows it changed.
    pub(crate) async fn execute(&mut self, sql: &str, args: Vec<Value>) -> Result<u64, StoreError> {
        Ok(match self {
            Self::Sqlite(connection) => {
                let query = sqlx::query_with(AssertSqlSafe(sql), sqlite::arguments(args));
                query.execute(&mut **connection).await?.rows_affected()
            }
            Self::Postgres(connection) => {
                let query = sqlx::query_with(AssertSqlSafe(sql), postgres::arguments(args)?);
                query.execute(&mut **connection).await?.rows_affected()
            }
        })
    }

    /// The rows of a table for which `tail` holds: `WHERE … ORDER BY … LIMIT …`.
    pub(crate) async fn select(
        &mut self,
        table: &Table,
        tail: &str,
        args: Vec<Value>,
    ) -> Result<Vec<Vec<Value>>, StoreError> {
        let sql = self.dialect().select(table, tail);
        match self {
            Self::Sqlite(connection) => {
                let query = sqlx::query_with(AssertSqlSafe(sql), sqlite::arguments(args));
                let rows = query.fetch_all(&mut **connection).await?;
                rows.iter().map(|row| sqlite::values(row, table)).collect()
            }
            Self::Postgres(connection) => {
                let query = sqlx::query_with(AssertSqlSafe(sql), postgres::arguments(args)?);
                let rows = query.fetch_all(&mut **connection).await?;
                rows.iter().map(|row| postgres::values(row, table)).collect()
            }
        }
    }

    /// Writes rows; those whose primary key exists take the place of what was there.
    pub(crate) async fn upsert(
        &mut self,
        table: &Table,
        rows: Vec<Vec<Value>>,
    ) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(connection) => {
                let tail = Dialect::on_conflict(table);
                sqlite::insert(connection, table, rows, &tail).await
            }
            Self::Postgres(connection) => postgres::upsert(connection, table, rows).await,
        }
    }

    /// Changes these columns, no key among them, of rows that are there.
    pub(crate) async fn update(
        &mut self,
        table: &Table,
        columns: &[usize],
        rows: Vec<Vec<Value>>,
    ) -> Result<(), StoreError> {
        let used: Vec<usize> = (0..table.key).chain(columns.iter().copied()).collect();
        let picked = |mut row: Vec<Value>| -> Vec<Value> {
            used.iter().map(|n| std::mem::replace(&mut row[*n], Value::Null)).collect()
        };
        let rows = rows.into_iter().map(picked).collect();
        let used: Vec<Column> = used.iter().map(|n| table.columns[*n]).collect();
        match self {
            Self::Sqlite(connection) => sqlite::update(connection, table, &used, rows).await,
            Self::Postgres(connection) => postgres::update(connection, table, &used, rows).await,
        }
    }

    /// Writes rows that are not there yet, in the fastest way.
    pub(crate) async fn insert(
        &mut self,
        table: &Table,
        rows: Vec<Vec<Value>>,
    ) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(connection) => sqlite::insert(connection, table, rows, "").await,
            Self::Postgres(connection) if rows.len() < copy::ROWS_MIN => {
                postgres::upsert(connection, table, rows).await
            }
            Self::Postgres(connection) => copy::insert(connection, table, rows).await,
        }
    }
}

/// Where the two ways of SQL part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// Whether a column is one of a list of integers, the `n`-th parameter.
    pub(crate) fn any(self, column: &str, n: usize) -> String {
        match self {
            Self::Sqlite => format!("{column} IN (SELECT value FROM json_each(${n}))"),
            Self::Postgres => format!("{column} = ANY(${n})"),
        }
    }

    /// Whether two columns together are one of these pairs of ids, and the parameters.
    pub(crate) fn pairs(
        self,
        first: &str,
        second: &str,
        pairs: impl Iterator<Item = (u64, u64)>,
    ) -> (String, Vec<Value>) {
        let (left, right): (Vec<i64>, Vec<i64>) =
            pairs.map(|(left, right)| (left as i64, right as i64)).unzip();
        match self {
            Self::Sqlite => {
                let list: Vec<_> = left.into_iter().zip(right).collect();
                let list = serde_json::json!(list).to_string();
                let clause = "SELECT value->>0, value->>1 FROM json_each($1)";
                (format!("({first}, {second}) IN ({clause})"), vec![Value::Text(list)])
            }
            Self::Postgres => {
                let clause = "SELECT * FROM UNNEST($1::bigint[], $2::bigint[])";
                let args = vec![Value::Ints(left), Value::Ints(right)];
                (format!("({first}, {second}) IN ({clause})"), args)
            }
        }
    }

    /// The `n`-th parameter, a point in time.
    pub(crate) fn time(self, n: usize) -> String {
        match self {
            Self::Sqlite => format!("${n}"),
            Self::Postgres => postgres::time_of(&format!("${n}")),
        }
    }

    fn select(self, table: &Table, tail: &str) -> String {
        let columns: Vec<String> = table.columns.iter().map(|c| self.column(c)).collect();
        format!("SELECT {} FROM \"{}\" {tail}", columns.join(", "), table.name)
    }

    fn column(self, column: &Column) -> String {
        let name = format!("\"{}\"", column.name);
        match (self, column.kind) {
            (Self::Postgres, Kind::Time) => postgres::micros_of(&name),
            (Self::Sqlite | Self::Postgres, _) => name,
        }
    }

    /// What follows the rows of an `INSERT` so that they take the place of what was there.
    fn on_conflict(table: &Table) -> String {
        let quoted = |c: &Column| format!("\"{}\"", c.name);
        let (key, rest) = table.columns.split_at(table.key);
        let set: Vec<_> = rest.iter().map(|c| format!("{0} = excluded.{0}", quoted(c))).collect();
        let key: Vec<_> = key.iter().map(quoted).collect();
        format!("ON CONFLICT ({}) DO UPDATE SET {}", key.join(", "), set.join(", "))
    }

    /// An update of a table from rows called `v`, whose columns are these, the key's first; those
    /// are found there by `place`.
    fn update(
        table: &Table,
        columns: &[Column],
        rows: &str,
        place: impl Fn(usize, &Column) -> String,
    ) -> String {
        let (mut set, mut meant) = (Vec::new(), Vec::new());
        for (n, column) in columns.iter().enumerate() {
            let (name, place) = (column.name, place(n, column));
            if n < table.key {
                meant.push(format!("\"{}\".\"{name}\" = {place}", table.name));
            } else {
                set.push(format!("\"{name}\" = {place}"));
            }
        }
        let (set, meant) = (set.join(", "), meant.join(" AND "));
        format!("UPDATE \"{}\" SET {set} FROM {rows} WHERE {meant}", table.name)
    }

    fn column_names(table: &Table) -> String {
        let names: Vec<_> = table.columns.iter().map(|c| format!("\"{}\"", c.name)).collect();
        names.join(", ")
    }
}
