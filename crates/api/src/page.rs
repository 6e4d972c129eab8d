//! The page: documents, modules and styles of `web/`, built into the binary and served with a policy
//! that lets the browser load nothing from anywhere else.

mod assets;
mod docs;
mod landmarker;
#[cfg(test)]
mod tests;

use std::io::Write as _;
use std::path::Path as FilePath;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::routing::get;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

/// What the page may load and do: its own scripts, styles and pictures, its own server, WebAssembly
/// for a landmarker that the operator installed. Nothing inline, nothing from elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; \
     connect-src 'self'; img-src 'self' blob:; media-src 'self' blob:; style-src 'self'; \
     base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'";
/// What the page may ask the browser's user for.
const PERMISSIONS: &str = "camera=(self), microphone=(self), geolocation=()";
/// The addresses that show the page; which view, the page itself finds out.
const VIEWS: [&str; 9] = [
    "/",
    "/login",
    "/register",
    "/setup",
    "/reset",
    "/reset/{secret}",
    "/rooms/{code}",
    "/account",
    "/admin",
];
/// Bytes of a digest that make an `ETag`.
const TAG_BYTES: usize = 12;

/// One file of the page, ready to be sent.
struct Asset {
    path: &'static str,
    bytes: &'static [u8],
    /// The same, compressed once for all.
    gzip: Bytes,
    tag: String,
}

/// All files, sorted by path.
type Assets = Arc<[Asset]>;

/// The routes of the page: its views and `/assets/…`. Files are sent with an `ETag` and always asked
/// for again, so a new binary shows its own page at once. `landmarker` is the folder of one that the
/// operator may install, also while the server runs.
pub fn routes<S: Clone + Send + Sync + 'static>(landmarker: Option<&FilePath>) -> Router<S> {
    let docs = [(docs::PATH, docs::html().as_bytes())];
    let mut assets: Vec<Asset> = assets::FILES.iter().chain(&docs).map(asset).collect();
    assets.sort_by_key(|asset| asset.path);
    let assets: Assets = assets.into();
    let own = VIEWS
        .iter()
        .fold(Router::new(), |router, view| router.route(view, get(document)))
        .route("/docs", get(documentation))
        .route("/assets/{*path}", get(file))
        .with_state(assets);
    match landmarker {
        Some(folder) => own.merge(landmarker::routes(folder)),
        None => own,
    }
}

fn asset((path, bytes): &(&'static str, &'static [u8])) -> Asset {
    let tag = format!("\"{}\"", hex::encode(&Sha256::digest(bytes)[..TAG_BYTES]));
    Asset { path, bytes, gzip: gzip(bytes), tag }
}

async fn documentation(State(assets): State<Assets>, headers: HeaderMap) -> Response<Body> {
    send(&assets, docs::PATH, &headers)
}

async fn document(State(assets): State<Assets>, headers: HeaderMap) -> Response<Body> {
    send(&assets, assets::DOCUMENT, &headers)
}

async fn file(
    State(assets): State<Assets>,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    send(&assets, &path, &headers)
}

/// Compressed; empty should that fail, which memory can't.
fn gzip(bytes: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.unwrap_or_default().into()
}

/// Whether the browser takes gzip.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|v| v.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|one| {
        let mut parts = one.split(';').map(str::trim);
        let refused = |q: &str| matches!(q, "q=0" | "q=0.0" | "q=0.00" | "q=0.000");
        parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip")) && !parts.any(refused)
    })
}

/// The file of that path, or 304 when the browser has it already.
fn send(assets: &[Asset], path: &str, headers: &HeaderMap) -> Response<Body> {
    let Ok(found) = assets.binary_search_by_key(&path, |asset| asset.path) else {
        return answer(StatusCode::NOT_FOUND, Bytes::new());
    };
    let asset = &assets[found];
    let known = headers.get_all(header::IF_NONE_MATCH).iter().any(|tags| {
        tags.to_str().is_ok_and(|tags| tags.split(',').any(|tag| tag.trim() == asset.tag))
    });
    let gzip = !asset.gzip.is_empty() && takes_gzip(headers);
    let mut response = match (known, gzip) {
        (true, _) => answer(StatusCode::NOT_MODIFIED, Bytes::new()),
        (false, true) => answer(StatusCode::OK, asset.gzip.clone()),
        (false, false) => answer(StatusCode::OK, Bytes::from_static(asset.bytes)),
    };
    let headers = response.headers_mut();
    headers.insert(header::VARY, header::HeaderValue::from_static("Accept-Encoding"));
    if gzip && !known {
        headers.insert(header::CONTENT_ENCODING, header::HeaderValue::from_static("gzip"));
    }
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type(path)));
    if let Ok(tag) = header::HeaderValue::from_str(&asset.tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

fn answer(status: StatusCode, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    dress(response)
}

/// The headers that everything of the page has.
fn dress<B>(mut response: Response<B>) -> Response<B> {
    let fixed = [
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::HeaderName::from_static("permissions-policy"), PERMISSIONS),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        response.headers_mut().insert(name, header::HeaderValue::from_static(value));
    }
    response
}

/// The content type of a file of the page, by its ending.
fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some(_) | None => "application/octet-stream",
    }
}
