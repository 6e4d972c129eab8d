//! Chat.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use events::command::Created;
use events::room::RoomEvent;
use events::room::command::message::{DeleteMessage, EditMessage, SendMessage};
use events::sealed::Clear;
use events::{MessageId, Rejection, text};
use projector::MessageRow;
use serde::Deserialize;

use crate::access::Need;
use crate::error::ApiError;
use crate::extract::{Asked, In, Nothing, if_match_revision};
use crate::state::App;

/// A text.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MessageText {
    msg_content: String,
}

/// `POST /rooms/{code}/messages`.
pub(crate) async fn send(
    State(app): State<App>,
    In(code): In<String>,
    asked: Asked<MessageText>,
) -> Result<Response, ApiError> {
    app.throttles.chat.take(asked.caller.user)?;
    let (by, msg_content) = ((&asked.caller, &asked.ask), asked.body.msg_content);
    let command = |room| SendMessage { room, text: Clear::new(msg_content.clone()) };
    let (room, accepted) = app.ask_in_room(by, &code, Need::Speak, command).await?;
    let Some(Created::Message(id)) = accepted.created else {
        return Err(ApiError::Internal("sending made no message".to_owned()));
    };
    let row = MessageRow {
        id,
        msg_content: Some(text::nfc(&msg_content)),
        created_at: accepted.time,
        user_id: Some(asked.caller.user),
        room_id: room,
        edited_at: None,
        deleted_at: None,
        revision: 1,
        deleted_by: None,
    };
    let mut response = answer(&row);
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

/// A message, with the `ETag` that `If-Match` takes.
pub(crate) fn answer(row: &MessageRow) -> Response {
    let etag = format!("\"{}\"", row.revision);
    ([(header::ETAG, etag)], Json(row)).into_response()
}

/// `PATCH /rooms/{code}/messages/{id}`: one's own.
pub(crate) async fn edit(
    State(app): State<App>,
    In((code, message)): In<(String, MessageId)>,
    asked: Asked<MessageText>,
) -> Result<Response, ApiError> {
    app.throttles.chat.take(asked.caller.user)?;
    let expected = if_match_revision(&asked.headers)?;
    let (by, msg_content) = ((&asked.caller, &asked.ask), asked.body.msg_content);
    let text = Clear::new(msg_content.clone());
    let command = |room| EditMessage { room, message, text, expected };
    let (room, accepted) = app.ask_in_room(by, &code, Need::Speak, command).await?;
    app.caught_up(accepted.position).await?;
    let row = app.store.message(room, message).await?.ok_or(Rejection::NotFound("message"))?;
    let Some(RoomEvent::MessageEdited(first)) = app.first_event(&accepted).await? else {
        return Ok(answer(&row));
    };
    // As it was then: it may have been edited again since, or deleted.
    Ok(answer(&MessageRow {
        msg_content: Some(text::nfc(&msg_content)),
        user_id: Some(asked.caller.user),
        edited_at: Some(accepted.time),
        deleted_at: None,
        deleted_by: None,
        revision: first.revision,
        ..row
    }))
}

/// `DELETE /rooms/{code}/messages/{id}`: one's own, or as owner or administrator anybody's; a
/// tombstone stays.
pub(crate) async fn delete(
    State(app): State<App>,
    In((code, message)): In<(String, MessageId)>,
    asked: Asked<Nothing>,
) -> Result<StatusCode, ApiError> {
    let (by, expected) = ((&asked.caller, &asked.ask), if_match_revision(&asked.headers)?);
    let command = |room| DeleteMessage { room, message, expected };
    app.do_in_room(by, &code, Need::Read, command).await
}
