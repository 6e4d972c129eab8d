//! Rooms: creating, ending, deleting.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use events::command::Created;
use events::room::Settings;
use events::room::command::close::{Close, Delete};
use events::room::command::create::Create;
use events::room::command::settings::{ChangeSettings, HandOver};
use events::{Rejection, RoomCode, UserId};
use projector::RoomRow;
use serde::Deserialize;

use crate::access::Need;
use crate::error::{ApiError, check_revision};
use crate::extract::{Asked, In, Nothing, if_match};
use crate::secret::random;
use crate::state::App;

/// How a room starts, or what shall be otherwise.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Changes {
    locked: Option<bool>,
    lobby: Option<bool>,
    guests: Option<bool>,
    capacity: Option<u32>,
    #[serde(default)]
    retention_days: Given<u32>,
    #[serde(default)]
    model: Given<String>,
    #[serde(default)]
    language: Given<String>,
    owner_id: Option<UserId>,
}

impl Changes {
    fn new_model(&self) -> Option<&str> {
        if let Given::This(model) = &self.model { model.as_deref() } else { None }
    }

    /// The settings with what is given in place of what was there.
    fn onto(self, there: Settings) -> Settings {
        Settings {
            locked: self.locked.unwrap_or(there.locked),
            lobby: self.lobby.unwrap_or(there.lobby),
            guests: self.guests.unwrap_or(there.guests),
            capacity: self.capacity.unwrap_or(there.capacity),
            retention_days: self.retention_days.or(there.retention_days),
            model: self.model.or(there.model),
            language: self.language.or(there.language),
        }
    }
}

/// A field that may be left out, which is not the same as null.
#[derive(Debug, Default)]
enum Given<T> {
    #[default]
    Not,
    This(Option<T>),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Given<T> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Option::deserialize(from).map(Self::This)
    }
}

impl<T> Given<T> {
    /// What is given, or else what was there.
    fn or(self, there: Option<T>) -> Option<T> {
        match self {
            Self::Not => there,
            Self::This(value) => value,
        }
    }
}

/// A code that happens to be taken is drawn again: 45 bits make even one such collision rare.
const DRAWS_MAX: usize = 3;

/// `POST /rooms`.
pub(crate) async fn create(
    State(app): State<App>,
    asked: Asked<Changes>,
) -> Result<Response, ApiError> {
    if asked.body.owner_id.is_some() {
        return Err(ApiError::field("owner_id", "is always you; hand the room over later"));
    }
    app.check_model(asked.body.new_model())?;
    let settings = asked.body.onto(Settings::default());
    for _ in 0..DRAWS_MAX {
        let mut bits = [0; 8];
        random(&mut bits)?;
        let code = RoomCode::from_random(u64::from_le_bytes(bits));
        match app.submit(&asked.ask, Create { code, settings: settings.clone() }).await {
            Err(ApiError::Rejected(Rejection::RoomCodeTaken)) => {}
            Err(error) => return Err(error),
            Ok(accepted) => {
                let Some(Created::Room(room)) = accepted.created else { break };
                let mut response = answer(&app.room_row(room)?);
                *response.status_mut() = StatusCode::CREATED;
                return Ok(response);
            }
        }
    }
    Err(ApiError::Internal("no room code could be drawn".to_owned()))
}

/// A room, with the `ETag` that `If-Match` takes.
pub(crate) fn answer(row: &RoomRow) -> Response {
    let etag = format!("\"{}\"", row.version);
    ([(header::ETAG, etag)], Json(row)).into_response()
}

/// `PATCH /rooms/{code}`: what is given changes, and the owner if that is given.
pub(crate) async fn change(
    State(app): State<App>,
    In(code): In<String>,
    asked: Asked<Changes>,
) -> Result<Response, ApiError> {
    let room = app.room(&asked.caller, &code, Need::See)?;
    let expected = if_match(&asked.headers)?;
    app.check_model(asked.body.new_model())?;
    let Changes { owner_id, .. } = asked.body;
    let (settings, to_admit) = app.look(|state| {
        let found = state.rooms.get(room).ok_or(ApiError::NO_ROOM)?;
        let admits = owner_id.is_none_or(|to| found.owner == to || found.admits(to));
        Ok::<_, ApiError>((asked.body.onto(found.settings.clone()), admits))
    })?;
    if !to_admit {
        return Err(ApiError::field("owner_id", "is not in the room; they have to join first"));
    }
    app.submit(&asked.ask, ChangeSettings { room, settings, expected }).await?;
    if let Some(to) = owner_id {
        let hand_over = HandOver { room, to, expected: None };
        app.submit(&asked.ask.second("hand_over"), hand_over).await?;
    }
    Ok(answer(&app.room_row(room)?))
}

/// `POST /rooms/{code}/close`.
pub(crate) async fn close(
    State(app): State<App>,
    In(code): In<String>,
    asked: Asked<Nothing>,
) -> Result<StatusCode, ApiError> {
    let room = app.room(&asked.caller, &code, Need::See)?;
    check_revision(if_match(&asked.headers)?, app.room_row(room)?.version)?;
    app.submit(&asked.ask, Close { room }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /rooms/{code}`.
pub(crate) async fn delete(
    State(app): State<App>,
    In(code): In<String>,
    asked: Asked<Nothing>,
) -> Result<StatusCode, ApiError> {
    let room = app.room(&asked.caller, &code, Need::See)?;
    check_revision(if_match(&asked.headers)?, app.room_row(room)?.version)?;
    app.submit(&asked.ask, Delete { room }).await?;
    Ok(StatusCode::NO_CONTENT)
}
