//! Watches the log's file for what other processes append, such as a command-line tool beside a
//! running server.

use std::time::Duration;

use events::BlockNumber;
use sqlx::SqliteConnection;
use tokio::sync::watch;

/// How often a look is taken whether another process appended.
const POLL: Duration = Duration::from_millis(20);

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
    place: String,
) {
    loop {
        tokio::time::sleep(POLL).await;
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
