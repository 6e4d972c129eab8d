//! Every route, in one table: method, path, who may, and what answers.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method};
use axum::routing::{self, MethodRouter};
use axum::{Router, middleware};
use tower::util::option_layer;
use tower_http::cors::CorsLayer;

use crate::command::{
    account, admin, frames, login, message, participant, reset, room, teach, transcript, webhook,
};
use crate::envelope::envelope;
use crate::error::ApiError;
use crate::live::{sse, ws};
use crate::query;
use crate::state::App;

/// Who may use a route. What is enforced lies in the handlers and in `decide`; this says what they
/// must come to, and the authorization test holds them to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Everybody.
    Anyone,
    /// Everybody who is logged in.
    User,
    /// Those who are in the room, and those who watch over it.
    Reader,
    /// Those who are in the room.
    Participant,
    /// The room's (or the webhook's) owner, and administrators.
    Owner,
    /// Administrators.
    Admin,
}

/// One route.
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, with its variable parts in braces.
    pub path: &'static str,
    /// Who may.
    pub who: Who,
    handler: MethodRouter<App>,
}

/// Where the API lies.
pub const BASE: &str = "/api/v1";

/// How long a browser remembers what CORS allows.
const CORS_REMEMBERED: Duration = Duration::from_hours(1);

macro_rules! routes {
    ($($method:ident $path:literal $who:ident $handler:path;)*) => {
        vec![$(Route {
            method: routes!(@method $method),
            path: $path,
            who: Who::$who,
            handler: routing::$method($handler),
        },)*]
    };
    (@method get) => { Method::GET };
    (@method post) => { Method::POST };
    (@method put) => { Method::PUT };
    (@method patch) => { Method::PATCH };
    (@method delete) => { Method::DELETE };
}

/// All routes below [`BASE`].
pub fn routes() -> Vec<Route> {
    let mut all = routes! { get "/openapi.json" Anyone query::openapi::document; };
    all.extend(accounts());
    all.extend(rooms());
    all.extend(webhooks());
    all
}

fn accounts() -> Vec<Route> {
    routes! {
        post "/users" Anyone account::register;
        post "/admin/bootstrap" Anyone account::bootstrap;
        post "/tokens" Anyone login::create_token;
        get "/tokens" User login::list_tokens;
        delete "/tokens" User login::delete_tokens;
        post "/tokens/current/renew" User login::renew_token;
        delete "/tokens/current" User login::delete_current_token;
        delete "/tokens/{id}" User login::delete_token;
        post "/sessions" Anyone login::create_session;
        delete "/sessions/current" User login::delete_session;
        get "/ice-servers" User query::ice::list;
        post "/live-tickets" User login::create_ticket;
        post "/password-resets" Anyone reset::request;
        put "/password-resets/{secret}" Anyone reset::use_up;
        get "/users/me" User account::me;
        patch "/users/me" User account::change_me;
        get "/users/me/export" User query::mine::export;
        put "/users/me/password" User account::change_password;
        delete "/users/me" User account::delete_me;
        get "/users" Admin query::user::list;
        get "/users/{id}" Admin query::user::show;
        post "/users/{id}/block" Admin admin::block;
        post "/users/{id}/unblock" Admin admin::unblock;
        put "/users/{id}/admin" Admin admin::grant;
        delete "/users/{id}/admin" Admin admin::revoke;
        delete "/users/{id}" Admin admin::delete;
        post "/users/{id}/password-reset" Admin reset::hand_out;
        get "/events" Admin query::audit::list;
        get "/models" User query::models::list;
        post "/models/{model}/signs" Admin teach::teach;
    }
}

