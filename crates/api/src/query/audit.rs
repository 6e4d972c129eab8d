//! Reading the audit trail, for administrators.

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use events::{RoomCode, RoomId};
use serde::Deserialize;

use crate::audit::{self, Wish};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::Params;
use crate::list::{Begin, ListParams, Listing};
use crate::state::App;

/// Which events.
#[derive(Debug, Deserialize)]
pub(crate) struct Search {
    actor: Option<String>,
    room: Option<String>,
    user: Option<String>,
}

/// `GET /events`: newest first. A page may be short, or empty, and yet name a next one: so much of
/// the log was looked through.
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    (Params(params), Params(search)): (Params<ListParams>, Params<Search>),
    uri: Uri,
) -> Result<Response, ApiError> {
    caller.must_be_admin()?;
    let wanted = params.check()?;
    let below = match wanted.begin {
        Begin::Start => None,
        Begin::After(cursor) => Some(cursor),
        Begin::Before(_) | Begin::End => {
            return Err(ApiError::field("before", "is not for this list; it is read with after"));
        }
    };
    let actor = search.actor.as_deref().map(audit::Actors::read).transpose()?;
    let user = search.user.as_deref().map(|id| super::user("user", id)).transpose()?;
    let room = match search.room.as_deref().map(|text| room(&app, text)).transpose()? {
        Some(None) => return Ok(Listing::<audit::Entry>::onward(Vec::new(), None).answer(&uri)),
        Some(room) => room,
        None => None,
    };
    let wish = Wish { actor, room, user, mine: None };
    let found = audit::read_back(&app, &wish, below, wanted.limit).await?;
    Ok(Listing::onward(found.entries, found.next).answer(&uri))
}

/// A room by its id, or by its code while it is there; `None` when no room has the code.
fn room(app: &App, text: &str) -> Result<Option<RoomId>, ApiError> {
    if let Ok(code) = text.parse::<RoomCode>() {
        return Ok(app.look(|state| state.rooms.by_code(code).map(|(id, _)| id)));
    }
    let wrong = || ApiError::field("room", format!("{text:?} is neither a room's code nor its id"));
    text.parse().map(Some).map_err(|_| wrong())
}
