//! Everything that is stored about oneself, in one file, written as it is read: it may be large.

use std::io;

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use events::{Timestamp, UserId};
use projector::{Cursor, Listing, Page, StoreError, TranscriptRevisionRow};
use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc::{Sender, channel};
use vault::Kept;

use crate::answer::{TokenAnswer, room_row};
use crate::audit::{self, Wish};
use crate::auth::Caller;
use crate::command::frames::{LANDMARKS, POSE};
use crate::error::ApiError;
use crate::extract::Read;
use crate::state::App;

/// Rows read at once.
const PAGE: u32 = 500;
/// Bytes of kept landmarks that become text at once; of which three make four characters.
const PIECE_BYTES: usize = 3 << 16;
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
        self.messages().await?;
        self.transcripts().await?;
        self.kept_landmarks().await?;
        self.events().await?;
        self.text("}".to_owned()).await
    }

    /// What one wrote, and afterwards what edits took the place of: the messages are read twice, so
    /// that neither list has to wait in memory.
    async fn messages(&mut self) -> Result<(), Broken> {
        let (app, user) = (self.app, self.user);
        let page = |cursor| app.store.messages_of(user, Page { cursor, limit: PAGE });
        self.pages("messages", page, |row| row.id).await?;
        self.open("message_revisions").await?;
        let (mut cursor, mut first) = (Cursor::Start, true);
        loop {
            let found = page(cursor).await?;
            let edited = found.rows.iter().filter(|row| row.revision > 1).map(|row| row.id);
            let edited: Vec<_> = edited.collect();
            let more = |after| app.store.former_texts(&edited, after, PAGE);
            self.former(more, |row| (row.message_id, row.revision), &mut first).await?;
            match found.rows.last().filter(|_| found.has_more) {
                Some(last) => cursor = Cursor::After(last.id),
                None => return self.close().await,
            }
        }
    }

    /// What one signed or typed, what was read before, and what one wrote into others' captions.
    async fn transcripts(&mut self) -> Result<(), Broken> {
        let (app, user) = (self.app, self.user);
        let page = |cursor| app.store.transcripts_of(user, Page { cursor, limit: PAGE });
        self.pages("transcripts", page, |row| row.id).await?;
        self.open("transcript_revisions").await?;
        let (mut cursor, mut first) = (Cursor::Start, true);
        let place = |row: &TranscriptRevisionRow| (row.transcript_id, row.revision);
        loop {
            let found = page(cursor).await?;
            let revised = found.rows.iter().filter(|row| row.revision > 1).map(|row| row.id);
            let revised: Vec<_> = revised.collect();
            let more = |after| app.store.former_readings(&revised, after, PAGE);
            self.former(more, place, &mut first).await?;
            match found.rows.last().filter(|_| found.has_more) {
                Some(last) => cursor = Cursor::After(last.id),
                None => break,
            }
        }
        self.close().await?;
        let page = |cursor| app.store.transcripts_corrected_by(user, Page { cursor, limit: PAGE });
        self.pages("corrections", page, |row| row.id).await?;
        self.open("former_corrections").await?;
        let more = |after| app.store.former_corrections_by(user, after, PAGE);
        self.former(more, place, &mut true).await?;
        self.close().await
    }

    /// The frames that one allowed to be kept, batch by batch, each in pieces.
    async fn kept_landmarks(&mut self) -> Result<(), Broken> {
        let (app, user, today) = (self.app, self.user, self.app.now().day());
        self.open("kept_landmarks").await?;
        let mut comma = "";
        for room in app.vault.rooms_with_kept(user).await? {
            let mut last: Option<Kept> = None;
            while let Some(kept) = app.vault.next_kept(room, user, last.as_ref(), today).await? {
                let told = json!({
                    "room_id": kept.room,
                    "stream": kept.stream,
                    "first_seq": kept.first_seq,
                    "received_at": Timestamp::from_micros(kept.received_us),
                    "kept_until": kept.until,
                    "media_type": if kept.pose { POSE } else { LANDMARKS },
                })
                .to_string();
                let told = told.strip_suffix('}').unwrap_or(&told);
                self.text(format!("{comma}{told},\"data\":\"")).await?;
                for piece in kept.bytes.chunks(PIECE_BYTES) {
                    self.text(BASE64.encode(piece)).await?;
                }
                self.text("\"}".to_owned()).await?;
                (comma, last) = (",", Some(kept));
            }
        }
        self.close().await
    }

    /// What was written down of what one did and of what was done about one, newest first.
    async fn events(&mut self) -> Result<(), Broken> {
        let wish = Wish { mine: Some(self.user), ..Wish::default() };
        self.open("events").await?;
        let (mut below, mut first) = (None, true);
        loop {
            let found = audit::read_back(self.app, &wish, below, PAGE as usize).await?;
            self.rows(&found.entries, &mut first).await?;
            match found.next {
                Some(next) => below = Some(next),
                None => return self.close().await,
            }
        }
    }

    /// A whole list of the tables, page by page.
    async fn pages<T: Serialize, Id, R: Future<Output = Result<Listing<T>, StoreError>>>(
        &mut self,
        name: &str,
        page: impl Fn(Cursor<Id>) -> R,
        id: impl Fn(&T) -> Id,
    ) -> Result<(), Broken> {
        self.open(name).await?;
        let (mut cursor, mut first) = (Cursor::Start, true);
        loop {
            let found = page(cursor).await?;
            self.rows(&found.rows, &mut first).await?;
            match found.rows.last().filter(|_| found.has_more) {
                Some(last) => cursor = Cursor::After(id(last)),
                None => return self.close().await,
            }
        }
    }

    /// Texts that later ones took the place of, page by page, into the open list.
    async fn former<T: Serialize, Id, R: Future<Output = Result<Vec<T>, StoreError>>>(
        &mut self,
        more: impl Fn(Option<Id>) -> R,
        id: impl Fn(&T) -> Id,
        first: &mut bool,
    ) -> Result<(), Broken> {
        let mut after = None;
        loop {
            let rows = more(after).await?;
            self.rows(&rows, first).await?;
            match rows.last() {
                Some(last) => after = Some(id(last)),
                None => return Ok(()),
            }
        }
    }

    async fn open(&mut self, name: &str) -> Result<(), Broken> {
        self.text(format!(",\"{name}\":[")).await
    }

    async fn close(&mut self) -> Result<(), Broken> {
        self.text("]".to_owned()).await
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
