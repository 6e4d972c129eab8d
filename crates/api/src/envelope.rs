//! The outermost layer: names the request, bounds its time, survives a panic, writes every error
//! as a problem, and sets the headers that every answer has.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::Json;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt as _;

use crate::command::teach;
use crate::context::{Caller, Context, Peer, Said};
use crate::error::{ApiError, Unsent};
use crate::forwarded;
use crate::state::App;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TOKEN_EXPIRES_AT: HeaderName = HeaderName::from_static("token-expires-at");
const LOG_POSITION: HeaderName = HeaderName::from_static("log-position");

/// What every answer forbids a browser to do with it. The page sets its own content policy.
const SECURITY: [(&str, &str); 6] = [
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(self), microphone=(self), geolocation=()"),
    ("cache-control", "no-store"),
];
const CONTENT_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";
const TRANSPORT_SECURITY: &str = "max-age=31536000; includeSubDomains";

/// Wraps every request.
pub(crate) async fn envelope(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>();
    let (client, https) = forwarded::client(&app.config, peer, request.headers());
    let caller = if app.config.traceparent { Caller::of(request.headers()) } else { None };
    let context = Context::new(client, https, caller);
    request.extensions_mut().insert(context.clone());
    let started = std::time::Instant::now();
    let (method, path) = (request.method().clone(), loggable(request.uri().path()));
    let route = request.extensions().get::<MatchedPath>().cloned();
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
    let within = app.config.request_timeout;
    let within = route.as_ref().map_or(within, |route| teach::within(route.as_str(), within));
    let mut response = match tokio::time::timeout(within, answer).await {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => ApiError::Internal(panic_text(panic.as_ref())).into_response(),
        Err(_) => ApiError::Timeout.into_response(),
    };
    if let Some(Unsent { mut problem, cause }) = response.extensions_mut().remove() {
        context.id().clone_into(&mut problem.request_id);
        if let Some(cause) = cause {
            let (request_id, code) = (context.id(), problem.code);
            tracing::warn!(request_id, %method, path, code, cause, "a request failed");
        }
        metrics::counter!("signcall_http_problems_total", "code" => problem.code).increment(1);
        let headers = std::mem::take(response.headers_mut());
        let status = response.status();
        response = (status, Json(problem)).into_response();
        response.headers_mut().extend(headers);
        let problem_json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, problem_json);
    }
    set_headers(response.headers_mut(), &context, app.config.cors_origins.is_empty());
    let took = started.elapsed();
    let (took_us, status) = (took.as_micros() as u64, response.status().as_u16());
    let (method, route) = (known(&method), route.as_ref().map(MatchedPath::as_str));
    count(method, route, status, took);
    let (step, request_id, parent) = ("request", context.id(), context.parent());
    tracing::debug!(step, request_id, parent, method, route, path, status, took_us, "answered");
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        response.headers_mut().remove(header::CACHE_CONTROL);
    }
    response
}

/// One more request of a route; those of no route are counted as one, whatever they asked for.
fn count(method: &'static str, route: Option<&str>, status: u16, took: Duration) {
    let route = route.unwrap_or("none").to_owned();
    let labels =
        [("method", method.to_owned()), ("route", route.clone()), ("status", status.to_string())];
    metrics::counter!("signcall_http_requests_total", &labels).increment(1);
    metrics::histogram!("signcall_http_request_seconds", "route" => route).record(took);
}

/// A method by its name; those that nobody knows are one, whatever they are called: a figure of its
/// own for each would be one that strangers make.
fn known(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] =
        ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "CONNECT", "TRACE"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("_OTHER")
}

/// A path without the secret that it may end in.
fn loggable(path: &str) -> String {
    for start in ["/api/v1/password-resets/", "/reset/"] {
        if path.starts_with(start) {
            return format!("{start}…");
        }
    }
    path.to_owned()
}

fn set_headers(headers: &mut HeaderMap, context: &Context, cors_off: bool) {
    for (name, value) in SECURITY {
        let cross_origin = name == "cross-origin-resource-policy" && !cors_off;
        if !headers.contains_key(name) && !cross_origin {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
    }
    if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        let policy = HeaderValue::from_static(CONTENT_POLICY);
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    if context.https() {
        let value = HeaderValue::from_static(TRANSPORT_SECURITY);
        headers.insert(header::STRICT_TRANSPORT_SECURITY, value);
    }
    let Said { expires_at, position } = context.said();
    let mut say = |name, value: Option<String>| {
        headers.extend(value.and_then(|text| Some((name, HeaderValue::try_from(text).ok()?))));
    };
    say(REQUEST_ID, Some(context.id().to_owned()));
    say(TOKEN_EXPIRES_AT, expires_at.map(|at| at.to_string()));
    say(LOG_POSITION, position.map(|position| position.to_string()));
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("panic: {}", text.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_make_no_figures() {
        assert_eq!(known(&Method::PATCH), "PATCH");
        for strange in ["PROPFIND", "get", "A-METHOD-OF-SOMEBODY"] {
            assert_eq!(known(&strange.parse().unwrap()), "_OTHER");
        }
    }

    #[test]
    fn secrets_in_paths_are_not_logged() {
        assert_eq!(loggable("/api/v1/password-resets/abc"), "/api/v1/password-resets/…");
        assert_eq!(loggable("/reset/abc"), "/reset/…");
        assert_eq!(loggable("/api/v1/rooms"), "/api/v1/rooms");
    }
}
