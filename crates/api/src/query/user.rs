//! Reading users, for administrators.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use events::UserId;
use projector::UserRow;
use serde::Deserialize;

use super::page;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{In, Params, Read};
use crate::list::{ListParams, Listing};
use crate::state::App;

/// Which users.
#[derive(Debug, Deserialize)]
pub(crate) struct Search {
    q: Option<String>,
}

/// `GET /users`: newest first.
pub(crate) async fn list(
    State(app): State<App>,
    Read(caller): Read,
    (Params(params), Params(search)): (Params<ListParams>, Params<Search>),
    uri: Uri,
) -> Result<Response, ApiError> {
    caller.must_be_admin()?;
    let wanted = params.check()?;
    let q = search.q.as_deref().filter(|q| !q.is_empty());
    if q.is_some_and(|q| q.contains('\0')) {
        return Err(ApiError::field("q", "contains U+0000, which no name has; leave it out"));
    }
    let found = app.store.users(q, page(wanted, UserId::new)).await?;
    Ok(Listing::new(wanted, found.rows, found.has_more, |row| row.id.get()).answer(&uri))
}

/// `GET /users/{id}`.
pub(crate) async fn show(
    State(app): State<App>,
    In(user): In<UserId>,
    caller: Caller,
) -> Result<Json<UserRow>, ApiError> {
    caller.must_be_admin()?;
    app.user_row(user).await.map(Json)
}
