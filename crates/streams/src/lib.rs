//! What flows between processes, each local or on NATS: the durable [`log`], short-lived
//! [`frames`], [`commands`] to the decider, ephemeral [`live`] messages. The only crate that
//! names async-nats.

pub mod commands;
pub mod config;
pub mod frames;
pub mod live;
pub mod log;
pub mod nats;
#[cfg(feature = "testing")]
pub mod testing;

pub use commands::{Accepted, CommandQueue, Commands, Outcome, SubmitError, Submitted};
pub use config::{Connected, Transport, connect};
pub use frames::{FrameBatch, Frames, FramesError, StreamId, StreamKey};
pub use live::{Live, LiveMessage};
pub use log::{AppendError, Log, LogError};
