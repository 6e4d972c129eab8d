//! The tables' files: copied as they are at one moment, and rewritten without what was deleted.

use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, SqliteConnection};
use streams::log::embedded::cut_wal;

use crate::db::Db;
use crate::error::StoreError;
use crate::store::Store;

/// How long to wait until another process lets us write.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

impl Store {
    /// The file of the tables, if they lie in one.
    pub fn file(&self) -> Option<PathBuf> {
        match self.db() {
            Db::Sqlite { place, .. } => Some(PathBuf::from(place)),
            Db::Postgres { .. } => None,
        }
    }

    /// Writes the tables, as they are now, into a new SQLite file, while they are in use. False,
    /// and no file, on PostgreSQL: tables can be made again from the log.
    pub async fn copy_to(&self, file: &Path) -> Result<bool, StoreError> {
        let Db::Sqlite { place, .. } = self.db() else { return Ok(false) };
        let mut connection = connection(place).await?;
        let copy = sqlx::query("VACUUM INTO ?").bind(file.display().to_string());
        copy.execute(&mut connection).await?;
        Ok(true)
    }

    /// Rewrites the files without the space of deleted rows, and the search index without the
    /// words of deleted texts. On PostgreSQL the write-ahead log that was recycled is out of reach.
    /// False when somebody reads an older state of a SQLite file all along: then it and its
    /// write-ahead log still hold what was deleted.
    pub async fn compact(&self) -> Result<bool, StoreError> {
        const INDEXES: &str = "SELECT name FROM sqlite_schema \
            WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL TABLE % USING fts5%'";
        match self.db() {
            Db::Postgres { pool } => {
                sqlx::query("VACUUM FULL").execute(pool).await?;
                Ok(true)
            }
            Db::Sqlite { place, .. } => {
                let mut connection = connection(place).await?;
                let indexes: Vec<String> =
                    sqlx::query_scalar(INDEXES).fetch_all(&mut connection).await?;
                for index in indexes {
                    let merge =
                        format!("INSERT INTO \"{index}\" (\"{index}\") VALUES ('optimize')");
                    sqlx::query(AssertSqlSafe(merge)).execute(&mut connection).await?;
                }
                sqlx::query("VACUUM").execute(&mut connection).await?;
                Ok(cut_wal(&mut connection).await?)
            }
        }
    }
}

/// A connection of its own: the others go on meanwhile.
async fn connection(place: &str) -> Result<SqliteConnection, StoreError> {
    let options = SqliteConnectOptions::new().filename(place).busy_timeout(PATIENCE);
    Ok(options.pragma("secure_delete", "ON").connect().await?)
}
