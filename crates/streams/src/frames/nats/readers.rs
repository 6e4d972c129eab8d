//! Readers of frames for workers that may not make them: the right to make a consumer is the right
//! to have the server send any message to any subject, the log's own among them. So a worker's login
//! has only the right to take from a consumer, and asks those who may make one.

use async_nats::client::RequestErrorKind;
use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy, pull};
use async_nats::jetstream::stream::Stream;
use async_nats::{Client, Subscriber};
use events::subject::FramesKind;
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};

use super::wire::Streams;
use super::worker::CONSUMER_IDLE_MAX;
use crate::nats::Nats;

/// Of several processes that may make readers, one gets each wish.
pub(super) const QUEUE_GROUP: &str = "readers";

/// What a worker wants to read.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Uploads, not live frames.
    uploads: bool,
    /// The last message that it has, 0 for none.
    after: u64,
}

/// Makes a reader of what comes after a message. The server keeps no state in it that matters.
pub(super) async fn make(
    stream: &Stream<()>,
    after: u64,
) -> Result<Consumer<pull::Config>, async_nats::Error> {
    let deliver_policy = match after {
        0 => DeliverPolicy::All,
        last => DeliverPolicy::ByStartSequence { start_sequence: last + 1 },
    };
    let consumer = stream.create_consumer(pull::Config {
        deliver_policy,
        ack_policy: AckPolicy::None,
        inactive_threshold: CONSUMER_IDLE_MAX,
        memory_storage: true,
        num_replicas: 1,
        ..Default::default()
    });
    Ok(consumer.await?)
}

/// Asks for a reader of what comes after a message; makes it where nobody is up who could be asked.
pub(super) async fn ask(
    nats: &Nats,
    streams: &Streams,
    kind: FramesKind,
    after: u64,
) -> Result<Consumer<pull::Config>, async_nats::Error> {
    let wanted = Wanted { uploads: kind == FramesKind::Upload, after };
    let wish = serde_json::to_vec(&wanted)?;
    let answer = match nats.client.request(nats.subjects.frames_wanted(), wish.into()).await {
        Ok(answer) => answer,
        Err(error) if error.kind() == RequestErrorKind::NoResponders => {
            return make(streams.of(kind), after).await;
        }
        Err(error) => return Err(error.into()),
    };
    let name: Result<String, String> = serde_json::from_slice(&answer.payload)?;
    streams.of(kind).get_consumer(&name?).await
}

/// Makes the readers that workers ask for, one after the other.
pub(super) async fn serve(client: Client, mut wishes: Subscriber, streams: Streams) {
    while let Some(wish) = wishes.next().await {
        let Some(reply) = wish.reply else { continue };
        let made = match serde_json::from_slice(&wish.payload) {
            Ok(Wanted { uploads, after }) => {
                let kind = if uploads { FramesKind::Upload } else { FramesKind::Live };
                make(streams.of(kind), after).await
            }
            Err(error) => Err(error.into()),
        };
        let answer: Result<String, String> = match made {
            Ok(consumer) => Ok(consumer.cached_info().name.clone()),
            Err(error) => Err(error.to_string()),
        };
        let payload = serde_json::to_vec(&answer).unwrap_or_default();
        if let Err(error) = client.publish(reply, payload.into()).await {
            tracing::debug!(%error, "a worker's wish can't be answered");
        }
    }
}
