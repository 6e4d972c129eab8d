//! Coming into a room, going, being sent out, and consent to captions.

use axum::Json;
use axum::extract::{FromRequest as _, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use events::command::Created;
use events::room::command::admit::Admit;
use events::room::command::captions::SetCaptions;
use events::room::command::join::{Join, JoinAsGuest};
use events::room::command::leave::{Leave, Remove};
use events::room::{Admission, Consent};
use events::sealed::Clear;
use events::user::TokenKind;
use events::user::command::account::DeleteUser;
use events::user::command::guest::RegisterGuest;
use events::{Actor, RoomCode, Timestamp, UserId, text};
use serde::{Deserialize, Serialize};

use crate::access::Need;
use crate::answer::Person;
use crate::auth::has_credentials;
use crate::error::ApiError;
use crate::extract::{Asked, In, Nothing, Open};
use crate::secret::Secret;
use crate::state::{App, Ask};
use crate::throttle::address_key;

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

/// What a guest wants to be called.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GuestName {
    display_name: String,
}

/// In from the lobby, or away.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Admittance {
    admit: bool,
}

/// A guest's place, and the token for it.
#[derive(Serialize)]
struct GuestAnswer {
    participant: Person,
    #[serde(serialize_with = "Secret::hand_out")]
    token: Secret,
    token_expiration: Timestamp,
}

/// `POST /rooms/{code}/participants`: 201 when in, 202 when waiting in the lobby. Who brings no
/// credentials comes as a guest.
pub(crate) async fn join(
    State(app): State<App>,
    In(code): In<String>,
    request: Request,
) -> Result<Response, ApiError> {
    if !has_credentials(request.headers()) {
        return join_as_guest(&app, &code, Open::from_request(request, &app).await?).await;
    }
    let asked = Asked::<Nothing>::from_request(request, &app).await?;
    let room = app.room(&asked.caller, &code, Need::Join)?;
    app.submit(&asked.ask, Join { room }).await?;
    let participant = app.participant(room, asked.caller.user).await?;
    Ok((status(&participant), Json(participant)).into_response())
}

fn status(person: &Person) -> StatusCode {
    match person.participant.row.admission {
        Admission::Admitted => StatusCode::CREATED,
        Admission::Waiting => StatusCode::ACCEPTED,
    }
}

/// Two commits, each about one subject: the guest's user, then the guest in the room.
async fn join_as_guest(app: &App, code: &str, open: Open<GuestName>) -> Result<Response, ApiError> {
    app.throttles.registrations.take(address_key(open.context.client()))?;
    let display_name = Clear::new(open.body.display_name.clone());
    text::name("display_name", &display_name, text::DISPLAY_NAME)?;
    let code = code.parse::<RoomCode>().map_err(|_| ApiError::NO_ROOM)?;
    let room = app.look(|state| state.rooms.by_code(code).map(|(room, _)| room));
    let room = room.ok_or(ApiError::NO_ROOM)?;
    let (token, secret) = app.new_token(TokenKind::Guest)?;
    let ask = open.ask();
    let registered = app.submit(&ask, RegisterGuest { room, token }).await?;
    let Some(Created::User(guest)) = registered.created else {
        return Err(ApiError::Internal("registering made no guest".to_owned()));
    };
    let ask = Ask { actor: Actor::User(guest), ..ask };
    let joined = app.submit(&ask.second("join"), JoinAsGuest { room, display_name }).await;
    if let Err(error) = joined {
        let delete = DeleteUser { user: guest, erase_content: true };
        app.submit(&ask.second("undo"), delete).await?;
        return Err(error);
    }
    let participant = app.participant(room, guest).await?;
    let token_expiration = app.expiry(registered.time);
    let status = status(&participant);
    let answer = GuestAnswer { participant, token: secret, token_expiration };
    Ok((status, Json(answer)).into_response())
}

/// `PUT /rooms/{code}/participants/{user_id}/admission`.
pub(crate) async fn admit(
    State(app): State<App>,
    In((code, user)): In<(String, UserId)>,
    asked: Asked<Admittance>,
) -> Result<StatusCode, ApiError> {
    let room = app.room(&asked.caller, &code, Need::See)?;
    app.submit(&asked.ask, Admit { room, user, admit: asked.body.admit }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /rooms/{code}/participants/me`.
pub(crate) async fn leave(
    State(app): State<App>,
    In(code): In<String>,
    asked: Asked<Nothing>,
) -> Result<StatusCode, ApiError> {
    let room = match app.room(&asked.caller, &code, Need::See) {
        Ok(room) => room,
        Err(refusal) => {
            return app.done_before(&asked.ask, refusal).await.map(|()| StatusCode::NO_CONTENT);
        }
    };
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
    app.check_model(model.as_deref())?;
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
