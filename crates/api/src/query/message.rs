//! Reading the chat.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use events::{MessageId, Rejection};
use projector::MessageRevisionRow;
use serde::Serialize;

use super::{cut, page_from};
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
    let from = app.reads_after(&caller, room);
    let mut found = app.store.messages(room, page_from(wanted, from, MessageId::new)).await?;
    cut(&mut found, from, |row| row.id.get());
    Ok(Listing::new(wanted, found.rows, found.has_more, |row| row.id.get()).answer(&uri))
}

/// `GET /rooms/{code}/messages/{id}`.
pub(crate) async fn show(
    State(app): State<App>,
    In((code, message)): In<(String, MessageId)>,
    Read(caller): Read,
) -> Result<Response, ApiError> {
    let room = app.room(&caller, &code, Need::Read)?;
    let hidden = message.get() <= app.reads_after(&caller, room);
    let row = app.store.message(room, message).await?.filter(|_| !hidden);
    Ok(answer(&row.ok_or(Rejection::NotFound("message"))?))
}

/// `GET /rooms/{code}/messages/{id}/revisions`: all texts it has had, oldest first.
pub(crate) async fn revisions(
    State(app): State<App>,
    In((code, message)): In<(String, MessageId)>,
    Read(caller): Read,
) -> Result<Json<All<MessageRevisionRow>>, ApiError> {
    let room = app.room(&caller, &code, Need::Read)?;
    let hidden = message.get() <= app.reads_after(&caller, room);
    let data = app.store.message_revisions(room, message).await?.filter(|_| !hidden);
    Ok(Json(All { data: data.ok_or(Rejection::NotFound("message"))? }))
}
