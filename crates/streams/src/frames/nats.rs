//! Frames between processes, on short-lived JetStream streams. Any API process may take a batch:
//! each is accepted only after the message that its sender's last batch made.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_nats::Subscriber;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, ErrorCode};
use events::subject::FramesKind;
use events::{RoomId, UserId};
use futures::future::BoxFuture;
use futures::{StreamExt as _, TryStreamExt as _};
use parking_lot::Mutex;
use tokio::sync::OnceCell;
use tokio_util::task::AbortOnDropHandle;

use self::wire::{Done, Part, Streams, unavailable};
use self::worker::Worker;
use super::ledger::{Admission, Ledger, UPLOADS_MAX};
use super::local::STREAMS_MAX;
use super::{FrameBatch, FrameBuffer, FrameFormat, Frames, FramesError, Partition};
use super::{StreamKey, StreamStatus};
use crate::log::LogError;
use crate::nats::Nats;

mod readers;
mod wire;
mod worker;

/// How often a batch is tried while other processes take batches of the same stream.
const PUSH_ATTEMPTS: usize = 5;
/// How often all known streams are looked at for those that are idle.
const SWEEP_EVERY: Duration = Duration::from_secs(30);

struct NatsFrames {
    nats: Nats,
    streams: Streams,
    partition: Partition,
    known: Arc<Known>,
    worker: OnceCell<Worker>,
    /// Whether readers are made by others.
    asks: bool,
    _marks: AbortOnDropHandle<()>,
    _readers: Option<AbortOnDropHandle<()>>,
}

/// What this process knows of streams that it took batches of.
#[derive(Default)]
struct Known {
    streams: Mutex<HashMap<StreamKey, Arc<Entry>>>,
    swept: Mutex<Option<Instant>>,
}

#[derive(Default)]
struct Entry {
    /// None: nothing is known, look.
    place: tokio::sync::Mutex<Option<Place>>,
    /// The highest mark that was heard of.
    done_seq: AtomicU64,
}

/// Where a stream stands.
struct Place {
    ledger: Ledger<()>,
    /// The last message about it, 0 when there is none.
    message: u64,
}

/// The buffer on NATS. `partition` says which rooms a caller of [`Frames::next`] works for; within
/// one process there is one worker.
pub async fn over_nats(nats: &Nats, partition: Partition) -> Result<Frames, LogError> {
    let streams = nats.elected(|| Streams::open(nats)).await?;
    let wishes = nats.share(nats.subjects.frames_wanted(), readers::QUEUE_GROUP).await?;
    let readers = tokio::spawn(readers::serve(nats.client.clone(), wishes, streams.clone()));
    let readers = Some(AbortOnDropHandle::new(readers));
    open(nats, partition, streams, readers).await
}

/// The same for a process that does nothing but recognize: with a login that may make no stream and
/// no consumer, it asks a process that may ([`over_nats`]) for its readers. Where none is up, it
/// tries by itself.
pub async fn for_worker(nats: &Nats, partition: Partition) -> Result<Frames, LogError> {
    let streams = match nats.elected(|| found_or_made(nats)).await {
        Ok(streams) => streams,
        // What is not there says more than that it can't be made.
        Err(_) => Streams::open_made(nats).await?,
    };
    open(nats, partition, streams, None).await
}

async fn found_or_made(nats: &Nats) -> Result<Streams, LogError> {
    match Streams::open_made(nats).await {
        Ok(streams) => Ok(streams),
        Err(_) => Streams::open(nats).await,
    }
}

async fn open(
    nats: &Nats,
    partition: Partition,
    streams: Streams,
    readers: Option<AbortOnDropHandle<()>>,
) -> Result<Frames, LogError> {
    let marks = nats.subscribe(nats.subjects.frames_all(FramesKind::Done)).await?;
    let known = Arc::new(Known::default());
    let listener = tokio::spawn(listen(marks, Arc::clone(&known)));
    Ok(Frames::new(NatsFrames {
        nats: nats.clone(),
        streams,
        partition,
        known,
        worker: OnceCell::new(),
        asks: readers.is_none(),
        _marks: AbortOnDropHandle::new(listener),
        _readers: readers,
    }))
}

/// Hears of what is done.
async fn listen(mut marks: Subscriber, known: Arc<Known>) {
    while let Some(mark) = marks.next().await {
        let Ok(Done { key, done_seq }) = serde_json::from_slice(&mark.payload) else { continue };
        let entry = known.streams.lock().get(&key).cloned();
        if let Some(entry) = entry {
            entry.done_seq.fetch_max(done_seq, Ordering::Relaxed);
        }
    }
}

