//! Logs on their way: from one backend to another, and as lines of JSON that a person can read.
//!
//! An export is the blocks' own text, each with a newline at its end: a header's line, then one
//! line a commit. So it keeps ids and chain, and reading it gives the same bytes. Its last line
//! says where it ends, by which a cut one is known.

use std::io::{BufRead, Read as _, Write};
use std::sync::Arc;

use events::{Block, BlockError, BlockHeader, BlockNumber, Head, LogId, Position};
use serde::{Deserialize, Serialize};

use super::{AppendError, Log, LogError};

/// Bytes of blocks on their way at once.
const STEP_BYTES: usize = 4 * 1024 * 1024;
/// Blocks appended at once.
const STEP_BLOCKS: usize = 1024;
/// Bytes of one line of an export; a log's whole block is never longer.
const LINE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Why a log did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// It can't be read.
    #[error(transparent)]
    Read(#[from] LogError),
    /// It can't be written.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// Another log lies where it was to go.
    #[error("log {source_id} can't go where log {found} lies: name an empty place")]
    Another {
        /// The log on its way.
        source_id: LogId,
        /// The log that is there.
        found: LogId,
    },
    /// What is there is not the beginning of what comes.
    #[error("block {block} is there already, and it is another one than the one that comes")]
    Differs {
        /// The block.
        block: BlockNumber,
    },
    /// The export can't be read, or its copy can't be written.
    #[error("the export: {0}")]
    File(#[from] std::io::Error),
    /// A line is not what it has to be.
    #[error("line {line} of the export is {found}, not {wanted}")]
    Line {
        /// From 1.
        line: u64,
        /// What it is.
        found: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// The export ends too early.
    #[error("the export breaks off at line {line}: it was cut; make it again")]
    Cut {
        /// The last line that is there.
        line: u64,
    },
    /// A block does not fit to the one before it.
    #[error("the export, before line {line}: {source}")]
    Block {
        /// The line after the block.
        line: u64,
        /// What is wrong.
        source: BlockError,
    },
}

/// Told of each step, with where the copy has come.
pub type OnStep<'a> = dyn FnMut(Head) + Send + 'a;

/// The last line of an export.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    end: Head,
}

/// Copies what `to` lacks of `from`, up to where `from` ends when it begins. What is there must be
/// the beginning of it. Gives back where `to` ends.
pub async fn copy(from: &Log, to: &Log, step: &mut OnStep<'_>) -> Result<Head, TransferError> {
    if from.id() != to.id() {
        return Err(TransferError::Another { source_id: from.id(), found: to.id() });
    }
    let end = from.head().await?;
    let mut head = to.head().await?;
    loop {
        // Reading after the end finds out whether the two have the same past.
        let blocks = from.read(head, STEP_BYTES).await?;
        let wanted = blocks.into_iter().filter(|block| block.header.block <= end.block);
        let wanted: Vec<_> = wanted.map(Arc::new).collect();
        let Some(last) = wanted.last() else { return Ok(head) };
        head = last.head();
        to.append_all(wanted).await?;
        step(head);
    }
}

/// Writes the blocks after `after`, up to `end`, as lines. Gives back where it came.
pub async fn export(
    log: &Log,
    after: Head,
    end: Head,
    into: &mut (dyn Write + Send),
    step: &mut OnStep<'_>,
) -> Result<Head, TransferError> {
    let mut head = after;
    'reading: loop {
        let blocks = log.read(head, STEP_BYTES).await?;
        if blocks.is_empty() {
            break;
        }
        for block in blocks {
            if block.header.block > end.block {
                break 'reading;
            }
            into.write_all(&block.bytes)?;
            into.write_all(b"\n")?;
            head = block.head();
        }
        step(head);
    }
    let line = serde_json::to_string(&End { end: head }).map_err(std::io::Error::from)?;
    writeln!(into, "{line}")?;
    into.flush()?;
    Ok(head)
}

/// An export that is being read.
pub struct Import<R> {
    lines: R,
    read: u64,
    /// The line that was read and not used yet.
    next: Vec<u8>,
    head: Head,
}

