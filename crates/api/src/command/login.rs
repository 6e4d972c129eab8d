//! Logging in and out: tokens for programs, sessions for the page, tickets for sockets.

use axum::Json;
use axum::body::HttpBody as _;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use events::sealed::Clear;
use events::user::TokenKind;
use events::user::command::login::LogIn;
use events::user::command::token::{NewToken, RenewToken, RevokeToken, RevokeTokens};
use events::{Rejection, Timestamp, TokenId, UserId};
use projector::UserRow;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::answer::TokenAnswer;
use crate::auth::{self, Caller};
use crate::context::Context;
use crate::cookies;
use crate::error::{ApiError, Challenge};
use crate::extract::{Asked, In, Nothing, Open};
use crate::forwarded::{self, Source};
use crate::list::{ListParams, Listing, Order};
use crate::password::Verified;
use crate::secret::Secret;
use crate::state::App;
use crate::throttle::address_key;
use crate::{extract, tickets};

/// A name and its password.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credentials {
    username: String,
    password: Secret,
}

/// A token, told once, with its user.
#[derive(Serialize)]
pub(crate) struct TokenHandedOut {
    pub(crate) user: UserRow,
    #[serde(serialize_with = "Secret::hand_out")]
    pub(crate) token: Secret,
    pub(crate) token_expiration: Timestamp,
}

/// When the token expires now.
#[derive(Serialize)]
struct Renewed {
    token_expiration: Timestamp,
}

/// A ticket, told once.
#[derive(Serialize)]
struct TicketHandedOut {
    #[serde(serialize_with = "Secret::hand_out")]
    ticket: Secret,
    expires_at: Timestamp,
}

impl App {
    /// A token to be handed out, and its secret.
    pub(crate) fn new_token(&self, kind: TokenKind) -> Result<(NewToken, Secret), ApiError> {
        let secret = Secret::random()?;
        let token = NewToken {
            digest: vault::token_digest(secret.expose()),
            kind,
            lifetime_s: self.config.token_lifetime_s,
            cap_s: self.config.token_cap_s,
        };
        Ok((token, secret))
    }

    /// When a token that was issued now or then expires, unless it is renewed.
    pub(crate) fn expiry(&self, issued_at: Timestamp) -> Timestamp {
        let lifetime_s = self.config.token_lifetime_s.min(self.config.token_cap_s);
        issued_at.plus_seconds(i64::from(lifetime_s))
    }

    /// The answer that hands a new token out.
    pub(crate) async fn handed_out(
        &self,
        user: UserId,
        token: Secret,
        issued_at: Timestamp,
    ) -> Result<TokenHandedOut, ApiError> {
        let token_expiration = self.expiry(issued_at);
        Ok(TokenHandedOut { user: self.user_row(user).await?, token, token_expiration })
    }
}

/// `POST /tokens`, with HTTP Basic or with JSON.
pub(crate) async fn create_token(
    State(app): State<App>,
    request: Request,
) -> Result<Response, ApiError> {
    let open = credentials(&app, request).await?;
    let (user, secret, issued_at) = log_in(&app, &open, TokenKind::Api).await?;
    let answer = app.handed_out(user, secret, issued_at).await?;
    let mut response = (StatusCode::CREATED, Json(answer)).into_response();
    let https = open.context.https();
    let device = cookies::set_device(&app.secrets, &open.headers, https, user, app.now());
    response.headers_mut().append(header::SET_COOKIE, device);
    Ok(response)
}

