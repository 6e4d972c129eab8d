//! Blocks: what one durable append holds, chained by hash from the first to the last.
//!
//! A block is text: one line of JSON for the header, one for each commit. The same bytes lie on
//! every backend, so a log can be copied and stays verifiable.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::command::Actor;
use crate::event::Event;
use crate::id::{BlockHash, BlockNumber, CommandId, EventId, LogId, Position};
use crate::stored::{StoredError, StoredEvent, Written};
use crate::subject::Subject;
use crate::time::Timestamp;

/// The format this binary writes.
pub const FORMAT: u32 = 1;
/// Bytes of a block by default, at most; never above the server's limit.
pub const BLOCK_BYTES_MAX: usize = 256 * 1024;
/// Bytes of one commit, at most.
pub const COMMIT_BYTES_MAX: usize = 128 * 1024;

/// What most lines fit into, so that few grow while they are written.
const LINE_BYTES: usize = 512;

/// Where a log ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Which log.
    pub log: LogId,
    /// The last block, 0 when there is none.
    pub block: BlockNumber,
    /// The last commit, 0 when there is none.
    pub position: Position,
    /// The last block's hash, zeros when there is none.
    pub hash: BlockHash,
}

impl Head {
    /// The end of an empty log.
    pub const fn empty(log: LogId) -> Self {
        Self { log, block: BlockNumber::new(0), position: Position::new(0), hash: BlockHash::ZERO }
    }
}

/// The first line of a block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BlockHeader {
    /// Format version: 1.
    pub format: u32,
    /// The log it belongs to.
    pub log: LogId,
    /// Its number, from 1.
    pub block: BlockNumber,
    /// The position of its first commit.
    pub first: Position,
    /// How many commits it holds, at least 1.
    pub count: u32,
    /// The hash of the block before it.
    pub previous: BlockHash,
}

/// All events of one decision, with CloudEvents' names for what is common to them.
#[derive(Debug, Clone, PartialEq)]
pub struct Commit {
    /// The command that was decided; also the base of the events' ids.
    pub command: CommandId,
    /// When it was decided.
    pub time: Timestamp,
    /// Who asked.
    pub actor: Actor,
    /// The user or room it concerns.
    pub subject: Subject,
    /// Ties together what came from one request.
    pub correlation: Option<String>,
    /// The event that caused it.
    pub causation: Option<EventId>,
    /// Keyed digest of the request's body.
    pub body: Option<u64>,
    /// What happened.
    pub events: Vec<Event>,
}

/// A commit's line as it is read.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct StoredCommit {
    /// The command that was decided: it outlives every broker's memory of what was sent twice.
    id: CommandId,
    /// When it was decided.
    time: Timestamp,
    /// Who asked.
    actor: Actor,
    /// The user or room it concerns.
    subject: Subject,
    /// Ties together what came from one request.
    #[serde(default)]
    correlationid: Option<String>,
    /// The event that caused it.
    #[serde(default)]
    causationid: Option<EventId>,
    /// Keyed digest of the request's body, by which a retry with another body is told apart.
    #[serde(default)]
    body: Option<u64>,
    /// What happened, in order.
    #[cfg_attr(test, schemars(with = "Vec<crate::catalog::AnyEvent>"))]
    events: Vec<StoredEvent>,
}

/// The same line as it is written, without a copy of what it holds.
#[derive(Serialize)]
struct WrittenCommit<'a> {
    id: CommandId,
    time: Timestamp,
    actor: Actor,
    subject: Subject,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlationid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    causationid: Option<EventId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<u64>,
    #[serde(serialize_with = "written")]
    events: &'a [Event],
}

fn written<S: serde::Serializer>(events: &&[Event], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(events.iter().map(Written::from))
}

/// Why bytes are not the block they should be.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// The header can't be read.
    #[error("block {block}: the header can't be read ({source})")]
    Header {
        /// The block as its place says.
        block: BlockNumber,
        /// What JSON says.
        source: serde_json::Error,
    },
    /// Written by a newer version.
    #[error("block {block} has format {format}; this binary reads up to {FORMAT}: use a newer one")]
    Format {
        /// The block.
        block: BlockNumber,
        /// Its format.
        format: u32,
    },
    /// The chain is broken here.
    #[error(
        "block {block}: {what} is {found}, expected {expected}: the log was changed or mixed up"
    )]
    Chain {
        /// The block as its place says.
        block: BlockNumber,
        /// The field.
        what: &'static str,
        /// What it says.
        found: String,
        /// What it should say.
        expected: String,
    },
    /// A commit can't be read.
    #[error("block {block}, commit at position {position}: {source}")]
    Commit {
        /// The block.
        block: BlockNumber,
        /// The commit.
        position: Position,
        /// Why.
        source: StoredError,
    },
    /// A commit is too large to be appended.
    #[error("a commit of {bytes} bytes is over the limit of {max} bytes: send less at once")]
    Oversized {
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
}

