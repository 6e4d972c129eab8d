//! The log's files without what they do not need, and how any write-ahead log of this system is
//! emptied beside others who read.

use std::path::Path;
use std::time::{Duration, Instant};

use events::BlockNumber;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqliteConnection};

use super::{BUSY_TIMEOUT, unreadable};
use crate::log::LogError;

/// How long those who read an older state of a file are waited for.
const READERS_WITHIN: Duration = Duration::from_secs(5);
/// How long one attempt may keep others from writing, and the pause in which they go on.
const ATTEMPT: &str = "PRAGMA busy_timeout = 200";
const PAUSE: Duration = Duration::from_millis(50);

/// Takes the write-ahead log into the file and cuts it to nothing, and gives back free pages, of
/// which a log that only grows has none. The log may be in use; false as [`cut_wal`] says it.
pub async fn compact(path: &Path) -> Result<bool, LogError> {
    let options = SqliteConnectOptions::new().filename(path).busy_timeout(BUSY_TIMEOUT);
    let compacted = async {
        let mut connection = SqliteConnection::connect_with(&options).await?;
        let free: i64 =
            sqlx::query_scalar("PRAGMA freelist_count").fetch_one(&mut connection).await?;
        if free > 0 {
            sqlx::query("VACUUM").execute(&mut connection).await?;
        }
        let cut = cut_wal(&mut connection).await?;
        connection.close().await?;
        Ok(cut)
    };
    let place = path.display().to_string();
    compacted.await.map_err(|source| unreadable(&place, BlockNumber::new(0), source))
}

/// Takes a file's write-ahead log into the file and cuts it to nothing. False when somebody reads
/// an older state all along: then both still hold what was there before. The connection waits less
/// for others from here on.
///
/// # Errors
/// What SQLite finds wrong with the file.
pub async fn cut_wal(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    sqlx::query(ATTEMPT).execute(&mut *connection).await?;
    let begun = Instant::now();
    loop {
        // Blocked or not, frames in the write-ahead log, frames of them that are in the file.
        let (blocked, _, _): (i64, i64, i64) =
            sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut *connection).await?;
        if blocked == 0 {
            return Ok(true);
        }
        if begun.elapsed() >= READERS_WITHIN {
            return Ok(false);
        }
        tokio::time::sleep(PAUSE).await;
    }
}
