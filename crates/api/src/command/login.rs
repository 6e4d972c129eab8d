//! Logging in and out: tokens for programs, sessions for the page, tickets for sockets.

use axum::Json;
use axum::body::HttpBody as _;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use events::sealed::Clear;
use events::user::TokenKind;
use events::user::command::login::LogIn;
use events::user::command::token::{NewToken, RenewToken, RevokeToken, RevokeTokens};
use events::{Position, Rejection, Timestamp, TokenId, UserId};
use projector::UserRow;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::activity;
use crate::answer::TokenAnswer;
use crate::auth::{self, Caller};
use crate::context::Context;
use crate::cookies;
use crate::error::{ApiError, Challenge};
use crate::extract::{Asked, In, Nothing, Open};
use crate::forwarded::{self, Source};
use crate::guesses::Guess;
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

    /// A token was handed out: its holder reads what its making wrote.
    pub(crate) fn note_handed_out(&self, token: &NewToken, position: Position) {
        let id = self.look(|state| state.users.by_token(token.digest).map(|(_, token)| token.id));
        if let Some(id) = id {
            self.recent.note(id, position);
        }
    }

    /// Marks the device that sent the request as one that the user knows.
    pub(crate) fn mark_device<T>(&self, open: &Open<T>, user: UserId, response: &mut Response) {
        let (headers, https) = (&open.headers, open.context.https());
        let device = cookies::set_device(&self.secrets, headers, https, user, self.now());
        response.headers_mut().append(header::SET_COOKIE, device);
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
    open.context.say_expiry(answer.token_expiration);
    let mut response = (StatusCode::CREATED, Json(answer)).into_response();
    app.mark_device(&open, user, &mut response);
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
    let cookie = cookies::set_session(&open.headers, https, secret.expose());
    response.headers_mut().append(header::SET_COOKIE, cookie);
    app.mark_device(&open, user, &mut response);
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
    let (guess, user) = Guess::at_name(app, &open.context, &open.headers, name)?;
    let compared = app.compare(guess, user, password.clone()).await?;
    let (Verified { right: true, rehashed }, Some(user)) = (compared.verified, user) else {
        if let Some(user) = user {
            app.activity.failed(user);
        }
        metrics::counter!("signcall_logins_total", "outcome" => "refused").increment(1);
        tracing::info!(request_id = open.context.id(), ?name, "a log-in was refused");
        return Err(wrong);
    };
    // Refused by what is known here already, so that it takes no longer than a wrong password. It is
    // decided again at the log's end.
    let now = app.now();
    let locked = app.look(|state| state.users.get(user).is_some_and(|user| user.is_locked(now)));
    if locked && !guess.is_known() {
        return Err(refused_by_lock(wrong));
    }
    activity::write_failures_of(app, user).await;
    let (token, secret) = app.new_token(kind)?;
    let rehashed = rehashed.map(Clear::new);
    let (passwords, known_device) = (compared.passwords, guess.is_known());
    let command = LogIn { user, token, passwords, known_device, rehashed };
    match app.submit(&open.ask(), command).await {
        Ok(accepted) => {
            guess.was_right(app, user);
            app.note_handed_out(&token, accepted.position);
            metrics::counter!("signcall_logins_total", "outcome" => "accepted").increment(1);
            tracing::info!(request_id = open.context.id(), %user, "logged in");
            Ok((user, secret, accepted.time))
        }
        Err(ApiError::Rejected(Rejection::LoggedOut)) => Err(refused_by_lock(wrong)),
        Err(error) => {
            guess.give_back(app);
            Err(error)
        }
    }
}

/// Right, and refused all the same: new devices are locked out, or the password has just become
/// another. It counts against whoever guesses on, and not as a wrong one.
fn refused_by_lock(wrong: ApiError) -> ApiError {
    metrics::counter!("signcall_logins_total", "outcome" => "locked").increment(1);
    wrong
}

/// How a password compared with what is stored.
pub(crate) struct Compared {
    pub(crate) verified: Verified,
    /// Which of the user's passwords it was compared with.
    pub(crate) passwords: u32,
}

impl App {
    /// Compares a password with a user's, or with one that nothing matches: one hash either way.
    pub(crate) async fn compare(
        &self,
        guess: Guess,
        user: Option<UserId>,
        password: Secret,
    ) -> Result<Compared, ApiError> {
        let compared = async {
            let (stored, passwords) = self.stored_hash(user).await?;
            let verified = self.passwords.verify(guess.lane(), password, stored).await?;
            Ok(Compared { verified, passwords })
        };
        let compared = compared.await;
        if compared.is_err() {
            guess.give_back(self);
        }
        compared
    }

    /// The stored hash, `None` where no password can match, and which of the user's it is.
    async fn stored_hash(&self, user: Option<UserId>) -> Result<(Option<String>, u32), ApiError> {
        let Some(id) = user else { return Ok((None, 0)) };
        let sealed = self.look(|state| {
            let user = state.users.get(id).filter(|user| user.guest_of.is_none());
            user.map(|user| (user.password_hash.clone(), user.passwords))
        });
        let Some((sealed, passwords)) = sealed else { return Ok((None, 0)) };
        Ok((self.opened(id, "user.password_hash", &sealed).await?, passwords))
    }
}
