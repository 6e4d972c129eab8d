//! Reading the chat.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use events::{MessageId, Rejection};
use projector::MessageRevisionRow;
use serde::Serialize;

use super::page;
use crate::access::Need;
use crate::command::message::answer;
use crate::error::ApiError;
use crate::extract::{In, Params, Read};
use crate::list::{ListParams, Listing};
use crate::state::App;

/// A whole list in one answer.
#[derive(Serialize)]
pub(crate) struct All<T> {
    pub(crate) data: Vec<T>,
}

/// `GET /rooms/{code}/messages`: oldest first.
pub(crate) async fn list(
    State(app): State<App>,
    In(code): In<String>,
    Params(params): Params<ListParams>,
    Read(caller): Read,
    uri: Uri,
) -> Result<Response, ApiError> {
    let room = app.room(&caller, &code, Need::Read)?;
    let wanted = params.check()?;
    let found = app.store.messages(room, page(wanted, MessageId::new)).await?;
    Ok(Listing::new(wanted, found.rows, found.has_more, |row| row.id.get()).answer(&uri))
}

/// `GET /rooms/{code}/messages/{id}`.
pub(crate) async fn show(
    State(app): State<App>,
    In((code, message)): In<(String, MessageId)>,
    Read(caller): Read,
) -> Result<Response, ApiError> {
    let room = app.room(&caller, &code, Need::Read)?;
    let row = app.store.message(room, message).await?.ok_or(Rejection::NotFound("message"))?;
    Ok(answer(&row))
}

/// `GET /rooms/{code}/messages/{id}/revisions`: all texts it has had, oldest first.
pub(crate) async fn revisions(
    State(app): State<App>,
    In((code, message)): In<(String, MessageId)>,
    Read(caller): Read,
) -> Result<Json<All<MessageRevisionRow>>, ApiError> {
    let room = app.room(&caller, &code, Need::Read)?;
    let data = app.store.message_revisions(room, message).await?;
    Ok(Json(All { data: data.ok_or(Rejection::NotFound("message"))? }))
}
