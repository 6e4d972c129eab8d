//! What happens in a room, as it happens: one ordered sequence for WebSockets and event streams,
//! with ephemeral messages between.
//!
//! [`hub`] knows who listens where and closes those who may no longer; `room` reads one room's feed
//! for all who listen to it in this process; `elsewhere` knows who listens at others; [`seat`] is one listener's place in the sequence,
//! without gap or repeat; [`ws`] and [`sse`] carry it out; `message` says what it looks like.

pub(crate) mod elsewhere;
pub(crate) mod hub;
mod inbound;
mod message;
mod room;
mod seat;
pub(crate) mod sse;
pub(crate) mod ws;

use serde::Deserialize;

/// Where a listener goes on.
#[derive(Debug, Deserialize)]
pub(crate) struct LiveParams {
    /// The last sequence that was seen.
    after: Option<u64>,
    /// The name of the stream for frames, unless a message says another.
    stream: Option<String>,
}

/// Why a listener is sent away; each has its close code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Close {
    LoggedOut,
    Expired,
    Blocked,
    Removed,
    SentBack,
    RoomClosed,
    TooSlow,
    LogUnreachable,
    Broken,
    Stopping,
    TooLarge,
    Protocol,
    NotUtf8,
    Unsupported,
}

impl Close {
    /// The WebSocket close code.
    pub(crate) fn code(self) -> u16 {
        match self {
            Self::LoggedOut | Self::Expired => 4401,
            Self::Blocked | Self::Removed | Self::SentBack => 4403,
            Self::RoomClosed => 4404,
            Self::TooSlow => 4429,
            Self::LogUnreachable => 4503,
            Self::Broken => 1011,
            Self::Stopping => 1012,
            Self::TooLarge => 1009,
            Self::Protocol => 1002,
            Self::NotUtf8 => 1007,
            Self::Unsupported => 1003,
        }
    }

    /// Stable, for programs.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::LoggedOut => "logged_out",
            Self::Expired => "token_expired",
            Self::Blocked => "blocked",
            Self::Removed => "removed",
            Self::SentBack => "not_admitted",
            Self::RoomClosed => "room_closed",
            Self::TooSlow => "too_slow",
            Self::LogUnreachable => "log_unreachable",
            Self::Broken => "internal",
            Self::Stopping => "stopping",
            Self::TooLarge => "too_large",
            Self::Protocol => "protocol_error",
            Self::NotUtf8 => "not_utf8",
            Self::Unsupported => "not_json",
        }
    }

    /// Whether coming back can help. Clients are told.
    pub(crate) fn may_reconnect(self) -> bool {
        match self {
            Self::LoggedOut
            | Self::Expired
            | Self::Blocked
            | Self::Removed
            | Self::SentBack
            | Self::RoomClosed => false,
            Self::TooSlow
            | Self::LogUnreachable
            | Self::Broken
            | Self::Stopping
            | Self::TooLarge
            | Self::Protocol
            | Self::NotUtf8
            | Self::Unsupported => true,
        }
    }
}
