//! The log's files without what they do not need.

use std::path::Path;

use events::BlockNumber;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqliteConnection};

use super::{BUSY_TIMEOUT, unreadable};
use crate::log::LogError;

/// Takes the write-ahead log into the file and cuts it to nothing, and gives back free pages, of
/// which a log that only grows has none. The log may be in use.
pub async fn compact(path: &Path) -> Result<(), LogError> {
    let options = SqliteConnectOptions::new().filename(path).busy_timeout(BUSY_TIMEOUT);
    let compacted = async {
        let mut connection = SqliteConnection::connect_with(&options).await?;
        let free: i64 =
            sqlx::query_scalar("PRAGMA freelist_count").fetch_one(&mut connection).await?;
        if free > 0 {
            sqlx::query("VACUUM").execute(&mut connection).await?;
        }
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await?;
        connection.close().await
    };
    let place = path.display().to_string();
    compacted.await.map_err(|source| unreadable(&place, BlockNumber::new(0), source))
}
