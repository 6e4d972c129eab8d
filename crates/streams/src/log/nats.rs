//! The log in a JetStream stream: one message a block, the sequence is the block's number.
//!
//! Durable is what the server calls durable: unless it runs with `sync_interval: always`, the
//! blocks of the last two minutes can be lost when its machine (not just its process) dies.

mod open;

use std::sync::Arc;
use std::time::Duration;

use async_nats::datetime::DateTime;
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::{PublishMessage, StreamMessage};
use async_nats::jetstream::stream::{RawMessageErrorKind, Stream};
use async_nats::jetstream::{self, ErrorCode};
use async_nats::{Subscriber, header};
use bytes::Bytes;
use events::{Block, BlockHash, BlockNumber, Head, LogId};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::{AppendError, Backend, LogError, capability, check};
use crate::nats::Nats;

pub use open::{create, open, open_existing};

/// How long an append may take, with all its attempts, before its outcome counts as unknown.
const APPEND_TIMEOUT: Duration = Duration::from_secs(10);
/// The pause between two attempts.
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// How often the log's end is looked at, in case that a hint was lost.
const RECHECK: Duration = Duration::from_secs(1);
/// Blocks of one read, and of those how many are asked for at a time.
const READ_BLOCKS_MAX: u64 = 256;
const READS_IN_FLIGHT: usize = 16;

struct NatsLog {
    nats: Nats,
    stream: Stream<()>,
    id: LogId,
    appending: Mutex<()>,
    /// The last message that was read, by which its being the last still is known again.
    seen: parking_lot::Mutex<Option<Seen>>,
    appended: watch::Sender<BlockNumber>,
    _listener: AbortOnDropHandle<()>,
}

struct Seen {
    time: DateTime,
    head: Head,
}

/// Tells of new blocks: the server's hints at once, and a look now and then in case one was lost.
async fn listen(mut hints: Subscriber, stream: Stream<()>, appended: watch::Sender<BlockNumber>) {
    loop {
        let last = match tokio::time::timeout(RECHECK, hints.next()).await {
            Ok(Some(hint)) => hint
                .headers
                .and_then(|headers| headers.get(header::NATS_SEQUENCE)?.as_str().parse().ok()),
            Ok(None) => return,
            Err(_) => stream.get_info().await.ok().map(|info| info.state.last_sequence),
        };
        if let Some(last) = last {
            super::tell(&appended, BlockNumber::new(last));
        }
    }
}

/// What one attempt to append came to.
enum Attempt {
    Appended,
    /// The log ends elsewhere than the block expects.
    EndMoved,
    Failed(AppendError),
    /// The answer did not come: perhaps it was appended.
    Unknown(async_nats::Error),
}

