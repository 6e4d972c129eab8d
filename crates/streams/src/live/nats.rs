//! Ephemeral messages between processes, over core NATS.

use std::sync::Arc;

use async_nats::Subscriber;
use events::RoomId;
use events::subject::Subjects;
use futures::StreamExt as _;
use futures::future::join;
use tokio::sync::{broadcast, mpsc};
use tokio_util::task::AbortOnDropHandle;

use super::{LIVE_WAITING_MAX, Live, LiveBus, LiveMessage};
use crate::log::LogError;
use crate::nats::Nats;

struct NatsLive {
    outgoing: mpsc::Sender<LiveMessage>,
    incoming: broadcast::Sender<Arc<LiveMessage>>,
    _carrier: AbortOnDropHandle<()>,
}

/// A bus that reaches every process with the same prefix on the same NATS.
pub async fn over_nats(nats: &Nats) -> Result<Live, LogError> {
    let arriving = nats.subscribe(nats.subjects.live_all()).await?;
    let incoming = broadcast::Sender::new(LIVE_WAITING_MAX);
    let (outgoing, leaving) = mpsc::channel(LIVE_WAITING_MAX);
    let room = |subjects: &Subjects, room| subjects.live(room);
    let carrier = join(
        send(nats.client.clone(), nats.subjects.clone(), room, leaving),
        receive(arriving, nats.subjects.clone(), incoming.clone()),
    );
    let carrier = tokio::spawn(async move {
        carrier.await;
    });
    Ok(Live::new(NatsLive { outgoing, incoming, _carrier: AbortOnDropHandle::new(carrier) }))
}

/// The same for a recognition worker: it tells of captions, for a login that may tell of nothing
/// else, and hears nothing.
pub fn captions_over_nats(nats: &Nats) -> Live {
    let incoming = broadcast::Sender::new(1);
    let (outgoing, leaving) = mpsc::channel(LIVE_WAITING_MAX);
    let room = |subjects: &Subjects, room| subjects.live_captions(room);
    let carrier = tokio::spawn(send(nats.client.clone(), nats.subjects.clone(), room, leaving));
    Live::new(NatsLive { outgoing, incoming, _carrier: AbortOnDropHandle::new(carrier) })
}

async fn send(
    client: async_nats::Client,
    subjects: Subjects,
    of_room: impl Fn(&Subjects, RoomId) -> String,
    mut leaving: mpsc::Receiver<LiveMessage>,
) {
    while let Some(message) = leaving.recv().await {
        let payload = serde_json::to_vec(&message).unwrap_or_default();
        if let Err(error) = client.publish(of_room(&subjects, message.room()), payload.into()).await
        {
            tracing::debug!(%error, "a live message is lost");
        }
    }
}

async fn receive(
    mut arriving: Subscriber,
    subjects: Subjects,
    incoming: broadcast::Sender<Arc<LiveMessage>>,
) {
    while let Some(message) = arriving.next().await {
        let captions_only = subjects.is_live_captions(&message.subject);
        match serde_json::from_slice::<LiveMessage>(&message.payload) {
            Ok(message) if captions_only && !message.is_of_captions() => {
                tracing::warn!("a recognition worker said what is not its to say; it is ignored");
            }
            // An error means that nobody listens.
            Ok(message) => drop(incoming.send(Arc::new(message))),
            Err(error) => tracing::debug!(%error, "a live message of another version"),
        }
    }
}

impl LiveBus for NatsLive {
    fn publish(&self, message: LiveMessage) {
        if self.outgoing.try_send(message).is_err() {
            tracing::debug!("a live message is lost: too many are waiting");
        }
    }

    fn subscribe(&self) -> broadcast::Receiver<Arc<LiveMessage>> {
        self.incoming.subscribe()
    }
}
