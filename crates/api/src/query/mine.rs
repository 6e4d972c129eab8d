//! Everything that is stored about oneself, in one file.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use events::UserId;
use projector::{Cursor, Page};
use serde_json::json;

use crate::answer::{TokenAnswer, room_row};
use crate::audit::{self, Wish};
use crate::error::ApiError;
use crate::extract::Read;
use crate::state::App;

/// Rows read at once.
const PAGE: u32 = 500;
/// Messages and segments in a file, each, at most.
const ROWS_MAX: usize = 200_000;

/// `GET /users/me/export`.
pub(crate) async fn export(
    State(app): State<App>,
    Read(caller): Read,
) -> Result<Response, ApiError> {
    let (user, now) = (caller.user, app.now());
    let (tokens, rooms) = app.look(|state| {
        let tokens = state.users.get(user).map(|user| user.tokens.as_slice()).unwrap_or_default();
        let live = tokens.iter().filter(|token| token.expires_at > now);
        let tokens: Vec<_> = live.map(|token| TokenAnswer::new(token, caller.token)).collect();
        let rooms = state.rooms.of_member(user).map(|(id, room)| room_row(id, room));
        (tokens, rooms.collect::<Vec<_>>())
    });
    let mut messages = Vec::new();
    let mut cursor = Cursor::Start;
    loop {
        let found = app.store.messages_of(user, Page { cursor, limit: PAGE }).await?;
        messages.extend(found.rows);
        match messages.last().filter(|_| found.has_more) {
            Some(last) => cursor = Cursor::After(last.id),
            None => break,
        }
        must_fit(messages.len())?;
    }
    let mut transcripts = Vec::new();
    let mut cursor = Cursor::Start;
    loop {
        let found = app.store.transcripts_of(user, Page { cursor, limit: PAGE }).await?;
        transcripts.extend(found.rows);
        match transcripts.last().filter(|_| found.has_more) {
            Some(last) => cursor = Cursor::After(last.id),
            None => break,
        }
        must_fit(transcripts.len())?;
    }
    let file = json!({
        "user": app.user_row(user).await?,
        "tokens": tokens,
        "rooms": rooms,
        "messages": messages,
        "message_revisions": app.store.message_revisions_of(user, ROWS_MAX as u32).await?,
        "transcripts": transcripts,
        "transcript_revisions": app.store.transcript_revisions_of(user, ROWS_MAX as u32).await?,
        "webhooks": app.webhooks_of(&caller).await?,
        "events": events(&app, user).await?,
    });
    let name = [(header::CONTENT_DISPOSITION, "attachment; filename=\"signcall-export.json\"")];
    Ok((name, Json(file)).into_response())
}

/// What was written down of what one did and of what was done about one, newest first.
async fn events(app: &App, user: UserId) -> Result<Vec<audit::Entry>, ApiError> {
    let wish = Wish { mine: Some(user), ..Wish::default() };
    let (mut all, mut below) = (Vec::new(), None);
    loop {
        let found = audit::read_back(app, &wish, below, PAGE as usize).await?;
        all.extend(found.entries);
        must_fit(all.len())?;
        match found.next {
            Some(next) => below = Some(next),
            None => return Ok(all),
        }
    }
}

fn must_fit(rows: usize) -> Result<(), ApiError> {
    if rows <= ROWS_MAX {
        return Ok(());
    }
    let detail = format!("has over {ROWS_MAX} rows; read the rooms' lists in pages instead");
    Err(ApiError::field("export", detail))
}