impl<R: BufRead> Import<R> {
    /// Looks at the first line, which says which log it is.
    pub fn begin(lines: R) -> Result<Self, TransferError> {
        let head = Head::empty(LogId::from_uuid(uuid::Uuid::nil()));
        let mut import = Self { lines, read: 0, next: Vec::new(), head };
        import.advance()?;
        import.head = if let Ok(End { end }) = serde_json::from_slice(&import.next) {
            Head::empty(end.log)
        } else {
            let header = import.header()?;
            let before = |number: u64| number.saturating_sub(1);
            Head {
                log: header.log,
                block: BlockNumber::new(before(header.block.get())),
                position: Position::new(before(header.first.get())),
                hash: header.previous,
            }
        };
        Ok(import)
    }

    /// Which log comes.
    pub fn log(&self) -> LogId {
        self.head.log
    }

    /// Appends what comes and is not there. Gives back where the export ends.
    pub async fn into_log(
        mut self,
        to: &Log,
        step: &mut OnStep<'_>,
    ) -> Result<Head, TransferError> {
        if to.id() != self.head.log {
            return Err(TransferError::Another { source_id: self.head.log, found: to.id() });
        }
        let there = to.head().await?;
        if there.block < self.head.block {
            return Err(LogError::TailLost {
                place: "the place to import to".to_owned(),
                found: there.block,
                expected: self.head.block,
            }
            .into());
        }
        let (mut waiting, mut bytes) = (Vec::new(), 0);
        while let Some(block) = self.block()? {
            if block.header.block <= there.block {
                if to.head_at(block.header.block).await? != Some(block.head()) {
                    return Err(TransferError::Differs { block: block.header.block });
                }
                continue;
            }
            bytes += block.bytes.len();
            waiting.push(Arc::new(block));
            if bytes > STEP_BYTES || waiting.len() == STEP_BLOCKS {
                to.append_all(std::mem::take(&mut waiting)).await?;
                bytes = 0;
                step(self.head);
            }
        }
        to.append_all(waiting).await?;
        step(self.head);
        Ok(self.head)
    }

    /// The next block; `None` at the line that says where the export ends.
    fn block(&mut self) -> Result<Option<Block>, TransferError> {
        if let Ok(End { end }) = serde_json::from_slice(&self.next) {
            if end != self.head {
                return Err(self.not("the end that its blocks come to"));
            }
            return self.ends().map(|()| None);
        }
        let count = self.header()?.count;
        let mut bytes = std::mem::take(&mut self.next);
        for _ in 0..count {
            self.advance()?;
            bytes.push(b'\n');
            bytes.append(&mut self.next);
            if bytes.len() as u64 > LINE_BYTES_MAX {
                return Err(self.not("the end of a block, which is never so long"));
            }
        }
        self.advance()?;
        let line = self.read;
        let block = Block::parse(&self.head, bytes)
            .map_err(|source| TransferError::Block { line, source })?;
        self.head = block.head();
        Ok(Some(block))
    }

    fn header(&self) -> Result<BlockHeader, TransferError> {
        serde_json::from_slice(&self.next).map_err(|_| self.not("the header of a block"))
    }

    /// Nothing may come after the line that says where the export ends: it would be lost.
    fn ends(&mut self) -> Result<(), TransferError> {
        if self.lines.fill_buf()?.is_empty() {
            return Ok(());
        }
        self.next.clear();
        self.lines.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut self.next)?;
        self.read += 1;
        Err(self.not("the end of the file: import one export at a time"))
    }

    /// Reads the next line, without its newline.
    fn advance(&mut self) -> Result<(), TransferError> {
        self.next.clear();
        let mut line = self.lines.by_ref().take(LINE_BYTES_MAX);
        line.read_until(b'\n', &mut self.next)?;
        if self.next.pop() != Some(b'\n') {
            return Err(TransferError::Cut { line: self.read });
        }
        self.read += 1;
        Ok(())
    }

    fn not(&self, wanted: &'static str) -> TransferError {
        const SHOWN: usize = 60;
        let text = String::from_utf8_lossy(&self.next);
        let found = format!("{:?}", text.chars().take(SHOWN).collect::<String>());
        TransferError::Line { line: self.read, found, wanted }
    }
}
