//! A sign for a model, taught from clips: they are checked here, each of them, before any is used.

use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use clips::pose;
use events::text::{Limits, shown_name};
use events::user::command::admin::NoteTaught;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use crate::auth::Caller;
use crate::error::{ApiError, FieldError};
use crate::extract::{In, ask, parse, read_json};
use crate::models::{Lesson, Taught};
use crate::state::{App, Ask};
use crate::teaching;

/// The route.
pub(crate) const PATH: &str = "/models/{model}/signs";
/// Clips of one sign: as few as can be divided into those that teach and those that judge, and as
/// many as a person records.
pub(crate) const CLIPS: Limits = Limits { min: 4, max: 40 };
/// Bytes of one clip: a sign with face points takes a tenth of it.
pub(crate) const CLIP_BYTES_MAX: usize = 2 << 20;
/// Frames of one clip: less shows no movement, more is not one sign (20 s at 15 frames a second).
pub(crate) const FRAMES: Limits = Limits { min: 6, max: 300 };
/// Frames of a clip in which a hand has to be seen, at least.
pub(crate) const HAND_FRAMES_MIN: usize = 3;
/// Bytes of the body: forty clips as the page records them, three times over.
pub(crate) const BODY_MAX: usize = 16 << 20;
/// Characters of a sign's label, and of a model's name.
pub(crate) const LABEL: Limits = Limits { min: 1, max: 64 };
/// How long teaching may take beyond what every request may, on a slow and busy machine.
const WITHIN: Duration = Duration::from_mins(5);

/// What is asked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sign {
    label: String,
    name: Option<String>,
    /// The second consent of the person in the clips.
    keep_consent: bool,
    clips: Vec<String>,
}

/// `POST /models/{model}/signs`.
pub(crate) async fn teach(
    State(app): State<App>,
    In(model): In<String>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    caller.must_be_admin()?;
    let (mut parts, body) = request.into_parts();
    let body = read_json(&app, &parts.headers, body, BODY_MAX).await?;
    let ask = ask(&app, &caller, &mut parts, Some(&body)).await?;
    let taught = match app.teaching.answered(&ask)? {
        Some(taught) => taught,
        None => learn(&app, &caller, &ask, model, body).await?,
    };
    // Where the log can't be reached, the model is there and the same request, sent again, notes it.
    let (base, model) = (taught.base.clone(), taught.model.clone());
    let clips = u32::try_from(taught.clips).unwrap_or(u32::MAX);
    app.submit(&ask, NoteTaught { base, model, clips }).await?;
    Ok((StatusCode::CREATED, Json(taught)).into_response())
}

/// Checks the clips and makes the new model.
async fn learn(
    app: &App,
    caller: &Caller,
    ask: &Ask,
    model: String,
    body: Bytes,
) -> Result<Taught, ApiError> {
    // Up to 16 MiB: too long for the threads that answer everybody else.
    let lesson = tokio::task::spawn_blocking(move || lesson(model, &body)).await;
    let lesson = lesson.map_err(|error| ApiError::Internal(error.to_string()))??;
    let (base, label, clips) = (lesson.model.clone(), lesson.label.clone(), lesson.clips.len());
    let taught = teaching::teach(app, ask, lesson).await;
    let (request_id, user) = (ask.context.id(), caller.user);
    let outcome = match &taught {
        Ok(Taught { model, recognized, .. }) => {
            let label = label.as_str();
            tracing::info!(request_id, %user, %base, %model, label, clips, recognized, "a sign was taught");
            "taught"
        }
        Err(error) => {
            tracing::info!(request_id, %user, %base, clips, %error, "a sign was not taught");
            "refused"
        }
    };
    metrics::counter!("signcall_signs_taught_total", "outcome" => outcome).increment(1);
    taught
}

/// How long a request may take that goes to this path, as the router has it.
pub(crate) fn within(path: &str, others: Duration) -> Duration {
    if path.ends_with(PATH) { others + WITHIN } else { others }
}

/// Reads and checks everything; all that is wrong is told at once.
fn lesson(model: String, body: &Bytes) -> Result<Lesson, ApiError> {
    let sign: Sign = parse(body)?;
    let label = shown_name(&sign.label);
    let mut wrong = Vec::new();
    if !fits(LABEL, label.chars().count()) || label.chars().any(char::is_control) {
        let detail = "has to be 1 to 64 characters that can be seen";
        wrong.push(FieldError::new("label", detail));
    }
    if !sign.keep_consent {
        let detail = "has to be true: the person in the clips has to agree that the points of their \
                      hands and body teach a model, and stay in it";
        wrong.push(FieldError::new("keep_consent", detail));
    }
    let count = sign.clips.len();
    if !fits(CLIPS, count) {
        let Limits { min, max } = CLIPS;
        let detail = format!("are {count}; it takes {min} to {max}, and ten are a good number");
        wrong.push(FieldError::new("clips", detail));
        return Err(ApiError::Invalid(wrong));
    }
    let mut clips = Vec::with_capacity(count);
    for (index, text) in sign.clips.iter().enumerate() {
        match clip(text) {
            Ok(bytes) => clips.push(bytes),
            Err(detail) => wrong.push(FieldError::new(format!("clips[{index}]"), detail)),
        }
    }
    if !wrong.is_empty() {
        return Err(ApiError::Invalid(wrong));
    }
    let (name, unwanted) = (sign.name, CancellationToken::new());
    Ok(Lesson { model, label, name, clips, unwanted })
}

/// One clip, if it can teach anything; else what is wrong with it.
fn clip(text: &str) -> Result<Vec<u8>, String> {
    let bytes = STANDARD.decode(text).map_err(|error| format!("is not base64: {error}"))?;
    if bytes.len() > CLIP_BYTES_MAX {
        let len = bytes.len();
        return Err(format!(
            "has {len} bytes; at most {CLIP_BYTES_MAX} are taken: record it shorter"
        ));
    }
    let clip = pose::parse(&bytes).map_err(|fault| format!("is no .pose file: {fault}"))?;
    let frames = clip.frames.len();
    if !fits(FRAMES, frames) {
        let Limits { min, max } = FRAMES;
        return Err(format!("has {frames} frames; it takes {min} to {max}: record the sign once"));
    }
    let hands = clip.frames.iter().filter(|frame| frame.left.is_some() || frame.right.is_some());
    let hands = hands.count();
    if hands < HAND_FRAMES_MIN {
        return Err(format!(
            "shows a hand in {hands} of its {frames} frames; it takes {HAND_FRAMES_MIN}: keep the \
             hands in the picture"
        ));
    }
    Ok(bytes)
}

fn fits(limits: Limits, count: usize) -> bool {
    (limits.min..=limits.max).contains(&count)
}