fn rooms() -> Vec<Route> {
    routes! {
        post "/rooms" User room::create;
        get "/rooms" User query::room::list;
        get "/rooms/{code}" Reader query::room::show;
        patch "/rooms/{code}" Owner room::change;
        post "/rooms/{code}/close" Owner room::close;
        delete "/rooms/{code}" Owner room::delete;
        post "/rooms/{code}/participants" Anyone participant::join;
        get "/rooms/{code}/participants" Reader query::room::participants;
        delete "/rooms/{code}/participants/me" Participant participant::leave;
        delete "/rooms/{code}/participants/{user_id}" Owner participant::remove;
        put "/rooms/{code}/participants/{user_id}/admission" Owner participant::admit;
        post "/rooms/{code}/participants/{user_id}/lobby" Owner participant::send_back;
        get "/rooms/{code}/presence" Reader query::room::presence;
        post "/rooms/{code}/messages" Participant message::send;
        get "/rooms/{code}/messages" Reader query::message::list;
        get "/rooms/{code}/messages/{id}" Reader query::message::show;
        get "/rooms/{code}/messages/{id}/revisions" Reader query::message::revisions;
        patch "/rooms/{code}/messages/{id}" Participant message::edit;
        delete "/rooms/{code}/messages/{id}" Participant message::delete;
        get "/rooms/{code}/chat.json" Reader query::chat::file;
        get "/rooms/{code}/chat.txt" Reader query::chat::file;
        put "/rooms/{code}/captions/me" Participant participant::captions;
        post "/rooms/{code}/frames" Participant frames::push;
        post "/rooms/{code}/frames/end" Participant frames::end;
        get "/rooms/{code}/transcripts" Reader query::transcript::list;
        post "/rooms/{code}/transcripts" Participant transcript::type_caption;
        get "/rooms/{code}/transcripts/{id}" Reader query::transcript::show;
        get "/rooms/{code}/transcripts/{id}/revisions" Reader query::transcript::revisions;
        patch "/rooms/{code}/transcripts/{id}" Participant transcript::correct;
        get "/rooms/{code}/transcript.vtt" Reader query::export::file;
        get "/rooms/{code}/transcript.srt" Reader query::export::file;
        get "/rooms/{code}/transcript.txt" Reader query::export::file;
        get "/rooms/{code}/transcript.json" Reader query::export::file;
        get "/rooms/{code}/events" Reader sse::open;
        get "/rooms/{code}/live" Reader ws::open;
    }
}

fn webhooks() -> Vec<Route> {
    routes! {
        post "/webhooks" User webhook::create;
        get "/webhooks" User query::webhook::list;
        get "/webhooks/{id}" Owner query::webhook::show;
        patch "/webhooks/{id}" Owner webhook::change;
        delete "/webhooks/{id}" Owner webhook::delete;
        post "/webhooks/{id}/rotate-secret" Owner webhook::rotate_secret;
        post "/webhooks/{id}/test" Owner webhook::test;
        get "/webhooks/{id}/deliveries" Owner query::webhook::deliveries;
        post "/webhooks/{id}/deliveries/{n}/retry" Owner webhook::retry;
    }
}

/// Lets pages of these origins read answers; bearer tokens alone, never cookies.
fn allow(origins: &[String]) -> CorsLayer {
    let origins = origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
    let exposed = [
        "etag",
        "link",
        "log-position",
        "ratelimit",
        "retry-after",
        "token-expires-at",
        "x-request-id",
    ];
    CorsLayer::new()
        .allow_origin(origins.collect::<Vec<_>>())
        .allow_methods(tower_http::cors::Any)
        .allow_headers(tower_http::cors::AllowHeaders::mirror_request())
        .expose_headers(exposed.map(HeaderName::from_static))
        .max_age(CORS_REMEMBERED)
}

/// Everything that this process answers to.
pub(crate) fn router(app: &App) -> Router {
    let below = routes()
        .into_iter()
        .fold(Router::new(), |router, route| router.route(route.path, route.handler));
    let origins = &app.config.cors_origins;
    let cors = (!origins.is_empty()).then(|| allow(origins));
    Router::new()
        .nest(BASE, below)
        .merge(crate::page::routes(app.config.landmarker.as_deref()))
        .route("/livez", routing::get(query::health::live))
        .route("/readyz", routing::get(query::health::ready))
        .fallback(async || ApiError::NoRoute)
        .method_not_allowed_fallback(async || ApiError::Method)
        .layer(option_layer(cors))
        .layer(middleware::from_fn_with_state(app.clone(), envelope))
        .with_state(app.clone())
}
