//! Who asks. A token, a session's cookie or a ticket is looked up in the Follower alone, so a
//! block or a log-out counts from the next request on, projector or no projector.

use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Uri, header};
use events::user::TokenKind;
use events::user::command::token::RenewToken;
use events::{Actor, CommandId, RoomId, Timestamp, TokenDigest, TokenId, UserId};
use streams::LiveMessage;
use uuid::Uuid;

use crate::context::Context;
use crate::cookies;
use crate::error::ApiError;
use crate::forwarded::{self, Source};
use crate::state::{App, Ask};
use crate::tickets::Ticket;

/// The longest that a renewal delays a request; it goes on in the background.
const RENEWAL_DELAY_MAX: Duration = Duration::from_millis(50);

/// Somebody who is logged in.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// Who.
    pub(crate) user: UserId,
    /// By which log-in.
    pub(crate) token: TokenId,
    /// An administrator.
    pub(crate) is_admin: bool,
    /// A guest's one room.
    pub(crate) guest_of: Option<RoomId>,
    /// The request.
    pub(crate) context: Context,
}

/// How a log-in stands at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogIn {
    pub(crate) user: UserId,
    pub(crate) token: TokenId,
    pub(crate) is_admin: bool,
    pub(crate) guest_of: Option<RoomId>,
    pub(crate) expires_at: Timestamp,
    cap_at: Timestamp,
    pub(crate) last_seen: Timestamp,
}

/// What the request brings to say who sent it.
enum Credential {
    Bearer(TokenDigest),
    Cookie(TokenDigest),
}

impl FromRequestParts<App> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let context = Context::from_request_parts(parts, app).await?;
        let credential = credential(app, &context, &parts.method, &parts.headers)?;
        let login = log_in(app, &credential)?;
        admit(app, context, login).await
    }
}

impl Caller {
    pub(crate) fn must_be_admin(&self) -> Result<(), ApiError> {
        if self.is_admin {
            return Ok(());
        }
        Err(ApiError::Forbidden("only an administrator may do this"))
    }
}

/// A caller who opens a socket or an event stream: also by a ticket in the address.
pub(crate) struct Listener(pub(crate) Caller);

impl FromRequestParts<App> for Listener {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let Some(secret) = ticket(&parts.uri) else {
            // A socket without Origin is fine with a bearer token: no browser can send one.
            return Caller::from_request_parts(parts, app).await.map(Self);
        };
        let context = Context::from_request_parts(parts, app).await?;
        if forwarded::source(&app.config, &parts.headers, context.https()) == Source::Foreign {
            return Err(ApiError::CrossOrigin);
        }
        let ticket = app.tickets.take(&app.secrets, &secret, app.now());
        let Ticket { user, token, digest, expires_at } = ticket.ok_or(ApiError::BadToken)?;
        app.live.publish(LiveMessage::TicketUsed { digest, expires_at });
        let login = standing(app, user, token)?;
        admit(app, context, login).await.map(Self)
    }
}

/// Whether a request says who sends it at all; a cookie of another kind does not.
pub(crate) fn has_credentials(headers: &HeaderMap) -> bool {
    headers.contains_key(header::AUTHORIZATION) || cookies::has_session(headers)
}

fn ticket(uri: &Uri) -> Option<String> {
    let mut pairs = uri.query()?.split('&');
    pairs.find_map(|pair| pair.strip_prefix("ticket=")).map(str::to_owned)
}

fn credential(
    app: &App,
    context: &Context,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Credential, ApiError> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let value = value.to_str().map_err(|_| ApiError::BadToken)?;
        let (scheme, secret) = value.split_once(' ').ok_or(ApiError::BadToken)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(ApiError::BadToken);
        }
        return Ok(Credential::Bearer(vault::token_digest(secret.trim())));
    }
    let secret = cookies::session(headers, context.https()).ok_or(ApiError::NoCredentials)?;
    let source = forwarded::source(&app.config, headers, context.https());
    let typed = source == Source::Typed && method.is_safe();
    if source != Source::Own && !typed {
        return Err(ApiError::CrossOrigin);
    }
    Ok(Credential::Cookie(vault::token_digest(&secret)))
}

