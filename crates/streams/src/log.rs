//! The log: a chain of blocks, totally ordered, append-only. Every backend holds the same bytes.
//!
//! One append is outstanding at a time, on the condition that the log still ends where the writer
//! believes. A second writer loses cleanly, catches up and decides again.

mod capability;
mod check;
pub mod embedded;
pub mod memory;
pub mod nats;
pub mod transfer;

use std::sync::Arc;

use events::{Block, BlockError, BlockNumber, Head, LogId, Position};
use futures::future::BoxFuture;
use tokio::sync::watch;

/// Bytes of blocks read at once where a backend can't look a block up.
const SCAN_BYTES: usize = 4 * 1024 * 1024;

/// A log, on whichever backend. Cheap to clone.
#[derive(Clone)]
pub struct Log(Arc<dyn Backend>);

/// What a backend does. Blocks it hands out are checked against the chain.
pub trait Backend: Send + Sync + 'static {
    /// `memory`, `embedded` or `nats`.
    fn kind(&self) -> &'static str;

    /// Which log this is.
    fn id(&self) -> LogId;

    /// Where the log ends now: a look at the store itself, never at a cache.
    fn head(&self) -> BoxFuture<'_, Result<Head, LogError>>;

    /// Makes a block durable, if the log still ends at its predecessor.
    fn append(&self, block: Arc<Block>) -> BoxFuture<'_, Result<(), AppendError>>;

    /// The blocks that follow `after`, oldest first, up to about `max_bytes` (at least one if
    /// there is one). Empty at the end. The chain from `after` on is checked.
    fn read(&self, after: Head, max_bytes: usize) -> BoxFuture<'_, Result<Vec<Block>, LogError>>;

    /// One block, wherever in the log it is; `None` when the log does not reach that far. It is
    /// checked against its own header alone.
    fn block(&self, number: BlockNumber) -> BoxFuture<'_, Result<Option<Block>, LogError>>;

    /// Where the log ended when this block was its last; `None` beyond the end. What lies before
    /// the block is not checked. Backends that can look it up do not need to read all before it.
    fn head_at(&self, block: BlockNumber) -> BoxFuture<'_, Result<Option<Head>, LogError>> {
        Box::pin(async move {
            let mut head = Head::empty(self.id());
            while head.block < block {
                let blocks = self.read(head, SCAN_BYTES).await?;
                let Some(last) = blocks.last() else { return Ok(None) };
                let found = blocks.iter().find(|read| read.header.block == block);
                head = found.unwrap_or(last).head();
            }
            Ok(Some(head))
        })
    }

    /// Appends blocks that follow each other. When it fails, the first of them may be there.
    /// Backends that can make many durable at once do.
    fn append_all(&self, blocks: Vec<Arc<Block>>) -> BoxFuture<'_, Result<(), AppendError>> {
        Box::pin(async move {
            for block in blocks {
                self.append(block).await?;
            }
            Ok(())
        })
    }

    /// The number of the last block that was seen, as a hint to read: it changes soon (within
    /// milliseconds) after any process appended, and may be late but is never lost for good.
    fn appended(&self) -> watch::Receiver<BlockNumber>;
}

