//! What handlers take out of requests. Everything that can be wrong with one becomes a problem.

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, header};
use bytes::{Bytes, BytesMut};
use events::{Actor, CommandId, Position};
use http_body_util::BodyExt as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::auth::Caller;
use crate::context::Context;
use crate::error::{ApiError, FieldError};
use crate::retry;
use crate::state::{App, Ask};

/// Bytes of a JSON body, at most: the longest message, every character escaped.
pub(crate) const JSON_MAX: usize = 64 * 1024;
/// Bytes over the limit that are still read and thrown away, so that the answer arrives.
const DRAIN_MAX: usize = 32 * 1024 * 1024;
/// Characters of an idempotency key, at most.
const KEY_MAX: usize = 200;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const MIN_POSITION: HeaderName = HeaderName::from_static("min-position");
/// Makes command ids of idempotency keys.
const KEY_NAMESPACE: Uuid = Uuid::from_u128(0x5167_6e63_616c_6c20_6964_656d_706f_7465);

impl FromRequestParts<App> for Context {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        let context = parts.extensions.get::<Self>().cloned();
        context.ok_or_else(|| ApiError::Internal("a request without a context".to_owned()))
    }
}

/// The variable parts of the path. What does not fit is simply not there: 404.
pub(crate) struct In<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for In<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        match Path::<T>::from_request_parts(parts, app).await {
            Ok(Path(path)) => Ok(Self(path)),
            Err(PathRejection::FailedToDeserializePathParams(_)) => {
                Err(events::Rejection::NotFound("resource").into())
            }
            Err(error) => Err(ApiError::Internal(error.to_string())),
        }
    }
}

/// What follows the question mark.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<App> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        let Query(params) = Query::try_from_uri(&parts.uri)
            .map_err(|error| ApiError::field("query", error.body_text()))?;
        Ok(Self(params))
    }
}

/// A body without fields.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// A request that anybody may send, with its JSON body.
pub(crate) struct Open<T> {
    pub(crate) context: Context,
    pub(crate) headers: HeaderMap,
    pub(crate) body: T,
}

impl<T: DeserializeOwned> FromRequest<App> for Open<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let context = Context::from_request_parts(&mut parts, app).await?;
        let bytes = read_json(app, &parts.headers, body, JSON_MAX).await?;
        Ok(Self { context, body: parse(&bytes)?, headers: parts.headers })
    }
}

impl<T> Open<T> {
    /// The command that this request makes; retries under the same key are not recognized,
    /// because the answer hands out a secret.
    pub(crate) fn ask(&self) -> Ask {
        Ask {
            actor: Actor::Anonymous,
            id: CommandId::from_uuid(Uuid::new_v4()),
            body: None,
            context: self.context.clone(),
            token: None,
        }
    }
}

/// A command of somebody who is logged in, with its JSON body.
pub(crate) struct Asked<T> {
    pub(crate) caller: Caller,
    pub(crate) headers: HeaderMap,
    pub(crate) ask: Ask,
    pub(crate) body: T,
}

impl<T: DeserializeOwned> FromRequest<App> for Asked<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let caller = Caller::from_request_parts(&mut parts, app).await?;
        let bytes = read_json(app, &parts.headers, body, JSON_MAX).await?;
        let ask = ask(app, &caller, &mut parts, Some(&bytes)).await?;
        Ok(Self { caller, ask, body: parse(&bytes)?, headers: parts.headers })
    }
}

/// The command that a request makes: under its idempotency key, if it has one.
pub(crate) async fn ask(
    app: &App,
    caller: &Caller,
    parts: &mut Parts,
    body: Option<&[u8]>,
) -> Result<Ask, ApiError> {
    let key = match parts.headers.get(IDEMPOTENCY_KEY).cloned() {
        None => None,
        Some(key) => {
            let key = key.to_str().unwrap_or_default();
            if key.is_empty() || key.len() > KEY_MAX {
                return Err(ApiError::Header("Idempotency-Key", "1 to 200 ASCII characters"));
            }
            let address = retry::address(parts).await;
            Some(format!("{} {} {address} {key}", caller.user, parts.method))
        }
    };
    let digest = || body.map(|body| app.secrets.body_digest(body));
    let (id, body) = match key {
        Some(key) => (CommandId::derived(KEY_NAMESPACE, &key), digest()),
        None => (CommandId::from_uuid(Uuid::new_v4()), None),
    };
    let (actor, context) = (Actor::User(caller.user), caller.context.clone());
    Ok(Ask { actor, id, body, context, token: Some(caller.token) })
}

