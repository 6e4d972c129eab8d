//! Where a log under test lies, and what tests do with any log.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use events::{Block, BlockNumber, Head, LogId};
use streams::nats::{Nats, NatsConfig};
use streams::testing::{NatsServer, skip};
use streams::{AppendError, Log, LogError};
use tempfile::TempDir;

/// How long a test waits for what has to happen.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Opens any number of handles on one log.
pub(crate) enum Place {
    Memory(Log),
    Embedded(TempDir),
    Nats(Box<NatsServer>),
    /// Three servers, and what the names of this log's subjects begin with.
    Cluster(Arc<Vec<NatsServer>>, String),
}

impl Place {
    pub(crate) fn memory() -> Self {
        Self::Memory(streams::log::memory::create(log_id(1)))
    }

    pub(crate) fn embedded() -> Self {
        Self::Embedded(tempfile::tempdir().unwrap())
    }

    pub(crate) async fn nats(test: &str) -> Option<Self> {
        let server = NatsServer::for_test(test).await.unwrap()?;
        Some(Self::Nats(Box::new(server)))
    }

    pub(crate) async fn oldest_nats(test: &str) -> Option<Self> {
        let server = NatsServer::start(oldest_server(test)?, "").await.unwrap();
        Some(Self::Nats(Box::new(server)))
    }

    pub(crate) async fn open(&self) -> Log {
        match self {
            Self::Memory(log) => log.clone(),
            Self::Embedded(folder) => {
                streams::log::embedded::open(&folder.path().join("log.db")).await.unwrap()
            }
            Self::Nats(server) => streams::log::nats::open(&connect(server).await).await.unwrap(),
            Self::Cluster(servers, prefix) => crate::replicas::open(servers, prefix).await,
        }
    }
}

/// The oldest server that is kept working, or a note why the test is skipped.
pub(crate) fn oldest_server(test: &str) -> Option<PathBuf> {
    let given = std::env::var_os("SIGNCALL_NATS_SERVER_OLD").map(PathBuf::from);
    if given.is_none() {
        skip(test, "SIGNCALL_NATS_SERVER_OLD is not set; cargo xtask test sets it");
    }
    given
}

pub(crate) async fn connect(server: &NatsServer) -> Nats {
    streams::nats::connect(&NatsConfig::new(server.url())).await.unwrap()
}

pub(crate) fn log_id(number: u128) -> LogId {
    LogId::from_uuid(uuid::Uuid::from_u128(number))
}

/// A block of one commit; the log does not look into commits.
pub(crate) fn block(head: &Head, text: &str) -> Arc<Block> {
    Arc::new(Block::build(head, &[format!("{{\"text\":\"{text}\"}}")]))
}

/// Appends `count` blocks one after the other; gives them back.
pub(crate) async fn fill(log: &Log, count: usize) -> Vec<Block> {
    let mut head = log.head().await.unwrap();
    let mut blocks = Vec::new();
    for index in 0..count {
        let next = block(&head, &format!("{index} of {count}"));
        log.append(next.clone()).await.unwrap();
        head = next.head();
        blocks.push(Block::clone(&next));
    }
    blocks
}

/// Everything that follows `after`, in reads of at most `max_bytes`.
pub(crate) async fn read_all(log: &Log, after: Head, max_bytes: usize) -> Vec<Block> {
    let (mut head, mut all) = (after, Vec::new());
    loop {
        let some = log.read(head, max_bytes).await.unwrap();
        let Some(last) = some.last() else { return all };
        head = last.head();
        all.extend(some);
    }
}

/// Appends as a writer does that may lose, or not hear what became of its block: reads on, looks
/// whether the text (which nobody else writes) is there, and tries again.
pub(crate) async fn append_sometime(log: &Log, text: &str) -> BlockNumber {
    let mark = format!("\"{text}\"");
    let mut head = Head::empty(log.id());
    loop {
        match log.read(head, 1 << 20).await {
            Ok(blocks) if blocks.is_empty() => {}
            Ok(blocks) => {
                let bytes = |block: &Block| String::from_utf8_lossy(&block.bytes).contains(&mark);
                if let Some(mine) = blocks.iter().find(|block| bytes(block)) {
                    return mine.header.block;
                }
                head = blocks[blocks.len() - 1].head();
                continue;
            }
            Err(LogError::Unreachable { .. }) => continue,
            Err(error) => panic!("{error}"),
        }
        let next = block(&head, text);
        match log.append(next.clone()).await {
            Ok(()) => return next.header.block,
            Err(AppendError::Conflict { expected }) => assert_eq!(expected, head.block),
            Err(AppendError::Log(LogError::Unreachable { .. })) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Waits until a handle has heard of a block.
pub(crate) async fn wait_for(log: &Log, block: BlockNumber) {
    let mut appended = log.appended();
    let heard = appended.wait_for(|last| *last >= block);
    tokio::time::timeout(DEADLINE, heard).await.expect("the append is heard of").unwrap();
}