impl Commit {
    /// One line of JSON, without the newline. Fails when a personal field is not sealed.
    pub fn encode(&self) -> Result<String, StoredError> {
        let commit = WrittenCommit {
            id: self.command,
            time: self.time,
            actor: self.actor,
            subject: self.subject,
            correlationid: self.correlation.as_deref(),
            causationid: self.causation,
            body: self.body,
            events: &self.events,
        };
        let mut line = Vec::with_capacity(LINE_BYTES);
        serde_json::to_writer(&mut line, &commit).map_err(StoredError::Json)?;
        // JSON is UTF-8: this looks, and copies nothing.
        String::from_utf8(line).map_err(|e| StoredError::Json(serde::ser::Error::custom(e)))
    }

    /// Reads one line of JSON.
    pub fn decode(line: &str) -> Result<Self, StoredError> {
        let stored: StoredCommit =
            serde_json::from_str(line).map_err(|e| StoredError::of_line(line, e))?;
        Ok(Self {
            command: stored.id,
            time: stored.time,
            actor: stored.actor,
            subject: stored.subject,
            correlation: stored.correlationid,
            causation: stored.causationid,
            body: stored.body,
            events: stored.events.into_iter().map(Event::from).collect(),
        })
    }
}

/// A block as bytes that were checked against their place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The first line, read.
    pub header: BlockHeader,
    /// The hash of [`Self::bytes`].
    pub hash: BlockHash,
    /// The whole text, UTF-8.
    pub bytes: Vec<u8>,
}

impl Block {
    /// Makes the block that follows `head` from encoded commits (at least one).
    pub fn build(head: &Head, commits: &[impl AsRef<str>]) -> Self {
        let header = BlockHeader {
            format: FORMAT,
            log: head.log,
            block: head.block.next(),
            first: head.position.next(),
            count: u32::try_from(commits.len()).unwrap_or(u32::MAX),
            previous: head.hash,
        };
        let mut text = serde_json::to_string(&header).unwrap_or_default();
        text.reserve(commits.iter().map(|line| line.as_ref().len() + 1).sum());
        for line in commits {
            text.push('\n');
            text.push_str(line.as_ref());
        }
        let bytes = text.into_bytes();
        Self { header, hash: hash(&bytes), bytes }
    }

    /// Reads bytes that should be the block after `head`, and checks the chain.
    pub fn parse(head: &Head, bytes: Vec<u8>) -> Result<Self, BlockError> {
        let expected = head.block.next();
        let first_line = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
        let header: BlockHeader = serde_json::from_slice(first_line)
            .map_err(|source| BlockError::Header { block: expected, source })?;
        if header.format > FORMAT {
            return Err(BlockError::Format { block: expected, format: header.format });
        }
        let check = |what, found: &dyn ToString, wanted: &dyn ToString| {
            let (found, expected_text) = (found.to_string(), wanted.to_string());
            if found == expected_text {
                return Ok(());
            }
            Err(BlockError::Chain { block: expected, what, found, expected: expected_text })
        };
        check("the log id", &header.log, &head.log)?;
        check("the block number", &header.block, &expected)?;
        check("the predecessor's hash", &header.previous, &head.hash)?;
        check("the first position", &header.first, &head.position.next())?;
        let lines = bytes.split(|b| *b == b'\n').count() - 1;
        check("the number of commits", &header.count, &lines)?;
        Ok(Self { hash: hash(&bytes), header, bytes })
    }

    /// Reads bytes that were taken out of the chain's middle: they are checked against their own
    /// header, and their place in the chain by whoever follows it.
    pub fn alone(bytes: Vec<u8>) -> Result<Self, BlockError> {
        let first_line = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
        let header: BlockHeader = serde_json::from_slice(first_line)
            .map_err(|source| BlockError::Header { block: BlockNumber::new(0), source })?;
        let before = Head {
            log: header.log,
            block: BlockNumber::new(header.block.get().saturating_sub(1)),
            position: Position::new(header.first.get().saturating_sub(1)),
            hash: header.previous,
        };
        Self::parse(&before, bytes)
    }

    /// The head of the log once this block is its last.
    pub fn head(&self) -> Head {
        Head {
            log: self.header.log,
            block: self.header.block,
            position: Position::new(self.header.first.get() + u64::from(self.header.count) - 1),
            hash: self.hash,
        }
    }

    /// The commits' lines of JSON with their positions.
    pub fn lines(&self) -> impl Iterator<Item = (Position, std::borrow::Cow<'_, str>)> {
        let lines = self.bytes.split(|byte| *byte == b'\n').skip(1);
        let positions = self.header.first.get()..;
        positions.zip(lines).map(|(n, line)| (Position::new(n), String::from_utf8_lossy(line)))
    }

    /// The commits with their positions.
    pub fn commits(&self) -> Result<Vec<(Position, Commit)>, BlockError> {
        let mut commits = Vec::with_capacity(self.header.count as usize);
        for (position, line) in self.lines() {
            let block = self.header.block;
            let commit = Commit::decode(&line).map_err(|source| BlockError::Commit {
                block,
                position,
                source,
            })?;
            commits.push((position, commit));
        }
        Ok(commits)
    }
}

/// SHA-256 of a block's bytes.
pub fn hash(bytes: &[u8]) -> BlockHash {
    BlockHash::from_bytes(Sha256::digest(bytes).into())
}

/// The shape of a commit's line, for the catalogue.
#[cfg(test)]
pub(crate) fn commit_schema() -> schemars::Schema {
    schemars::schema_for!(StoredCommit)
}