/// Reads a body of JSON of at most `max` bytes; it is not looked at yet.
pub(crate) async fn read_json(
    app: &App,
    headers: &HeaderMap,
    body: Body,
    max: usize,
) -> Result<Bytes, ApiError> {
    let bytes = read_body(app, body, max).await?;
    if bytes.is_empty() {
        return Ok(bytes);
    }
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = media_type.map(|value| value.split(';').next().unwrap_or_default().trim());
    match media_type {
        Some(media_type) if media_type.eq_ignore_ascii_case("application/json") => Ok(bytes),
        Some(_) | None => Err(ApiError::MediaType("application/json")),
    }
}

/// Reads a body of at most `max` bytes, in the time that a body may take.
pub(crate) async fn read_body(app: &App, body: Body, max: usize) -> Result<Bytes, ApiError> {
    let within = app.config.body_timeout;
    let read = tokio::time::timeout(within, read_all(body, max)).await;
    read.unwrap_or(Err(ApiError::SlowBody { within_s: within.as_secs_f32() }))
}

async fn read_all(mut body: Body, max: usize) -> Result<Bytes, ApiError> {
    let (mut bytes, mut read) = (BytesMut::new(), 0);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| ApiError::BrokenBody)?.into_data() else { continue };
        read += data.len();
        if read <= max {
            bytes.extend_from_slice(&data);
        } else if read > max + DRAIN_MAX {
            break;
        }
    }
    if read > max { Err(ApiError::TooLarge { max }) } else { Ok(bytes.freeze()) }
}

/// Reads JSON; no body is an empty object. Broken JSON is 400, a wrong field 422.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let bytes = if bytes.is_empty() { b"{}" } else { bytes };
    if bytes.trim_ascii_start().starts_with(b"[") {
        // Serde would take the fields' values in their order.
        return Err(ApiError::field("", "the body has to be an object"));
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let parsed = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let inner = error.inner();
        if inner.is_data() {
            let path = error.path().to_string();
            let detail = inner.to_string();
            let named = ["unknown field `", "missing field `"]
                .iter()
                .find_map(|start| detail.strip_prefix(start)?.split('`').next());
            let field = named.map_or_else(|| path.trim_matches('.').to_owned(), str::to_owned);
            return ApiError::Invalid(vec![FieldError::new(field, detail.clone())]);
        }
        ApiError::Malformed(inner.to_string())
    })?;
    json.end().map_err(|error| ApiError::Malformed(error.to_string()))?;
    Ok(parsed)
}

/// The revision that `If-Match` names; `None` when it is not there or matches everything.
pub(crate) fn if_match(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let value = value.to_str().unwrap_or_default().trim();
    if value == "*" {
        return Ok(None);
    }
    let tag = value.strip_prefix("W/").unwrap_or(value).trim_matches('"');
    // A tag that was never given out matches nothing: stale, as RFC 9110 says.
    tag.parse().map(Some).map_err(|_| events::Rejection::Stale.into())
}

/// As [`if_match`], for texts.
pub(crate) fn if_match_revision(headers: &HeaderMap) -> Result<Option<u32>, ApiError> {
    let revision = if_match(headers)?.map(u32::try_from);
    revision.transpose().map_err(|_| events::Rejection::Stale.into())
}

/// A read of somebody who is logged in: answered once the tables show what its sender wrote
/// before, and what `Min-Position` asks for.
pub(crate) struct Read(pub(crate) Caller);

impl FromRequestParts<App> for Read {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, app).await?;
        let asked = match parts.headers.get(MIN_POSITION) {
            None => None,
            Some(value) => {
                let position = value.to_str().ok().and_then(|text| text.trim().parse().ok());
                Some(position.ok_or(ApiError::Header("Min-Position", "a whole number"))?)
            }
        };
        let wanted: Option<Position> = asked.max(app.recent.of(caller.token));
        if let Some(position) = wanted {
            app.caught_up(position).await?;
        }
        Ok(Self(caller))
    }
}
