//! What administrators decide about users.

use axum::extract::State;
use axum::http::StatusCode;
use events::UserId;
use events::sealed::Clear;
use events::user::command::account::DeleteUser;
use events::user::command::admin::{Block, GrantAdmin, RevokeAdmin, Unblock};
use serde::Deserialize;

use crate::error::ApiError;
use crate::extract::{Asked, In, Nothing};
use crate::state::App;

/// Why somebody is blocked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reason {
    reason: String,
}

/// Whether the texts go too.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Erasure {
    #[serde(default)]
    erase_content: bool,
}

/// `POST /users/{id}/block`.
pub(crate) async fn block(
    State(app): State<App>,
    In(user): In<UserId>,
    asked: Asked<Reason>,
) -> Result<StatusCode, ApiError> {
    asked.caller.must_be_admin()?;
    app.submit(&asked.ask, Block { user, reason: Clear::new(asked.body.reason) }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /users/{id}/unblock`.
pub(crate) async fn unblock(
    State(app): State<App>,
    In(user): In<UserId>,
    asked: Asked<Nothing>,
) -> Result<StatusCode, ApiError> {
    asked.caller.must_be_admin()?;
    app.submit(&asked.ask, Unblock { user }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `PUT /users/{id}/admin`.
pub(crate) async fn grant(
    State(app): State<App>,
    In(user): In<UserId>,
    asked: Asked<Nothing>,
) -> Result<StatusCode, ApiError> {
    asked.caller.must_be_admin()?;
    app.submit(&asked.ask, GrantAdmin { user }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /users/{id}/admin`.
pub(crate) async fn revoke(
    State(app): State<App>,
    In(user): In<UserId>,
    asked: Asked<Nothing>,
) -> Result<StatusCode, ApiError> {
    asked.caller.must_be_admin()?;
    app.submit(&asked.ask, RevokeAdmin { user }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /users/{id}`; one's own account goes by its password alone, so that a stolen log-in of
/// an administrator can't end it.
pub(crate) async fn delete(
    State(app): State<App>,
    In(user): In<UserId>,
    asked: Asked<Erasure>,
) -> Result<StatusCode, ApiError> {
    asked.caller.must_be_admin()?;
    if user == asked.caller.user {
        let detail = "this is your own account: DELETE /users/me ends it, with your password";
        return Err(ApiError::Forbidden(detail));
    }
    let erase_content = asked.body.erase_content;
    app.submit(&asked.ask, DeleteUser { user, erase_content }).await?;
    Ok(StatusCode::NO_CONTENT)
}