impl Known {
    fn entry(&self, key: &StreamKey) -> Result<Arc<Entry>, FramesError> {
        self.sweep(Instant::now());
        let mut streams = self.streams.lock();
        if streams.len() >= STREAMS_MAX && !streams.contains_key(key) {
            return Err(unavailable(&format!("{STREAMS_MAX} streams are open")));
        }
        Ok(Arc::clone(streams.entry(key.clone()).or_default()))
    }

    fn sweep(&self, now: Instant) {
        let mut swept = self.swept.lock();
        if swept.is_some_and(|last| now.duration_since(last) < SWEEP_EVERY) {
            return;
        }
        *swept = Some(now);
        self.streams.lock().retain(|_, entry| {
            let in_use = Arc::strong_count(entry) > 1;
            let place = entry.place.try_lock();
            let unused = |place: &Option<Place>| {
                place.as_ref().is_none_or(|place| place.ledger.is_unused(now))
            };
            in_use || !place.is_ok_and(|place| unused(&place))
        });
    }
}

/// What came of publishing a batch.
enum Published {
    /// It is the stream's last message now.
    At(u64),
    /// Another process was faster, or messages were deleted: look where the stream stands.
    Elsewhere,
}

impl NatsFrames {
    fn subject(&self, kind: FramesKind, key: &StreamKey) -> String {
        self.nats.subjects.frames(kind, key.room, key.user, key.stream.as_str())
    }

    async fn take(&self, mut batch: FrameBatch) -> Result<StreamStatus, FramesError> {
        let entry = self.known.entry(&batch.key)?;
        let mut place = entry.place.lock().await;
        for _ in 0..PUSH_ATTEMPTS {
            let now = Instant::now();
            let remembered = place.is_some();
            let mut found = match place.take() {
                Some(found) => found,
                None => match self.look_up(&batch.key, now).await? {
                    Some(found) => found,
                    None if batch.count == 0 => return Ok(StreamStatus::default()),
                    None => Place { ledger: Ledger::beginning_with(&batch, now), message: 0 },
                },
            };
            found.ledger.done(entry.done_seq.load(Ordering::Relaxed));
            found.ledger.expire(now);
            let status = found.ledger.status();
            match found.ledger.admit(&batch, now) {
                Ok(Admission::New) => {}
                // Another process may have taken more, or a mark was not heard.
                Err(_) if remembered => continue,
                admitted => {
                    *place = Some(found);
                    return admitted.map(|_| status);
                }
            }
            if batch.count == 0 {
                batch.first_seq = status.next_seq;
            }
            if batch.format == FrameFormat::Pose {
                self.check_uploads(batch.key.user, UPLOADS_MAX - 1).await?;
            }
            if let Published::At(message) = self.publish(&batch, found.message).await? {
                if batch.format == FrameFormat::Pose {
                    self.keep_or_withdraw(&batch.key).await?;
                }
                let status = found.ledger.take(&batch, (), now);
                found.message = message;
                *place = Some(found);
                return Ok(status);
            }
        }
        Err(unavailable("other processes take batches of this stream"))
    }

    /// Where a stream stands, by what lies on the server.
    async fn look_up(&self, key: &StreamKey, now: Instant) -> Result<Option<Place>, FramesError> {
        let look = async |kind| wire::last(self.streams.of(kind), &self.subject(kind, key)).await;
        let mark = look(FramesKind::Done).await?;
        let mark = mark.and_then(|message| serde_json::from_slice::<Done>(&message.payload).ok());
        let mut last = look(FramesKind::Live).await?;
        let upload = last.is_none();
        if upload {
            last = look(FramesKind::Upload).await?;
        }
        let buffered = last.as_ref().and_then(|message| Part::of(&message.headers));
        if mark.is_none() && buffered.is_none() {
            return Ok(None);
        }
        let done_seq = mark.map_or(0, |done| done.done_seq);
        let next_seq = buffered.as_ref().map_or(0, Part::next_seq).max(done_seq);
        let upload = upload && buffered.is_some();
        let ledger = Ledger::found(upload, next_seq, done_seq, (), now);
        Ok(Some(Place { ledger, message: last.map_or(0, |message| message.sequence) }))
    }

