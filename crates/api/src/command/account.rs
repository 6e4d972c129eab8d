//! Accounts: registering, changing, ending one's own.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use events::Rejection;
use events::command::Created;
use events::sealed::Clear;
use events::user::TokenKind;
use events::user::command::account::{ChangeNames, ChangePassword, DeleteUser};
use events::user::command::register::{Register, checked_email, checked_username};
use projector::UserRow;
use serde::Deserialize;

use crate::auth::Caller;
use crate::bootstrap;
use crate::error::{ApiError, FieldError};
use crate::extract::{Asked, Open};
use crate::guesses::{Guess, Proof};
use crate::password::{self, Lane};
use crate::secret::Secret;
use crate::state::App;
use crate::throttle::address_key;

/// A new user.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewUser {
    username: String,
    email: String,
    password: Secret,
}

/// The first administrator.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FirstAdmin {
    secret: Secret,
    username: String,
    email: String,
    password: Secret,
}

/// Other names; what is left out stays.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewNames {
    username: Option<String>,
    email: Option<String>,
}

/// Another password.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPassword {
    current: Secret,
    new: Secret,
}

/// The end of an account.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Goodbye {
    password: Secret,
    #[serde(default)]
    erase_content: bool,
}

/// `POST /users`.
pub(crate) async fn register(
    State(app): State<App>,
    open: Open<NewUser>,
) -> Result<Response, ApiError> {
    app.throttles.registrations.take(address_key(open.context.client()))?;
    create(&app, &open, open.body.clone(), false).await
}

/// `POST /admin/bootstrap`.
pub(crate) async fn bootstrap(
    State(app): State<App>,
    open: Open<FirstAdmin>,
) -> Result<Response, ApiError> {
    app.throttles.registrations.take(address_key(open.context.client()))?;
    if app.look(|state| state.users.admins()) > 0 {
        let detail = "there is an administrator already; ask them".to_owned();
        return Err(Rejection::Gone(detail).into());
    }
    let FirstAdmin { secret, username, email, password } = &open.body;
    let file = app.config.bootstrap_file.as_deref().ok_or(ApiError::WrongSecret)?;
    if !bootstrap::is_right(file, secret.expose(), app.now()) {
        return Err(ApiError::WrongSecret);
    }
    let new =
        NewUser { username: username.clone(), email: email.clone(), password: password.clone() };
    let response = create(&app, &open, new, true).await?;
    bootstrap::use_up(file);
    Ok(response)
}

async fn create<T>(
    app: &App,
    open: &Open<T>,
    new: NewUser,
    bootstrap: bool,
) -> Result<Response, ApiError> {
    let NewUser { username, email, password } = new;
    let (username_digest, email_digest) =
        (app.secrets.username_digest(&username), app.secrets.email_digest(&email));
    check_new(&username, &email, password.expose())?;
    // Decided again at the log's end; here it only saves the hash, also of those who wait for theirs.
    let free = {
        let app = app.clone();
        move || {
            app.look(|state| match () {
                () if state.users.by_username(username_digest).is_some() => {
                    Err(Rejection::UsernameTaken)
                }
                () if state.users.by_email(email_digest).is_some() => Err(Rejection::EmailTaken),
                () => Ok(()),
            })
            .map_err(ApiError::from)
        }
    };
    free()?;
    let password_hash = Clear::new(app.passwords.hash(Lane::Strangers, password, free).await?);
    let (token, secret) = app.new_token(TokenKind::Api)?;
    let command = Register {
        username: Clear::new(username),
        username_digest,
        email: Clear::new(email),
        email_digest,
        password_hash,
        bootstrap,
        token,
    };
    let accepted = app.submit(&open.ask(), command).await?;
    let Some(Created::User(user)) = accepted.created else {
        return Err(ApiError::Internal("registering made no user".to_owned()));
    };
    app.note_handed_out(&token, accepted.position);
    let answer = app.handed_out(user, secret, accepted.time).await?;
    open.context.say_expiry(answer.token_expiration);
    let mut response = (StatusCode::CREATED, Json(answer)).into_response();
    app.mark_device(open, user, &mut response);
    Ok(response)
}

