//! The models of this process, and what each can say.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::auth::Caller;
use crate::error::ApiError;
use crate::models::ModelInfo;
use crate::state::App;

/// All of them: there are never many.
#[derive(Debug, Serialize)]
pub(crate) struct Listed {
    data: Vec<ModelInfo>,
}

/// `GET /models`.
pub(crate) async fn list(State(app): State<App>, _: Caller) -> Result<Json<Listed>, ApiError> {
    let models = Arc::clone(&app.models);
    let data = tokio::task::spawn_blocking(move || models.describe()).await;
    let data = data.map_err(|error| ApiError::Internal(error.to_string()))?;
    Ok(Json(Listed { data }))
}
