//! The document that says what the API is.

use axum::Json;
use serde_json::Value;

/// `GET /openapi.json`.
pub(crate) async fn document() -> Json<&'static Value> {
    Json(crate::openapi::document())
}
