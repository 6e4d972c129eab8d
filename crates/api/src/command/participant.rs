//! Coming into a room, going, being sent out, and consent to captions.

use axum::Json;
use axum::extract::{FromRequest as _, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use events::command::Created;
use events::room::command::admit::Admit;
use events::room::command::captions::SetCaptions;
use events::room::command::join::{Join, JoinAsGuest};
use events::room::command::leave::{Leave, Remove, SendBack};
use events::room::{Admission, Consent, RoomEvent};
use events::sealed::Clear;
use events::user::TokenKind;
use events::user::command::account::DeleteUser;
use events::user::command::guest::RegisterGuest;
use events::{Actor, RoomCode, RoomId, Timestamp, UserId, text};
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

/// What a guest who comes back wants to be called, if something else than before.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewName {
    display_name: Option<String>,
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
    let asked = Asked::<NewName>::from_request(request, &app).await?;
    let (by, user) = ((&asked.caller, &asked.ask), asked.caller.user);
    let (room, accepted) = match name_of(&app, &asked).await? {
        Some(name) => {
            let command = |room| as_guest(&app, room, name);
            app.ask_in_room(by, &code, Need::Join, command).await?
        }
        None => app.ask_in_room(by, &code, Need::Join, |room| Join { room }).await?,
    };
    let participant = match app.first_event(&accepted).await? {
        Some(RoomEvent::ParticipantJoined(first)) => app.as_joined(&first, accepted.time).await?,
        Some(_) | None => app.participant(room, user).await?,
    };
    Ok((status(&participant), Json(participant)).into_response())
}

/// The name of somebody who comes in, if they are a guest: a new one, or the one from before.
async fn name_of(app: &App, asked: &Asked<NewName>) -> Result<Option<Clear>, ApiError> {
    let (user, given) = (asked.caller.user, asked.body.display_name.as_deref());
    match (asked.caller.guest_of, given) {
        (Some(_), Some(given)) => Ok(Some(Clear::new(given))),
        (Some(_), None) => Ok(app.guest_name(user).await?.map(Clear::new)),
        (None, None) => Ok(None),
        (None, Some(_)) => {
            Err(ApiError::field("display_name", "is for guests; you join under your own name"))
        }
    }
}

fn as_guest(app: &App, room: RoomId, display_name: Clear) -> JoinAsGuest {
    let name_digest = app.secrets.username_digest(display_name.expose());
    JoinAsGuest { room, display_name, name_digest }
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
    let joined = app.submit(&ask.second("join"), as_guest(app, room, display_name)).await;
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
    let (by, admit) = ((&asked.caller, &asked.ask), asked.body.admit);
    app.do_in_room(by, &code, Need::See, |room| Admit { room, user, admit }).await
}

/// `POST /rooms/{code}/participants/{user_id}/lobby`: back to the lobby, until admitted again.
pub(crate) async fn send_back(
    State(app): State<App>,
    In((code, user)): In<(String, UserId)>,
    asked: Asked<Nothing>,
) -> Result<StatusCode, ApiError> {
    let by = (&asked.caller, &asked.ask);
    let command = |room| SendBack { room, user };
    let (room, accepted) = app.ask_in_room(by, &code, Need::See, command).await?;
    if !accepted.repeated {
        app.frames.discard(room, user).await;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /rooms/{code}/participants/me`.
pub(crate) async fn leave(
    State(app): State<App>,
    In(code): In<String>,
    asked: Asked<Nothing>,
) -> Result<StatusCode, ApiError> {
    let by = (&asked.caller, &asked.ask);
    let (room, accepted) = app.ask_in_room(by, &code, Need::See, |room| Leave { room }).await?;
    if !accepted.repeated {
        app.frames.discard(room, asked.caller.user).await;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /rooms/{code}/participants/{user_id}`.
pub(crate) async fn remove(
    State(app): State<App>,
    In((code, user)): In<(String, UserId)>,
    asked: Asked<Nothing>,
) -> Result<StatusCode, ApiError> {
    let by = (&asked.caller, &asked.ask);
    let command = |room| Remove { room, user };
    let (room, accepted) = app.ask_in_room(by, &code, Need::See, command).await?;
    if !accepted.repeated {
        app.frames.discard(room, user).await;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// `PUT /rooms/{code}/captions/me`.
pub(crate) async fn captions(
    State(app): State<App>,
    In(code): In<String>,
    asked: Asked<Captions>,
) -> Result<StatusCode, ApiError> {
    let Captions { consent, keep, language, model } = asked.body;
    let consent = match (consent, keep) {
        (false, false) => Consent::None,
        (true, false) => Consent::Captions,
        (true, true) => Consent::CaptionsAndKeeping,
        (false, true) => {
            return Err(ApiError::field("keep", "needs consent to captions as well"));
        }
    };
    let known = app.check_model(model.as_deref());
    let by = (&asked.caller, &asked.ask);
    let command = |room| SetCaptions { room, consent, language, model };
    // Who may not be here hears nothing of models.
    if known.is_err() {
        app.room(&asked.caller, &code, Need::Speak)?;
        known?;
    }
    let (room, accepted) = app.ask_in_room(by, &code, Need::Speak, command).await?;
    if consent == Consent::None && !accepted.repeated {
        app.frames.discard(room, asked.caller.user).await;
    }
    Ok(StatusCode::NO_CONTENT)
}
