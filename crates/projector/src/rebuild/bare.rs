//! The same final rows once more, by the bare means of each database and nothing else: what a
//! rebuild is measured against.

use std::time::{Duration, Instant};

use super::shadow::Shadow;
use crate::error::ProjectorError;
use crate::projections::TABLES;
use crate::store::Store;
use crate::value::Value;

/// Rows read, and then written, at once.
const PAGE_ROWS: i64 = 50_000;

/// Writes the rows of a store's tables into empty ones of the same shape beside them, in one
/// transaction, by prepared inserts of many rows (SQLite) or COPY (PostgreSQL), and then makes the
/// indexes; the tables go again. Returns how long the writing took, without the reading.
pub async fn write_bare(store: &Store) -> Result<Duration, ProjectorError> {
    let mut shadow = Shadow::create(store).await?;
    let mut from = store.db().snapshot().await?;
    let mut into = shadow.db().begin().await?;
    let mut took = Duration::ZERO;
    for table in TABLES {
        let key = table.columns[..table.key].iter().map(|c| c.name).collect::<Vec<_>>().join(", ");
        let mut last: Vec<Value> = vec![Value::Int(-1); table.key];
        loop {
            let places: Vec<String> = (1..=table.key).map(|n| format!("${n}")).collect();
            let tail =
                format!("WHERE ({key}) > ({}) ORDER BY {key} LIMIT {PAGE_ROWS}", places.join(", "));
            let rows = from.session().select(table, &tail, last.clone()).await?;
            let Some(row) = rows.last() else { break };
            last = row[..table.key].to_vec();
            let start = Instant::now();
            into.session().insert(table, rows).await?;
            took += start.elapsed();
        }
    }
    let start = Instant::now();
    into.commit().await?;
    shadow.finish().await?;
    took += start.elapsed();
    drop(from);
    shadow.remove().await?;
    Ok(took)
}
