//! Everything that is stored about oneself, in one file, written as it is read: it may be large.

use std::io;

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use events::UserId;
use projector::{Cursor, Page};
use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc::{Sender, channel};

use crate::answer::{TokenAnswer, room_row};
use crate::audit::{self, Wish};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::Read;
use crate::state::App;

/// Rows read at once.
const PAGE: u32 = 500;
/// Texts that edits took the place of, at most.
const REVISIONS_MAX: u32 = 200_000;
/// Parts of the file that wait for a slow reader.
const PARTS_MAX: usize = 4;

/// `GET /users/me/export`. What goes wrong after its beginning breaks the file off.
pub(crate) async fn export(
    State(app): State<App>,
    Read(caller): Read,
) -> Result<Response, ApiError> {
    app.throttles.exports.take(caller.user)?;
    let begin = beginning(&app, &caller).await?;
    let (parts, read) = channel(PARTS_MAX);
    tokio::spawn(async move {
        let mut file = File { parts, app: &app, user: caller.user };
        if let Err(error) = file.write(begin).await {
            if let Broken::Off(error) = error {
                tracing::warn!(%error, "an export broke off");
            }
            let broken = io::Error::other("the export broke off; ask for it again");
            drop(file.parts.send(Err(broken)).await);
        }
    });
    let body = futures::stream::unfold(read, async |mut read| Some((read.recv().await?, read)));
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"signcall-export.json\""),
    ];
    Ok((headers, Body::from_stream(body)).into_response())
}

/// What is known without a look at the tables.
async fn beginning(app: &App, caller: &Caller) -> Result<serde_json::Value, ApiError> {
    let (user, now) = (caller.user, app.now());
    let (tokens, rooms) = app.look(|state| {
        let tokens = state.users.get(user).map(|user| user.tokens.as_slice()).unwrap_or_default();
        let live = tokens.iter().filter(|token| token.expires_at > now);
        let tokens: Vec<_> = live.map(|token| TokenAnswer::new(token, caller.token)).collect();
        let rooms = state.rooms.of_member(user).map(|(id, room)| room_row(id, room));
        (tokens, rooms.collect::<Vec<_>>())
    });
    let mut participations = Vec::with_capacity(rooms.len());
    for room in &rooms {
        // Left in this very moment: then they are in it no more.
        participations.extend(app.participant(room.id, user).await.ok());
    }
    Ok(json!({
        "user": app.user_row(user).await?,
        "tokens": tokens,
        "rooms": rooms,
        "participations": participations,
        "webhooks": app.webhooks_of(caller).await?,
    }))
}

/// Why a file ends before it is whole.
enum Broken {
    /// Something could not be read.
    Off(ApiError),
    /// Nobody reads on.
    Away,
}

impl<E: Into<ApiError>> From<E> for Broken {
    fn from(error: E) -> Self {
        Self::Off(error.into())
    }
}

struct File<'a> {
    parts: Sender<Result<Bytes, io::Error>>,
    app: &'a App,
    user: UserId,
}

impl File<'_> {
    async fn write(&mut self, begin: serde_json::Value) -> Result<(), Broken> {
        let begin = begin.to_string();
        self.text(begin.strip_suffix('}').unwrap_or(&begin).to_owned()).await?;
        let (app, user) = (self.app, self.user);
        self.text(",\"messages\":[".to_owned()).await?;
        let (mut cursor, mut first) = (Cursor::Start, true);
        loop {
            let found = app.store.messages_of(user, Page { cursor, limit: PAGE }).await?;
            self.rows(&found.rows, &mut first).await?;
            match found.rows.last().filter(|_| found.has_more) {
                Some(last) => cursor = Cursor::After(last.id),
                None => break,
            }
        }
        self.text("],\"message_revisions\":[".to_owned()).await?;
        let revisions = app.store.message_revisions_of(user, REVISIONS_MAX).await?;
        self.rows(&revisions, &mut true).await?;
        self.text("],\"transcripts\":[".to_owned()).await?;
        let (mut cursor, mut first) = (Cursor::Start, true);
        loop {
            let found = app.store.transcripts_of(user, Page { cursor, limit: PAGE }).await?;
            self.rows(&found.rows, &mut first).await?;
            match found.rows.last().filter(|_| found.has_more) {
                Some(last) => cursor = Cursor::After(last.id),
                None => break,
            }
        }
        self.text("],\"transcript_revisions\":[".to_owned()).await?;
        let revisions = app.store.transcript_revisions_of(user, REVISIONS_MAX).await?;
        self.rows(&revisions, &mut true).await?;
        self.text("],\"events\":[".to_owned()).await?;
        self.events().await?;
        self.text("]}".to_owned()).await
    }

    /// What was written down of what one did and of what was done about one, newest first.
    async fn events(&mut self) -> Result<(), Broken> {
        let wish = Wish { mine: Some(self.user), ..Wish::default() };
        let (mut below, mut first) = (None, true);
        loop {
            let found = audit::read_back(self.app, &wish, below, PAGE as usize).await?;
            self.rows(&found.entries, &mut first).await?;
            match found.next {
                Some(next) => below = Some(next),
                None => return Ok(()),
            }
        }
    }

    async fn rows<T: Serialize>(&mut self, rows: &[T], first: &mut bool) -> Result<(), Broken> {
        let mut text = String::new();
        for row in rows {
            if !std::mem::take(first) {
                text.push(',');
            }
            let row = serde_json::to_string(row);
            text += &row.map_err(|error| ApiError::Internal(error.to_string()))?;
        }
        self.text(text).await
    }

    async fn text(&mut self, text: String) -> Result<(), Broken> {
        if text.is_empty() {
            return Ok(());
        }
        self.parts.send(Ok(text.into())).await.map_err(|_| Broken::Away)
    }
}
