//! The log of a simulation: every operation waits until the schedule lets it pass, and may fail in
//! every way that the network and a server can make it fail.

use std::sync::Arc;

use events::{Block, BlockNumber, Head, LogId};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use streams::log::{Backend, memory};
use streams::{AppendError, Log, LogError};
use tokio::sync::{oneshot, watch};

/// What the schedule lets an operation do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Done,
    /// Done twice, as when a message is sent again.
    Twice,
    /// Done, and the answer is lost.
    AnswerLost,
    /// Not done, and the answer is lost.
    RequestLost,
    /// Not done yet, and the answer is lost: it arrives some time.
    Late,
    /// Refused: no space.
    Full,
    /// Refused: blocks of one commit alone are taken.
    Small,
}

/// An operation that waits.
pub(crate) struct Waiting {
    pub(crate) actor: usize,
    /// What is to be appended, if it is an append.
    pub(crate) block: Option<Arc<Block>>,
    pub(crate) go: oneshot::Sender<Fate>,
}

/// What the actors share.
pub(crate) struct Shared {
    id: LogId,
    stored: Mutex<Log>,
    pub(crate) waiting: Mutex<Vec<Waiting>>,
    pub(crate) late: Mutex<Vec<Arc<Block>>>,
    /// Nothing waits or fails any more.
    calm: Mutex<bool>,
    /// Never told of anything: nobody here waits for hints.
    hints: watch::Sender<BlockNumber>,
}

impl Shared {
    pub(crate) fn new(id: LogId) -> Arc<Self> {
        Arc::new(Self {
            id,
            stored: Mutex::new(memory::create(id)),
            waiting: Mutex::default(),
            late: Mutex::default(),
            calm: Mutex::new(true),
            hints: watch::Sender::new(BlockNumber::new(0)),
        })
    }

    /// The log without the schedule.
    pub(crate) fn stored(&self) -> Log {
        self.stored.lock().clone()
    }

    /// As one actor sees it.
    pub(crate) fn seen_by(self: &Arc<Self>, actor: usize) -> Log {
        Log::new(Seen { actor, shared: Arc::clone(self) })
    }

    /// With calm, all that waits passes.
    pub(crate) fn set_calm(&self, calm: bool) {
        *self.calm.lock() = calm;
        if calm {
            for waiting in self.waiting.lock().drain(..) {
                let _ = waiting.go.send(Fate::Done);
            }
        }
    }

    /// Loses the last blocks.
    pub(crate) async fn truncate(&self, keep: usize) {
        let (stored, cut) = (self.stored(), memory::create(self.id));
        let blocks = stored.read(Head::empty(self.id), usize::MAX).await.unwrap();
        for block in blocks.into_iter().take(keep) {
            cut.append(Arc::new(block)).await.unwrap();
        }
        *self.stored.lock() = cut;
    }
}

struct Seen {
    actor: usize,
    shared: Arc<Shared>,
}

impl Seen {
    async fn fate(&self, block: Option<Arc<Block>>) -> Fate {
        if *self.shared.calm.lock() {
            return Fate::Done;
        }
        let (go, told) = oneshot::channel();
        self.shared.waiting.lock().push(Waiting { actor: self.actor, block, go });
        told.await.unwrap_or(Fate::RequestLost)
    }

    async fn reached(&self) -> Result<Log, LogError> {
        match self.fate(None).await {
            Fate::Done | Fate::Twice => Ok(self.shared.stored()),
            Fate::AnswerLost | Fate::RequestLost | Fate::Late | Fate::Full | Fate::Small => {
                Err(unreachable())
            }
        }
    }
}

fn unreachable() -> LogError {
    LogError::Unreachable { place: "simulation".into(), source: "no answer".into() }
}

impl Backend for Seen {
    fn kind(&self) -> &'static str {
        "simulation"
    }

    fn id(&self) -> LogId {
        self.shared.id
    }

    fn head(&self) -> BoxFuture<'_, Result<Head, LogError>> {
        Box::pin(async { self.reached().await?.head().await })
    }

    fn append(&self, block: Arc<Block>) -> BoxFuture<'_, Result<(), AppendError>> {
        Box::pin(async move {
            let fate = self.fate(Some(Arc::clone(&block))).await;
            let stored = self.shared.stored();
            match fate {
                Fate::Small if block.header.count > 1 => {
                    Err(AppendError::TooLarge { bytes: block.bytes.len(), max: 1000 })
                }
                Fate::Done | Fate::Small => stored.append(block).await,
                Fate::Twice => {
                    let first = stored.append(Arc::clone(&block)).await;
                    let _ = stored.append(block).await;
                    first
                }
                Fate::AnswerLost => {
                    let _ = stored.append(block).await;
                    Err(unreachable().into())
                }
                Fate::RequestLost => Err(unreachable().into()),
                Fate::Late => {
                    self.shared.late.lock().push(block);
                    Err(unreachable().into())
                }
                Fate::Full => Err(AppendError::Full("no space".into())),
            }
        })
    }

    fn read(&self, after: Head, max_bytes: usize) -> BoxFuture<'_, Result<Vec<Block>, LogError>> {
        Box::pin(async move { self.reached().await?.read(after, max_bytes).await })
    }

    fn block(&self, number: BlockNumber) -> BoxFuture<'_, Result<Option<Block>, LogError>> {
        Box::pin(async move { self.reached().await?.block(number).await })
    }

    fn appended(&self) -> watch::Receiver<BlockNumber> {
        self.shared.hints.subscribe()
    }
}
