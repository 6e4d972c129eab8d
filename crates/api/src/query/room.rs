//! Reading rooms and who is in them.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use events::UserId;
use serde::Serialize;

use super::message::All;
use crate::access::Need;
use crate::answer::{Person, room_row};
use crate::auth::Caller;
use crate::command::room::answer;
use crate::error::ApiError;
use crate::extract::{In, Params};
use crate::list::{ListParams, Listing, Order};
use crate::state::App;

/// Whether a participant is there now.
#[derive(Debug, Serialize)]
pub(crate) struct Presence {
    user_id: UserId,
    online: bool,
}

/// `GET /rooms`: own and joined, for administrators all; newest first.
pub(crate) async fn list(
    State(app): State<App>,
    Params(params): Params<ListParams>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, ApiError> {
    let wanted = params.check()?;
    let mut rooms: Vec<_> = app.look(|state| {
        if caller.is_admin {
            state.rooms.iter().map(|(id, room)| room_row(id, room)).collect()
        } else {
            state.rooms.of_member(caller.user).map(|(id, room)| room_row(id, room)).collect()
        }
    });
    rooms.sort_by_key(|row| std::cmp::Reverse(row.id));
    Ok(Listing::cut(wanted, Order::NewestFirst, rooms, |row| row.id.get()).answer(&uri))
}

/// `GET /rooms/{code}`.
pub(crate) async fn show(
    State(app): State<App>,
    In(code): In<String>,
    caller: Caller,
) -> Result<Response, ApiError> {
    let room = app.room(&caller, &code, Need::See)?;
    Ok(answer(&app.room_row(room)?))
}

/// `GET /rooms/{code}/participants`: in the order they came.
pub(crate) async fn participants(
    State(app): State<App>,
    In(code): In<String>,
    Params(params): Params<ListParams>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, ApiError> {
    let room = app.room(&caller, &code, Need::Read)?;
    let wanted = params.check()?;
    let people = app.participants(room).await?;
    let id = |person: &Person| person.participant.row.id.get();
    Ok(Listing::cut(wanted, Order::OldestFirst, people, id).answer(&uri))
}

/// `GET /rooms/{code}/presence`: who of the participants has a socket or an event stream open.
pub(crate) async fn presence(
    State(app): State<App>,
    In(code): In<String>,
    caller: Caller,
) -> Result<Json<All<Presence>>, ApiError> {
    let room = app.room(&caller, &code, Need::Read)?;
    let users = app.look(|state| {
        let found = state.rooms.get(room)?;
        let mut users: Vec<_> = found.participants.iter().map(|(user, p)| (p.id, *user)).collect();
        users.sort_unstable();
        Some(users)
    });
    let mut online = app.hub.online(room);
    online.extend(app.elsewhere.online(room));
    let presence = |(_, user_id)| Presence { user_id, online: online.contains(&user_id) };
    Ok(Json(All { data: users.unwrap_or_default().into_iter().map(presence).collect() }))
}
