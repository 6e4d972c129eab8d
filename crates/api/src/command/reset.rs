//! New passwords by a link that works once, for ten minutes.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use events::sealed::Clear;
use events::user::command::reset::{RequestReset, ResetPassword};
use events::{Actor, Rejection, SystemRole, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::error::ApiError;
use crate::extract::{Asked, In, Nothing, Open};
use crate::password::{self, Lane};
use crate::secret::Secret;
use crate::state::{App, Ask};
use crate::throttle::address_key;

/// How long a link is good, in seconds.
const GOOD_FOR_S: u32 = 600;

/// Where the link is wanted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Address {
    email: String,
}

/// The new password.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPassword {
    new: Secret,
}

/// A link, told once: the page shows it at `/reset/{secret}`.
#[derive(Serialize)]
struct LinkHandedOut {
    #[serde(serialize_with = "Secret::hand_out")]
    secret: Secret,
    path: String,
    expires_at: Timestamp,
}

/// `POST /password-resets`: the same answer whether or not somebody has the address.
pub(crate) async fn request(
    State(app): State<App>,
    open: Open<Address>,
) -> Result<StatusCode, ApiError> {
    app.throttles.resets.take(address_key(open.context.client()))?;
    let digest = app.secrets.email_digest(&open.body.email);
    let ask = Ask { actor: Actor::System(SystemRole::Api), ..open.ask() };
    // Behind the answer, so that its time tells nothing either.
    tokio::spawn(async move {
        let Some(user) = app.look(|state| state.users.by_email(digest)) else { return };
        let Some(mail) = app.reset_mail.clone() else { return };
        match app.reset_link(&ask, user).await {
            Ok((secret, _)) => match app.user_row(user).await {
                Ok(row) => mail(&row.email, &secret),
                Err(error) => tracing::warn!(%error, "a reset link could not be sent"),
            },
            Err(error) => tracing::debug!(%error, "no reset link was made"),
        }
    });
    Ok(StatusCode::ACCEPTED)
}

/// `POST /users/{id}/password-reset`: an administrator hands the link out.
pub(crate) async fn hand_out(
    State(app): State<App>,
    In(user): In<UserId>,
    asked: Asked<Nothing>,
) -> Result<Response, ApiError> {
    asked.caller.must_be_admin()?;
    let (secret, expires_at) = app.reset_link(&asked.ask.unrepeatable(), user).await?;
    let path = format!("/reset/{}", secret.expose());
    let answer = LinkHandedOut { secret, path, expires_at };
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

/// `PUT /password-resets/{secret}`: every log-in ends, and the link with it.
pub(crate) async fn use_up(
    State(app): State<App>,
    In(secret): In<String>,
    open: Open<NewPassword>,
) -> Result<Response, ApiError> {
    app.throttles.resets.take(address_key(open.context.client()))?;
    let (secret, ask) = (Secret::new(secret), open.ask());
    let digest = vault::token_digest(secret.expose());
    let user = app.look(|state| state.users.by_reset(digest));
    let gone = || Rejection::Gone("this link was used or has expired; ask for a new one".into());
    let user = user.ok_or_else(gone)?;
    let row = app.user_row(user).await?;
    let inputs = [row.username.as_str(), row.email.as_str()];
    let errors = password::check("new", open.body.new.expose(), &inputs);
    if !errors.is_empty() {
        return Err(ApiError::Invalid(errors));
    }
    let new = open.body.new.clone();
    let hash = app.passwords.hash(Lane::Strangers, new, || Ok(())).await?;
    let password_hash = Clear::new(hash);
    app.submit(&ask, ResetPassword { digest, password_hash }).await?;
    // Who held the link is let in from here, whatever strangers try meanwhile.
    let mut response = StatusCode::NO_CONTENT.into_response();
    app.mark_device(&open, user, &mut response);
    Ok(response)
}

impl App {
    /// A new link; the ones before are good no more.
    async fn reset_link(&self, ask: &Ask, user: UserId) -> Result<(Secret, Timestamp), ApiError> {
        let secret = Secret::random()?;
        let digest = vault::token_digest(secret.expose());
        let command = RequestReset { user, digest, lifetime_s: GOOD_FOR_S };
        let accepted = self.submit(ask, command).await?;
        Ok((secret, accepted.time.plus_seconds(i64::from(GOOD_FOR_S))))
    }
}
