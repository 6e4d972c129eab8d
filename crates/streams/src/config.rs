//! One choice for everything that flows: all within this process, or all over NATS.

use std::path::PathBuf;

use crate::commands::{self, CommandQueue, Commands};
use crate::frames::{self, Frames, Partition};
use crate::live::{self, Live};
use crate::log::{self, Log, LogError};
use crate::nats::{self, NatsConfig};

/// What carries everything that flows.
#[derive(Debug, Clone)]
pub enum Transport {
    /// The log in this SQLite file, all else in this process's memory: every role in one process.
    Local(PathBuf),
    /// Everything on NATS: roles in any number of processes.
    Nats(NatsConfig),
}

/// All the ways, as one process uses them.
pub struct Connected {
    /// The truth.
    pub log: Log,
    /// The way to the decider.
    pub commands: Commands,
    /// The decider's end, for a process that decides.
    pub queue: Option<CommandQueue>,
    /// The way to the recognizer, and its end.
    pub frames: Frames,
    /// The way for ephemeral messages.
    pub live: Live,
}

/// Opens all the ways. A process that `decides` takes commands from everybody; `partition` says
/// for which rooms this process's recognizer works, if it has one. Fails within seconds when the
/// file or the server can't be used, and says why.
pub async fn connect(
    transport: &Transport,
    decides: bool,
    partition: Partition,
) -> Result<Connected, LogError> {
    match transport {
        Transport::Local(path) => {
            let log = log::embedded::open(path).await?;
            let (commands, queue) = commands::local();
            let (frames, live) = (frames::local(), live::local());
            Ok(Connected { log, commands, queue: decides.then_some(queue), frames, live })
        }
        Transport::Nats(config) => {
            let nats = nats::connect(config).await?;
            let log = log::nats::open(&nats).await?;
            let frames = frames::over_nats(&nats, partition).await?;
            let live = live::over_nats(&nats).await?;
            let (commands, queue) = if decides {
                let (commands, queue) = commands::serve_nats(&nats).await?;
                (commands, Some(queue))
            } else {
                (commands::over_nats(&nats), None)
            };
            Ok(Connected { log, commands, queue, frames, live })
        }
    }
}