impl NatsLog {
    /// Sends the block again until the outcome is known: a server that has it says so, by its
    /// hash within the duplicate window, by the expected sequence ever after.
    async fn append_message(&self, block: Arc<Block>) -> Result<(), AppendError> {
        let (bytes, max) = (block.bytes.len(), self.nats.client.max_payload());
        if bytes + capability::HEADERS_MAX > max {
            return Err(AppendError::TooLarge { bytes, max: max - capability::HEADERS_MAX });
        }
        let number = block.header.block;
        let payload = Bytes::copy_from_slice(&block.bytes);
        let deadline = Instant::now() + APPEND_TIMEOUT;
        let _one_at_a_time = self.appending.lock().await;
        loop {
            let source = match self.attempt(&block, payload.clone()).await {
                Attempt::Appended => {
                    super::tell(&self.appended, number);
                    return Ok(());
                }
                Attempt::EndMoved => match self.is_at_its_place(&block).await {
                    Ok(true) => return Ok(()),
                    Ok(false) => {
                        let expected = BlockNumber::new(number.get().saturating_sub(1));
                        return Err(AppendError::Conflict { expected });
                    }
                    Err(error) => error.into(),
                },
                Attempt::Failed(error) => return Err(error),
                Attempt::Unknown(source) => source,
            };
            if Instant::now() + RETRY_PAUSE > deadline {
                return Err(AppendError::Log(self.nats.unreachable(source)));
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    async fn attempt(&self, block: &Block, payload: Bytes) -> Attempt {
        let number = block.header.block.get();
        let message = PublishMessage::build()
            .payload(payload)
            .message_id(block.hash.to_string())
            .expected_stream(self.nats.subjects.log_stream())
            .expected_last_sequence(number.saturating_sub(1));
        let sent = self.nats.jetstream.send_publish(self.nats.subjects.log(), message).await;
        let acknowledged = match sent {
            Ok(acknowledgement) => acknowledgement.await,
            Err(error) => Err(error),
        };
        let error = match acknowledged {
            Ok(acknowledged) if acknowledged.sequence == number => return Attempt::Appended,
            Ok(acknowledged) => {
                let (found, expected) = (acknowledged.sequence.to_string(), number.to_string());
                let what = "the sequence in the stream";
                let wrong =
                    check::wrong(&self.nats.place, block.header.block, what, found, expected);
                return Attempt::Failed(wrong.into());
            }
            Err(error) => error,
        };
        if error.kind() == PublishErrorKind::WrongLastSequence {
            return Attempt::EndMoved;
        }
        let refused = std::error::Error::source(&error)
            .and_then(|source| source.downcast_ref::<jetstream::Error>());
        let no_space = refused.is_some_and(|refused| refused.to_string().contains("no space"));
        match refused.map(jetstream::Error::error_code) {
            Some(ErrorCode::STREAM_WRONG_LAST_SEQUENCE_CONSTANT) => Attempt::EndMoved,
            Some(ErrorCode::INSUFFICIENT_RESOURCES | ErrorCode::STORAGE_RESOURCES_EXCEEDED) => {
                Attempt::Failed(AppendError::Full(error.into()))
            }
            Some(_) if no_space => Attempt::Failed(AppendError::Full(error.into())),
            Some(_) | None => Attempt::Unknown(error.into()),
        }
    }

    async fn is_at_its_place(&self, block: &Block) -> Result<bool, LogError> {
        let message = self.leaders_message(block.header.block).await?;
        Ok(message.is_some_and(|message| events::block::hash(&message.payload) == block.hash))
    }

    /// A block's message as the stream's leader has it.
    async fn leaders_message(
        &self,
        number: BlockNumber,
    ) -> Result<Option<StreamMessage>, LogError> {
        match self.stream.get_raw_message(number.get()).await {
            Ok(message) => Ok(Some(message)),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(self.nats.unreachable(error)),
        }
    }

    /// A block's message, from any replica; the leader is asked where a replica has none.
    async fn message(&self, number: BlockNumber) -> Result<Option<StreamMessage>, LogError> {
        match self.stream.direct_get(number.get()).await {
            Ok(message) => Ok(Some(message)),
            Err(_) => self.leaders_message(number).await,
        }
    }

    /// Asks the leader where the log ends; its message is fetched only if it is a new one.
    async fn end(&self) -> Result<Head, LogError> {
        let info = self.stream.get_info().await.map_err(|error| self.nats.unreachable(error))?;
        let (last, time) = (BlockNumber::new(info.state.last_sequence), info.state.last_timestamp);
        if let Some(seen) = &*self.seen.lock()
            && seen.head.block == last
            && seen.time == time
        {
            return Ok(seen.head);
        }
        let last = self.stream.get_last_raw_message_by_subject(&self.nats.subjects.log()).await;
        let message = match last {
            Ok(message) => message,
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => {
                return Ok(Head::empty(self.id));
            }
            Err(error) => return Err(self.nats.unreachable(error)),
        };
        let head = self.head_of(&message)?;
        *self.seen.lock() = Some(Seen { time: message.time, head });
        Ok(head)
    }

    /// Where the log ended when this message was its last.
    fn head_of(&self, message: &StreamMessage) -> Result<Head, LogError> {
        let block = BlockNumber::new(message.sequence);
        let head = check::head_of(&self.nats.place, self.id, block, &message.payload)?;
        self.check_message(message, &head.hash)?;
        Ok(head)
    }

    async fn head_after(&self, block: BlockNumber) -> Result<Option<Head>, LogError> {
        if block.get() == 0 {
            return Ok(Some(Head::empty(self.id)));
        }
        let message = self.message(block).await?;
        message.map(|message| self.head_of(&message)).transpose()
    }

    /// Its writer named the message by its hash, which shows damage in the last block too.
    fn check_message(&self, message: &StreamMessage, hash: &BlockHash) -> Result<(), LogError> {
        let named = message.headers.get(header::NATS_MESSAGE_ID).map_or("", |id| id.as_str());
        let block = BlockNumber::new(message.sequence);
        check::same(&self.nats.place, block, "the hash", &hash.to_string(), &named.to_owned())
    }

    async fn read_messages(&self, after: Head, max_bytes: usize) -> Result<Vec<Block>, LogError> {
        let place = &self.nats.place;
        let known = *self.appended.borrow();
        let last = if after.log == self.id && known > after.block {
            known
        } else {
            let end = self.end().await?;
            check::reader_against_end(place, &after, &end)?;
            super::tell(&self.appended, end.block);
            end.block
        };
        let until = last.get().min(after.block.get() + READ_BLOCKS_MAX);
        let numbers = (after.block.get() + 1..=until).map(BlockNumber::new);
        let mut messages = futures::stream::iter(numbers)
            .map(|number| self.message(number))
            .buffered(READS_IN_FLIGHT);
        let (mut head, mut seen, mut bytes, mut read) = (after, None, 0, Vec::new());
        while let Some(message) = messages.next().await {
            let Some(message) = message? else {
                check::reader_against_end(place, &head, &self.end().await?)?;
                let (block, found) = (head.block.next(), "missing".to_owned());
                return Err(check::wrong(place, block, "its message", found, "there".to_owned()));
            };
            bytes += message.payload.len();
            if bytes > max_bytes && !read.is_empty() {
                break;
            }
            let block = Block::parse(&head, message.payload.to_vec())
                .map_err(|source| check::damaged(place, source))?;
            self.check_message(&message, &block.hash)?;
            head = block.head();
            seen = Some(Seen { time: message.time, head });
            read.push(block);
        }
        if seen.is_some() {
            *self.seen.lock() = seen;
        }
        Ok(read)
    }
}

impl Backend for NatsLog {
    fn kind(&self) -> &'static str {
        "nats"
    }

    fn id(&self) -> LogId {
        self.id
    }

    fn head(&self) -> BoxFuture<'_, Result<Head, LogError>> {
        Box::pin(self.end())
    }

    fn append(&self, block: Arc<Block>) -> BoxFuture<'_, Result<(), AppendError>> {
        Box::pin(self.append_message(block))
    }

    fn read(&self, after: Head, max_bytes: usize) -> BoxFuture<'_, Result<Vec<Block>, LogError>> {
        Box::pin(self.read_messages(after, max_bytes))
    }

    fn block(&self, number: BlockNumber) -> BoxFuture<'_, Result<Option<Block>, LogError>> {
        Box::pin(async move {
            if number.get() == 0 {
                return Ok(None);
            }
            let Some(message) = self.message(number).await? else { return Ok(None) };
            let block = Block::alone(message.payload.to_vec());
            let block = block.map_err(|source| check::damaged(&self.nats.place, source))?;
            self.check_message(&message, &block.hash)?;
            Ok(Some(block))
        })
    }

    fn head_at(&self, block: BlockNumber) -> BoxFuture<'_, Result<Option<Head>, LogError>> {
        Box::pin(self.head_after(block))
    }

    fn appended(&self) -> watch::Receiver<BlockNumber> {
        self.appended.subscribe()
    }
}
