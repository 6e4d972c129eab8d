//! What a client says over its WebSocket: frames, and small messages of its own.

use bytes::Bytes;
use events::{RoomId, UserId};
use serde::Deserialize;
use serde_json::{Value, json};
use streams::{LiveMessage, StreamId, StreamKey};

use super::Close;
use crate::access::{self, Need};
use crate::auth::Caller;
use crate::command::frames::{FramesAnswer, flush, stream_id, take};
use crate::config::Rate;
use crate::error::ApiError;
use crate::state::App;
use crate::throttle::Throttle;

/// Bytes of a text message, at most: a session description has a few thousand.
const TEXT_MAX: usize = 64 * 1024;

/// A message from a client.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Inbound {
    /// Typing now.
    Typing {},
    /// WebRTC signalling for one other participant.
    Signal { to: UserId, payload: Value },
    /// The frames that follow belong to this stream.
    Stream { stream: String },
    /// Nothing more comes for now: finish what is open.
    #[serde(rename = "frames.end")]
    FramesEnd {},
    /// Is anybody there?
    Ping {},
}

/// What one socket has said so far.
pub(crate) struct Conversation {
    caller: Caller,
    room: RoomId,
    stream: StreamId,
    small: Throttle<()>,
}

impl Conversation {
    pub(crate) fn new(
        app: &App,
        caller: Caller,
        room: RoomId,
        stream: Option<&str>,
    ) -> Result<Self, ApiError> {
        let stream = stream_id(stream, caller.token)?;
        let rate: Rate = app.config.throttles.ephemeral;
        Ok(Self { caller, room, stream, small: Throttle::new(rate) })
    }

    /// Takes a batch of frames; the answer goes back over the socket.
    pub(crate) async fn frames(&self, app: &App, batch: Bytes) -> String {
        let (room, user) = (self.room, self.caller.user);
        let key = StreamKey { room, user, stream: self.stream.clone() };
        self.answer("frames", take(app, key, None, batch).await)
    }

    /// Takes a text message; says what goes back over the socket, if anything, or why the
    /// conversation ends.
    pub(crate) async fn text(&mut self, app: &App, text: &str) -> Result<Option<String>, Close> {
        let said = match self.read(text) {
            Ok(said) => said,
            Err(ApiError::TooLarge { .. }) => return Err(Close::TooLarge),
            Err(ApiError::Malformed(_)) => return Err(Close::Unsupported),
            Err(error) => return Ok(Some(self.problem(&error))),
        };
        Ok(self.answer_to(app, said).await)
    }

    async fn answer_to(&mut self, app: &App, said: Inbound) -> Option<String> {
        match said {
            Inbound::Ping {} => Some(json!({ "type": "pong", "ephemeral": true }).to_string()),
            Inbound::Typing {} => {
                let (room, user) = (self.room, self.caller.user);
                self.publish(app, LiveMessage::Typing { room, user })
            }
            Inbound::Signal { to, payload } => {
                let (room, from) = (self.room, self.caller.user);
                if !app.look(|state| state.rooms.get(room).is_some_and(|room| room.admits(to))) {
                    let error = events::Rejection::NotFound("participant").into();
                    return Some(self.problem(&error));
                }
                self.publish(app, LiveMessage::Signal { room, from, to, payload })
            }
            Inbound::Stream { stream } => match stream_id(Some(&stream), self.caller.token) {
                Ok(stream) => {
                    self.stream = stream;
                    None
                }
                Err(error) => Some(self.problem(&error)),
            },
            Inbound::FramesEnd {} => {
                let (room, user) = (self.room, self.caller.user);
                let key = StreamKey { room, user, stream: self.stream.clone() };
                Some(self.answer("frames", flush(app, key).await))
            }
        }
    }

    fn read(&self, text: &str) -> Result<Inbound, ApiError> {
        self.small.take(())?;
        if text.len() > TEXT_MAX {
            return Err(ApiError::TooLarge { max: TEXT_MAX });
        }
        serde_json::from_str(text).map_err(|error| {
            if error.is_data() {
                ApiError::field("message", error.to_string())
            } else {
                ApiError::Malformed(error.to_string())
            }
        })
    }

    /// Only who is in the room speaks in it; those who only watch over it do not.
    fn publish(&self, app: &App, message: LiveMessage) -> Option<String> {
        let checked = app.look(|state| access::check(state, self.room, &self.caller, Need::Speak));
        match checked {
            Ok(()) => {
                app.live.publish(message);
                None
            }
            Err(error) => Some(self.problem(&error)),
        }
    }

    fn answer(&self, kind: &str, answer: Result<FramesAnswer, ApiError>) -> String {
        match answer {
            Ok(answer) => json!({ "type": kind, "ephemeral": true, "data": answer }).to_string(),
            Err(error) => self.problem(&error),
        }
    }

    fn problem(&self, error: &ApiError) -> String {
        let mut problem = error.problem();
        self.caller.context.id().clone_into(&mut problem.request_id);
        json!({ "type": "error", "ephemeral": true, "data": problem }).to_string()
    }
}
