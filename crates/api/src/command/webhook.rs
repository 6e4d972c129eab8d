//! Webhooks: making, stopping and ending them, asking for a delivery once more.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use events::command::Created;
use events::sealed::Clear;
use events::webhook::command::manage::{
    CreateWebhook, DeleteWebhook, DisableWebhook, EnableWebhook, RetryDelivery, RotateSecret,
    TestWebhook,
};
use events::webhook::{Notice, Scope};
use events::{Rejection, WebhookId};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::access::Need;
use crate::error::ApiError;
use crate::extract::{Asked, In, Nothing};
use crate::query::webhook::{DeliveryAnswer, WebhookAnswer};
use crate::secret::{Secret, random};
use crate::state::App;

/// Bytes of the key that deliveries are signed with.
const KEY_BYTES: usize = 32;

/// Whom to tell of what.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewWebhook {
    url: String,
    /// Everything, unless said.
    events: Option<Vec<Notice>>,
    /// This room alone.
    room_code: Option<String>,
    /// All rooms there are; for administrators.
    #[serde(default)]
    all_rooms: bool,
}

/// A webhook, with its secret, told once.
#[derive(Serialize)]
struct WebhookHandedOut {
    #[serde(flatten)]
    webhook: WebhookAnswer,
    #[serde(serialize_with = "Secret::hand_out")]
    secret: Secret,
}

/// `POST /webhooks`.
pub(crate) async fn create(
    State(app): State<App>,
    asked: Asked<NewWebhook>,
) -> Result<Response, ApiError> {
    let NewWebhook { url, events, room_code, all_rooms } = &asked.body;
    check_url(url, app.config.webhooks.allow_http)?;
    let scope = match (room_code, all_rooms) {
        (Some(_), true) => {
            return Err(ApiError::field("all_rooms", "can't be given together with room_code"));
        }
        (Some(code), false) => Scope::Room(app.room(&asked.caller, code, Need::See)?),
        (None, true) => Scope::All,
        (None, false) => Scope::Own,
    };
    let secret = new_secret()?;
    let command = CreateWebhook {
        url: Clear::new(url.clone()),
        secret: Clear::new(secret.expose()),
        scope,
        events: events.clone().unwrap_or_else(|| Notice::ALL.to_vec()),
    };
    let accepted = app.submit(&asked.ask.unrepeatable(), command).await?;
    let Some(Created::Webhook(id)) = accepted.created else {
        return Err(ApiError::Internal("the commit made no webhook".to_owned()));
    };
    let webhook = app.webhook(&asked.caller, id).await?;
    Ok((StatusCode::CREATED, Json(WebhookHandedOut { webhook, secret })).into_response())
}

/// Whether it is told anything.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Enabling {
    enabled: bool,
}

/// `PATCH /webhooks/{id}`.
pub(crate) async fn change(
    State(app): State<App>,
    In(webhook): In<WebhookId>,
    asked: Asked<Enabling>,
) -> Result<Json<WebhookAnswer>, ApiError> {
    if asked.body.enabled {
        app.submit(&asked.ask, EnableWebhook { webhook }).await?;
    } else {
        app.submit(&asked.ask, DisableWebhook { webhook }).await?;
    }
    app.webhook(&asked.caller, webhook).await.map(Json)
}

/// `POST /webhooks/{id}/rotate-secret`.
pub(crate) async fn rotate_secret(
    State(app): State<App>,
    In(webhook): In<WebhookId>,
    asked: Asked<Nothing>,
) -> Result<Response, ApiError> {
    let secret = new_secret()?;
    let command = RotateSecret { webhook, secret: Clear::new(secret.expose()) };
    app.submit(&asked.ask.unrepeatable(), command).await?;
    let webhook = app.webhook(&asked.caller, webhook).await?;
    Ok(Json(WebhookHandedOut { webhook, secret }).into_response())
}

/// `POST /webhooks/{id}/test`.
pub(crate) async fn test(
    State(app): State<App>,
    In(webhook): In<WebhookId>,
    asked: Asked<Nothing>,
) -> Result<StatusCode, ApiError> {
    app.submit(&asked.ask, TestWebhook { webhook }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /webhooks/{id}`.
pub(crate) async fn delete(
    State(app): State<App>,
    In(webhook): In<WebhookId>,
    asked: Asked<Nothing>,
) -> Result<StatusCode, ApiError> {
    app.submit(&asked.ask, DeleteWebhook { webhook }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /webhooks/{id}/deliveries/{n}/retry`: as if it had never been tried.
pub(crate) async fn retry(
    State(app): State<App>,
    In((webhook, delivery)): In<(WebhookId, u64)>,
    asked: Asked<Nothing>,
) -> Result<Response, ApiError> {
    app.may_see_webhook(&asked.caller, webhook)?;
    let found = app.store.delivery(webhook, delivery).await?;
    let found = found.ok_or(Rejection::NotFound("delivery"))?;
    app.submit(&asked.ask, RetryDelivery { webhook, delivery }).await?;
    Ok((StatusCode::ACCEPTED, Json(DeliveryAnswer::again(found))).into_response())
}

/// `whsec_` and base 64, as Standard Webhooks has it.
fn new_secret() -> Result<Secret, ApiError> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    random(&mut *key)?;
    Ok(Secret::new(format!("whsec_{}", BASE64.encode(*key))))
}

fn check_url(url: &str, allow_http: bool) -> Result<(), ApiError> {
    let parsed = url.parse::<Uri>().ok();
    let allowed = parsed.is_some_and(|uri| {
        let scheme = matches!(uri.scheme_str(), Some("https"))
            || (allow_http && matches!(uri.scheme_str(), Some("http")));
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        scheme && !authority.is_empty() && !authority.contains('@')
    });
    if allowed && url.is_ascii() {
        return Ok(());
    }
    Err(ApiError::field("url", "is no address of the form https://HOST/PATH"))
}
