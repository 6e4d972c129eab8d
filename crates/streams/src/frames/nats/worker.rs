//! The recognizer's end: everything that is buffered and not done, from the oldest on, then what
//! comes; again from where it was after any break of the connection.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use events::subject::FramesKind;
use futures::StreamExt as _;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::readers;
use super::wire::{self, Done, Part, Streams, unavailable};
use crate::frames::{FrameBatch, FramesError, IDLE_MAX, LIVE_AGE_MAX, Partition, StreamKey};
use crate::nats::Nats;

/// Batches that wait for the worker in this process; the others wait on the server.
const AHEAD_MAX: usize = 64;
/// Messages asked for at a time, and how long the server waits for them.
const FETCH_MAX: usize = 64;
const FETCH_WAIT: Duration = Duration::from_secs(1);
/// An answer that is this late will not come.
const FETCH_TIMEOUT: Duration = Duration::from_millis(1500);
/// The pause after a break.
const RETRY_PAUSE: Duration = Duration::from_millis(200);
/// Without a request for this long, the server forgets where we are; we begin anew.
pub(super) const CONSUMER_IDLE_MAX: Duration = Duration::from_secs(30);
/// Batches whose first parts came; their senders may have died.
const PARTIAL_MAX: usize = 256;
/// Frames of a stream are purged at most this often; the server forgets the rest by age.
const PURGE_EVERY: Duration = Duration::from_secs(1);

/// The batches of one worker.
pub(super) struct Worker {
    batches: tokio::sync::Mutex<mpsc::Receiver<FrameBatch>>,
    shared: Arc<Shared>,
    _fetchers: [AbortOnDropHandle<()>; 2],
}

struct Shared {
    nats: Nats,
    streams: Streams,
    partition: Partition,
    /// Whether others make the readers.
    asks: bool,
    delivered: Mutex<HashMap<StreamKey, Delivered>>,
}

/// What the worker has of one stream and has not done.
struct Delivered {
    kind: FramesKind,
    done_seq: u64,
    /// Per batch: the frame after its last, its (last) message, and when it came.
    batches: VecDeque<(u64, u64, Instant)>,
    used: Instant,
    purged: Option<Instant>,
}

impl Worker {
    pub(super) fn start(nats: &Nats, streams: &Streams, partition: Partition, asks: bool) -> Self {
        let (sender, batches) = mpsc::channel(AHEAD_MAX);
        let shared = Arc::new(Shared {
            nats: nats.clone(),
            streams: streams.clone(),
            partition,
            asks,
            delivered: Mutex::default(),
        });
        let fetchers = [FramesKind::Live, FramesKind::Upload].map(|kind| {
            let fetching = Arc::clone(&shared).fetch(kind, sender.clone());
            AbortOnDropHandle::new(tokio::spawn(fetching))
        });
        Self { batches: tokio::sync::Mutex::new(batches), shared, _fetchers: fetchers }
    }

    pub(super) async fn next(&self) -> Result<FrameBatch, FramesError> {
        let batch = self.batches.lock().await.recv().await;
        batch.ok_or_else(|| unavailable("the fetchers have ended"))
    }

    /// Sets the mark, then deletes what lies below it, but for the last message: the next batch
    /// is accepted by what it follows.
    pub(super) async fn done(&self, key: &StreamKey, done_seq: u64) -> Result<(), FramesError> {
        let Shared { nats, streams, delivered, .. } = &*self.shared;
        let subject = |kind| nats.subjects.frames(kind, key.room, key.user, key.stream.as_str());
        let mark = serde_json::to_vec(&Done { key: key.clone(), done_seq })
            .map_err(|error| unavailable(&error))?;
        let sent = nats.jetstream.publish(subject(FramesKind::Done), mark.into()).await;
        sent.map_err(|error| unavailable(&error))?.await.map_err(|error| unavailable(&error))?;
        let Some((kind, last)) = delivered.lock().get_mut(key).and_then(|d| d.done(done_seq))
        else {
            return Ok(());
        };
        let purge = streams.of(kind).purge().filter(subject(kind));
        let purged = match kind {
            FramesKind::Live => purge.sequence(last).await,
            FramesKind::Upload | FramesKind::Done => purge.sequence(last + 1).await,
        };
        purged.map(drop).map_err(|error| unavailable(&error))
    }
}

impl Delivered {
    /// Notes what is done; says which message is the last that is, if it is time to delete.
    fn done(&mut self, done_seq: u64) -> Option<(FramesKind, u64)> {
        self.done_seq = self.done_seq.max(done_seq);
        let done = self.batches.iter().take_while(|(end, ..)| *end <= done_seq).count();
        let last = done.checked_sub(1).map(|last| self.batches[last].1)?;
        let now = Instant::now();
        let soon = self.purged.is_some_and(|purged| now.duration_since(purged) < PURGE_EVERY);
        if soon && done < self.batches.len() {
            return None;
        }
        self.purged = Some(now);
        self.batches.drain(..done);
        Some((self.kind, last))
    }

