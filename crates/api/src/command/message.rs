//! Chat.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use events::command::Created;
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
    let room = app.room(&asked.caller, &code, Need::Speak)?;
    let msg_content = asked.body.msg_content;
    let command = SendMessage { room, text: Clear::new(msg_content.clone()) };
    let accepted = app.submit(&asked.ask, command).await?;
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
    let room = app.room(&asked.caller, &code, Need::Speak)?;
    let expected = if_match_revision(&asked.headers)?;
    let text = Clear::new(asked.body.msg_content);
    let accepted = app.submit(&asked.ask, EditMessage { room, message, text, expected }).await?;
    app.caught_up(accepted.position).await?;
    let row = app.store.message(room, message).await?.ok_or(Rejection::NotFound("message"))?;
    Ok(answer(&row))
}

/// `DELETE /rooms/{code}/messages/{id}`: one's own; a tombstone stays.
pub(crate) async fn delete(
    State(app): State<App>,
    In((code, message)): In<(String, MessageId)>,
    asked: Asked<Nothing>,
) -> Result<StatusCode, ApiError> {
    let room = app.room(&asked.caller, &code, Need::Read)?;
    let expected = if_match_revision(&asked.headers)?;
    app.submit(&asked.ask, DeleteMessage { room, message, expected }).await?;
    Ok(StatusCode::NO_CONTENT)
}
