//! The room over server-sent events: the same messages, for clients that only listen.

use std::convert::Infallible;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::Utf8Bytes;
use axum::http::{HeaderMap, HeaderName};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream;

use super::LiveParams;
use super::hub::Hub;
use super::message::closing;
use super::seat::{Next, Seat};
use crate::access::Need;
use crate::auth::Listener;
use crate::context::Peer;
use crate::error::ApiError;
use crate::extract::{In, Params};
use crate::state::App;

/// How often a comment says that the stream lives.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(15);
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

enum Step {
    /// Something to say before the sequence goes on.
    First(Utf8Bytes, Seat),
    Go(Seat),
    Over,
}

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
    let mut seat = Hub::join(&app, caller, room, peer.hang_up)?;
    let start = match seat.resume(&app, after).await? {
        Some(first) => Step::First(first, seat),
        None => Step::Go(seat),
    };
    let events = stream::unfold((app, start), |(app, step)| async move {
        let (event, step) = match step {
            Step::Over => return None,
            Step::First(text, seat) => (Event::default().data(text.as_str()), Step::Go(seat)),
            Step::Go(mut seat) => match seat.next(&app).await {
                Next::Send(text, seq) => {
                    let event = Event::default().data(text.as_str());
                    (seq.map_or(event.clone(), |seq| event.id(seq.to_string())), Step::Go(seat))
                }
                Next::Close(close) => {
                    let code = close.code().to_string();
                    metrics::counter!("signcall_sockets_closed_total", "code" => code).increment(1);
                    (Event::default().data(closing(close).as_str()), Step::Over)
                }
            },
        };
        Some((Ok::<_, Infallible>(event), (app, step)))
    });
    let heartbeat = KeepAlive::new().interval(HEARTBEAT_EVERY);
    // Proxies that collect answers before they pass them on would hold events back.
    let unbuffered = [(HeaderName::from_static("x-accel-buffering"), "no")];
    Ok((unbuffered, Sse::new(events).keep_alive(heartbeat)).into_response())
}
