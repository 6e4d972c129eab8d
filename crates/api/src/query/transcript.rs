//! Reading what was signed.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use events::{Rejection, TranscriptId};
use projector::{Search, TranscriptFilter, TranscriptRevisionRow};
use serde::Deserialize;

use super::message::All;
use super::{cut, page_from};
use crate::access::Need;
use crate::command::transcript::answer;
use crate::error::ApiError;
use crate::extract::{In, Params, Read};
use crate::list::{ListParams, Listing};
use crate::state::App;

/// Characters of a search, at most.
const SEARCH_MAX: usize = 200;

/// Which segments.
#[derive(Debug, Deserialize)]
pub(crate) struct Filter {
    q: Option<String>,
    user_id: Option<String>,
}

/// `GET /rooms/{code}/transcripts`: oldest first; with `q`, those in which all of its words are.
pub(crate) async fn list(
    State(app): State<App>,
    In(code): In<String>,
    (Params(params), Params(filter)): (Params<ListParams>, Params<Filter>),
    Read(caller): Read,
    uri: Uri,
) -> Result<Response, ApiError> {
    let room = app.room(&caller, &code, Need::Read)?;
    let wanted = params.check()?;
    let q = filter.q.as_deref().filter(|q| !q.is_empty());
    if q.is_some_and(|q| q.chars().count() > SEARCH_MAX || q.contains('\0')) {
        let detail = format!("can have {SEARCH_MAX} characters, none of them U+0000");
        return Err(ApiError::field("q", detail));
    }
    let user = filter.user_id.as_deref().map(|id| super::user("user_id", id)).transpose()?;
    let q = q.map(Search::parse).transpose();
    let q = q.map_err(|refused| ApiError::field("q", refused.to_string()))?;
    let rows = TranscriptFilter { user, q: q.as_ref() };
    let from = app.reads_after(&caller, room);
    let page = page_from(wanted, from, TranscriptId::new);
    let mut found = app.store.transcripts(room, rows, page).await?;
    cut(&mut found, from, |row| row.id.get());
    Ok(Listing::new(wanted, found.rows, found.has_more, |row| row.id.get()).answer(&uri))
}

/// `GET /rooms/{code}/transcripts/{id}`.
pub(crate) async fn show(
    State(app): State<App>,
    In((code, transcript)): In<(String, TranscriptId)>,
    Read(caller): Read,
) -> Result<Response, ApiError> {
    let room = app.room(&caller, &code, Need::Read)?;
    let hidden = transcript.get() <= app.reads_after(&caller, room);
    let row = app.store.transcript(room, transcript).await?.filter(|_| !hidden);
    Ok(answer(&row.ok_or(Rejection::NotFound("transcript"))?))
}

/// `GET /rooms/{code}/transcripts/{id}/revisions`: all texts it has had, oldest first.
pub(crate) async fn revisions(
    State(app): State<App>,
    In((code, transcript)): In<(String, TranscriptId)>,
    Read(caller): Read,
) -> Result<Json<All<TranscriptRevisionRow>>, ApiError> {
    let room = app.room(&caller, &code, Need::Read)?;
    let hidden = transcript.get() <= app.reads_after(&caller, room);
    let data = app.store.transcript_revisions(room, transcript).await?.filter(|_| !hidden);
    Ok(Json(All { data: data.ok_or(Rejection::NotFound("transcript"))? }))
}
