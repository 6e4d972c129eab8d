//! Finding the log's stream, or making it, while others do the same and while servers that have
//! just started still elect those who lead.

use std::time::Duration;

use async_nats::jetstream::stream::Info;
use events::{BlockNumber, LogId};
use tokio::sync::{Mutex, watch};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::super::{Log, LogError, capability, check};
use super::{NatsLog, listen};
use crate::nats::Nats;

/// Replicas before 2.11 let creations at once all succeed and keep the last one, with its id: an
/// empty log is looked at again so much later, when none is on its way any more.
const CREATION_SETTLES: Duration = Duration::from_millis(500);

/// Opens the log; makes an empty one, with a new id, if the stream is not there.
pub async fn open(nats: &Nats) -> Result<Log, LogError> {
    let id = LogId::from_uuid(Uuid::new_v4());
    nats.elected(|| open_as(nats, id)).await
}

/// As [`open`], but makes none: [`LogError::Missing`] where the stream is not there.
pub async fn open_existing(nats: &Nats) -> Result<Log, LogError> {
    let there = nats.elected(|| nats.has_stream(nats.subjects.log_stream())).await?;
    if there { open(nats).await } else { Err(LogError::Missing { place: nats.place.clone() }) }
}

/// As [`open`], for a log whose id is known, such as the copy of another: fails with
/// [`LogError::Replaced`] if the stream holds another log.
pub async fn create(nats: &Nats, id: LogId) -> Result<Log, LogError> {
    let log = nats.elected(|| open_as(nats, id)).await?;
    if log.id() == id {
        return Ok(log);
    }
    Err(LogError::Replaced { place: nats.place.clone(), found: log.id(), expected: id })
}

async fn open_as(nats: &Nats, id_if_new: LogId) -> Result<Log, LogError> {
    let place = &nats.place;
    let unsuitable = |reason| LogError::Unsuitable { place: place.clone(), reason };
    capability::check_server(nats).map_err(unsuitable)?;
    let account = nats.jetstream.query_account().await.map_err(|error| nats.unreachable(error))?;
    capability::check_account(&account.limits).map_err(unsuitable)?;
    if let Some(bytes @ 1..) = account.limits.max_storage {
        tracing::warn!(%place, bytes, "its account's storage has a limit: then the log takes no more");
    }
    let wanted = capability::stream_config(nats, id_if_new);
    let mut stream = nats.jetstream.get_or_create_stream(wanted.clone()).await;
    if stream.is_err() {
        // Another process may have made it in between, with an id of its own, which counts.
        stream = nats.jetstream.get_or_create_stream(wanted.clone()).await;
    }
    let mut stream = stream.map_err(|error| nats.unreachable(error))?;
    if stream.cached_info().state.last_sequence == 0 && wanted.num_replicas > 1 {
        tokio::time::sleep(CREATION_SETTLES).await;
        stream = nats
            .jetstream
            .get_stream(&wanted.name)
            .await
            .map_err(|error| nats.unreachable(error))?;
    }
    let info = stream.cached_info().clone();
    let id = capability::check_stream(&info.config, &wanted).map_err(unsuitable)?;
    check_whole(place, &info)?;
    let hints = nats.subscribe(nats.subjects.log_appended()).await?;
    let stream = nats.jetstream.get_stream_no_info(&wanted.name).await;
    let stream = stream.map_err(|error| nats.unreachable(error))?;
    let appended = watch::Sender::new(BlockNumber::new(info.state.last_sequence));
    let listener = tokio::spawn(listen(hints, stream.clone(), appended.clone()));
    let log = NatsLog {
        nats: nats.clone(),
        stream,
        id,
        appending: Mutex::new(()),
        seen: parking_lot::Mutex::default(),
        appended,
        _listener: AbortOnDropHandle::new(listener),
    };
    // Who leads a stream that was just made may have changed since.
    log.end().await?;
    tracing::info!(%place, log = %id, blocks = info.state.last_sequence, "the log is on NATS");
    // No client can ask for it.
    tracing::warn!(
        %place,
        "unless `sync_interval: always` is set on the NATS servers, what was acknowledged within \
         the last two minutes is lost when their machines lose power"
    );
    Ok(Log::new(log))
}

/// Sequences count from 1 without a gap.
fn check_whole(place: &str, info: &Info) -> Result<(), LogError> {
    let state = &info.state;
    if state.messages == state.last_sequence {
        return Ok(());
    }
    let missing = if state.first_sequence > 1 { "from block 1 on" } else { "in the middle" };
    let found = format!("{} blocks, with some missing {missing}", state.messages);
    let block = BlockNumber::new(state.last_sequence);
    Err(check::wrong(
        place,
        block,
        "what the stream holds up to it",
        found,
        format!("{block} blocks"),
    ))
}
