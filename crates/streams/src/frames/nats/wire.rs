//! How frame batches lie in JetStream: the description in a header, the frames as they are, large
//! batches in parts; beside them, per stream, a mark up to where it is done.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::{Config, DiscardPolicy, Stream};
use bytes::Bytes;
use events::subject::FramesKind;
use serde::{Deserialize, Serialize};

use crate::frames::{FrameBatch, FrameFormat, FramesError, IDLE_MAX, LIVE_AGE_MAX, StreamKey};
use crate::log::LogError;
use crate::nats::Nats;

/// Bytes of a part, well below what servers take in one message by default (1 MiB).
const PART_BYTES: usize = 512 * 1024;
/// Bytes of live frames that the server keeps; the oldest go first.
const LIVE_BYTES_MAX: i64 = 512 * 1024 * 1024;
/// Bytes of uploads that the server keeps; more are refused.
const UPLOAD_BYTES_MAX: i64 = 1024 * 1024 * 1024;
/// An upload that no worker takes is forgotten after a day.
const UPLOAD_AGE_MAX: Duration = Duration::from_hours(24);
const HEADER: &str = "Signcall-Frames";

/// One message: a batch, or a part of one.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) key: StreamKey,
    first_seq: u64,
    count: u32,
    format: FrameFormat,
    flush: bool,
    received_us: i64,
    model: Option<String>,
    #[serde(default)]
    language: Option<String>,
    /// Which part, from 0, and of how many.
    pub(super) index: usize,
    pub(super) parts: usize,
}

/// Up to where a stream is done.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Done {
    pub(super) key: StreamKey,
    pub(super) done_seq: u64,
}

/// Which of the two streams a batch goes to.
pub(super) fn kind(format: FrameFormat) -> FramesKind {
    match format {
        FrameFormat::Landmarks | FrameFormat::Images => FramesKind::Live,
        FrameFormat::Pose => FramesKind::Upload,
    }
}

/// The messages of a batch, in order.
pub(super) fn parts(batch: &FrameBatch) -> Result<Vec<(HeaderMap, Bytes)>, FramesError> {
    let count = batch.payload.len().div_ceil(PART_BYTES).max(1);
    let message = |index: usize| {
        let described = Part {
            key: batch.key.clone(),
            first_seq: batch.first_seq,
            count: batch.count,
            format: batch.format,
            flush: batch.flush,
            received_us: batch.received_us,
            model: batch.model.clone(),
            language: batch.language.clone(),
            index,
            parts: count,
        };
        let text = serde_json::to_string(&described).map_err(|error| unavailable(&error))?;
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, text);
        let end = ((index + 1) * PART_BYTES).min(batch.payload.len());
        Ok((headers, batch.payload.slice(index * PART_BYTES..end)))
    };
    (0..count).map(message).collect()
}

impl Part {
    /// The description in a message's header.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        serde_json::from_str(headers.get(HEADER)?.as_str()).ok()
    }

    /// The sequence number that comes next after this message, if it is its batch's last.
    pub(super) fn next_seq(&self) -> u64 {
        let whole = self.index + 1 == self.parts;
        self.first_seq + if whole { u64::from(self.count) } else { 0 }
    }

    /// The batch, once all its parts are there.
    pub(super) fn with(self, payload: Bytes) -> FrameBatch {
        FrameBatch {
            key: self.key,
            first_seq: self.first_seq,
            count: self.count,
            format: self.format,
            payload,
            flush: self.flush,
            received_us: self.received_us,
            model: self.model,
            language: self.language,
        }
    }
}

/// The three streams that frames need.
#[derive(Clone)]
pub(super) struct Streams {
    live: Stream<()>,
    uploads: Stream<()>,
    done: Stream<()>,
}

impl Streams {
    /// Makes the streams, or brings them to today's limits.
    pub(super) async fn open(nats: &Nats) -> Result<Self, LogError> {
        for kind in [FramesKind::Live, FramesKind::Upload, FramesKind::Done] {
            let made = nats.jetstream.create_or_update_stream(config(nats, kind)).await;
            made.map_err(|error| nats.unreachable(error))?;
        }
        Self::open_made(nats).await
    }

    /// The streams as another process made them, for one that may make none.
    pub(super) async fn open_made(nats: &Nats) -> Result<Self, LogError> {
        let open = async |kind| {
            let name = nats.subjects.frames_stream(kind);
            if !nats.has_stream(name.clone()).await? {
                return Err(LogError::Unsuitable {
                    place: nats.place.clone(),
                    reason: format!("its stream {name} is not there: start an API first"),
                });
            }
            let stream = nats.jetstream.get_stream_no_info(name).await;
            stream.map_err(|error| nats.unreachable(error))
        };
        Ok(Self {
            live: open(FramesKind::Live).await?,
            uploads: open(FramesKind::Upload).await?,
            done: open(FramesKind::Done).await?,
        })
    }

    pub(super) fn of(&self, kind: FramesKind) -> &Stream<()> {
        match kind {
            FramesKind::Live => &self.live,
            FramesKind::Upload => &self.uploads,
            FramesKind::Done => &self.done,
        }
    }
}

fn config(nats: &Nats, kind: FramesKind) -> Config {
    let limits = match kind {
        FramesKind::Live => Config {
            max_age: LIVE_AGE_MAX,
            max_bytes: LIVE_BYTES_MAX,
            discard: DiscardPolicy::Old,
            ..Default::default()
        },
        FramesKind::Upload => Config {
            max_age: UPLOAD_AGE_MAX,
            max_bytes: UPLOAD_BYTES_MAX,
            discard: DiscardPolicy::New,
            ..Default::default()
        },
        FramesKind::Done => Config {
            max_age: IDLE_MAX,
            max_messages_per_subject: 1,
            discard: DiscardPolicy::Old,
            ..Default::default()
        },
    };
    Config {
        name: nats.subjects.frames_stream(kind),
        subjects: vec![nats.subjects.frames_all(kind)],
        num_replicas: nats.replicas,
        // Less than the least age; what is sent twice shows by its sequence.
        duplicate_window: Duration::from_secs(1),
        ..limits
    }
}

/// The last message about a stream of frames, as the leader has it.
pub(super) async fn last(
    stream: &Stream<()>,
    subject: &str,
) -> Result<Option<StreamMessage>, FramesError> {
    use async_nats::jetstream::stream::LastRawMessageErrorKind as Kind;
    match stream.get_last_raw_message_by_subject(subject).await {
        Ok(message) => Ok(Some(message)),
        Err(error) if error.kind() == Kind::NoMessageFound => Ok(None),
        Err(error) => Err(unavailable(&error)),
    }
}

pub(super) fn unavailable(error: &(impl ToString + ?Sized)) -> FramesError {
    FramesError::Unavailable(error.to_string())
}
