//! Frames within one process: a bounded ring per stream, for one recognizer in the same process.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use events::{RoomId, UserId};
use futures::future::{self, BoxFuture};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::ledger::{Admission, BYTES_OF_USER_MAX, Ledger, UPLOADS_MAX, must_fit};
use super::{FrameBatch, FrameBuffer, FrameFormat, Frames, FramesError, StreamKey, StreamStatus};

/// Streams that are remembered at the same time.
pub const STREAMS_MAX: usize = 16_384;
/// Streams of one user that are remembered at the same time: nobody takes all places.
pub const STREAMS_OF_USER_MAX: usize = 256;
/// Bytes of all frames that wait.
pub const BUFFER_BYTES_MAX: usize = 1024 * 1024 * 1024;
/// How often all streams are looked at for what is too old.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

#[derive(Default)]
struct LocalFrames {
    buffer: Mutex<Buffer>,
    more: Notify,
}

#[derive(Default)]
struct Buffer {
    streams: HashMap<StreamKey, Stream>,
    /// Streams with batches for the worker, each once: one batch of each in turn.
    ready: VecDeque<StreamKey>,
    bytes: Bytes,
    swept: Option<Instant>,
}

/// Bytes that wait, in all and of each user who has any.
#[derive(Default)]
struct Bytes {
    all: usize,
    of_user: HashMap<UserId, usize>,
}

impl Bytes {
    fn take(&mut self, user: UserId, more: usize) -> Result<(), FramesError> {
        must_fit(self.all, more, BUFFER_BYTES_MAX)?;
        let theirs = self.of_user.get(&user).copied().unwrap_or(0);
        must_fit(theirs, more, BYTES_OF_USER_MAX)?;
        self.all += more;
        self.of_user.insert(user, theirs + more);
        Ok(())
    }

    fn forget(&mut self, user: UserId, bytes: usize) {
        self.all -= bytes;
        if let Some(theirs) = self.of_user.get_mut(&user) {
            *theirs -= bytes;
            if *theirs == 0 {
                self.of_user.remove(&user);
            }
        }
    }
}

struct Stream {
    ledger: Ledger<FrameBatch>,
    /// How many of the waiting batches the worker has.
    delivered: usize,
    queued: bool,
}

/// A buffer for this process. Its batches are for one worker: a second caller of
/// [`Frames::next`] would get batches of the same streams.
pub fn local() -> Frames {
    Frames::new(LocalFrames::default())
}

impl Stream {
    /// Forgets the batches in front; gives back their bytes.
    fn forget(&mut self, batches: &[FrameBatch]) -> usize {
        self.delivered = self.delivered.saturating_sub(batches.len());
        batches.iter().map(|batch| batch.payload.len()).sum()
    }

    fn expire(&mut self, now: Instant) -> usize {
        let expired = self.ledger.expire(now);
        self.forget(&expired)
    }
}

impl Buffer {
    fn push(&mut self, mut batch: FrameBatch, now: Instant) -> Result<StreamStatus, FramesError> {
        self.sweep(now);
        if !self.streams.contains_key(&batch.key) {
            if batch.count == 0 {
                return Ok(StreamStatus::default());
            }
            self.make_room(&batch)?;
            let ledger = Ledger::beginning_with(&batch, now);
            let stream = Stream { ledger, delivered: 0, queued: false };
            self.streams.insert(batch.key.clone(), stream);
        }
        let Some(stream) = self.streams.get_mut(&batch.key) else {
            return Ok(StreamStatus::default());
        };
        let (user, more) = (batch.key.user, batch.payload.len());
        self.bytes.forget(user, stream.expire(now));
        if stream.ledger.admit(&batch, now)? == Admission::Nothing {
            return Ok(stream.ledger.status());
        }
        self.bytes.take(user, more)?;
        if batch.count == 0 {
            batch.first_seq = stream.ledger.status().next_seq;
        }
        if !std::mem::replace(&mut stream.queued, true) {
            self.ready.push_back(batch.key.clone());
        }
        Ok(stream.ledger.take(&batch.clone(), batch, now))
    }

    /// May one more stream begin? Who has many gives up the one that was longest unused.
    fn make_room(&mut self, batch: &FrameBatch) -> Result<(), FramesError> {
        let own = self.streams.iter().filter(|(key, _)| key.user == batch.key.user);
        if own.clone().count() >= STREAMS_OF_USER_MAX {
            let done = own.filter(|(_, stream)| stream.ledger.is_done());
            let oldest = done.min_by_key(|(_, stream)| stream.ledger.used());
            let oldest = oldest.map(|(key, _)| key.clone());
            let max = STREAMS_OF_USER_MAX;
            self.streams.remove(&oldest.ok_or(FramesError::TooManyStreams { max })?);
        }
        if self.streams.len() >= STREAMS_MAX {
            return Err(FramesError::Unavailable(format!("{STREAMS_MAX} streams are open")));
        }
        if batch.format != FrameFormat::Pose {
            return Ok(());
        }
        let of_user = |(key, stream): &(&StreamKey, &Stream)| {
            key.user == batch.key.user && stream.ledger.is_waiting_upload()
        };
        let waiting = self.streams.iter().filter(of_user).count() as u32;
        if waiting >= UPLOADS_MAX {
            return Err(FramesError::TooManyUploads { waiting, max: UPLOADS_MAX });
        }
        Ok(())
    }

    fn pop(&mut self, now: Instant) -> Option<FrameBatch> {
        while let Some(key) = self.ready.pop_front() {
            let Some(stream) = self.streams.get_mut(&key) else { continue };
            self.bytes.forget(key.user, stream.expire(now));
            stream.queued = stream.ledger.get(stream.delivered + 1).is_some();
            let Some(batch) = stream.ledger.get(stream.delivered).cloned() else { continue };
            stream.delivered += 1;
            if stream.queued {
                self.ready.push_back(key);
            }
            return Some(batch);
        }
        None
    }

