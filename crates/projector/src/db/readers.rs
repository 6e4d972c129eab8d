//! Connections that read whole lists from SQLite.
//!
//! Not sqlx's pool: whatever it lends out comes back by way of a new task and one more trip to the
//! connection's thread, to see whether it still lives. A file does not go away, and for a page of a
//! list those two trips are half of the work.

use parking_lot::Mutex;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use tokio::sync::Semaphore;

use super::sqlite;
use crate::error::StoreError;
use crate::value::{Table, Value};

/// A few connections, the one used last first: what it read lies in its cache.
#[derive(Debug)]
pub(crate) struct Readers {
    options: SqliteConnectOptions,
    places: Semaphore,
    idle: Mutex<Vec<SqliteConnection>>,
}

impl Readers {
    pub(super) fn new(options: SqliteConnectOptions, connections: usize) -> Self {
        Self { options, places: Semaphore::new(connections), idle: Mutex::default() }
    }

    /// All rows that a statement finds.
    pub(super) async fn rows(
        &self,
        sql: String,
        args: Vec<Value>,
        table: &Table,
    ) -> Result<Vec<Vec<Value>>, StoreError> {
        let _place = self.places.acquire().await.map_err(|_| sqlx::Error::PoolClosed)?;
        let idle = self.idle.lock().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => self.options.connect().await?,
        };
        let query = sqlx::query_with(AssertSqlSafe(sql), sqlite::arguments(args));
        // A connection that is dropped here, in the middle of an answer or after an error, is closed.
        let rows = query.fetch_all(&mut connection).await?;
        self.idle.lock().push(connection);
        rows.iter().map(|row| sqlite::values(row, table)).collect()
    }

    /// Waits for what is under way and closes all.
    pub(super) async fn close(&self) {
        self.places.close();
        let idle = std::mem::take(&mut *self.idle.lock());
        for connection in idle {
            if let Err(error) = connection.close().await {
                tracing::debug!(%error, "a reading connection was not closed cleanly");
            }
        }
    }
}
