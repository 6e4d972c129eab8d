//! Frame batches on their way to the recognizer: short-lived, bounded, kept only until the finals
//! of their utterance are in the log.

mod ledger;
mod local;
mod nats;

use bytes::Bytes;
use events::{RoomId, UserId};
use serde::{Deserialize, Serialize};

pub use ledger::{BYTES_OF_USER_MAX, IDLE_MAX, LIVE_AGE_MAX, LIVE_FRAMES_MAX};
pub use ledger::{STREAM_BYTES_MAX, UPLOAD_FRAMES_MAX, UPLOADS_MAX};
pub use local::{BUFFER_BYTES_MAX, STREAMS_MAX, STREAMS_OF_USER_MAX, local};
pub use nats::{for_worker, over_nats};

/// The sender's name for a stream of frames: 1 to 64 of `A-Z a-z 0-9 - _`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StreamId(String);

impl StreamId {
    /// Longest name.
    pub const MAX: usize = 64;

    /// Checks a name.
    pub fn new(name: &str) -> Option<Self> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let fits = (1..=Self::MAX).contains(&name.len()) && name.bytes().all(allowed);
        fits.then(|| Self(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Names one stream of one participant; sequence numbers count within it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StreamKey {
    /// The room.
    pub room: RoomId,
    /// Whose signing: from the authenticated connection.
    pub user: UserId,
    /// The sender's name for it.
    pub stream: StreamId,
}

/// What is in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FrameFormat {
    /// `clips::live_wire` bytes.
    Landmarks,
    /// `clips::images` bytes.
    Images,
    /// A whole `.pose` file: a stream of its own, never dropped, flushed at its end.
    Pose,
}

/// One checked batch of frames, or the end of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameBatch {
    /// Whose stream.
    pub key: StreamKey,
    /// The sequence number of the first frame.
    pub first_seq: u64,
    /// How many frames; 0 for a flush.
    pub count: u32,
    /// What the bytes are.
    pub format: FrameFormat,
    /// The frames as they came, already checked; empty for a flush.
    pub payload: Bytes,
    /// Finish what is open: the sender has nothing more for now.
    pub flush: bool,
    /// When the API took it, microseconds since 1970 (for frame age).
    pub received_us: i64,
    /// The model its room or sender wants, if another than the default.
    pub model: Option<String>,
    /// The sign language that its sender or room names; without a `model`, one for it is taken.
    pub language: Option<String>,
}

impl FrameBatch {
    /// The sequence number after its last frame.
    pub fn end(&self) -> u64 {
        self.first_seq.saturating_add(u64::from(self.count))
    }
}

/// Why a batch was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FramesError {
    /// The sender is too far ahead.
    #[error("{waiting} frames of this stream are waiting; send on when fewer are")]
    Full {
        /// How many wait.
        waiting: u32,
        /// How many may.
        max: u32,
    },
    /// Too many bytes wait: of this stream, of this user, or of all.
    #[error("{waiting} bytes of frames are waiting, {max} may; send on when some are done")]
    TooManyBytes {
        /// How many wait.
        waiting: usize,
        /// How many may.
        max: usize,
    },
    /// Too many uploads of this user wait.
    #[error("{waiting} uploads are waiting, {max} may; try again when one is done")]
    TooManyUploads {
        /// How many wait.
        waiting: u32,
        /// How many may.
        max: u32,
    },
    /// Too many streams of this user are open.
    #[error("{max} of your streams wait for their captions; go on with one of them, or later")]
    TooManyStreams {
        /// How many may.
        max: usize,
    },
    /// The first frame is not the one that should come next.
    #[error("the batch begins at frame {found}, but frame {expected} comes next: send that one")]
    OutOfOrder {
        /// Its first frame.
        found: u64,
        /// The frame that should come next.
        expected: u64,
    },
    /// The recognizer can't be reached.
    #[error("frames can't be passed on: {0}")]
    Unavailable(String),
}

/// Where a stream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StreamStatus {
    /// The frame that comes next.
    pub next_seq: u64,
    /// The finals of all frames before this one are in the log (so: frames that need not be
    /// kept any more are those below).
    pub done_seq: u64,
    /// Frames that wait.
    pub waiting: u32,
    /// Frames that may wait; the difference is the sender's credit.
    pub waiting_max: u32,
    /// The batch that this answers held frames that were never taken before: false for one that is
    /// sent again, also when the buffer had forgotten its frames, and where only the state is asked.
    pub is_new: bool,
}

/// Which rooms a worker works for, where several share the work: the `index`-th of `of`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    index: u64,
    of: u64,
}

impl Partition {
    /// All rooms: the only worker.
    pub const ALL: Self = Self { index: 0, of: 1 };

