//! The landmarker that an operator installed beside the page: files of one package, served from the
//! data folder with the page's own headers.

use std::path::Path;

use axum::Router;
use axum::response::Response;
use axum::routing::get_service;
use tower::Layer as _;
use tower::util::MapResponseLayer;
use tower_http::services::ServeDir;

/// Below `/assets/landmarker`; 404 for everything while none is installed.
pub(super) fn routes<S: Clone + Send + Sync + 'static>(folder: &Path) -> Router<S> {
    let files = ServeDir::new(folder).append_index_html_on_directories(false);
    let dressed =
        MapResponseLayer::new(|response: Response<_>| super::dress(response)).layer(files);
    Router::new().nest_service("/assets/landmarker", get_service(dressed))
}
