//! The vocabulary and the rules of Signcall, pure: no clock, no random numbers, no I/O, no async.
//!
//! Reading order: [`id`] and [`time`] name things; [`user`], [`room`] and [`webhook`] hold, per aggregate, the
//! commands with their `decide`, the events, and the state with its `evolve`; [`command`],
//! [`event`] and [`state`] join the two; [`sealed`] marks what is personal; [`stored`] is history
//! as it was written; [`block`] chains it; [`subject`] alone forms and parses subject text.

pub mod block;
#[cfg(test)]
mod catalog;
pub mod command;
pub mod event;
pub mod id;
pub mod room;
pub mod scenario;
pub mod sealed;
pub mod state;
pub mod stored;
pub mod subject;
pub mod text;
pub mod time;
pub mod user;
pub mod webhook;

pub use block::{Block, BlockError, BlockHeader, Commit, Head};
pub use command::{Actor, Command, Envelope, Rejection, RejectionKind, Stamp, SystemRole};
pub use event::Event;
pub use id::{
    BlockHash, BlockNumber, CommandId, EventId, LogId, MessageId, NameDigest, ParticipantId,
    Position, RoomCode, RoomId, SegmentId, TokenDigest, TokenId, TranscriptId, UserId, WebhookId,
};
pub use sealed::{Clear, KeyScope, Personal, PersonalField, TextKind};
pub use state::State;
pub use subject::Subject;
pub use time::Timestamp;
