//! Captions that people type or correct.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use events::command::Created;
use events::room::command::transcript::{CorrectTranscript, TypeCaption};
use events::sealed::Clear;
use events::{Position, Rejection, RoomId, SegmentId, TranscriptId};
use projector::TranscriptRow;
use serde::Deserialize;

use crate::access::Need;
use crate::error::ApiError;
use crate::extract::{Asked, In, if_match_revision};
use crate::secret::random;
use crate::state::App;

/// A text.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CaptionText {
    ts_content: String,
}

/// `POST /rooms/{code}/transcripts`: a typed caption.
pub(crate) async fn type_caption(
    State(app): State<App>,
    In(code): In<String>,
    asked: Asked<CaptionText>,
) -> Result<Response, ApiError> {
    app.throttles.chat.take(asked.caller.user)?;
    let room = app.room(&asked.caller, &code, Need::Speak)?;
    let mut segment = [0; 16];
    random(&mut segment)?;
    let (segment, text) = (SegmentId::from_bytes(segment), Clear::new(asked.body.ts_content));
    let accepted = app.submit(&asked.ask, TypeCaption { room, segment, text }).await?;
    let Some(Created::Transcript(id)) = accepted.created else {
        return Err(ApiError::Internal("typing made no caption".to_owned()));
    };
    let mut response = shown(&app, room, id, accepted.position).await?;
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

/// `PATCH /rooms/{code}/transcripts/{id}`: a revision, never an overwrite.
pub(crate) async fn correct(
    State(app): State<App>,
    In((code, transcript)): In<(String, TranscriptId)>,
    asked: Asked<CaptionText>,
) -> Result<Response, ApiError> {
    app.throttles.chat.take(asked.caller.user)?;
    let room = app.room(&asked.caller, &code, Need::Read)?;
    let expected = if_match_revision(&asked.headers)?;
    let text = Clear::new(asked.body.ts_content);
    let command = CorrectTranscript { room, transcript, text, expected };
    let accepted = app.submit(&asked.ask, command).await?;
    shown(&app, room, transcript, accepted.position).await
}

async fn shown(
    app: &App,
    room: RoomId,
    transcript: TranscriptId,
    position: Position,
) -> Result<Response, ApiError> {
    app.caught_up(position).await?;
    let row = app.store.transcript(room, transcript).await?;
    Ok(answer(&row.ok_or(Rejection::NotFound("transcript"))?))
}

/// A segment, with the `ETag` that `If-Match` takes.
pub(crate) fn answer(row: &TranscriptRow) -> Response {
    let etag = format!("\"{}\"", row.revision);
    ([(header::ETAG, etag)], Json(row)).into_response()
}
