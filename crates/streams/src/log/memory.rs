//! A log in memory: for tests, which need its rules but not its durability.

use std::sync::Arc;

use events::{Block, BlockNumber, Head, LogId};
use futures::future::{self, BoxFuture};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{AppendError, Backend, Log, LogError, check};

const PLACE: &str = "memory";

struct MemoryLog {
    id: LogId,
    blocks: Mutex<Vec<Arc<Block>>>,
    appended: watch::Sender<BlockNumber>,
}

/// An empty log that lives as long as its handles.
pub fn create(id: LogId) -> Log {
    let appended = watch::Sender::new(BlockNumber::new(0));
    Log::new(MemoryLog { id, blocks: Mutex::default(), appended })
}

impl MemoryLog {
    fn end(&self) -> Head {
        self.blocks.lock().last().map_or_else(|| Head::empty(self.id), |last| last.head())
    }

    fn append_now(&self, block: Arc<Block>) -> Result<(), AppendError> {
        let mut blocks = self.blocks.lock();
        let end = blocks.last().map_or_else(|| Head::empty(self.id), |last| last.head());
        if end == block.head() {
            return Ok(());
        }
        let header = &block.header;
        if header.block != end.block.next() || header.previous != end.hash {
            let expected = BlockNumber::new(header.block.get().saturating_sub(1));
            return Err(AppendError::Conflict { expected });
        }
        let number = header.block;
        blocks.push(block);
        drop(blocks);
        self.appended.send_replace(number);
        Ok(())
    }

    fn read_now(&self, after: Head, max_bytes: usize) -> Result<Vec<Block>, LogError> {
        check::reader_against_end(PLACE, &after, &self.end())?;
        let (mut head, mut bytes, mut read) = (after, 0, Vec::new());
        let from = usize::try_from(after.block.get()).unwrap_or(usize::MAX);
        for stored in self.blocks.lock().iter().skip(from) {
            bytes += stored.bytes.len();
            if bytes > max_bytes && !read.is_empty() {
                break;
            }
            let block = Block::parse(&head, stored.bytes.clone())
                .map_err(|source| check::damaged(PLACE, source))?;
            head = block.head();
            read.push(block);
        }
        Ok(read)
    }
}

impl Backend for MemoryLog {
    fn kind(&self) -> &'static str {
        PLACE
    }

    fn id(&self) -> LogId {
        self.id
    }

    fn head(&self) -> BoxFuture<'_, Result<Head, LogError>> {
        Box::pin(future::ready(Ok(self.end())))
    }

    fn append(&self, block: Arc<Block>) -> BoxFuture<'_, Result<(), AppendError>> {
        Box::pin(future::ready(self.append_now(block)))
    }

    fn read(&self, after: Head, max_bytes: usize) -> BoxFuture<'_, Result<Vec<Block>, LogError>> {
        Box::pin(future::ready(self.read_now(after, max_bytes)))
    }

    fn block(&self, number: BlockNumber) -> BoxFuture<'_, Result<Option<Block>, LogError>> {
        let index = usize::try_from(number.get()).ok().and_then(|number| number.checked_sub(1));
        let found = index.and_then(|index| self.blocks.lock().get(index).cloned());
        Box::pin(future::ready(Ok(found.map(|block| (*block).clone()))))
    }

    fn head_at(&self, block: BlockNumber) -> BoxFuture<'_, Result<Option<Head>, LogError>> {
        let index = usize::try_from(block.get()).unwrap_or(usize::MAX);
        let head = match index.checked_sub(1) {
            Some(index) => self.blocks.lock().get(index).map(|block| block.head()),
            None => Some(Head::empty(self.id)),
        };
        Box::pin(future::ready(Ok(head)))
    }

    fn appended(&self) -> watch::Receiver<BlockNumber> {
        self.appended.subscribe()
    }
}
