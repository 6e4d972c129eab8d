//! Coming into a room, going, being sent out, and consent to captions.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use events::UserId;
use events::room::command::captions::SetCaptions;
use events::room::command::join::Join;
use events::room::command::leave::{Leave, Remove};
use events::room::{Admission, Consent};
use serde::Deserialize;

use crate::access::Need;
use crate::error::ApiError;
use crate::extract::{Asked, In, Nothing};
use crate::state::App;

/// Consent to captions of one's own signing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Captions {
    consent: bool,
    #[serde(default)]
    keep: bool,
    language: Option<String>,
    model: Option<String>,
}

/// `POST /rooms/{code}/participants`: 201 when in, 202 when waiting in the lobby.
pub(crate) async fn join(
    State(app): State<App>,
    In(code): In<String>,
    asked: Asked<Nothing>,
) -> Result<Response, ApiError> {
    let room = app.room(&asked.caller, &code, Need::Join)?;
    app.submit(&asked.ask, Join { room }).await?;
    let participant = app.participant(room, asked.caller.user).await?;
    let status = match participant.row.admission {
        Admission::Admitted => StatusCode::CREATED,
        Admission::Waiting => StatusCode::ACCEPTED,
    };
    Ok((status, Json(participant)).into_response())
}

/// `DELETE /rooms/{code}/participants/me`.
pub(crate) async fn leave(
    State(app): State<App>,
    In(code): In<String>,
    asked: Asked<Nothing>,
) -> Result<StatusCode, ApiError> {
    let room = app.room(&asked.caller, &code, Need::See)?;
    app.submit(&asked.ask, Leave { room }).await?;
    app.frames.discard(room, asked.caller.user).await;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /rooms/{code}/participants/{user_id}`.
pub(crate) async fn remove(
    State(app): State<App>,
    In((code, user)): In<(String, UserId)>,
    asked: Asked<Nothing>,
) -> Result<StatusCode, ApiError> {
    let room = app.room(&asked.caller, &code, Need::See)?;
    app.submit(&asked.ask, Remove { room, user }).await?;
    app.frames.discard(room, user).await;
    Ok(StatusCode::NO_CONTENT)
}

/// `PUT /rooms/{code}/captions/me`.
pub(crate) async fn captions(
    State(app): State<App>,
    In(code): In<String>,
    asked: Asked<Captions>,
) -> Result<StatusCode, ApiError> {
    let room = app.room(&asked.caller, &code, Need::Speak)?;
    let Captions { consent, keep, language, model } = asked.body;
    let consent = match (consent, keep) {
        (false, false) => Consent::None,
        (true, false) => Consent::Captions,
        (true, true) => Consent::CaptionsAndKeeping,
        (false, true) => {
            return Err(ApiError::field("keep", "needs consent to captions as well"));
        }
    };
    app.submit(&asked.ask, SetCaptions { room, consent, language, model }).await?;
    if consent == Consent::None {
        app.frames.discard(room, asked.caller.user).await;
    }
    Ok(StatusCode::NO_CONTENT)
}