fn log_in(app: &App, credential: &Credential) -> Result<LogIn, ApiError> {
    let (digest, by_cookie) = match credential {
        Credential::Bearer(digest) => (*digest, false),
        Credential::Cookie(digest) => (*digest, true),
    };
    let found = app.look(|state| {
        let (user, token) = state.users.by_token(digest)?;
        ((token.kind == TokenKind::Session) == by_cookie).then_some((user, token.id))
    });
    // Without the log's end in sight not even an unknown token can be refused for certain.
    must_be_fresh(app)?;
    let (user, token) = found.ok_or(ApiError::BadToken)?;
    standing(app, user, token)
}

/// Whose live token or session this request brings along, if it does.
pub(crate) fn who(
    app: &App,
    context: &Context,
    method: &Method,
    headers: &HeaderMap,
) -> Option<LogIn> {
    let credential = credential(app, context, method, headers).ok()?;
    log_in(app, &credential).ok()
}

fn must_be_fresh(app: &App) -> Result<(), ApiError> {
    if app.follower.fresh() { Ok(()) } else { Err(ApiError::LogUnreachable) }
}

/// How a log-in stands now: the one place that says whether it is still good.
pub(crate) fn standing(app: &App, user: UserId, token: TokenId) -> Result<LogIn, ApiError> {
    must_be_fresh(app)?;
    let now = app.now();
    app.look(|state| {
        let found = state.users.get(user).ok_or(ApiError::BadToken)?;
        if found.is_blocked() {
            return Err(events::Rejection::Blocked.into());
        }
        let token = found.token(token).ok_or(ApiError::BadToken)?;
        if token.expires_at <= now {
            return Err(ApiError::Expired);
        }
        Ok(LogIn {
            user,
            token: token.id,
            is_admin: found.is_admin,
            guest_of: found.guest_of,
            expires_at: token.expires_at,
            cap_at: token.cap_at,
            last_seen: found.last_seen,
        })
    })
}

async fn admit(app: &App, context: Context, login: LogIn) -> Result<Caller, ApiError> {
    app.activity.seen(login.user, login.last_seen, app.now());
    let mut expires_at = login.expires_at;
    if is_due(app, &login) {
        let renewal = tokio::spawn(renew(app.clone(), login, context.clone()));
        if let Ok(Ok(Some(renewed))) = tokio::time::timeout(RENEWAL_DELAY_MAX, renewal).await {
            expires_at = renewed;
        }
    }
    context.say_expiry(expires_at);
    let LogIn { user, token, is_admin, guest_of, .. } = login;
    Ok(Caller { user, token, is_admin, guest_of, context })
}

/// Whether a log-in in use should live longer, and can.
pub(crate) fn is_due(app: &App, login: &LogIn) -> bool {
    let left = login.expires_at.seconds_since(app.now());
    left < i64::from(app.config.renew_when_left_s) && login.expires_at < login.cap_at
}

/// Lets the same token live longer; says until when.
pub(crate) async fn renew(app: App, login: LogIn, context: Context) -> Option<Timestamp> {
    let ask = Ask {
        actor: Actor::User(login.user),
        id: CommandId::from_uuid(Uuid::new_v4()),
        body: None,
        context,
        token: None,
    };
    let lifetime_s = app.config.token_lifetime_s;
    let when_left_s = app.config.renew_when_left_s;
    let (user, token) = (login.user, login.token);
    let renewal = RenewToken { user, token, lifetime_s, when_left_s };
    if let Err(error) = app.submit(&ask, renewal).await {
        tracing::warn!(%error, "a token could not be renewed");
    }
    standing(&app, user, token).ok().map(|login| login.expires_at)
}
