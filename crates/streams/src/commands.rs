//! Commands on their way to whichever decider is up, and the answers back.

mod nats;
mod peers;

use events::command::Created;
use events::{BlockNumber, Envelope, Position, Rejection, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

pub use nats::{ANSWER_TIMEOUT, over_nats, results_over_nats, serve_nats};

/// A command was accepted and is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The commit that holds it; when nothing had to change, the log's end that this rests on.
    pub position: Position,
    /// When it was decided (the first time, for a repeat).
    pub time: Timestamp,
    /// The id that the caller wants to hear.
    pub created: Option<Created>,
    /// It had been decided before under this command id.
    pub repeated: bool,
}

/// What the decider answers.
pub type Outcome = Result<Accepted, Rejection>;

/// Why no answer came. The command may or may not have been decided: send it again under the same
/// id to find out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum SubmitError {
    /// The decider's queue is full.
    #[error("too many commands are waiting; try again in a moment")]
    Overloaded,
    /// No decider answered in time.
    #[error("no decider answered in time; try again with the same idempotency key")]
    Unavailable,
    /// The log takes nothing more.
    #[error("the log's disk is full; nothing was written")]
    Full,
    /// The commit would be larger than a commit may be.
    #[error("the command's commit has {bytes} bytes; at most {max} are allowed")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// The log can't be written; the text says why.
    #[error("the log can't be written: {0}")]
    Log(String),
}

/// One command in the decider's hands, with the way to answer it.
#[derive(Debug)]
pub struct Submitted {
    /// What is asked.
    pub envelope: Envelope,
    /// The answer goes here; a caller who has gone is no error.
    pub reply: oneshot::Sender<Result<Outcome, SubmitError>>,
}

/// The way for commands, from any process. Cheap to clone.
#[derive(Clone)]
pub struct Commands(std::sync::Arc<dyn CommandSender>);

/// What carries commands: a channel in this process, or NATS requests.
pub trait CommandSender: Send + Sync + 'static {
    /// Sends one command and waits for its answer.
    fn submit(
        &self,
        envelope: Envelope,
    ) -> futures::future::BoxFuture<'_, Result<Outcome, SubmitError>>;
}

/// The decider's end: commands in the order they came, from every carrier.
pub struct CommandQueue {
    receiver: tokio::sync::mpsc::Receiver<Submitted>,
    /// The last block that this decider wrote, for the other deciders, if there can be any.
    wrote: Option<tokio::sync::watch::Sender<BlockNumber>>,
}

/// Commands that may wait for the decider; one more is [`SubmitError::Overloaded`].
pub const WAITING_COMMANDS_MAX: usize = 16_384;

struct Local(tokio::sync::mpsc::Sender<Submitted>);

impl CommandSender for Local {
    fn submit(
        &self,
        envelope: Envelope,
    ) -> futures::future::BoxFuture<'_, Result<Outcome, SubmitError>> {
        use tokio::sync::mpsc::error::TrySendError;
        let (reply, answer) = oneshot::channel();
        let sent = self.0.try_send(Submitted { envelope, reply });
        Box::pin(async move {
            match sent {
                Ok(()) => answer.await.map_err(|_| SubmitError::Unavailable)?,
                Err(TrySendError::Full(_)) => Err(SubmitError::Overloaded),
                Err(TrySendError::Closed(_)) => Err(SubmitError::Unavailable),
            }
        })
    }
}

/// Commands within one process.
pub fn local() -> (Commands, CommandQueue) {
    let (sender, queue) = local_parts();
    (Commands::from_sender(sender), queue)
}

fn local_parts() -> (tokio::sync::mpsc::Sender<Submitted>, CommandQueue) {
    let (sender, receiver) = tokio::sync::mpsc::channel(WAITING_COMMANDS_MAX);
    (sender, CommandQueue { receiver, wrote: None })
}

impl Commands {
    /// Wraps a carrier.
    pub fn new(sender: impl CommandSender) -> Self {
        Self(std::sync::Arc::new(sender))
    }

    fn from_sender(sender: tokio::sync::mpsc::Sender<Submitted>) -> Self {
        Self::new(Local(sender))
    }

    /// Sends one command and waits for its answer. Sent again under the same id it is decided once.
    pub async fn submit(&self, envelope: Envelope) -> Result<Outcome, SubmitError> {
        self.0.submit(envelope).await
    }
}

impl CommandQueue {
    /// This decider wrote a block. The others hear of it, and leave their commands to it.
    pub fn wrote(&self, block: BlockNumber) {
        if let Some(wrote) = &self.wrote {
            wrote.send_replace(block);
        }
    }

    /// Waits for commands and takes up to `limit` that are there; 0 when no sender is left.
    pub async fn recv_many(&mut self, into: &mut Vec<Submitted>, limit: usize) -> usize {
        self.receiver.recv_many(into, limit).await
    }
}
