//! Commands between processes: a request to whichever decider is up, answered when it is decided.

use std::sync::Arc;
use std::time::Duration;

use async_nats::client::{Request, RequestErrorKind};
use async_nats::{Client, Message, Subject, Subscriber};
use bytes::Bytes;
use events::command::SystemRole;
use events::room::RoomCommand;
use events::{Actor, BlockNumber, Command, Envelope};
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use super::peers::{Peers, confer};
use super::{CommandQueue, CommandSender, Commands, Outcome, SubmitError, Submitted};
use super::{WAITING_COMMANDS_MAX, local_parts};
use crate::log::LogError;
use crate::nats::Nats;

/// How long a caller waits for the answer.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the decider that wrote last has to answer a command that was handed over to it, before
/// the other decides it too: under one id, so that it is decided once.
const HANDED_OVER_FOR: Duration = Duration::from_secs(2);
/// Why something else than a caption is refused where workers ask.
const CAPTIONS_ALONE: &str = "a recognition worker may hand in captions and nothing else";
/// Of several deciders, one gets each command.
const QUEUE_GROUP: &str = "deciders";

struct NatsCommands {
    client: Client,
    subject: String,
    in_flight: Semaphore,
}

/// The way to a decider in another process.
pub fn over_nats(nats: &Nats) -> Commands {
    to_subject(nats, nats.subjects.commands())
}

/// The same for a recognition worker: a way that takes nothing but its captions, for a login that
/// may use no other.
pub fn results_over_nats(nats: &Nats) -> Commands {
    to_subject(nats, nats.subjects.results())
}

fn to_subject(nats: &Nats, subject: String) -> Commands {
    let in_flight = Semaphore::new(WAITING_COMMANDS_MAX);
    Commands::new(NatsCommands { client: nats.client.clone(), subject, in_flight })
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
        decoded(&answer.payload)
    }
}

impl CommandSender for NatsCommands {
    fn submit(&self, envelope: Envelope) -> BoxFuture<'_, Result<Outcome, SubmitError>> {
        Box::pin(self.ask(envelope))
    }
}

/// Begins to take commands for the decider of this process: those that come over NATS and those
/// of its own process, which take the short way. While another decider writes, they are handed
/// over to it. Ends when the queue is dropped.
pub async fn serve_nats(nats: &Nats) -> Result<(Commands, CommandQueue), LogError> {
    let (sender, mut queue) = local_parts();
    let wrote = watch::Sender::new(BlockNumber::new(0));
    queue.wrote = Some(wrote.clone());
    let peers = Arc::new(Peers::new(wrote));
    let handed = nats.subscribe(nats.subjects.commands_at(peers.me())).await?;
    let gone = sender.clone();
    let conferring =
        confer(nats.clone(), Arc::clone(&peers), async move { gone.closed().await }).await?;
    tokio::spawn(conferring);
    let requests = nats.share(nats.subjects.commands(), QUEUE_GROUP).await?;
    let results = nats.share(nats.subjects.results(), QUEUE_GROUP).await?;
    let door = Door { nats: nats.clone(), peers, queue: sender };
    tokio::spawn(door.clone().serve(requests, Asker::Anyone));
    tokio::spawn(door.clone().serve(results, Asker::Worker));
    tokio::spawn(door.clone().serve(handed, Asker::Decider));
    Ok((Commands::new(door), queue))
}

/// Who asks on a subject, by what the servers let whom use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asker {
    /// The processes that face clients, and what else holds the secrets.
    Anyone,
    /// A recognition worker: it may hand in captions and nothing else.
    Worker,
    /// A decider that hands over; that is decided here, whoever writes, and not handed on.
    Decider,
}

/// Where commands come in: to this process's decider, or on to the one that wrote last.
#[derive(Clone)]
struct Door {
    nats: Nats,
    peers: Arc<Peers>,
    queue: mpsc::Sender<Submitted>,
}

type Answer = Result<Outcome, SubmitError>;