/// `POST /sessions`: a log-in whose secret lies in a cookie that no script can read.
pub(crate) async fn create_session(
    State(app): State<App>,
    open: Open<Credentials>,
) -> Result<Response, ApiError> {
    let https = open.context.https();
    if forwarded::source(&app.config, &open.headers, https) == Source::Foreign {
        return Err(ApiError::CrossOrigin);
    }
    let (user, secret, _) = log_in(&app, &open, TokenKind::Session).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    let device = cookies::set_device(&app.secrets, &open.headers, https, user, app.now());
    for cookie in [cookies::set_session(&open.headers, https, secret.expose()), device] {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// `DELETE /sessions/current`.
pub(crate) async fn delete_session(
    State(app): State<App>,
    asked: Asked<Nothing>,
) -> Result<Response, ApiError> {
    app.submit(&asked.ask, RevokeToken { token: asked.caller.token }).await?;
    let cookie = cookies::clear_session(&asked.headers, asked.caller.context.https());
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

/// `GET /tokens`: one's own, newest first, never a secret.
pub(crate) async fn list_tokens(
    State(app): State<App>,
    caller: Caller,
    params: extract::Params<ListParams>,
    uri: axum::http::Uri,
) -> Result<Response, ApiError> {
    let wanted = params.0.check()?;
    let now = app.now();
    let mut tokens = app.look(|state| {
        let tokens = state.users.get(caller.user).map(|user| user.tokens.as_slice());
        let live = tokens.unwrap_or_default().iter().filter(|token| token.expires_at > now);
        live.map(|token| TokenAnswer::new(token, caller.token)).collect::<Vec<_>>()
    });
    tokens.sort_by_key(|token| std::cmp::Reverse(token.id));
    let page = Listing::cut(wanted, Order::NewestFirst, tokens, |token| token.id.get());
    Ok(page.answer(&uri))
}

/// `POST /tokens/current/renew`: the same token, for another while.
pub(crate) async fn renew_token(
    State(app): State<App>,
    asked: Asked<Nothing>,
) -> Result<Response, ApiError> {
    let lifetime_s = app.config.token_lifetime_s;
    let Caller { user, token, context, .. } = asked.caller;
    let renewal = RenewToken { user, token, lifetime_s, when_left_s: lifetime_s };
    app.submit(&asked.ask, renewal).await?;
    let token_expiration = auth::standing(&app, user, token)?.expires_at;
    context.say_expiry(token_expiration);
    Ok(Json(Renewed { token_expiration }).into_response())
}

/// `DELETE /tokens/current`.
pub(crate) async fn delete_current_token(
    State(app): State<App>,
    asked: Asked<Nothing>,
) -> Result<StatusCode, ApiError> {
    app.submit(&asked.ask, RevokeToken { token: asked.caller.token }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /tokens/{id}`.
pub(crate) async fn delete_token(
    State(app): State<App>,
    In(token): In<TokenId>,
    asked: Asked<Nothing>,
) -> Result<StatusCode, ApiError> {
    app.submit(&asked.ask, RevokeToken { token }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /tokens`: log out everywhere.
pub(crate) async fn delete_tokens(
    State(app): State<App>,
    asked: Asked<Nothing>,
) -> Result<StatusCode, ApiError> {
    app.submit(&asked.ask, RevokeTokens {}).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /live-tickets`.
pub(crate) async fn create_ticket(
    State(app): State<App>,
    asked: Asked<Nothing>,
) -> Result<Response, ApiError> {
    let Caller { user, token, .. } = asked.caller;
    let (ticket, expires_at) = tickets::issue(&app.secrets, user, token, app.now())?;
    Ok((StatusCode::CREATED, Json(TicketHandedOut { ticket, expires_at })).into_response())
}

/// Name and password by HTTP Basic (UTF-8), or in the body. Who sends neither, or what can't be read,
/// is answered as one who is wrong about them.
async fn credentials(app: &App, request: Request) -> Result<Open<Credentials>, ApiError> {
    use axum::extract::{FromRequest as _, FromRequestParts as _};
    let sent = request.headers().get(header::AUTHORIZATION);
    let sent_text = sent.and_then(|value| value.to_str().ok());
    let (scheme, encoded) = sent_text.and_then(|value| value.split_once(' ')).unwrap_or_default();
    let unread = ApiError::WrongPassword(Challenge::Basic);
    if scheme.eq_ignore_ascii_case("basic") {
        let body = basic(encoded);
        let (mut parts, _) = request.into_parts();
        let context = Context::from_request_parts(&mut parts, app).await?;
        let Some(body) = body else {
            app.throttles.logins.take(address_key(context.client()))?;
            return Err(unread);
        };
        return Ok(Open { context, headers: parts.headers, body });
    }
    if request.body().is_end_stream() {
        return Err(unread);
    }
    Open::from_request(request, app).await
}

fn basic(encoded: &str) -> Option<Credentials> {
    let pair = Zeroizing::new(BASE64.decode(encoded.trim()).ok()?);
    let (username, password) = std::str::from_utf8(&pair).ok()?.split_once(':')?;
    let password = Secret::new(password.to_owned());
    Some(Credentials { username: username.to_owned(), password })
}

/// Compares, counts, and hands out. An unknown user, a wrong password and a locked account cost
/// the same one hash and get the same answer.
async fn log_in(
    app: &App,
    open: &Open<Credentials>,
    kind: TokenKind,
) -> Result<(UserId, Secret, Timestamp), ApiError> {
    app.throttles.logins.take(address_key(open.context.client()))?;
    let wrong = ApiError::WrongPassword(match kind {
        TokenKind::Api | TokenKind::Guest => Challenge::Basic,
        TokenKind::Session => Challenge::Form,
    });
    let Credentials { username, password } = &open.body;
    let name = app.secrets.username_digest(username);
    let known_device = known_device(app, &open.headers, &open.context);
    let trusted = |user: Option<UserId>| user.is_some() && known_device == user;
    let user = app.look(|state| state.users.by_username(name));
    if !trusted(user) {
        app.throttles.wrong_passwords.look(&name)?;
    }
    let stored = stored_hash(app, user).await?;
    let verified = app.passwords.verify(password.clone(), stored).await?;
    let (Verified { right: true, rehashed }, Some(user)) = (verified, user) else {
        count_wrong(app, name, user);
        return Err(wrong);
    };
    let (token, secret) = app.new_token(kind)?;
    let rehashed = rehashed.map(Clear::new);
    let command = LogIn { user, token, known_device: trusted(Some(user)), rehashed };
    app.activity.succeeded(user);
    match app.submit(&open.ask(), command).await {
        Ok(accepted) => Ok((user, secret, accepted.time)),
        Err(ApiError::Rejected(Rejection::LoggedOut)) => {
            count_wrong(app, name, Some(user));
            Err(wrong)
        }
        Err(error) => Err(error),
    }
}

fn known_device(app: &App, headers: &HeaderMap, context: &Context) -> Option<UserId> {
    cookies::known_device(&app.secrets, headers, context.https(), app.now())
}

pub(crate) fn count_wrong(app: &App, name: events::NameDigest, user: Option<UserId>) {
    // The throttle was looked at before; that it is empty by now changes nothing here.
    drop(app.throttles.wrong_passwords.take(name));
    if let Some(user) = user {
        app.activity.failed(user);
    }
}

/// The stored hash; `None` where no password can match.
pub(crate) async fn stored_hash(
    app: &App,
    user: Option<UserId>,
) -> Result<Option<String>, ApiError> {
    let Some(id) = user else { return Ok(None) };
    let sealed = app.look(|state| {
        let user = state.users.get(id).filter(|user| user.guest_of.is_none());
        user.map(|user| user.password_hash.clone())
    });
    let Some(sealed) = sealed else { return Ok(None) };
    app.opened(id, "user.password_hash", &sealed).await
}
