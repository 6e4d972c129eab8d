//! Whether the process lives, and whether it can serve.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::state::App;

/// Whether the process can serve, and what keeps it from that.
#[derive(Debug, Serialize)]
struct Readiness {
    ready: bool,
    not_ready: Vec<&'static str>,
}

/// `GET /livez`.
pub(crate) async fn live() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// `GET /readyz`: 503 names what is not ready.
pub(crate) async fn ready(State(app): State<App>) -> Response {
    let checks = [
        ("log", app.follower.fresh()),
        ("tables", app.store.position().await.is_ok()),
        ("serving", !app.stopping.is_cancelled()),
    ];
    let not_ready: Vec<_> =
        checks.into_iter().filter(|(_, good)| !good).map(|(name, _)| name).collect();
    let ready = not_ready.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, not_ready })).into_response()
}
