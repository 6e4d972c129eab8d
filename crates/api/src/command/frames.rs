//! Frames of signing: checked here, buffered for the recognizer, answered with what is done.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use clips::live_wire::Frames;
use clips::{live_wire, pose};
use events::room::{Phase, Room};
use events::{CommandId, Rejection, RoomId, TokenId, UserId};
use serde::{Deserialize, Serialize};
use streams::frames::{FrameFormat, StreamStatus};
use streams::{FrameBatch, StreamId, StreamKey};

use crate::access::Need;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{Asked, In, Nothing, Params, ask, read_body};
use crate::keeper;
use crate::state::{App, Ask};

pub(crate) const LANDMARKS: &str = "application/vnd.signcall.landmarks";
const IMAGES: &str = "application/vnd.signcall.images";
pub(crate) const POSE: &str = "application/x-pose";
const EXPECTED: &str =
    "application/vnd.signcall.landmarks, application/vnd.signcall.images or application/x-pose";

/// Which of the sender's streams.
#[derive(Debug, Deserialize)]
pub(crate) struct StreamParams {
    stream: Option<String>,
}

/// What became of a batch.
#[derive(Debug, Serialize)]
pub(crate) struct FramesAnswer {
    /// The stream, as named by its sender or by the server.
    pub(crate) stream: StreamId,
    /// Frames in the batch.
    pub(crate) accepted: u32,
    /// Number of its first frame.
    pub(crate) first_seq: u64,
    /// Number of its last frame.
    pub(crate) last_seq: u64,
    /// The finals of all frames below are in the log.
    pub(crate) done_seq: u64,
    /// Frames that may be sent on before some are done.
    pub(crate) credit: u32,
}

/// `POST /rooms/{code}/frames`.
pub(crate) async fn push(
    State(app): State<App>,
    In(code): In<String>,
    caller: Caller,
    Params(params): Params<StreamParams>,
    request: Request,
) -> Result<Response, ApiError> {
    let room = app.room(&caller, &code, Need::Speak)?;
    let (mut parts, body) = request.into_parts();
    let media_type = parts.headers.get(header::CONTENT_TYPE).cloned();
    let media_type = media_type.as_ref().and_then(|value| value.to_str().ok());
    let media_type = media_type.and_then(|value| value.split(';').next()).map(str::trim);
    let (format, max) = match media_type {
        Some(LANDMARKS) => (FrameFormat::Landmarks, live_wire::MAX_BYTES),
        Some(IMAGES) => (FrameFormat::Images, live_wire::MAX_BYTES),
        Some(POSE) => (FrameFormat::Pose, pose::MAX_BYTES),
        Some(_) | None => return Err(ApiError::MediaType(EXPECTED)),
    };
    let payload = read_body(&app, body, max).await?;
    let sent = ask(&app, &caller, &mut parts, Some(&payload)).await?;
    let stream = match format {
        // A stream of its own; the same key means the same upload again.
        FrameFormat::Pose => {
            stream_id(Some(&format!("upload-{}", sent.id.uuid().simple())), caller.token)?
        }
        FrameFormat::Landmarks | FrameFormat::Images => {
            stream_id(params.stream.as_deref(), caller.token)?
        }
    };
    let repeated = under_key(&app, &sent, media_type, &stream)?;
    let key = StreamKey { room, user: caller.user, stream };
    let answer = take(&app, key, Some(format), payload).await?;
    repeated.note(&app);
    Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
}

/// `POST /rooms/{code}/frames/end`: nothing more comes for now; what is open is finished.
pub(crate) async fn end(
    State(app): State<App>,
    In(code): In<String>,
    Params(params): Params<StreamParams>,
    asked: Asked<Nothing>,
) -> Result<Response, ApiError> {
    let Caller { user, token, .. } = asked.caller;
    let room = app.room(&asked.caller, &code, Need::Speak)?;
    let stream = stream_id(params.stream.as_deref(), token)?;
    let repeated = under_key(&app, &asked.ask, None, &stream)?;
    let answer = flush(&app, StreamKey { room, user, stream }).await?;
    repeated.note(&app);
    Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
}

/// What was sent under an idempotency key, if it was sent under one.
struct UnderKey(Option<(CommandId, u64)>);

/// Refuses a key that was used for other frames, or for the same ones of another stream.
fn under_key(
    app: &App,
    ask: &Ask,
    media_type: Option<&str>,
    stream: &StreamId,
) -> Result<UnderKey, ApiError> {
    let Some(body) = ask.body else { return Ok(UnderKey(None)) };
    let whole = format!("{body} {} {}", media_type.unwrap_or_default(), stream.as_str());
    let whole = app.secrets.body_digest(whole.as_bytes());
    app.uploads.check(ask.id, whole)?;
    Ok(UnderKey(Some((ask.id, whole))))
}

