//! The bare engines: the same blocks, one durable append after the other, no logic of ours.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use async_nats::jetstream;
use events::Block;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Executor as _};

/// SQLite, WAL, synchronous FULL, one insert a transaction: commits a second.
pub async fn sqlite(path: &Path, blocks: &[Arc<Block>]) -> anyhow::Result<f64> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let mut connection = options.connect().await?;
    connection
        .execute("CREATE TABLE block (number INTEGER PRIMARY KEY, bytes BLOB NOT NULL)")
        .await?;
    let start = Instant::now();
    for block in blocks {
        sqlx::query("INSERT INTO block (number, bytes) VALUES (?1, ?2)")
            .bind(i64::try_from(block.header.block.get())?)
            .bind(&block.bytes[..])
            .execute(&mut connection)
            .await?;
    }
    Ok(commits(blocks) / start.elapsed().as_secs_f64())
}

/// JetStream, file storage, each publish acknowledged before the next: commits a second.
pub async fn jetstream(url: &str, blocks: &[Arc<Block>]) -> anyhow::Result<f64> {
    let context = jetstream::new(async_nats::connect(url).await?);
    let config = jetstream::stream::Config {
        name: "bare".to_owned(),
        subjects: vec!["bare".to_owned()],
        storage: jetstream::stream::StorageType::File,
        ..Default::default()
    };
    context.create_stream(config).await?;
    let start = Instant::now();
    for block in blocks {
        context.publish("bare", block.bytes.clone().into()).await?.await?;
    }
    Ok(commits(blocks) / start.elapsed().as_secs_f64())
}

fn commits(blocks: &[Arc<Block>]) -> f64 {
    blocks.iter().map(|block| f64::from(block.header.count)).sum()
}
