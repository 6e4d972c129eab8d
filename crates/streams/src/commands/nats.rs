//! Commands between processes: a request to whichever decider is up, answered when it is decided.

use std::time::Duration;

use async_nats::client::{Request, RequestErrorKind};
use async_nats::{Client, Message, Subscriber};
use bytes::Bytes;
use events::Envelope;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::{CommandQueue, CommandSender, Commands, Outcome, SubmitError, Submitted};
use super::{WAITING_COMMANDS_MAX, local_parts};
use crate::log::LogError;
use crate::nats::Nats;

/// How long a caller waits for the answer.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Of several deciders, one gets each command.
const QUEUE_GROUP: &str = "deciders";

struct NatsCommands {
    client: Client,
    subject: String,
    in_flight: Semaphore,
}

/// The way to a decider in another process.
pub fn over_nats(nats: &Nats) -> Commands {
    Commands::new(NatsCommands {
        client: nats.client.clone(),
        subject: nats.subjects.commands(),
        in_flight: Semaphore::new(WAITING_COMMANDS_MAX),
    })
}

impl NatsCommands {
    async fn ask(&self, envelope: Envelope) -> Result<Outcome, SubmitError> {
        let _permit = self.in_flight.try_acquire().map_err(|_| SubmitError::Overloaded)?;
        let payload = serde_json::to_vec(&envelope).map_err(|e| SubmitError::Log(e.to_string()))?;
        let bytes = payload.len();
        let request = Request::new().payload(payload.into()).timeout(Some(ANSWER_TIMEOUT));
        let answer = self.client.send_request(self.subject.clone(), request).await;
        let answer = answer.map_err(|error| match error.kind() {
            RequestErrorKind::MaxPayloadExceeded => {
                SubmitError::TooLarge { bytes, max: self.client.max_payload() }
            }
            RequestErrorKind::TimedOut
            | RequestErrorKind::NoResponders
            | RequestErrorKind::InvalidSubject
            | RequestErrorKind::Other => SubmitError::Unavailable,
        })?;
        serde_json::from_slice(&answer.payload).unwrap_or_else(|error| {
            Err(SubmitError::Log(format!("the decider's answer can't be read: {error}")))
        })
    }
}

impl CommandSender for NatsCommands {
    fn submit(&self, envelope: Envelope) -> BoxFuture<'_, Result<Outcome, SubmitError>> {
        Box::pin(self.ask(envelope))
    }
}

/// Begins to take commands for the decider of this process: those that come over NATS and those
/// of its own process, which take the short way. Ends when the queue is dropped.
pub async fn serve_nats(nats: &Nats) -> Result<(Commands, CommandQueue), LogError> {
    let requests = nats.share(nats.subjects.commands(), QUEUE_GROUP).await?;
    let (sender, queue) = local_parts();
    tokio::spawn(serve(nats.client.clone(), requests, sender.clone()));
    Ok((Commands::from_sender(sender), queue))
}

async fn serve(client: Client, mut requests: Subscriber, queue: mpsc::Sender<Submitted>) {
    let mut answers = FuturesUnordered::new();
    loop {
        tokio::select! {
            () = queue.closed() => break,
            Some(()) = answers.next(), if !answers.is_empty() => {}
            request = requests.next() => {
                let Some(Message { payload, reply, .. }) = request else { break };
                let Some(reply) = reply else { continue };
                let full = answers.len() >= WAITING_COMMANDS_MAX;
                let waiting = if full { Err(SubmitError::Overloaded) } else { take(&queue, &payload) };
                let client = client.clone();
                let answer = async move {
                    let answer = match waiting {
                        Ok(decided) => decided.await.unwrap_or(Err(SubmitError::Unavailable)),
                        Err(error) => Err(error),
                    };
                    let payload = serde_json::to_vec(&answer).unwrap_or_default();
                    if let Err(error) = client.publish(reply, payload.into()).await {
                        tracing::debug!(%error, "a command's answer can't be sent");
                    }
                };
                answers.push(answer.boxed());
            }
        }
    }
    // Whoever still waits is answered, if only with `Unavailable`.
    while answers.next().await.is_some() {}
}

type Answer = oneshot::Receiver<Result<Outcome, SubmitError>>;

/// Puts a command into the queue.
fn take(queue: &mpsc::Sender<Submitted>, payload: &Bytes) -> Result<Answer, SubmitError> {
    let envelope = serde_json::from_slice(payload).map_err(|error| {
        SubmitError::Log(format!("the decider can't read this command ({error}); update it"))
    })?;
    let (reply, answer) = oneshot::channel();
    queue.try_send(Submitted { envelope, reply }).map_err(|error| match error {
        mpsc::error::TrySendError::Full(_) => SubmitError::Overloaded,
        mpsc::error::TrySendError::Closed(_) => SubmitError::Unavailable,
    })?;
    Ok(answer)
}
