//! What goes wrong, as the one answer that programs and people read: `application/problem+json`
//! (RFC 9457). The only file that knows a status code of an error.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use clips::{ClipError, ClipFault};
use events::Rejection;
use events::command::RejectionKind;
use serde::Serialize;
use streams::{FramesError, SubmitError};

use crate::models::NotTaught;

/// One field that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// Its name, as the API spells it; empty for the whole body.
    pub field: String,
    /// What is wrong with it, and what would do.
    pub detail: String,
}

impl FieldError {
    /// About one field.
    pub fn new(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { field: field.into(), detail: detail.into() }
    }
}

/// What a refused log-in is told to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// Name and password by HTTP Basic.
    Basic,
    /// Nothing that a browser would put a dialog of its own up for: the page asks again by itself.
    Form,
}

/// Why a request is not answered as its sender hoped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error(transparent)]
    Rejected(#[from] Rejection),
    #[error(transparent)]
    Submit(#[from] SubmitError),
    #[error(transparent)]
    Frames(#[from] FramesError),
    #[error(transparent)]
    Clip(#[from] ClipError),
    #[error("the tables can't be read right now; try again in a moment")]
    Store(#[from] projector::StoreError),
    #[error("personal fields can't be opened right now; try again in a moment")]
    Vault(#[from] vault::VaultError),
    #[error("log in first: send a bearer token, or the session's cookie")]
    NoCredentials,
    #[error("this token is unknown or has ended; log in again")]
    BadToken,
    #[error("this token has expired; log in again")]
    Expired,
    #[error("the name or the password is wrong")]
    WrongPassword(Challenge),
    #[error("the current password is wrong")]
    WrongCurrentPassword,
    #[error("this secret is wrong, was used, or is too old; ask for a new one")]
    WrongSecret,
    #[error("a request with a cookie must come from a page of this server itself")]
    CrossOrigin,
    #[error("{0}")]
    Forbidden(&'static str),
    #[error("there is nothing at this address; check its path, below /api/v1")]
    NoRoute,
    #[error("this address does not answer to this method")]
    Method,
    #[error("the content type must be {0}")]
    MediaType(&'static str),
    #[error("the body is over the limit of {max} bytes")]
    TooLarge { max: usize },
    #[error("the body ended before it was whole")]
    BrokenBody,
    #[error("the body took longer than {within_s} seconds; send less at once, or faster")]
    SlowBody { within_s: f32 },
    #[error("the body is not JSON: {0}")]
    Malformed(String),
    #[error("{}", summary(.0))]
    Invalid(Vec<FieldError>),
    #[error("the request's header {0} can't be read: {1}")]
    Header(&'static str, &'static str),
    #[error("too many requests of this kind; try again in {retry_s} seconds")]
    Throttled { limit: u32, retry_s: u64 },
    #[error("too many sockets are open; close one first")]
    TooManySockets,
    #[error("too many log-ins are waiting; try again in a moment")]
    PasswordsBusy,
    #[error("another sign is being taught; try again when that is done, in some seconds")]
    TeachingBusy,
    #[error("{}", not_taught(.0))]
    NotTaught(#[from] NotTaught),
    #[error("the log can't be reached, so nothing can be checked; try again in a moment")]
    LogUnreachable,
    #[error("the tables have not caught up with position {0} yet; try again in a moment")]
    ProjectionBehind(u64),
    #[error("the request took too long")]
    Timeout,
    #[error("the server is stopping; try again in a moment")]
    Stopping,
    #[error("this can only be asked as a WebSocket upgrade")]
    NoUpgrade,
    #[error("something broke inside the server; the request id names it in the server's log")]
    Internal(String),
}

fn summary(errors: &[FieldError]) -> String {
    let parts: Vec<String> = errors
        .iter()
        .map(|error| format!("{} {}", error.field, error.detail).trim().to_owned())
        .collect();
    parts.join("; ")
}

/// The body of an error.
#[derive(Debug, Clone, Serialize)]
pub struct Problem {
    /// `urn:signcall:problem:` and the code.
    pub r#type: String,
    /// The status in words.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// Stable, for programs.
    pub code: &'static str,
    /// For people: what was wrong and what to do.
    pub detail: String,
    /// Names this request in the server's log.
    pub request_id: String,
    /// Per field.
    pub errors: Vec<FieldError>,
    /// Frames of this stream that may still be sent, where that is what was asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credit: Option<u32>,
    /// The frame that comes next, where another one came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_seq: Option<u64>,
}

const RETRY_SOON_S: u64 = 1;
const BASIC: &str = "Basic realm=\"signcall\", charset=\"UTF-8\"";
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");

impl ApiError {
    /// The not-found of a room, which outsiders can't tell from a room that is there.
    pub(crate) const NO_ROOM: Self = Self::Rejected(Rejection::NotFound("room"));

    /// One field is wrong.
    pub(crate) fn field(field: &str, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError::new(field, detail)])
    }

    /// Status and stable code.
    pub(crate) fn code(&self) -> (StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::Rejected(rejection) => rejected(rejection),
            Self::Submit(error) => match error {
                SubmitError::Overloaded => (S::SERVICE_UNAVAILABLE, "overloaded"),
                SubmitError::Unavailable => (S::SERVICE_UNAVAILABLE, "decider_unavailable"),
                SubmitError::Full => (S::INSUFFICIENT_STORAGE, "disk_full"),
                SubmitError::TooLarge { .. } => (S::PAYLOAD_TOO_LARGE, "too_large"),
                SubmitError::Log(_) => (S::SERVICE_UNAVAILABLE, "log_unreachable"),
            },
            Self::Frames(error) => match error {
                FramesError::Full { .. } | FramesError::TooManyBytes { .. } => {
                    (S::TOO_MANY_REQUESTS, "frames_full")
                }
                FramesError::TooManyUploads { .. } => (S::TOO_MANY_REQUESTS, "too_many_uploads"),
                FramesError::TooManyStreams { .. } => (S::TOO_MANY_REQUESTS, "too_many_streams"),
                FramesError::OutOfOrder { .. } => (S::UNPROCESSABLE_ENTITY, "out_of_order"),
                FramesError::Unavailable(_) => (S::SERVICE_UNAVAILABLE, "frames_unavailable"),
            },
            Self::Clip(error) => match error.fault {
                ClipFault::TooMany { .. } => (S::PAYLOAD_TOO_LARGE, "too_large"),
                ClipFault::Truncated { .. }
                | ClipFault::Trailing { .. }
                | ClipFault::Unexpected { .. }
                | ClipFault::NotUtf8 { .. }
                | ClipFault::NotANumber { .. }
                | ClipFault::TimeBackwards { .. }
                | ClipFault::Picture { .. } => (S::UNPROCESSABLE_ENTITY, "invalid_frames"),
            },
            Self::Store(_) => (S::SERVICE_UNAVAILABLE, "tables_unavailable"),
            Self::Vault(_) => (S::SERVICE_UNAVAILABLE, "vault_unavailable"),
            Self::NoCredentials => (S::UNAUTHORIZED, "unauthorized"),
            Self::BadToken => (S::UNAUTHORIZED, "invalid_token"),
            Self::Expired => (S::UNAUTHORIZED, "token_expired"),
            Self::WrongPassword(_) => (S::UNAUTHORIZED, "invalid_credentials"),
            Self::WrongCurrentPassword => (S::FORBIDDEN, "wrong_password"),
            Self::WrongSecret => (S::UNAUTHORIZED, "wrong_secret"),
            Self::CrossOrigin => (S::FORBIDDEN, "cross_origin"),
            Self::Forbidden(_) => (S::FORBIDDEN, "forbidden"),
            Self::NoRoute => (S::NOT_FOUND, "no_route"),
            Self::Method => (S::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::MediaType(_) => (S::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"),
            Self::TooLarge { .. } => (S::PAYLOAD_TOO_LARGE, "too_large"),
            Self::SlowBody { .. } => (S::REQUEST_TIMEOUT, "slow_body"),
            Self::BrokenBody => (S::BAD_REQUEST, "broken_body"),
            Self::Malformed(_) => (S::BAD_REQUEST, "malformed_json"),
            Self::Invalid(_) => (S::UNPROCESSABLE_ENTITY, "invalid"),
            Self::Header(..) => (S::BAD_REQUEST, "invalid_header"),
            Self::Throttled { .. } => (S::TOO_MANY_REQUESTS, "throttled"),
            Self::TooManySockets => (S::TOO_MANY_REQUESTS, "too_many_sockets"),
            Self::PasswordsBusy => (S::SERVICE_UNAVAILABLE, "passwords_busy"),
            Self::TeachingBusy => (S::SERVICE_UNAVAILABLE, "teaching_busy"),
            Self::NotTaught(error) => refused_lesson(error),
            Self::LogUnreachable => (S::SERVICE_UNAVAILABLE, "log_unreachable"),
            Self::ProjectionBehind(_) => (S::SERVICE_UNAVAILABLE, "projection_behind"),
            Self::Timeout => (S::SERVICE_UNAVAILABLE, "timeout"),
            Self::Stopping => (S::SERVICE_UNAVAILABLE, "stopping"),
            Self::NoUpgrade => (S::UPGRADE_REQUIRED, "upgrade_required"),
            Self::Internal(_) => (S::INTERNAL_SERVER_ERROR, "internal"),
        }
    }

    /// The answer's body; the request id is not known here.
    pub(crate) fn problem(&self) -> Problem {
        let (status, code) = self.code();
        let errors = if let Self::Invalid(errors) = self {
            errors.clone()
        } else if let Self::Rejected(Rejection::Invalid { field, detail }) = self {
            vec![FieldError::new(*field, detail.clone())]
        } else if let Self::Clip(error) = self {
            vec![FieldError::new(error.place.to_string(), error.fault.to_string())]
        } else if let Self::NotTaught(error) = self {
            lesson_field(error)
                .map(|field| FieldError::new(field, error.to_string()))
                .into_iter()
                .collect()
        } else {
            Vec::new()
        };
        let (credit, expected_seq) = if let Self::Frames(FramesError::Full { waiting, max }) = self
        {
            (Some(max.saturating_sub(*waiting)), None)
        } else if let Self::Frames(FramesError::TooManyBytes { .. }) = self {
            (Some(0), None)
        } else if let Self::Frames(FramesError::OutOfOrder { expected, .. }) = self {
            (None, Some(*expected))
        } else {
            (None, None)
        };
        Problem {
            r#type: format!("urn:signcall:problem:{code}"),
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            code,
            detail: self.to_string(),
            request_id: String::new(),
            errors,
            credit,
            expected_seq,
        }
    }

    fn headers(&self, status: StatusCode) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Self::Throttled { limit, retry_s } = self {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(*retry_s));
            let rate = format!("limit={limit}, remaining=0, reset={retry_s}");
            headers.extend(HeaderValue::try_from(rate).ok().map(|rate| (RATE_LIMIT, rate)));
        } else if status == StatusCode::SERVICE_UNAVAILABLE
            || status == StatusCode::TOO_MANY_REQUESTS
        {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_SOON_S));
        } else if let Self::WrongPassword(Challenge::Basic) = self {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(BASIC));
        } else if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        } else if let Self::SlowBody { .. } = self {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        headers
    }

    /// What the server's log says, which may be more than the answer does.
    fn cause(&self) -> String {
        use std::error::Error as _;
        match (self, self.source()) {
            (Self::Internal(cause) | Self::NotTaught(NotTaught::Failed(cause)), _) => cause.clone(),
            (_, Some(source)) => source.to_string(),
            (_, None) => self.to_string(),
        }
    }
}

/// What people are told of a lesson that came to nothing; what broke is for the server's log.
fn not_taught(error: &NotTaught) -> String {
    match error {
        NotTaught::NoRecognizer => {
            "this process has no recognizer, so it can't teach: ask a server \
            that runs the roles api and recognizer in one process, or use `signcall model teach`"
                .to_owned()
        }
        NotTaught::NoModel => Rejection::NotFound("model").to_string(),
        NotTaught::Exists(name) => {
            format!("there is a model {name} already, and none is replaced: choose another name")
        }
        NotTaught::Failed(_) => ApiError::Internal(String::new()).to_string(),
        NotTaught::NotTeachable(_)
        | NotTaught::Full(_)
        | NotTaught::Label(_)
        | NotTaught::Name(_)
        | NotTaught::Clips(_)
        | NotTaught::Unwanted => error.to_string(),
    }
}

/// The field that is to blame, if one is.
fn lesson_field(error: &NotTaught) -> Option<&'static str> {
    match error {
        NotTaught::Label(_) => Some("label"),
        NotTaught::Name(_) | NotTaught::Exists(_) => Some("name"),
        NotTaught::Clips(_) => Some("clips"),
        NotTaught::NoRecognizer
        | NotTaught::NoModel
        | NotTaught::NotTeachable(_)
        | NotTaught::Full(_)
        | NotTaught::Unwanted
        | NotTaught::Failed(_) => None,
    }
}

fn refused_lesson(error: &NotTaught) -> (StatusCode, &'static str) {
    match error {
        NotTaught::NoRecognizer => (StatusCode::CONFLICT, "no_recognizer"),
        NotTaught::NoModel => (StatusCode::NOT_FOUND, "not_found"),
        NotTaught::NotTeachable(_) => (StatusCode::CONFLICT, "not_teachable"),
        NotTaught::Exists(_) => (StatusCode::CONFLICT, "model_exists"),
        NotTaught::Full(_) => (StatusCode::CONFLICT, "models_full"),
        NotTaught::Label(_) | NotTaught::Name(_) | NotTaught::Clips(_) => {
            (StatusCode::UNPROCESSABLE_ENTITY, "invalid")
        }
        NotTaught::Unwanted => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
        NotTaught::Failed(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
    }
}

fn rejected(rejection: &Rejection) -> (StatusCode, &'static str) {
    let (kind, code) = rejection.kind();
    let status = match kind {
        RejectionKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        RejectionKind::Conflict => StatusCode::CONFLICT,
        RejectionKind::NotFound => StatusCode::NOT_FOUND,
        RejectionKind::Forbidden => StatusCode::FORBIDDEN,
        RejectionKind::Unauthorized => StatusCode::UNAUTHORIZED,
        RejectionKind::Gone => StatusCode::GONE,
        RejectionKind::Stale => StatusCode::PRECONDITION_FAILED,
    };
    (status, code)
}

/// A problem on its way out; the outermost layer gives it the request's id and writes it.
#[derive(Debug, Clone)]
pub(crate) struct Unsent {
    pub(crate) problem: Problem,
    /// What the server's log says, where the server itself failed.
    pub(crate) cause: Option<String>,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, _) = self.code();
        let cause = status.is_server_error().then(|| self.cause());
        let mut response = status.into_response();
        response.headers_mut().extend(self.headers(status));
        response.extensions_mut().insert(Unsent { problem: self.problem(), cause });
        response
    }
}

/// Whether a precondition's revision is the current one; the answer to a stale one is 412.
pub(crate) fn check_revision(expected: Option<u64>, now: u64) -> Result<(), ApiError> {
    match expected {
        Some(expected) if expected != now => Err(Rejection::Stale.into()),
        Some(_) | None => Ok(()),
    }
}