/// Everything that can be said about a new user without looking at others, in one answer.
fn check_new(username: &str, email: &str, password: &str) -> Result<(), ApiError> {
    let mut errors = password::check("password", password, &[username, email]);
    errors.extend(wrong_names(Some(username), Some(email)));
    if errors.is_empty() { Ok(()) } else { Err(ApiError::Invalid(errors)) }
}

fn check_names(username: Option<&str>, email: Option<&str>) -> Result<(), ApiError> {
    let errors = wrong_names(username, email);
    if errors.is_empty() { Ok(()) } else { Err(ApiError::Invalid(errors)) }
}

fn wrong_names(username: Option<&str>, email: Option<&str>) -> Vec<FieldError> {
    let name = |name: &str| checked_username(&Clear::new(name));
    let address = |email: &str| checked_email(&Clear::new(email));
    let checked = [username.map(name), email.map(address)];
    let mut errors = Vec::new();
    for refused in checked.into_iter().flatten().filter_map(Result::err) {
        if let Rejection::Invalid { field, detail } = refused {
            errors.push(FieldError::new(field, detail));
        }
    }
    errors
}

/// `GET /users/me`.
pub(crate) async fn me(State(app): State<App>, caller: Caller) -> Result<Json<UserRow>, ApiError> {
    app.user_row(caller.user).await.map(Json)
}

/// `PATCH /users/me`: another name, another address, or both.
pub(crate) async fn change_me(
    State(app): State<App>,
    asked: Asked<NewNames>,
) -> Result<Json<UserRow>, ApiError> {
    let NewNames { username, email } = asked.body;
    check_names(username.as_deref(), email.as_deref())?;
    let digest = |name: String| {
        let digest = app.secrets.username_digest(&name);
        (Clear::new(name), digest)
    };
    let username = username.map(digest);
    let email = email.map(|email| {
        let digest = app.secrets.email_digest(&email);
        (Clear::new(email), digest)
    });
    app.submit(&asked.ask, ChangeNames { username, email }).await?;
    app.user_row(asked.caller.user).await.map(Json)
}

/// `PUT /users/me/password`: every log-in ends, that of the request too.
pub(crate) async fn change_password(
    State(app): State<App>,
    asked: Asked<NewPassword>,
) -> Result<StatusCode, ApiError> {
    let NewPassword { current, new } = asked.body;
    let user = asked.caller.user;
    let me = app.user_row(user).await?;
    let errors = password::check("new", new.expose(), &[&me.username, &me.email]);
    if !errors.is_empty() {
        return Err(ApiError::Invalid(errors));
    }
    let passwords = Some(verify_own(&app, &asked.caller, current).await?);
    let hash = app.passwords.hash(Lane::Known, new, || Ok(())).await?;
    let command = ChangePassword { user, password_hash: Clear::new(hash), passwords };
    app.submit(&asked.ask, command).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /users/me`.
pub(crate) async fn delete_me(
    State(app): State<App>,
    asked: Asked<Goodbye>,
) -> Result<StatusCode, ApiError> {
    let Goodbye { password, erase_content } = asked.body;
    let user = asked.caller.user;
    verify_own(&app, &asked.caller, password).await?;
    app.submit(&asked.ask, DeleteUser { user, erase_content }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// One's own password, asked again; says which of one's passwords it is. A stolen token can't be
/// used to guess it: wrong ones count.
async fn verify_own(app: &App, caller: &Caller, password: Secret) -> Result<u32, ApiError> {
    let user = caller.user;
    let guess = Guess::at_own(app, user, Proof::LogIn(caller.token))?;
    let compared = app.compare(guess, Some(user), password).await?;
    if compared.verified.right {
        guess.was_right(app, user);
        return Ok(compared.passwords);
    }
    app.activity.failed(user);
    Err(ApiError::WrongCurrentPassword)
}
