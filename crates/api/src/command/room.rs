//! Rooms: creating, ending, deleting.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use events::command::Created;
use events::room::command::close::{Close, Delete};
use events::room::command::create::Create;
use events::room::command::settings::{Change, ChangeSettings, Changes};
use events::room::{RoomEvent, Settings};
use events::{Rejection, RoomCode, RoomId, UserId};
use projector::RoomRow;
use serde::{Deserialize, Deserializer};

use crate::access::Need;
use crate::answer::new_room_row;
use crate::error::{ApiError, check_revision};
use crate::extract::{Asked, In, Nothing, if_match};
use crate::secret::random;
use crate::state::App;

/// How a room starts, or what shall be otherwise.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RoomFields {
    locked: Option<bool>,
    lobby: Option<bool>,
    guests: Option<bool>,
    guest_history: Option<bool>,
    capacity: Option<u32>,
    #[serde(default, deserialize_with = "given")]
    retention_days: Change<Option<u32>>,
    #[serde(default, deserialize_with = "given")]
    model: Change<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    language: Change<Option<String>>,
    owner_id: Option<UserId>,
}

impl RoomFields {
    fn new_model(&self) -> Option<&str> {
        if let Change::To(model) = &self.model { model.as_deref() } else { None }
    }

    fn changes(self) -> Changes {
        let Self { retention_days, model, language, .. } = self;
        Changes {
            locked: if_given(self.locked),
            lobby: if_given(self.lobby),
            guests: if_given(self.guests),
            guest_history: if_given(self.guest_history),
            capacity: if_given(self.capacity),
            retention_days,
            model,
            language,
        }
    }
}

fn if_given<T>(given: Option<T>) -> Change<T> {
    given.map_or(Change::Keep, Change::To)
}

/// A field that may be left out, which is not the same as null.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Change<T>, D::Error> {
    T::deserialize(from).map(Change::To)
}

/// A code that happens to be taken is drawn again: 45 bits make even one such collision rare.
const DRAWS_MAX: usize = 3;

/// `POST /rooms`.
pub(crate) async fn create(
    State(app): State<App>,
    asked: Asked<RoomFields>,
) -> Result<Response, ApiError> {
    if asked.body.owner_id.is_some() {
        return Err(ApiError::field("owner_id", "is always you; hand the room over later"));
    }
    app.check_model(asked.body.new_model())?;
    let settings = asked.body.changes().onto(Settings::default());
    for _ in 0..DRAWS_MAX {
        let mut bits = [0; 8];
        random(&mut bits)?;
        let code = RoomCode::from_random(u64::from_le_bytes(bits));
        match app.submit(&asked.ask, Create { code, settings: settings.clone() }).await {
            Err(ApiError::Rejected(Rejection::RoomCodeTaken)) => {}
            Err(error) => return Err(error),
            Ok(accepted) => {
                let Some(Created::Room(room)) = accepted.created else { break };
                let first = match app.first_event(&accepted).await? {
                    Some(RoomEvent::Created(first)) => new_room_row(first, accepted.time),
                    Some(_) | None => None,
                };
                let row = first.map_or_else(|| app.room_row(room), Ok)?;
                let mut response = answer(&row);
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
    asked: Asked<RoomFields>,
) -> Result<Response, ApiError> {
    let expected = if_match(&asked.headers)?;
    if let Err(unknown) = app.check_model(asked.body.new_model()) {
        // Who may not see the room hears nothing of models.
        app.room(&asked.caller, &code, Need::See)?;
        return Err(unknown);
    }
    let by = (&asked.caller, &asked.ask);
    let owner = asked.body.owner_id;
    let changes = asked.body.changes();
    let command = |room| ChangeSettings { room, changes, owner, expected };
    let (room, _) = app.ask_in_room(by, &code, Need::See, command).await?;
    Ok(answer(&app.room_row(room)?))
}

/// `POST /rooms/{code}/close`.
pub(crate) async fn close(
    State(app): State<App>,
    In(code): In<String>,
    asked: Asked<Nothing>,
) -> Result<StatusCode, ApiError> {
    let Some(room) = as_seen(&app, &code, &asked).await? else { return Ok(StatusCode::NO_CONTENT) };
    app.submit(&asked.ask, Close { room }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /rooms/{code}`.
pub(crate) async fn delete(
    State(app): State<App>,
    In(code): In<String>,
    asked: Asked<Nothing>,
) -> Result<StatusCode, ApiError> {
    let Some(room) = as_seen(&app, &code, &asked).await? else { return Ok(StatusCode::NO_CONTENT) };
    app.submit(&asked.ask, Delete { room }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The room, if it still is as the caller saw it; `None` when this is a retry of what was done.
async fn as_seen(
    app: &App,
    code: &str,
    asked: &Asked<Nothing>,
) -> Result<Option<RoomId>, ApiError> {
    let expected = if_match(&asked.headers)?;
    let seen = app.room(&asked.caller, code, Need::See).and_then(|room| {
        check_revision(expected, app.room_row(room)?.version)?;
        Ok(room)
    });
    match seen {
        Ok(room) => Ok(Some(room)),
        Err(refusal) => app.done_before(&asked.ask, refusal).await.map(|_| None),
    }
}
