//! What goes into an engine and comes out of it, and its bounds.

use crate::decode::Caption;
use crate::features::Sight;

/// The bounds of an engine.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Streams at once.
    pub slots: usize,
    /// Streams in one step.
    pub batch: usize,
    /// Streams of one room in one step, while other rooms wait.
    pub room_share: usize,
    /// Frames a live stream may have waiting; past it, the oldest goes.
    pub live_frames: usize,
    /// Frames an upload may have waiting; past it, they are refused.
    pub upload_frames: usize,
    /// A live frame that has waited longer is dropped, unless it must be kept, µs.
    pub stale_us: u64,
    /// A live hop is due this long after its frames came, µs.
    pub live_budget_us: u64,
    /// An upload's hop is due this long after its frames came, µs.
    pub upload_budget_us: u64,
    /// A stream that gets nothing for so long is finished, and said to be idle, µs.
    pub idle_us: u64,
    /// Share of the time between hops that may be taken by steps and all that is done with frames
    /// before and after them; past it, live streams are refused.
    pub load: f64,
    /// Share of the time that reading frames takes which is lost for steps: all of it where every
    /// core has an engine, less where other cores read.
    pub reading: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            slots: 512,
            batch: 64,
            room_share: 16,
            live_frames: 2_048,
            upload_frames: clips::pose::MAX_FRAMES,
            stale_us: 3_000_000,
            live_budget_us: 200_000,
            upload_budget_us: 2_000_000,
            idle_us: 15_000_000,
            load: 0.7,
            reading: 1.0,
        }
    }
}

/// How a stream's frames come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// As they are captured: the newest matter most.
    Live,
    /// All at once: nothing is dropped, and others go first.
    Upload,
}

/// A stream of an engine. One that is closed is never taken for its successor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamRef {
    pub(super) slot: u32,
    pub(super) generation: u32,
}

/// A frame on its way to the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrival {
    /// Number of the frame in its stream.
    pub seq: u64,
    /// What was seen.
    pub sight: Sight,
    /// When it came, µs on the engine's clock.
    pub arrived_us: u64,
    /// Whether it must not be dropped for being late: it was sent, or played, again.
    pub keep: bool,
}

/// What an engine has to say.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// A caption, open or final.
    Caption {
        /// Whose.
        stream: StreamRef,
        /// Number of the first frame of its utterance.
        utterance_seq: u64,
        /// What was said.
        caption: Caption,
        /// From the arrival of its last frame to now, µs.
        latency_us: u64,
    },
    /// All captions of the frames before this number have been told, and are final.
    Done {
        /// Whose.
        stream: StreamRef,
        /// Number of the frame after the last that is done with.
        next_seq: u64,
    },
    /// The stream's flush mark was reached; all before it was told, and is final.
    Flushed {
        /// Whose.
        stream: StreamRef,
        /// Number of the frame after the mark, as the caller gave it.
        next_seq: u64,
    },
    /// Nothing came for the stream; all that came was told, and is final. It is time to close it.
    Idle {
        /// Whose.
        stream: StreamRef,
    },
}

impl Output {
    /// The stream it is about.
    pub fn stream(&self) -> StreamRef {
        match self {
            Self::Caption { stream, .. }
            | Self::Done { stream, .. }
            | Self::Flushed { stream, .. }
            | Self::Idle { stream } => *stream,
        }
    }
}

/// Why an engine refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Overload {
    /// All slots are taken.
    #[error("{slots} streams are being recognized, and no more fit; try again later")]
    Slots {
        /// How many slots there are.
        slots: usize,
    },
    /// One more stream would make all late.
    #[error("a step with one more stream would take {step_us} µs of the {hop_us} µs between hops")]
    Time {
        /// Predicted time of a step, µs.
        step_us: u64,
        /// Time between a stream's hops, µs.
        hop_us: u64,
    },
    /// An upload's frames don't fit.
    #[error("{waiting} frames of this upload wait already, {limit} may")]
    Frames {
        /// How many wait.
        waiting: usize,
        /// How many may.
        limit: usize,
    },
    /// The stream was closed.
    #[error("the stream is closed")]
    Closed,
}

/// The way of one stream's hop through a step: all times µs on the engine's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameAge {
    /// When the hop's oldest frame came: until the newest, the hop was being filled.
    pub oldest_us: u64,
    /// When its newest frame came: until the step began, it waited.
    pub newest_us: u64,
    /// When the step began.
    pub begun_us: u64,
    /// When the model was done.
    pub computed_us: u64,
    /// When everything that the hop says was told.
    pub told_us: u64,
}

/// What an engine counted since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Stats {
    /// Slots taken now.
    pub streams: usize,
    /// Frames waiting now.
    pub waiting: usize,
    /// Streams opened.
    pub opened: u64,
    /// Streams refused.
    pub refused: u64,
    /// Frames taken.
    pub frames_in: u64,
    /// Frames dropped because their stream's ring was full.
    pub dropped_full: u64,
    /// Frames dropped because they had waited too long.
    pub dropped_stale: u64,
    /// Steps made.
    pub steps: u64,
    /// Streams served, over all steps.
    pub rows: u64,
    /// Frames the model saw, over all steps.
    pub frames_out: u64,
    /// Time the model took, over all steps, µs.
    pub step_us: u64,
    /// Finals told.
    pub finals: u64,
    /// The largest age of a frame when its step was done, µs, since the last look.
    pub worst_age_us: u64,
}

impl Stats {
    /// Adds what an engine that has ended had counted; it has no streams and nothing waiting.
    pub(crate) fn add(&mut self, ended: &Self) {
        self.opened += ended.opened;
        self.refused += ended.refused;
        self.frames_in += ended.frames_in;
        self.dropped_full += ended.dropped_full;
        self.dropped_stale += ended.dropped_stale;
        self.steps += ended.steps;
        self.rows += ended.rows;
        self.frames_out += ended.frames_out;
        self.step_us += ended.step_us;
        self.finals += ended.finals;
    }
}
