//! Ephemeral messages between processes: partial captions, typing, signalling, and the hint that
//! a room's feed has grown. Never stored; losing one loses nothing that lasts.

mod local;
mod nats;

use events::{Position, RoomId, Timestamp, TokenDigest, UserId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::frames::StreamId;

pub use local::local;
pub use nats::{captions_over_nats, over_nats};

/// Messages that wait for a subscriber; one that falls further behind loses the oldest.
pub const LIVE_WAITING_MAX: usize = 4_096;

/// One ephemeral message about a room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LiveMessage {
    /// The projector committed new entries of the room's feed, up to this sequence.
    Feed {
        /// The room.
        room: RoomId,
        /// The newest sequence in `room_feed`.
        seq: u64,
        /// The position projected.
        position: Position,
    },
    /// A caption that may still change. Relayed only while its signer is in the room and consents.
    Partial {
        /// The room.
        room: RoomId,
        /// Who signs.
        user: UserId,
        /// The partial segment as JSON fields of `recognition.md` (segment_id, text, tokens, …).
        segment: serde_json::Value,
    },
    /// Somebody began or ceased to sign.
    Signing {
        /// The room.
        room: RoomId,
        /// Who.
        user: UserId,
        /// Signing now, or not any more.
        active: bool,
    },
    /// The finals of all frames up to here are in the log.
    FramesDone {
        /// The room.
        room: RoomId,
        /// Whose frames.
        user: UserId,
        /// Which stream of theirs.
        stream: StreamId,
        /// The first frame that is not done: those below it need not be kept.
        done_seq: u64,
    },
    /// Frames were dropped, or the recognizer can't keep up.
    Degraded {
        /// The room.
        room: RoomId,
        /// Whose frames.
        user: UserId,
        /// What happened, for a person.
        reason: String,
    },
    /// Somebody types.
    Typing {
        /// The room.
        room: RoomId,
        /// Who.
        user: UserId,
    },
    /// Who listens to a room at one API process.
    Present {
        /// The room.
        room: RoomId,
        /// Names the process while it runs.
        process: Uuid,
        /// Each once.
        users: Vec<UserId>,
    },
    /// A ticket was used at some API process and is good at no other.
    TicketUsed {
        /// Of the ticket.
        digest: TokenDigest,
        /// Until then it would have been good.
        expires_at: Timestamp,
    },
    /// WebRTC signalling from one participant to another.
    Signal {
        /// The room.
        room: RoomId,
        /// From whom.
        from: UserId,
        /// To whom.
        to: UserId,
        /// Offer, answer or candidate, relayed untouched.
        payload: serde_json::Value,
    },
}

impl LiveMessage {
    /// Whether it is something that a recognition worker says.
    pub fn is_of_captions(&self) -> bool {
        match self {
            Self::Partial { .. }
            | Self::Signing { .. }
            | Self::FramesDone { .. }
            | Self::Degraded { .. } => true,
            Self::Feed { .. }
            | Self::Typing { .. }
            | Self::Present { .. }
            | Self::TicketUsed { .. }
            | Self::Signal { .. } => false,
        }
    }

    /// The room it is about; 0, which no room has, when it is about none.
    pub fn room(&self) -> RoomId {
        match self {
            Self::TicketUsed { .. } => RoomId::new(0),
            Self::Feed { room, .. }
            | Self::Partial { room, .. }
            | Self::Signing { room, .. }
            | Self::FramesDone { room, .. }
            | Self::Degraded { room, .. }
            | Self::Typing { room, .. }
            | Self::Present { room, .. }
            | Self::Signal { room, .. } => *room,
        }
    }
}

/// The way for ephemeral messages, to every process. Cheap to clone.
#[derive(Clone)]
pub struct Live(std::sync::Arc<dyn LiveBus>);

/// What carries ephemeral messages: a broadcast in this process, or core NATS.
pub trait LiveBus: Send + Sync + 'static {
    /// Sends a message to every subscriber, this process's own included. Never waits, may lose.
    fn publish(&self, message: LiveMessage);

    /// All messages from now on; a receiver that lags is told how many it lost.
    fn subscribe(&self) -> tokio::sync::broadcast::Receiver<std::sync::Arc<LiveMessage>>;
}

impl Live {
    /// Wraps a bus.
    pub fn new(bus: impl LiveBus) -> Self {
        Self(std::sync::Arc::new(bus))
    }

    /// See [`LiveBus::publish`].
    pub fn publish(&self, message: LiveMessage) {
        self.0.publish(message);
    }

    /// See [`LiveBus::subscribe`].
    pub fn subscribe(&self) -> tokio::sync::broadcast::Receiver<std::sync::Arc<LiveMessage>> {
        self.0.subscribe()
    }
}