    /// Uploads of one user that came at the same time, perhaps through several processes, may be
    /// too many together: then those that see it go again.
    async fn keep_or_withdraw(&self, key: &StreamKey) -> Result<(), FramesError> {
        let checked = self.check_uploads(key.user, UPLOADS_MAX).await;
        if checked.is_err() {
            let theirs = self.subject(FramesKind::Upload, key);
            let purged = self.streams.of(FramesKind::Upload).purge().filter(theirs).await;
            purged.map_err(|error| unavailable(&error))?;
        }
        checked
    }

    /// Whether no more uploads of a user wait than this.
    async fn check_uploads(&self, user: UserId, max: u32) -> Result<(), FramesError> {
        let theirs = self.nats.subjects.frames_by(FramesKind::Upload, user);
        let waiting = self.streams.of(FramesKind::Upload).info_with_subjects(theirs).await;
        let waiting = waiting.map_err(|error| unavailable(&error))?;
        let waiting = waiting.try_fold(0, |count, _| async move { Ok(count + 1) }).await;
        let waiting = waiting.map_err(|error| unavailable(&error))?;
        if waiting > max {
            return Err(FramesError::TooManyUploads { waiting, max: UPLOADS_MAX });
        }
        Ok(())
    }

    async fn publish(&self, batch: &FrameBatch, after: u64) -> Result<Published, FramesError> {
        let subject = self.subject(wire::kind(batch.format), &batch.key);
        let mut last = after;
        for (headers, payload) in wire::parts(batch)? {
            let message = PublishMessage::build()
                .payload(payload)
                .headers(headers)
                .expected_last_subject_sequence(last);
            let sent = self.nats.jetstream.send_publish(subject.clone(), message).await;
            let acknowledged = match sent {
                Ok(acknowledgement) => acknowledgement.await,
                Err(error) => Err(error),
            };
            match acknowledged {
                Ok(acknowledged) => last = acknowledged.sequence,
                Err(error) if is_elsewhere(&error) => return Ok(Published::Elsewhere),
                Err(error) => return Err(unavailable(&error)),
            }
        }
        Ok(Published::At(last))
    }

    async fn throw_away(&self, room: RoomId, user: UserId) {
        for kind in [FramesKind::Live, FramesKind::Upload, FramesKind::Done] {
            let theirs = self.nats.subjects.frames_of(kind, room, user);
            if let Err(error) = self.streams.of(kind).purge().filter(theirs).await {
                tracing::warn!(%error, ?kind, "frames can't be discarded; they go by age");
            }
        }
        self.known.streams.lock().retain(|key, _| key.room != room || key.user != user);
    }

    async fn worker(&self) -> &Worker {
        let start = async || Worker::start(&self.nats, &self.streams, self.partition, self.asks);
        self.worker.get_or_init(start).await
    }
}

fn is_elsewhere(error: &PublishError) -> bool {
    let refused = std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<jetstream::Error>())
        .map(jetstream::Error::error_code);
    error.kind() == PublishErrorKind::WrongLastSequence
        || refused == Some(ErrorCode::STREAM_WRONG_LAST_SEQUENCE_CONSTANT)
}

impl FrameBuffer for NatsFrames {
    fn push(&self, batch: FrameBatch) -> BoxFuture<'_, Result<StreamStatus, FramesError>> {
        Box::pin(self.take(batch))
    }

    fn status<'a>(&'a self, key: &'a StreamKey) -> BoxFuture<'a, StreamStatus> {
        Box::pin(async move {
            let Ok(entry) = self.known.entry(key) else { return StreamStatus::default() };
            let mut place = entry.place.lock().await;
            let now = Instant::now();
            if place.is_none() {
                *place = self.look_up(key, now).await.unwrap_or_default();
            }
            let Some(found) = place.as_mut() else { return StreamStatus::default() };
            found.ledger.done(entry.done_seq.load(Ordering::Relaxed));
            found.ledger.expire(now);
            found.ledger.status()
        })
    }

    fn discard(&self, room: RoomId, user: UserId) -> BoxFuture<'_, ()> {
        Box::pin(self.throw_away(room, user))
    }

    fn next(&self) -> BoxFuture<'_, Result<FrameBatch, FramesError>> {
        Box::pin(async move { self.worker().await.next().await })
    }

    fn done<'a>(
        &'a self,
        key: &'a StreamKey,
        done_seq: u64,
    ) -> BoxFuture<'a, Result<(), FramesError>> {
        Box::pin(async move { self.worker().await.done(key, done_seq).await })
    }
}