impl UnderKey {
    fn note(&self, app: &App) {
        if let Self(Some((key, body))) = self {
            app.uploads.note(*key, *body, app.now());
        }
    }
}

/// The sender's name for a stream, or one per log-in.
pub(crate) fn stream_id(name: Option<&str>, token: TokenId) -> Result<StreamId, ApiError> {
    let default = format!("token-{token}");
    let wrong = || ApiError::field("stream", "has to be 1 to 64 of A-Z, a-z, 0-9, - and _");
    StreamId::new(name.unwrap_or(&default)).ok_or_else(wrong)
}

fn must_consent(app: &App, room: RoomId, user: UserId) -> Result<(), ApiError> {
    app.look(|state| match state.rooms.get(room) {
        Some(room) if room.captions(user) => Ok(()),
        Some(room) if room.phase != Phase::Open => Err(Rejection::RoomClosed.into()),
        Some(_) | None => Err(Rejection::NoConsent.into()),
    })
}

/// Checks a batch and passes it on. Without a format it is what its own header says.
pub(crate) async fn take(
    app: &App,
    key: StreamKey,
    format: Option<FrameFormat>,
    payload: Bytes,
) -> Result<FramesAnswer, ApiError> {
    must_consent(app, key.room, key.user)?;
    let checked = payload.clone();
    // Up to 8 MiB: too long for the threads that answer everybody else.
    let parsed = tokio::task::spawn_blocking(move || check(format, &checked)).await;
    let (format, first_seq, count) =
        parsed.map_err(|error| ApiError::Internal(error.to_string()))??;
    must_consent(app, key.room, key.user)?;
    let batch = batch(app, key.clone(), format, first_seq, count, payload);
    let status = app.frames.push(batch.clone()).await?;
    if status.is_new {
        keeper::note(app, &batch);
    }
    let last_seq = first_seq + u64::from(count).saturating_sub(1);
    Ok(answer(key.stream, count, first_seq, last_seq, status))
}

/// Finishes what is open in a stream.
pub(crate) async fn flush(app: &App, key: StreamKey) -> Result<FramesAnswer, ApiError> {
    must_consent(app, key.room, key.user)?;
    let known = app.frames.status(&key).await;
    if known == StreamStatus::default() {
        return Err(Rejection::NotFound("stream").into());
    }
    let next_seq = known.next_seq;
    let mut flush = batch(app, key.clone(), FrameFormat::Landmarks, next_seq, 0, Bytes::new());
    flush.flush = true;
    let status = app.frames.push(flush).await?;
    Ok(answer(key.stream, 0, next_seq, next_seq.saturating_sub(1), status))
}

fn check(
    announced: Option<FrameFormat>,
    bytes: &[u8],
) -> Result<(FrameFormat, u64, u32), ApiError> {
    if announced == Some(FrameFormat::Pose) {
        return Ok((FrameFormat::Pose, 0, pose::parse(bytes)?.frames.len() as u32));
    }
    let batch = live_wire::parse(bytes)?;
    let (format, holds) = match &batch.frames {
        Frames::Landmarks(_) => (FrameFormat::Landmarks, "landmarks"),
        Frames::Images(_) => (FrameFormat::Images, "images"),
    };
    if announced.is_some_and(|announced| announced != format) {
        return Err(ApiError::field("content-type", format!("is wrong: the batch holds {holds}")));
    }
    Ok((format, u64::from(batch.seq_first), batch.frames.len() as u32))
}

fn batch(
    app: &App,
    key: StreamKey,
    format: FrameFormat,
    first_seq: u64,
    count: u32,
    payload: Bytes,
) -> FrameBatch {
    // One's own word goes before the room's, and a language before a model that another chose.
    let wanted = |room: &Room| {
        let own = room.participants.get(&key.user);
        let (model, language) =
            own.map(|p| (p.model.clone(), p.language.clone())).unwrap_or_default();
        let (rooms, spoken) = (&room.settings.model, &room.settings.language);
        let other = |own: &String| spoken.as_ref().is_some_and(|spoken| spoken != own);
        match (model, language) {
            (Some(model), language) => (Some(model), language),
            (None, Some(language)) if other(&language) => (None, Some(language)),
            (None, language) => (rooms.clone(), language.or_else(|| spoken.clone())),
        }
    };
    let (model, language) =
        app.look(|state| state.rooms.get(key.room).map(wanted)).unwrap_or_default();
    let flush = format == FrameFormat::Pose;
    let received_us = app.now().micros();
    FrameBatch { key, first_seq, count, format, payload, flush, received_us, model, language }
}

fn answer(
    stream: StreamId,
    accepted: u32,
    first_seq: u64,
    last_seq: u64,
    status: StreamStatus,
) -> FramesAnswer {
    let credit = status.waiting_max.saturating_sub(status.waiting);
    FramesAnswer { stream, accepted, first_seq, last_seq, done_seq: status.done_seq, credit }
}
