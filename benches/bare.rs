//! The bare engines: the same blocks, one durable append after the other, no logic of ours.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::jetstream;
use events::Block;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Executor as _};

use crate::latency::Latencies;

/// What a bare engine did with the same blocks.
pub struct Bare {
    /// Commits a second.
    pub per_s: f64,
    /// Each append.
    pub waits: Latencies,
}

/// SQLite, WAL, synchronous FULL, one insert a transaction.
pub async fn sqlite(path: &Path, blocks: &[Arc<Block>]) -> anyhow::Result<Bare> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let mut connection = options.connect().await?;
    connection
        .execute("CREATE TABLE block (number INTEGER PRIMARY KEY, bytes BLOB NOT NULL)")
        .await?;
    let (start, mut waits) = (Instant::now(), Vec::with_capacity(blocks.len()));
    for block in blocks {
        let begun = Instant::now();
        sqlx::query("INSERT INTO block (number, bytes) VALUES (?1, ?2)")
            .bind(i64::try_from(block.header.block.get())?)
            .bind(&block.bytes[..])
            .execute(&mut connection)
            .await?;
        waits.push(begun.elapsed());
    }
    Ok(bare(blocks, start.elapsed(), waits))
}

/// JetStream, file storage, each publish acknowledged before the next.
pub async fn jetstream(url: &str, replicas: usize, blocks: &[Arc<Block>]) -> anyhow::Result<Bare> {
    let addresses: Vec<&str> = url.split(',').collect();
    let context = jetstream::new(async_nats::connect(addresses).await?);
    let config = jetstream::stream::Config {
        name: "bare".to_owned(),
        subjects: vec!["bare".to_owned()],
        storage: jetstream::stream::StorageType::File,
        num_replicas: replicas,
        ..Default::default()
    };
    context.create_stream(config).await?;
    let (start, mut waits) = (Instant::now(), Vec::with_capacity(blocks.len()));
    for block in blocks {
        let begun = Instant::now();
        context.publish("bare", block.bytes.clone().into()).await?.await?;
        waits.push(begun.elapsed());
    }
    Ok(bare(blocks, start.elapsed(), waits))
}

fn bare(blocks: &[Arc<Block>], took: Duration, waits: Vec<Duration>) -> Bare {
    let commits: f64 = blocks.iter().map(|block| f64::from(block.header.count)).sum();
    Bare { per_s: commits / took.as_secs_f64(), waits: Latencies::new(waits) }
}
