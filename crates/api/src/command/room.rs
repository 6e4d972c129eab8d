//! Rooms: creating, ending, deleting.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use events::command::Created;
use events::room::Settings;
use events::room::command::close::{Close, Delete};
use events::room::command::create::Create;
use events::{Rejection, RoomCode};
use projector::RoomRow;
use serde::Deserialize;

use crate::access::Need;
use crate::error::{ApiError, check_revision};
use crate::extract::{Asked, In, Nothing, if_match};
use crate::secret::random;
use crate::state::App;

/// How a room starts; everything has a default.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRoom {
    locked: Option<bool>,
    lobby: Option<bool>,
    guests: Option<bool>,
    capacity: Option<u32>,
    #[serde(default)]
    retention_days: Given<u32>,
    model: Option<String>,
    language: Option<String>,
}

/// A field that may be left out, which is not the same as null.
#[derive(Debug, Default)]
pub(crate) enum Given<T> {
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
    pub(crate) fn or(self, there: Option<T>) -> Option<T> {
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
    asked: Asked<NewRoom>,
) -> Result<Response, ApiError> {
    let defaults = Settings::default();
    let NewRoom { locked, lobby, guests, capacity, retention_days, model, language } = asked.body;
    let settings = Settings {
        locked: locked.unwrap_or(defaults.locked),
        lobby: lobby.unwrap_or(defaults.lobby),
        guests: guests.unwrap_or(defaults.guests),
        capacity: capacity.unwrap_or(defaults.capacity),
        retention_days: retention_days.or(defaults.retention_days),
        model,
        language,
    };
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
