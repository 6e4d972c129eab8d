//! Reading webhooks, and what became of their deliveries.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use events::webhook::{Disabling, Notice, Scope, Webhook};
use events::{KeyScope, Rejection, RoomCode, RoomId, Timestamp, UserId, WebhookId};
use projector::DeliveryRow;
use serde::Serialize;

use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{In, Params, Read};
use crate::list::{Begin, ListParams, Listing, Order};
use crate::state::App;

/// A webhook, without its secret.
#[derive(Debug, Serialize)]
pub(crate) struct WebhookAnswer {
    id: WebhookId,
    user_id: UserId,
    /// Where deliveries go.
    url: Option<String>,
    /// The one room it is about, if it is about one.
    room_id: Option<RoomId>,
    room_code: Option<RoomCode>,
    all_rooms: bool,
    events: Vec<Notice>,
    created_at: Timestamp,
    /// Since when nothing is delivered, if it is disabled.
    disabled_at: Option<Timestamp>,
    disabled_reason: Option<Disabling>,
    /// Until when deliveries are signed with the former secret too.
    former_secret_until: Option<Timestamp>,
}

/// One delivery.
#[derive(Debug, Serialize)]
pub(crate) struct DeliveryAnswer {
    n: u64,
    /// The `webhook-id` that the receiver sees.
    event_id: String,
    r#type: String,
    /// `None` of a test.
    room_id: Option<RoomId>,
    /// `pending`, `delivered` or `dead`.
    state: String,
    attempts: u32,
    created_at: Timestamp,
    next_attempt_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    /// Of the last answer.
    status: Option<u32>,
    /// Why the last attempt failed.
    error: Option<String>,
}

impl From<DeliveryRow> for DeliveryAnswer {
    fn from(row: DeliveryRow) -> Self {
        let waits = row.ended_at.is_none();
        Self {
            n: row.n,
            event_id: row.event_id,
            r#type: row.kind,
            room_id: Some(row.room_id).filter(|room| room.get() != 0),
            state: row.state,
            attempts: row.attempts,
            created_at: Timestamp::from_micros(row.created_at),
            next_attempt_at: waits.then(|| Timestamp::from_micros(row.next_at)),
            ended_at: row.ended_at.map(Timestamp::from_micros),
            status: row.last_status,
            error: row.last_error,
        }
    }
}

impl DeliveryAnswer {
    /// One that is about to be made once more.
    pub(crate) fn again(row: DeliveryRow) -> Self {
        let (state, attempts) = ("pending".to_owned(), 0);
        Self { state, attempts, ended_at: None, next_attempt_at: None, ..Self::from(row) }
    }
}

/// `GET /webhooks`: one's own, for administrators all; newest first.
pub(crate) async fn list(
    State(app): State<App>,
    Params(params): Params<ListParams>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, ApiError> {
    let wanted = params.check()?;
    let mut ids: Vec<WebhookId> = app.look(|state| {
        if caller.is_admin {
            state.webhooks.iter().map(|(id, _)| id).collect()
        } else {
            state.webhooks.of(caller.user).map(|(id, _)| id).collect()
        }
    });
    ids.sort_unstable_by_key(|id| std::cmp::Reverse(*id));
    let page = Listing::cut(wanted, Order::NewestFirst, ids, |id| id.get());
    let mut rows = Vec::new();
    for id in page.rows() {
        match app.webhook(&caller, *id).await {
            Ok(row) => rows.push(row),
            // Deleted in between.
            Err(ApiError::Rejected(Rejection::NotFound(_))) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(page.with(rows).answer(&uri))
}

/// `GET /webhooks/{id}`.
pub(crate) async fn show(
    State(app): State<App>,
    In(webhook): In<WebhookId>,
    caller: Caller,
) -> Result<Json<WebhookAnswer>, ApiError> {
    app.webhook(&caller, webhook).await.map(Json)
}

/// `GET /webhooks/{id}/deliveries`: newest first.
pub(crate) async fn deliveries(
    State(app): State<App>,
    In(webhook): In<WebhookId>,
    Params(params): Params<ListParams>,
    Read(caller): Read,
    uri: Uri,
) -> Result<Response, ApiError> {
    app.may_see_webhook(&caller, webhook)?;
    let wanted = params.check()?;
    let below = match wanted.begin {
        Begin::Start => u64::MAX,
        Begin::After(n) => n,
        Begin::Before(_) | Begin::End => {
            return Err(ApiError::field("before", "is not for this list; it is read with after"));
        }
    };
    let found = app.store.deliveries(webhook, below, wanted.limit as u32).await?;
    let rows: Vec<DeliveryAnswer> = found.rows.into_iter().map(DeliveryAnswer::from).collect();
    let next = rows.last().map(|row| row.n).filter(|_| found.has_more);
    Ok(Listing::onward(rows, next).answer(&uri))
}

impl App {
    /// Whether the caller may manage a webhook; if not, it is as if there were none.
    pub(crate) fn may_see_webhook(&self, caller: &Caller, id: WebhookId) -> Result<(), ApiError> {
        self.managed(caller, id).map(drop)
    }

    fn managed(&self, caller: &Caller, id: WebhookId) -> Result<Webhook, ApiError> {
        let found = self.look(|state| state.webhooks.get(id).cloned());
        let found = found.filter(|found| caller.is_admin || found.owner == caller.user);
        found.ok_or_else(|| Rejection::NotFound("webhook").into())
    }

    /// The caller's own webhooks, oldest first.
    pub(crate) async fn webhooks_of(
        &self,
        caller: &Caller,
    ) -> Result<Vec<WebhookAnswer>, ApiError> {
        let ids =
            self.look(|state| state.webhooks.of(caller.user).map(|(id, _)| id).collect::<Vec<_>>());
        let mut all = Vec::with_capacity(ids.len());
        for id in ids {
            all.push(self.webhook(caller, id).await?);
        }
        Ok(all)
    }

    /// A webhook of the caller's, for administrators any.
    pub(crate) async fn webhook(
        &self,
        caller: &Caller,
        id: WebhookId,
    ) -> Result<WebhookAnswer, ApiError> {
        let found = self.managed(caller, id)?;
        let label = events::sealed::label("webhook.url", id.get());
        let url = self.vault.read(KeyScope::User(found.owner), &label, &found.url).await?;
        let room_id = match found.scope {
            Scope::Room(room) => Some(room),
            Scope::Own | Scope::All => None,
        };
        let code = |room| self.look(|state| Some(state.rooms.get(room)?.code));
        Ok(WebhookAnswer {
            id,
            user_id: found.owner,
            url: url.into_text(),
            room_id,
            room_code: room_id.and_then(code),
            all_rooms: found.scope == Scope::All,
            events: found.events,
            created_at: found.created_at,
            disabled_at: found.disabled.map(|(at, _)| at),
            disabled_reason: found.disabled.map(|(_, reason)| reason),
            former_secret_until: found.former.map(|one| one.until).filter(|at| self.now() < *at),
        })
    }
}
