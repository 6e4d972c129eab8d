//! Watches the log's file: for what other processes append, such as a command-line tool beside a
//! running server, and for a write-ahead log that does not shrink by itself.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use events::BlockNumber;
use sqlx::SqliteConnection;
use tokio::sync::watch;

use super::{WAL_BYTES_MAX, file_bytes};

/// How often a look is taken whether another process appended.
const POLL: Duration = Duration::from_millis(20);

/// How often the write-ahead log's size is looked at, and how long shrinking it may keep others
/// from writing.
const SIZE_POLL: Duration = Duration::from_secs(1);
const SHRINK_WITHIN: &str = "PRAGMA busy_timeout = 200";

/// Changes with every commit of another connection.
const VERSION: &str = "PRAGMA data_version";

/// The file's version as this connection sees it, and the last block.
pub(super) async fn glance(
    connection: &mut SqliteConnection,
) -> Result<(i64, BlockNumber), sqlx::Error> {
    let version = sqlx::query_scalar(VERSION).fetch_one(&mut *connection).await?;
    let last: i64 = sqlx::query_scalar("SELECT coalesce(max(number), 0) FROM block")
        .fetch_one(connection)
        .await?;
    Ok((version, BlockNumber::new(last.unsigned_abs())))
}

/// Tells of blocks that other processes appended.
pub(super) async fn watch_file(
    mut connection: SqliteConnection,
    mut seen: i64,
    appended: watch::Sender<BlockNumber>,
    path: PathBuf,
) {
    let place = path.display();
    // A failure shows at the first look.
    let _ = sqlx::query(SHRINK_WITHIN).execute(&mut connection).await;
    let mut sized = Instant::now();
    loop {
        tokio::time::sleep(POLL).await;
        if sized.elapsed() >= SIZE_POLL {
            sized = Instant::now();
            shrink(&mut connection, &path).await;
        }
        let version: Result<i64, _> = sqlx::query_scalar(VERSION).fetch_one(&mut connection).await;
        if version.is_ok_and(|version| version == seen) {
            continue;
        }
        match glance(&mut connection).await {
            Ok((version, last)) => {
                seen = version;
                crate::log::tell(&appended, last);
            }
            Err(error) => tracing::warn!(%place, %error, "the log can't be watched"),
        }
    }
}

/// SQLite moves the write-ahead log into the file every few megabytes, but begins it anew only when
/// nobody reads it: a log that is always read and written would grow. Then readers are waited for.
async fn shrink(connection: &mut SqliteConnection, path: &Path) {
    let wal = file_bytes(path)[1];
    if wal <= WAL_BYTES_MAX {
        return;
    }
    let shrunk: Result<(i64, i64, i64), _> =
        sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(connection).await;
    match shrunk {
        Ok((0, _, _)) => tracing::debug!(bytes = wal, "the write-ahead log was cut"),
        Ok(_) => tracing::warn!(
            place = %path.display(), bytes = wal,
            "the write-ahead log grows because somebody reads it without end"
        ),
        Err(error) => tracing::warn!(place = %path.display(), %error, "it can't be shrunk"),
    }
}
