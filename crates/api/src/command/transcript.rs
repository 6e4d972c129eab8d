//! Captions that people type or correct.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use events::command::Created;
use events::room::command::transcript::{CorrectTranscript, TypeCaption};
use events::room::{RoomEvent, TranscriptRecorded};
use events::sealed::Clear;
use events::{Position, Rejection, RoomId, SegmentId, TranscriptId, text};
use projector::TranscriptRow;
use serde::Deserialize;
use streams::Accepted;

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
    let mut segment = [0; 16];
    random(&mut segment)?;
    let (by, ts_content) = ((&asked.caller, &asked.ask), asked.body.ts_content);
    let (segment, text) = (SegmentId::from_bytes(segment), Clear::new(ts_content.clone()));
    let command = |room| TypeCaption { room, segment, text };
    let (room, accepted) = app.ask_in_room(by, &code, Need::Speak, command).await?;
    let Some(Created::Transcript(id)) = accepted.created else {
        return Err(ApiError::Internal("typing made no caption".to_owned()));
    };
    let mut response = match app.first_event(&accepted).await? {
        Some(RoomEvent::TranscriptRecorded(first)) => {
            answer(&as_typed(&first, &ts_content, &accepted))
        }
        Some(_) | None => answer(&shown(&app, room, id, accepted.position).await?),
    };
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
    let expected = if_match_revision(&asked.headers)?;
    let (by, ts_content) = ((&asked.caller, &asked.ask), asked.body.ts_content);
    let text = Clear::new(ts_content.clone());
    let command = |room| CorrectTranscript { room, transcript, text, expected };
    let (room, accepted) = app.ask_in_room(by, &code, Need::Read, command).await?;
    let row = shown(&app, room, transcript, accepted.position).await?;
    let Some(RoomEvent::TranscriptRevised(first)) = app.first_event(&accepted).await? else {
        return Ok(answer(&row));
    };
    // As it was then: it may have been revised again since.
    Ok(answer(&TranscriptRow {
        ts_content: Some(text::nfc(&ts_content)),
        revision: first.revision,
        revised_at: Some(accepted.time),
        editor_id: first.editor,
        ..row
    }))
}

/// A typed caption as it was at first.
fn as_typed(first: &TranscriptRecorded, ts_content: &str, accepted: &Accepted) -> TranscriptRow {
    TranscriptRow {
        id: first.transcript_id,
        ts_content: Some(text::nfc(ts_content)),
        created_at: accepted.time,
        room_id: first.room_id,
        user_id: Some(first.user_id),
        segment_id: first.segment_id,
        revision: 1,
        start_ms: first.start_ms,
        end_ms: first.end_ms,
        confidence: None,
        kind: first.kind,
        model: None,
        revised_at: None,
        editor_id: None,
        words: None,
    }
}

async fn shown(
    app: &App,
    room: RoomId,
    transcript: TranscriptId,
    position: Position,
) -> Result<TranscriptRow, ApiError> {
    app.caught_up(position).await?;
    let row = app.store.transcript(room, transcript).await?;
    row.ok_or_else(|| Rejection::NotFound("transcript").into())
}

/// A segment, with the `ETag` that `If-Match` takes.
pub(crate) fn answer(row: &TranscriptRow) -> Response {
    let etag = format!("\"{}\"", row.revision);
    ([(header::ETAG, etag)], Json(row)).into_response()
}
