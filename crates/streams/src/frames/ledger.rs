//! What a buffer remembers of one stream of frames: what comes next, what waits, what is done.
//! The rules are the same whether the frames lie in memory or on NATS.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{FrameBatch, FrameFormat, FramesError, StreamStatus};

/// Frames of a live stream that may wait: at 30 frames a second, 30 seconds.
pub const LIVE_FRAMES_MAX: u32 = 900;
/// Bytes of one stream that may wait.
pub const STREAM_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes of all streams of one user that may wait: nobody fills the buffer of all.
pub const BYTES_OF_USER_MAX: usize = 2 * STREAM_BYTES_MAX;
/// Frames of an upload.
pub const UPLOAD_FRAMES_MAX: u32 = 9_000;
/// Uploads of one user that may wait.
pub const UPLOADS_MAX: u32 = 4;
/// Frames of a live stream are forgotten after this time, done or not.
pub const LIVE_AGE_MAX: Duration = Duration::from_secs(30);
/// A stream of which nothing waits is forgotten after this time.
pub const IDLE_MAX: Duration = Duration::from_mins(10);

/// One stream of frames, each batch with a `T`.
pub(super) struct Ledger<T> {
    upload: bool,
    next_seq: u64,
    /// Behind the last frame that was ever taken, forgotten ones included.
    taken_seq: u64,
    done_seq: u64,
    waiting: VecDeque<Piece<T>>,
    used: Instant,
}

struct Piece<T> {
    end: u64,
    count: u32,
    bytes: usize,
    at: Instant,
    content: T,
}

/// What to do with a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// Buffer it.
    New,
    /// It was taken before, or there is nothing that it could flush.
    Nothing,
}

impl<T> Ledger<T> {
    /// A stream that begins with this batch, wherever that stands: the buffer may have forgotten
    /// what came before, and its sender goes on from what was done.
    pub(super) fn beginning_with(batch: &FrameBatch, now: Instant) -> Self {
        let upload = batch.format == FrameFormat::Pose;
        Self::new(upload, batch.first_seq, batch.first_seq, now)
    }

    /// A stream that stands where another process has left it. What is not done counts as waiting
    /// from now on.
    pub(super) fn found(
        upload: bool,
        next_seq: u64,
        done_seq: u64,
        content: T,
        now: Instant,
    ) -> Self {
        let mut ledger = Self::new(upload, next_seq, done_seq, now);
        if next_seq > done_seq {
            let max = u64::from(if upload { UPLOAD_FRAMES_MAX } else { LIVE_FRAMES_MAX });
            let count = (next_seq - done_seq).min(max) as u32;
            ledger.waiting.push_back(Piece { end: next_seq, count, bytes: 0, at: now, content });
        }
        ledger
    }

    fn new(upload: bool, next_seq: u64, done_seq: u64, now: Instant) -> Self {
        let (taken_seq, waiting) = (next_seq, VecDeque::new());
        Self { upload, next_seq, taken_seq, done_seq, waiting, used: now }
    }

    /// Says what to do with a batch; a batch of frames must begin where the last one ended.
    pub(super) fn admit(
        &mut self,
        batch: &FrameBatch,
        now: Instant,
    ) -> Result<Admission, FramesError> {
        self.used = now;
        if batch.count == 0 {
            let last_is_flush = self.waiting.back().is_none_or(|last| last.count == 0);
            return Ok(if last_is_flush { Admission::Nothing } else { Admission::New });
        }
        if batch.end() <= self.next_seq {
            return Ok(Admission::Nothing);
        }
        if batch.first_seq != self.next_seq {
            let (found, expected) = (batch.first_seq, self.next_seq);
            return Err(FramesError::OutOfOrder { found, expected });
        }
        let StreamStatus { waiting, waiting_max: max, .. } = self.status();
        if waiting.saturating_add(batch.count) > max {
            return Err(FramesError::Full { waiting, max });
        }
        must_fit(self.bytes(), batch.payload.len(), STREAM_BYTES_MAX)?;
        Ok(Admission::New)
    }

    /// Notes a batch that was admitted and is buffered now; says where the stream stands then.
    pub(super) fn take(&mut self, batch: &FrameBatch, content: T, now: Instant) -> StreamStatus {
        let is_new = batch.count > 0 && batch.end() > self.taken_seq;
        if batch.count > 0 {
            self.next_seq = batch.end();
            self.taken_seq = self.taken_seq.max(self.next_seq);
        }
        self.waiting.push_back(Piece {
            end: self.next_seq,
            count: batch.count,
            bytes: batch.payload.len(),
            at: now,
            content,
        });
        StreamStatus { is_new, ..self.status() }
    }

    /// Notes what is done; gives back the pieces that need not be kept any more.
    pub(super) fn done(&mut self, done_seq: u64) -> Vec<T> {
        self.done_seq = self.done_seq.max(done_seq);
        self.next_seq = self.next_seq.max(self.done_seq);
        let done_seq = self.done_seq;
        self.pop_while(|piece| piece.end <= done_seq)
    }

