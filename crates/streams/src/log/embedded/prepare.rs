//! The log's tables: made in a new file, recognized in an old one, never made anew in a damaged one.

use events::{BlockError, BlockNumber, LogId};
use sqlx::{Connection as _, SqliteConnection};
use uuid::Uuid;

use super::unreadable;
use crate::log::{LogError, check};

/// Format of the tables below.
const FORMAT: i64 = 1;

const TABLES: &str = "
    CREATE TABLE block (
        number INTEGER PRIMARY KEY,
        first INTEGER NOT NULL,
        count INTEGER NOT NULL,
        hash BLOB NOT NULL,
        bytes BLOB NOT NULL
    ) STRICT;
    CREATE TABLE meta (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        log TEXT NOT NULL,
        format INTEGER NOT NULL
    ) STRICT;";

/// The names of everything in the file.
const NAMES: &str = "SELECT name FROM sqlite_schema ORDER BY name";

/// Makes the tables if the file is empty and there may be a new log, and reads which log this is.
pub(super) async fn prepare(
    writer: &mut SqliteConnection,
    id_if_new: Option<LogId>,
    place: &str,
) -> Result<LogId, LogError> {
    let whole = BlockNumber::new(0);
    let made = async {
        let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
        let mut names: Vec<String> = sqlx::query_scalar(NAMES).fetch_all(&mut *transaction).await?;
        if names.is_empty()
            && let Some(id_if_new) = id_if_new
        {
            sqlx::raw_sql(TABLES).execute(&mut *transaction).await?;
            sqlx::query("INSERT INTO meta VALUES (1, ?, ?)")
                .bind(id_if_new.to_string())
                .bind(FORMAT)
                .execute(&mut *transaction)
                .await?;
            names = vec!["block".to_owned(), "meta".to_owned()];
        }
        let meta: Vec<(String, i64)> = if names == ["block", "meta"] {
            sqlx::query_as("SELECT log, format FROM meta").fetch_all(&mut *transaction).await?
        } else {
            Vec::new()
        };
        transaction.commit().await.map(|()| (names, meta))
    };
    let (names, meta) = made.await.map_err(|source| unreadable(place, whole, source))?;
    if names.is_empty() {
        return Err(LogError::Missing { place: place.to_owned() });
    }
    let Some((id, format)) = meta.into_iter().next() else {
        let found = format!("{names:?} without the log's name");
        let expected = r#"["block", "meta"] with it"#.to_owned();
        return Err(check::wrong(place, whole, "what the file holds", found, expected));
    };
    if format > FORMAT {
        let format = u32::try_from(format).unwrap_or(u32::MAX);
        return Err(check::damaged(place, BlockError::Format { block: whole, format }));
    }
    let id = Uuid::parse_str(&id).map_err(|wrong| {
        let found = format!("{id:?} ({wrong})");
        check::wrong(place, whole, "the log id", found, "a UUID".to_owned())
    })?;
    Ok(LogId::from_uuid(id))
}
