//! The room over server-sent events: the same messages, for clients that only listen.

use std::convert::Infallible;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{StreamExt as _, stream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::hub::Hub;
use super::message::closing;
use super::seat::{Next, Seat};
use super::ws::{CLOSE_SLOW_WITHIN, CLOSE_WITHIN, WRITE_WITHIN};
use super::{Close, LiveParams};
use crate::access::Need;
use crate::auth::Listener;
use crate::context::Peer;
use crate::error::ApiError;
use crate::extract::{In, Params};
use crate::state::App;

/// A browser whose stream ended comes back after this and up to [`RETRY_SPREAD_MS`] more, so that
/// those of a server that starts anew do not come all at once.
const RETRY_MS: u64 = 1000;
const RETRY_SPREAD_MS: u64 = 4000;
/// How often a comment says that the stream lives.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(15);
/// Events between a listener's place and its connection.
const HANDED_MAX: usize = 1;
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// `GET /rooms/{code}/events`.
pub(crate) async fn open(
    State(app): State<App>,
    In(code): In<String>,
    Params(params): Params<LiveParams>,
    Listener(caller): Listener,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let room = app.room(&caller, &code, Need::Read)?;
    let after = match headers.get(LAST_EVENT_ID) {
        None => params.after,
        Some(value) => {
            let id = value.to_str().ok().and_then(|text| text.trim().parse().ok());
            Some(id.ok_or(ApiError::Header("Last-Event-ID", "the id of an event"))?)
        }
    };
    let mut seat = Hub::join(&app, caller, room, peer.hang_up.clone())?;
    let first = seat.resume(&app, after).await?;
    let first = first.map(|text| event(text.as_str(), Some(seat.last())));
    let (hand, mut handed) = mpsc::channel(HANDED_MAX);
    tokio::spawn(carry(app, seat, first, hand, peer.hang_up));
    let retry = Duration::from_millis(RETRY_MS + rand::random_range(0..RETRY_SPREAD_MS));
    let retry = stream::once(async move { Event::default().retry(retry) });
    let events = retry.chain(stream::poll_fn(move |context| handed.poll_recv(context)));
    let heartbeat = KeepAlive::new().interval(HEARTBEAT_EVERY);
    // Proxies that collect answers before they pass them on would hold events back. A connection
    // that carried a stream carries nothing else, so that it can be cut.
    let headers =
        [(HeaderName::from_static("x-accel-buffering"), "no"), (header::CONNECTION, "close")];
    let events = Sse::new(events.map(Ok::<_, Infallible>)).keep_alive(heartbeat);
    Ok((headers, events).into_response())
}

fn event(text: &str, place: Option<u64>) -> Event {
    let event = Event::default().data(text);
    match place {
        Some(place) => event.id(place.to_string()),
        None => event,
    }
}

/// Hands a listener's messages to its connection, which is cut when the reader takes nothing.
async fn carry(
    app: App,
    mut seat: Seat,
    first: Option<Event>,
    hand: mpsc::Sender<Event>,
    hang_up: CancellationToken,
) {
    let Err(close) = hand_all(&app, &mut seat, first, &hand).await else { return };
    metrics::counter!("signcall_sockets_closed_total", "code" => close.code().to_string())
        .increment(1);
    // Who takes nothing holds up nobody: neither who wants the place, nor a server that stops.
    let seat = Some(seat).filter(|_| close != Close::TooSlow);
    let within = if close == Close::TooSlow { CLOSE_SLOW_WITHIN } else { CLOSE_WITHIN };
    let goodbye = async {
        // There is room for another one when the connection has taken it.
        if hand.send(event(closing(close).as_str(), None)).await.is_ok() {
            drop(hand.reserve().await);
        }
    };
    let taken = timeout(within, goodbye).await.is_ok();
    drop((seat, hand));
    if taken {
        tokio::time::sleep(CLOSE_SLOW_WITHIN).await;
    }
    hang_up.cancel();
}

/// Until the reader is gone, or there is a reason to end.
async fn hand_all(
    app: &App,
    seat: &mut Seat,
    first: Option<Event>,
    hand: &mpsc::Sender<Event>,
) -> Result<(), Close> {
    let mut next = first;
    loop {
        if let Some(event) = next.take() {
            tokio::select! {
                sent = timeout(WRITE_WITHIN, hand.send(event)) => match sent {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return Ok(()),
                    Err(_) => return Err(Close::TooSlow),
                },
                close = seat.closed() => return Err(close),
            }
        }
        let found = tokio::select! {
            found = seat.next(app) => found,
            () = hand.closed() => return Ok(()),
        };
        match found {
            Next::Send(text, place) => next = Some(event(text.as_str(), place)),
            Next::Close(close) => return Err(close),
        }
    }
}