    /// Forgets live frames that are too old. When nothing is left, the sender has to send again
    /// from what is done.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<T> {
        if self.upload {
            return Vec::new();
        }
        let expired = self.pop_while(|piece| now.duration_since(piece.at) > LIVE_AGE_MAX);
        if !expired.is_empty() && self.waiting.is_empty() {
            self.next_seq = self.done_seq;
        }
        expired
    }

    fn pop_while(&mut self, old: impl Fn(&Piece<T>) -> bool) -> Vec<T> {
        let count = self.waiting.iter().take_while(|piece| old(piece)).count();
        self.waiting.drain(..count).map(|piece| piece.content).collect()
    }

    /// The `index`-th piece that waits.
    pub(super) fn get(&self, index: usize) -> Option<&T> {
        self.waiting.get(index).map(|piece| &piece.content)
    }

    /// Everything that waits, to be thrown away.
    pub(super) fn into_waiting(self) -> impl Iterator<Item = T> {
        self.waiting.into_iter().map(|piece| piece.content)
    }

    /// An upload that is not done yet.
    pub(super) fn is_waiting_upload(&self) -> bool {
        self.upload && !self.waiting.is_empty()
    }

    /// Nothing waits and nobody came for long: it may be forgotten.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        self.is_done() && self.is_unused(now)
    }

    /// Bytes that wait.
    pub(super) fn bytes(&self) -> usize {
        self.waiting.iter().map(|piece| piece.bytes).sum()
    }

    /// Nothing waits.
    pub(super) fn is_done(&self) -> bool {
        self.waiting.is_empty()
    }

    /// When somebody last came.
    pub(super) fn used(&self) -> Instant {
        self.used
    }

    /// Nobody came for long.
    pub(super) fn is_unused(&self, now: Instant) -> bool {
        now.duration_since(self.used) > IDLE_MAX
    }

    /// Where it stands.
    pub(super) fn status(&self) -> StreamStatus {
        let not_done = |piece: &Piece<T>| (piece.end - self.done_seq).min(u64::from(piece.count));
        StreamStatus {
            next_seq: self.next_seq,
            done_seq: self.done_seq,
            waiting: self.waiting.iter().map(not_done).sum::<u64>() as u32,
            waiting_max: if self.upload { UPLOAD_FRAMES_MAX } else { LIVE_FRAMES_MAX },
            is_new: false,
        }
    }
}

/// Refuses bytes for which there is no room beside those that wait.
pub(super) fn must_fit(waiting: usize, more: usize, max: usize) -> Result<(), FramesError> {
    if waiting + more > max { Err(FramesError::TooManyBytes { waiting, max }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::tests::batch;

    fn push(ledger: &mut Ledger<u64>, batch: &FrameBatch, now: Instant) {
        assert_eq!(ledger.admit(batch, now), Ok(Admission::New));
        ledger.take(batch, batch.first_seq, now);
    }

    #[test]
    fn frames_that_are_sent_again_are_not_new() {
        let start = Instant::now();
        let mut ledger = Ledger::beginning_with(&batch(0, 10), start);
        let mut is_new = |first, count, now| {
            ledger.expire(now);
            match ledger.admit(&batch(first, count), now) {
                Ok(Admission::New) => ledger.take(&batch(first, count), first, now).is_new,
                Ok(Admission::Nothing) => ledger.status().is_new,
                Err(error) => panic!("{error}"),
            }
        };
        assert!(is_new(0, 10, start) && !is_new(0, 10, start));
        // Nobody read them in time, and they have to be sent once more.
        let later = start + LIVE_AGE_MAX + Duration::from_secs(1);
        assert!(!is_new(0, 10, later) && is_new(10, 5, later));
    }

    #[test]
    fn frames_older_than_the_limit_are_forgotten_and_asked_for_again() {
        let start = Instant::now();
        let mut ledger = Ledger::beginning_with(&batch(0, 10), start);
        push(&mut ledger, &batch(0, 10), start);
        push(&mut ledger, &batch(10, 10), start + Duration::from_secs(20));
        assert!(ledger.expire(start + LIVE_AGE_MAX).is_empty());
        assert_eq!(ledger.expire(start + Duration::from_secs(31)), [0]);
        assert_eq!(ledger.status().next_seq, 20);
        assert_eq!(ledger.expire(start + Duration::from_secs(51)), [10]);
        assert_eq!(ledger.status().next_seq, 0);
    }

    #[test]
    fn a_full_stream_takes_more_once_frames_are_done() {
        let now = Instant::now();
        let mut ledger = Ledger::beginning_with(&batch(0, LIVE_FRAMES_MAX), now);
        push(&mut ledger, &batch(0, LIVE_FRAMES_MAX), now);
        let next = batch(u64::from(LIVE_FRAMES_MAX), 1);
        let full = FramesError::Full { waiting: LIVE_FRAMES_MAX, max: LIVE_FRAMES_MAX };
        assert_eq!(ledger.admit(&next, now), Err(full));
        assert_eq!(ledger.done(u64::from(LIVE_FRAMES_MAX)), [0]);
        assert_eq!(ledger.admit(&next, now), Ok(Admission::New));
    }

    #[test]
    fn a_stream_is_idle_only_when_nothing_waits() {
        let start = Instant::now();
        let later = start + IDLE_MAX + Duration::from_secs(1);
        let mut ledger = Ledger::beginning_with(&batch(0, 1), start);
        push(&mut ledger, &batch(0, 1), start);
        assert!(!ledger.is_idle(later));
        ledger.done(1);
        assert!(!ledger.is_idle(start));
        assert!(ledger.is_idle(later));
    }
}