    fn forget_expired(&mut self, now: Instant) {
        let old = |at: Instant| now.duration_since(at) > LIVE_AGE_MAX;
        while self.kind == FramesKind::Live && self.batches.front().is_some_and(|b| old(b.2)) {
            self.batches.pop_front();
        }
    }
}

/// How far one fetcher has come.
#[derive(Default)]
struct Progress {
    /// The last message that was taken.
    last: u64,
    partial: HashMap<StreamKey, BytesMut>,
}

impl Shared {
    async fn fetch(self: Arc<Self>, kind: FramesKind, sender: mpsc::Sender<FrameBatch>) {
        let mut progress = Progress::default();
        while !sender.is_closed() {
            if let Err(error) = self.follow(kind, &mut progress, &sender).await {
                tracing::warn!(%error, ?kind, "frames do not come; trying again");
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        }
    }

    /// Reads on with a consumer of its own until that breaks. The server keeps no state for us
    /// that matters: a new consumer begins after the last message that was taken.
    async fn follow(
        &self,
        kind: FramesKind,
        progress: &mut Progress,
        sender: &mpsc::Sender<FrameBatch>,
    ) -> Result<(), async_nats::Error> {
        let stream = self.streams.of(kind);
        if stream.get_info().await?.state.last_sequence < progress.last {
            // The stream was made anew.
            *progress = Progress::default();
        }
        let consumer = if self.asks {
            readers::ask(&self.nats, &self.streams, kind, progress.last).await?
        } else {
            readers::make(stream, progress.last).await?
        };
        let mut delivered = 0;
        while !sender.is_closed() {
            let batch = consumer.batch().max_messages(FETCH_MAX).expires(FETCH_WAIT);
            let mut messages = batch.messages().await?;
            while let Some(message) = tokio::time::timeout(FETCH_TIMEOUT, messages.next()).await? {
                let message = message?;
                let info = message.info()?;
                let sequence = info.stream_sequence;
                if info.consumer_sequence != delivered + 1 {
                    return Err("a message was lost on its way".into());
                }
                delivered += 1;
                let part = message.headers.as_ref().and_then(Part::of);
                if let Some(batch) = part.and_then(|p| self.join(progress, p, &message.payload)) {
                    self.hand_on(kind, batch, sequence, sender).await?;
                }
                progress.last = sequence;
            }
        }
        Ok(())
    }

    /// The batch that is whole with this part, if it is for this worker.
    fn join(&self, progress: &mut Progress, part: Part, payload: &Bytes) -> Option<FrameBatch> {
        if !self.partition.covers(part.key.room) {
            return None;
        }
        if part.parts == 1 {
            return Some(part.with(payload.clone()));
        }
        let partial = &mut progress.partial;
        if part.index == 0 {
            if partial.len() >= PARTIAL_MAX {
                tracing::warn!("{PARTIAL_MAX} batches are incomplete; they are dropped");
                partial.clear();
            }
            partial.insert(part.key.clone(), BytesMut::new());
        }
        partial.get_mut(&part.key)?.extend_from_slice(payload);
        if part.index + 1 < part.parts {
            return None;
        }
        let whole = partial.remove(&part.key)?;
        Some(part.with(whole.freeze()))
    }

    async fn hand_on(
        &self,
        kind: FramesKind,
        batch: FrameBatch,
        sequence: u64,
        sender: &mpsc::Sender<FrameBatch>,
    ) -> Result<(), async_nats::Error> {
        let known = self.delivered.lock().contains_key(&batch.key);
        let done_seq = if known { 0 } else { self.mark(&batch.key).await? };
        {
            let now = Instant::now();
            let mut delivered = self.delivered.lock();
            if !known {
                delivered.retain(|_, stream| now.duration_since(stream.used) < IDLE_MAX);
            }
            let stream = delivered.entry(batch.key.clone()).or_insert_with(|| Delivered {
                kind,
                done_seq,
                batches: VecDeque::new(),
                used: now,
                purged: None,
            });
            stream.used = now;
            stream.forget_expired(now);
            if batch.end() <= stream.done_seq {
                return Ok(());
            }
            stream.batches.push_back((batch.end(), sequence, now));
        }
        // An error means that the worker has gone, which `follow` sees by itself.
        let _ = sender.send(batch).await;
        Ok(())
    }

    async fn mark(&self, key: &StreamKey) -> Result<u64, FramesError> {
        let kind = FramesKind::Done;
        let subject = self.nats.subjects.frames(kind, key.room, key.user, key.stream.as_str());
        let last = wire::last(self.streams.of(kind), &subject).await?;
        let mark = last.and_then(|message| serde_json::from_slice::<Done>(&message.payload).ok());
        Ok(mark.map_or(0, |done| done.done_seq))
    }
}