/// Why an append did not happen.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Somebody else appended: catch up and decide again.
    #[error("the log does not end at block {expected} any more: another writer was faster")]
    Conflict {
        /// The predecessor that the block expected to be the last.
        expected: BlockNumber,
    },
    /// The block is larger than the backend takes.
    #[error("a block of {bytes} bytes is over the log's limit of {max} bytes")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// There is no space left; reads go on.
    #[error("the log's disk is full: free some space; nothing was written")]
    Full(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Whether it was appended could not be found out.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Why the log can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// It can't be reached (any more).
    #[error("the log at {place} can't be reached: {source}")]
    Unreachable {
        /// File or server.
        place: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It is damaged, and where.
    #[error("the log at {place} is damaged: {source}")]
    Damaged {
        /// File or server.
        place: String,
        /// Which block and what is wrong with it.
        source: BlockError,
    },
    /// It ends before a block that was there: its tail is lost.
    #[error(
        "the log at {place} ends at block {found}, but block {expected} was there: its tail is lost; bring it back with `signcall log restore`, or restore a backup"
    )]
    TailLost {
        /// File or server.
        place: String,
        /// Where it ends.
        found: BlockNumber,
        /// What was known.
        expected: BlockNumber,
    },
    /// There is none, and none was to be made.
    #[error(
        "there is no log at {place}: point --data or --log at it, or bring it back (`signcall restore`)"
    )]
    Missing {
        /// File or server.
        place: String,
    },
    /// It is another log than the one that the tables were made from.
    #[error("the log at {place} is {found}, expected {expected}: point --log at the right one")]
    Replaced {
        /// File or server.
        place: String,
        /// Its id.
        found: LogId,
        /// The id that was expected.
        expected: LogId,
    },
    /// The server or its configuration is not safe to use.
    #[error("the server at {place} can't hold the log: {reason}")]
    Unsuitable {
        /// Server.
        place: String,
        /// What is wrong and what to do.
        reason: String,
    },
}

impl Log {
    /// Wraps a backend.
    pub fn new(backend: impl Backend) -> Self {
        Self(Arc::new(backend))
    }

    /// `memory`, `embedded` or `nats`.
    pub fn kind(&self) -> &'static str {
        self.0.kind()
    }

    /// Which log this is.
    pub fn id(&self) -> LogId {
        self.0.id()
    }

    /// See [`Backend::head`].
    pub async fn head(&self) -> Result<Head, LogError> {
        self.0.head().await
    }

    /// See [`Backend::append`].
    pub async fn append(&self, block: Arc<Block>) -> Result<(), AppendError> {
        self.0.append(block).await
    }

    /// See [`Backend::read`].
    pub async fn read(&self, after: Head, max_bytes: usize) -> Result<Vec<Block>, LogError> {
        self.0.read(after, max_bytes).await
    }

    /// See [`Backend::block`].
    pub async fn block(&self, number: BlockNumber) -> Result<Option<Block>, LogError> {
        self.0.block(number).await
    }

    /// See [`Backend::head_at`].
    pub async fn head_at(&self, block: BlockNumber) -> Result<Option<Head>, LogError> {
        self.0.head_at(block).await
    }

    /// Whether the log still holds what somebody remembers as its end (an anchor). If not, fails
    /// with [`LogError::Replaced`], [`LogError::TailLost`] or [`LogError::Damaged`].
    pub async fn check_anchor(&self, anchor: &Head) -> Result<(), LogError> {
        let there = self.head_at(anchor.block).await?;
        match there.filter(|there| there.log == anchor.log) {
            Some(there) => {
                check::same(self.kind(), anchor.block, "the hash", &there.hash, &anchor.hash)
            }
            // Reading after it finds out what is wrong.
            None => self.read(*anchor, 1).await.map(drop),
        }
    }

    /// See [`Backend::append_all`].
    pub async fn append_all(&self, blocks: Vec<Arc<Block>>) -> Result<(), AppendError> {
        self.0.append_all(blocks).await
    }

    /// The end of the block before the one that holds this position, from where reading finds it;
    /// `None` when no block holds it. Looks at few blocks, whatever the log's length.
    pub async fn before(&self, position: Position) -> Result<Option<Head>, LogError> {
        let (mut low, mut high) = (Head::empty(self.id()), self.head().await?);
        if position == low.position || position > high.position {
            return Ok(None);
        }
        while high.block.get() - low.block.get() > 1 {
            let middle = BlockNumber::new(u64::midpoint(low.block.get(), high.block.get()));
            let Some(head) = self.head_at(middle).await? else { return Ok(None) };
            if head.position < position {
                low = head;
            } else {
                high = head;
            }
        }
        Ok(Some(low))
    }

    /// See [`Backend::appended`].
    pub fn appended(&self) -> watch::Receiver<BlockNumber> {
        self.0.appended()
    }
}

/// Notes that the log reaches at least to `last`.
fn tell(appended: &watch::Sender<BlockNumber>, last: BlockNumber) {
    appended.send_if_modified(|known| {
        let newer = last > *known;
        *known = last.max(*known);
        newer
    });
}