    /// The `index`-th (from 0) of `of` workers; none if there is no such worker.
    pub fn new(index: u64, of: u64) -> Option<Self> {
        (index < of).then_some(Self { index, of })
    }

    /// Whether a room's frames are for this worker. Every room is for exactly one.
    pub fn covers(self, room: RoomId) -> bool {
        // Ids end in many zeros: multiplied by the golden ratio, the high bits are well mixed.
        (room.get().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) % self.of == self.index
    }
}

/// The buffer of frames between API and recognizer. Cheap to clone.
#[derive(Clone)]
pub struct Frames(std::sync::Arc<dyn FrameBuffer>);

/// What holds the frames: this process's memory, or a short-lived JetStream stream.
pub trait FrameBuffer: Send + Sync + 'static {
    /// Takes a batch. A batch that was taken before (by its sequence) changes nothing; one that
    /// begins elsewhere than at the frame that comes next is refused. A stream that the buffer does
    /// not know begins wherever its first batch does. A flush ends what was taken, whatever its
    /// `first_seq` says; where nothing waits it changes nothing.
    fn push(
        &self,
        batch: FrameBatch,
    ) -> futures::future::BoxFuture<'_, Result<StreamStatus, FramesError>>;

    /// Where a stream stands; all zeros when it is unknown.
    fn status<'a>(&'a self, key: &'a StreamKey) -> futures::future::BoxFuture<'a, StreamStatus>;

    /// Throws away what is buffered of a participant: consent was withdrawn, or they are gone.
    fn discard(&self, room: RoomId, user: UserId) -> futures::future::BoxFuture<'_, ()>;

    /// The next batch for a worker, in order within a stream. After a worker's restart everything
    /// that is not done comes again, from each stream's oldest buffered frame on. A stream may also
    /// go back, to what is not done, or jump ahead, where frames grew too old.
    fn next(&self) -> futures::future::BoxFuture<'_, Result<FrameBatch, FramesError>>;

    /// A worker says: the finals of all frames below `done_seq` are in the log; forget those frames.
    fn done<'a>(
        &'a self,
        key: &'a StreamKey,
        done_seq: u64,
    ) -> futures::future::BoxFuture<'a, Result<(), FramesError>>;
}

impl Frames {
    /// Wraps a buffer.
    pub fn new(buffer: impl FrameBuffer) -> Self {
        Self(std::sync::Arc::new(buffer))
    }

    /// See [`FrameBuffer::push`].
    pub async fn push(&self, batch: FrameBatch) -> Result<StreamStatus, FramesError> {
        self.0.push(batch).await
    }

    /// See [`FrameBuffer::status`].
    pub async fn status(&self, key: &StreamKey) -> StreamStatus {
        self.0.status(key).await
    }

    /// See [`FrameBuffer::discard`].
    pub async fn discard(&self, room: RoomId, user: UserId) {
        self.0.discard(room, user).await;
    }

    /// See [`FrameBuffer::next`].
    pub async fn next(&self) -> Result<FrameBatch, FramesError> {
        self.0.next().await
    }

    /// See [`FrameBuffer::done`].
    pub async fn done(&self, key: &StreamKey, done_seq: u64) -> Result<(), FramesError> {
        self.0.done(key, done_seq).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A batch of one made-up live stream.
    pub(super) fn batch(first_seq: u64, count: u32) -> FrameBatch {
        let stream = StreamId::new("main").unwrap();
        FrameBatch {
            key: StreamKey { room: RoomId::new(1), user: UserId::new(2), stream },
            first_seq,
            count,
            format: FrameFormat::Landmarks,
            payload: Bytes::from(vec![7; count as usize]),
            flush: count == 0,
            received_us: 0,
            model: None,
            language: None,
        }
    }

    #[test]
    fn every_room_has_exactly_one_worker_and_every_worker_rooms() {
        let workers: Vec<_> = (0..3).map(|index| Partition::new(index, 3).unwrap()).collect();
        assert_eq!(Partition::new(3, 3), None);
        let mut rooms = [0; 3];
        for room in (0..300).map(|n| RoomId::new((1_700_000_000 + n) << 12)) {
            assert!(Partition::ALL.covers(room));
            let of: Vec<_> = (0..3).filter(|index| workers[*index].covers(room)).collect();
            assert_eq!(of.len(), 1);
            rooms[of[0]] += 1;
        }
        assert!(rooms.iter().all(|count| *count > 60), "{rooms:?}");
    }

    #[test]
    fn names_of_streams_are_safe_everywhere() {
        assert!(StreamId::new("Cam-1_b").is_some());
        for wrong in ["", "a.b", "*", "a b", "\u{e9}", &"x".repeat(65)] {
            assert_eq!(StreamId::new(wrong), None, "{wrong}");
        }
    }
}
