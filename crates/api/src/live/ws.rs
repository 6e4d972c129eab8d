//! The room over a WebSocket.

use std::time::Duration;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts as _, Request, State};
use axum::response::Response;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt as _, StreamExt as _};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tungstenite::error::ProtocolError;

use super::hub::Hub;
use super::inbound::Conversation;
use super::seat::{Next, Seat};
use super::{Close, LiveParams};
use crate::access::Need;
use crate::auth::Listener;
use crate::error::ApiError;
use crate::extract::{In, Params};
use crate::forwarded::{self, Source};
use crate::state::App;

/// Bytes read from a socket at once: what an idle one holds in memory. Longer messages are read in
/// pieces into a buffer of their length.
const READ_BUFFER: usize = 1024;
/// Bytes collected before they are written.
const WRITE_BUFFER: usize = 4096;
/// Bytes that may wait to be written, at most.
const WRITE_BUFFER_MAX: usize = 4 * 1024 * 1024;
/// Bytes of a message from a client, at most.
const MESSAGE_MAX: usize = 1024 * 1024;
/// How often the client is asked whether it lives.
const PING_EVERY: Duration = Duration::from_secs(25);
/// A client that has said nothing for so long is gone.
const SILENCE_MAX: Duration = Duration::from_secs(75);
/// A client that takes nothing for so long is too slow.
pub(super) const WRITE_WITHIN: Duration = Duration::from_secs(10);
/// Time for the last words.
pub(super) const CLOSE_WITHIN: Duration = Duration::from_millis(500);
/// Time for the last words to a client that is too slow: what was sent before them comes first.
pub(super) const CLOSE_SLOW_WITHIN: Duration = Duration::from_secs(10);

/// `GET /rooms/{code}/live`.
pub(crate) async fn open(
    State(app): State<App>,
    In(code): In<String>,
    Params(params): Params<LiveParams>,
    Listener(caller): Listener,
    request: Request,
) -> Result<Response, ApiError> {
    let (mut parts, _) = request.into_parts();
    if forwarded::source(&app.config, &parts.headers, caller.context.https()) == Source::Foreign {
        return Err(ApiError::CrossOrigin);
    }
    let room = app.room(&caller, &code, Need::Read)?;
    let upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection> =
        WebSocketUpgrade::from_request_parts(&mut parts, &app).await;
    let upgrade = upgrade.map_err(|_| ApiError::NoUpgrade)?;
    let conversation = Conversation::new(&app, caller.clone(), room, params.stream.as_deref())?;
    let mut seat = Hub::join(&app, caller, room, CancellationToken::new())?;
    let first = seat.resume(&app, params.after).await?;
    let upgrade = upgrade
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_write_buffer_size(WRITE_BUFFER_MAX)
        .max_message_size(MESSAGE_MAX)
        .max_frame_size(MESSAGE_MAX);
    Ok(upgrade.on_upgrade(move |socket| async move {
        let (sink, stream) = socket.split();
        Carrier { app, seat, conversation, sink }.run(stream, first).await;
    }))
}

/// How to end a conversation with a client whose message can't be read; `None` when it is gone.
fn unreadable(error: axum::Error) -> Option<Close> {
    let error = error.into_inner().downcast::<tungstenite::Error>().ok()?;
    if let tungstenite::Error::Protocol(fault) = *error {
        let gone = fault == ProtocolError::ResetWithoutClosingHandshake;
        return (!gone).then_some(Close::Protocol);
    }
    let too_large = matches!(*error, tungstenite::Error::Capacity(_));
    let not_utf8 = matches!(*error, tungstenite::Error::Utf8(_));
    too_large.then_some(Close::TooLarge).or(not_utf8.then_some(Close::NotUtf8))
}

struct Carrier {
    app: App,
    seat: Seat,
    conversation: Conversation,
    sink: SplitSink<WebSocket, Message>,
}

impl Carrier {
    async fn run(mut self, mut stream: SplitStream<WebSocket>, first: Option<Utf8Bytes>) {
        let close = self.carry(&mut stream, first).await;
        let Some(close) = close else { return };
        let Self { seat, mut sink, .. } = self;
        // Who takes nothing holds up nobody: neither who wants the place, nor a server that stops.
        let _seat = Some(seat).filter(|_| close != Close::TooSlow);
        metrics::counter!("signcall_sockets_closed_total", "code" => close.code().to_string())
            .increment(1);
        let reason = close.reason().into();
        let frame = Message::Close(Some(CloseFrame { code: close.code(), reason }));
        // Read on until the client has closed too, so that it gets the frame in any case.
        let goodbye = async {
            if sink.send(frame).await.is_ok() {
                while let Some(Ok(_)) = stream.next().await {}
            }
        };
        let within = if close == Close::TooSlow { CLOSE_SLOW_WITHIN } else { CLOSE_WITHIN };
        drop(timeout(within, goodbye).await);
    }

    /// Carries messages until one side ends; says why we do.
    async fn carry(
        &mut self,
        stream: &mut SplitStream<WebSocket>,
        first: Option<Utf8Bytes>,
    ) -> Option<Close> {
        if let Some(text) = first
            && let Err(close) = self.send(Message::Text(text)).await
        {
            return Some(close);
        }
        let mut ping = tokio::time::interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        let mut heard = Instant::now();
        loop {
            let outgoing = tokio::select! {
                next = self.seat.next(&self.app) => match next {
                    Next::Send(text, _) => Some(Message::Text(text)),
                    Next::Close(close) => return Some(close),
                },
                incoming = stream.next() => {
                    heard = Instant::now();
                    match incoming {
                        None | Some(Ok(Message::Close(_))) => return None,
                        Some(Err(error)) => return unreadable(error),
                        Some(Ok(message)) => match self.take(message).await {
                            Ok(answer) => answer,
                            Err(close) => return Some(close),
                        },
                    }
                }
                _ = ping.tick() => {
                    if heard.elapsed() > SILENCE_MAX {
                        return None;
                    }
                    Some(Message::Ping(bytes::Bytes::new()))
                }
            };
            if let Some(message) = outgoing
                && let Err(close) = self.send(message).await
            {
                return Some(close);
            }
        }
    }

    async fn take(&mut self, message: Message) -> Result<Option<Message>, Close> {
        let answer = match message {
            // Boxed: a socket that only listens need not hold the memory of an answer.
            Message::Text(text) => Box::pin(self.conversation.text(&self.app, &text)).await?,
            Message::Binary(batch) => {
                Some(Box::pin(self.conversation.frames(&self.app, batch)).await)
            }
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) => None,
        };
        Ok(answer.map(|text| Message::Text(text.into())))
    }

    async fn send(&mut self, message: Message) -> Result<(), Close> {
        tokio::select! {
            sent = timeout(WRITE_WITHIN, self.sink.send(message)) => match sent {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) => Err(Close::Broken),
                Err(_) => Err(Close::TooSlow),
            },
            close = self.seat.closed() => Err(close),
        }
    }
}
