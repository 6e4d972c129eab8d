//! A server that answers before its log is durable: the real roles on a log that keeps what was
//! appended in memory for a while. A run of the rig that does not catch it is worth nothing.
//!
//! It lives here and nowhere else: the product has no switch for it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use api::{ApiConfig, Lesson, ModelInfo, Models, NotTaught, Parts, Taught};
use decider::{Follower, Writer, system_clock};
use events::{Block, BlockNumber, Head, LogId};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use projector::{Projector, Store};
use streams::log::{AppendError, Backend, LogError, embedded};
use streams::{Log, commands, frames, live};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use vault::{Secrets, Vault};

/// How long a block stays in memory alone: longer than a kill may be late on a busy machine.
const KEPT_BACK: Duration = Duration::from_secs(1);

/// How long an append seems to take: commands gather meanwhile, as with a real one.
const APPEND_SEEMS: Duration = Duration::from_millis(2);

/// Serves the data folder until it is killed.
pub async fn serve(data: &Path, address: SocketAddr) -> anyhow::Result<()> {
    let log = hasty(embedded::open(&data.join("log.db")).await?).await?;
    let folder = data.join("secrets");
    let secrets = Secrets::open(&folder)?;
    let url = |file: &str| format!("sqlite:{}", data.join(file).display());
    let vault = Vault::open(&url("vault.db"), &secrets).await?;
    let store = Store::open(&url("tables.db")).await?;
    let (commands, queue) = commands::local();
    let (frames, live) = (frames::local(), live::local());
    let writer = Writer::open(log.clone(), vault.clone(), system_clock()).await?;
    tokio::spawn(writer.run(queue, std::future::pending()));
    let projector = Projector::new(store.clone(), log.clone(), vault.clone(), live.clone());
    tokio::spawn(async move { projector.run(std::future::pending()).await });
    let follower = Follower::start(log, vault.clone()).await?;
    let mut config = ApiConfig::default();
    config.throttles.chat.per_minute = 0;
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{address}");
    let parts = Parts {
        commands,
        follower,
        store,
        frames,
        live,
        vault,
        secrets,
        models: Arc::new(NoModels),
        reset_mail: None,
        turn_secret: None,
        tls: None,
        clock: system_clock(),
        config,
    };
    Ok(api::serve(listener, parts, CancellationToken::new()).await?)
}

/// Nothing is recognized here.
struct NoModels;

impl Models for NoModels {
    fn names(&self) -> Vec<String> {
        Vec::new()
    }

    fn describe(&self) -> Vec<ModelInfo> {
        Vec::new()
    }

    fn teach(&self, _: Lesson) -> Result<Taught, NotTaught> {
        Err(NotTaught::NoRecognizer)
    }
}

/// A log that says that blocks are durable while they are not.
struct Hasty {
    inner: Log,
    waiting: Arc<Mutex<VecDeque<Arc<Block>>>>,
    appended: watch::Sender<BlockNumber>,
}

async fn hasty(inner: Log) -> anyhow::Result<Log> {
    let end = inner.head().await?.block;
    let hasty = Hasty { inner, waiting: Arc::default(), appended: watch::Sender::new(end) };
    tokio::spawn(write_later(hasty.inner.clone(), Arc::clone(&hasty.waiting)));
    Ok(Log::new(hasty))
}

async fn write_later(inner: Log, waiting: Arc<Mutex<VecDeque<Arc<Block>>>>) {
    loop {
        tokio::time::sleep(KEPT_BACK).await;
        let blocks: Vec<_> = waiting.lock().iter().cloned().collect();
        for block in blocks {
            if inner.append(block).await.is_ok() {
                waiting.lock().pop_front();
            }
        }
    }
}

impl Backend for Hasty {
    fn kind(&self) -> &'static str {
        "hasty"
    }

    fn id(&self) -> LogId {
        self.inner.id()
    }

    fn head(&self) -> BoxFuture<'_, Result<Head, LogError>> {
        Box::pin(async {
            let last = self.waiting.lock().back().map(|block| block.head());
            if let Some(head) = last { Ok(head) } else { self.inner.head().await }
        })
    }

    fn append(&self, block: Arc<Block>) -> BoxFuture<'_, Result<(), AppendError>> {
        Box::pin(async move {
            tokio::time::sleep(APPEND_SEEMS).await;
            let number = block.header.block;
            self.waiting.lock().push_back(block);
            self.appended.send_replace(number);
            Ok(())
        })
    }

    fn read(&self, after: Head, max_bytes: usize) -> BoxFuture<'_, Result<Vec<Block>, LogError>> {
        Box::pin(async move {
            let next = after.block.next();
            let kept: Vec<_> = {
                let waiting = self.waiting.lock();
                let has_next = waiting.front().is_some_and(|first| first.header.block <= next);
                let later = waiting.iter().filter(|block| block.header.block >= next);
                later.filter(|_| has_next).map(|block| Block::clone(block)).collect()
            };
            if kept.is_empty() { self.inner.read(after, max_bytes).await } else { Ok(kept) }
        })
    }

    fn block(&self, number: BlockNumber) -> BoxFuture<'_, Result<Option<Block>, LogError>> {
        Box::pin(async move {
            let kept = self.waiting.lock().iter().find(|b| b.header.block == number).cloned();
            match kept {
                Some(block) => Ok(Some(Block::clone(&block))),
                None => self.inner.block(number).await,
            }
        })
    }

    fn appended(&self) -> watch::Receiver<BlockNumber> {
        self.appended.subscribe()
    }
}