    fn sweep(&mut self, now: Instant) {
        if self.swept.is_some_and(|last| now.duration_since(last) < SWEEP_EVERY) {
            return;
        }
        self.swept = Some(now);
        for (key, stream) in &mut self.streams {
            self.bytes.forget(key.user, stream.expire(now));
        }
        self.streams.retain(|_, stream| !stream.ledger.is_idle(now));
    }

    fn discard(&mut self, room: RoomId, user: UserId) {
        let theirs = |key: &StreamKey| key.room == room && key.user == user;
        for (_, stream) in self.streams.extract_if(|key, _| theirs(key)) {
            let bytes = stream.ledger.into_waiting().map(|batch| batch.payload.len()).sum();
            self.bytes.forget(user, bytes);
        }
        self.ready.retain(|key| !theirs(key));
    }

    fn done(&mut self, key: &StreamKey, done_seq: u64) {
        if let Some(stream) = self.streams.get_mut(key) {
            let done = stream.ledger.done(done_seq);
            self.bytes.forget(key.user, stream.forget(&done));
        }
    }

    fn status(&mut self, key: &StreamKey, now: Instant) -> StreamStatus {
        let Some(stream) = self.streams.get_mut(key) else { return StreamStatus::default() };
        self.bytes.forget(key.user, stream.expire(now));
        stream.ledger.status()
    }
}

impl FrameBuffer for LocalFrames {
    fn push(&self, batch: FrameBatch) -> BoxFuture<'_, Result<StreamStatus, FramesError>> {
        let pushed = self.buffer.lock().push(batch, Instant::now());
        self.more.notify_one();
        Box::pin(future::ready(pushed))
    }

    fn status<'a>(&'a self, key: &'a StreamKey) -> BoxFuture<'a, StreamStatus> {
        Box::pin(future::ready(self.buffer.lock().status(key, Instant::now())))
    }

    fn discard(&self, room: RoomId, user: UserId) -> BoxFuture<'_, ()> {
        self.buffer.lock().discard(room, user);
        Box::pin(future::ready(()))
    }

    fn next(&self) -> BoxFuture<'_, Result<FrameBatch, FramesError>> {
        Box::pin(async move {
            loop {
                let popped = self.buffer.lock().pop(Instant::now());
                if let Some(batch) = popped {
                    return Ok(batch);
                }
                self.more.notified().await;
            }
        })
    }

    fn done<'a>(
        &'a self,
        key: &'a StreamKey,
        done_seq: u64,
    ) -> BoxFuture<'a, Result<(), FramesError>> {
        self.buffer.lock().done(key, done_seq);
        Box::pin(future::ready(Ok(())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::StreamId;

    #[test]
    fn one_user_does_not_take_the_places_of_all() {
        let (mut buffer, start) = (Buffer::default(), Instant::now());
        let key = |user, stream: usize| StreamKey {
            room: RoomId::new(1),
            user: UserId::new(user),
            stream: StreamId::new(&format!("s{stream}")).unwrap(),
        };
        let mut push = |user, stream, now| {
            let key = key(user, stream);
            buffer.push(
                FrameBatch {
                    key: key.clone(),
                    first_seq: 0,
                    count: 1,
                    format: FrameFormat::Landmarks,
                    payload: bytes::Bytes::from_static(b"frame"),
                    flush: false,
                    received_us: 0,
                    model: None,
                    language: None,
                },
                now,
            )?;
            if let Some(stream) = buffer.streams.get_mut(&key) {
                let done = if user == 1 { Vec::new() } else { stream.ledger.done(1) };
                stream.forget(&done);
            }
            Ok(buffer.streams.len())
        };
        for stream in 0..STREAMS_OF_USER_MAX {
            push(1, stream, start).unwrap();
        }
        let refused = FramesError::TooManyStreams { max: STREAMS_OF_USER_MAX };
        assert_eq!(push(1, STREAMS_OF_USER_MAX, start), Err(refused));
        for stream in 0..=STREAMS_OF_USER_MAX {
            let now = start + Duration::from_millis(stream as u64);
            assert!(push(2, stream, now).unwrap() <= 2 * STREAMS_OF_USER_MAX);
        }
        assert!(!buffer.streams.contains_key(&key(2, 0)));
        assert!(buffer.streams.contains_key(&key(2, STREAMS_OF_USER_MAX)));
    }

    #[test]
    fn one_user_does_not_fill_the_buffer_of_all() {
        let (mut buffer, now) = (Buffer::default(), Instant::now());
        let mut push = |user, stream: usize, bytes| {
            let stream = StreamId::new(&format!("s{stream}")).unwrap();
            let key = StreamKey { room: RoomId::new(1), user: UserId::new(user), stream };
            let batch = FrameBatch {
                key,
                first_seq: 0,
                count: 1,
                format: FrameFormat::Landmarks,
                payload: vec![0; bytes].into(),
                flush: false,
                received_us: 0,
                model: None,
                language: None,
            };
            buffer.push(batch, now)
        };
        let half = BYTES_OF_USER_MAX / 2;
        push(1, 0, half).unwrap();
        push(1, 1, half).unwrap();
        let (waiting, max) = (BYTES_OF_USER_MAX, BYTES_OF_USER_MAX);
        assert_eq!(push(1, 2, 1), Err(FramesError::TooManyBytes { waiting, max }));
        push(2, 0, half).unwrap();
        buffer.discard(RoomId::new(1), UserId::new(1));
        assert_eq!((buffer.bytes.all, buffer.bytes.of_user.len()), (half, 1));
    }
}