impl Door {
    /// Answers requests.
    async fn serve(self, mut requests: Subscriber, asker: Asker) {
        let mut answers = FuturesUnordered::new();
        loop {
            tokio::select! {
                () = self.queue.closed() => break,
                Some(()) = answers.next(), if !answers.is_empty() => {}
                request = requests.next() => {
                    let Some(Message { payload, reply, .. }) = request else { break };
                    let Some(reply) = reply else { continue };
                    let full = answers.len() >= WAITING_COMMANDS_MAX;
                    let refused = asker == Asker::Worker && !is_caption(&payload);
                    let may_hand_over = asker != Asker::Decider && !refused;
                    let to = self.peers.followed().filter(|_| may_hand_over);
                    let decided = match (refused, to.is_some() || full) {
                        (true, _) => Some(Err(SubmitError::Log(CAPTIONS_ALONE.to_owned()))),
                        (false, true) => None,
                        (false, false) => Some(self.take(&payload)),
                    };
                    answers.push(self.answer(payload, reply, decided, to).boxed());
                }
            }
        }
        // Whoever still waits is answered, if only with `Unavailable`.
        while answers.next().await.is_some() {}
    }

    async fn answer(
        &self,
        payload: Bytes,
        reply: Subject,
        decided: Option<Result<Decided, SubmitError>>,
        to: Option<String>,
    ) {
        let handed = match &to {
            Some(decider) => self.hand_over(decider, payload.clone()).await,
            None => None,
        };
        let answer = match (handed, decided) {
            (Some(answer), _) => answer,
            (None, Some(decided)) => encoded(&answer_of(decided).await),
            (None, None) if to.is_some() => encoded(&answer_of(self.take(&payload)).await),
            (None, None) => encoded(&Err(SubmitError::Overloaded)),
        };
        if let Err(error) = self.nats.client.publish(reply, answer).await {
            tracing::debug!(%error, "a command's answer can't be sent");
        }
    }

    /// Lets another decider answer; nothing, if it does not, and is not asked again.
    async fn hand_over(&self, decider: &str, payload: Bytes) -> Option<Bytes> {
        let request = Request::new().payload(payload).timeout(Some(HANDED_OVER_FOR));
        let subject = self.nats.subjects.commands_at(decider);
        match self.nats.client.send_request(subject, request).await {
            Ok(answer) => Some(answer.payload),
            Err(error) => {
                tracing::debug!(%error, %decider, "the decider that wrote last does not answer");
                self.peers.leave(decider);
                None
            }
        }
    }

    /// Puts a command into the queue.
    fn take(&self, payload: &Bytes) -> Result<Decided, SubmitError> {
        let envelope = serde_json::from_slice(payload).map_err(|error| {
            SubmitError::Log(format!("the decider can't read this command ({error}); update it"))
        })?;
        self.put(envelope)
    }

    fn put(&self, envelope: Envelope) -> Result<Decided, SubmitError> {
        let (reply, answer) = oneshot::channel();
        self.queue.try_send(Submitted { envelope, reply }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => SubmitError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => SubmitError::Unavailable,
        })?;
        Ok(answer)
    }

    /// A command of this process, while another one's decider writes.
    async fn submit_to(&self, decider: String, envelope: Envelope) -> Answer {
        let payload = serde_json::to_vec(&envelope).map_err(|e| SubmitError::Log(e.to_string()))?;
        match self.hand_over(&decider, payload.into()).await {
            Some(answer) => decoded(&answer),
            None => answer_of(self.put(envelope)).await,
        }
    }
}

impl CommandSender for Door {
    fn submit(&self, envelope: Envelope) -> BoxFuture<'_, Answer> {
        match self.peers.followed() {
            Some(decider) => Box::pin(self.submit_to(decider, envelope)),
            None => Box::pin(answer_of(self.put(envelope))),
        }
    }
}

type Decided = oneshot::Receiver<Answer>;

async fn answer_of(decided: Result<Decided, SubmitError>) -> Answer {
    decided?.await.unwrap_or(Err(SubmitError::Unavailable))
}

fn encoded(answer: &Answer) -> Bytes {
    serde_json::to_vec(answer).unwrap_or_default().into()
}

fn decoded(payload: &Bytes) -> Answer {
    serde_json::from_slice(payload).unwrap_or_else(|error| {
        Err(SubmitError::Log(format!("the decider's answer can't be read: {error}")))
    })
}

/// What a worker has to say: what it read, in its own name.
fn is_caption(payload: &Bytes) -> bool {
    serde_json::from_slice::<Envelope>(payload).is_ok_and(|envelope| {
        envelope.actor == Actor::System(SystemRole::Recognizer)
            && matches!(envelope.command, Command::Room(RoomCommand::RecordTranscript(_)))
    })
}
