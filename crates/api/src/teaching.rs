//! One sign is taught at a time, on a thread of its own: it takes seconds of a core that captions
//! need too. What came of it is remembered, so that a retry gets the first answer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use events::{CommandId, Rejection, Timestamp};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::error::ApiError;
use crate::models::{Lesson, NotTaught, SharedModels, Taught};
use crate::state::{App, Ask};

/// Answers that are remembered; past it the oldest is forgotten. As many models as there may be.
const ANSWERS_MAX: usize = 64;
/// How long an answer is remembered, in seconds.
const REMEMBERED_S: i64 = 24 * 3600;

/// What is taught now, and what came of it before.
#[derive(Default)]
pub(crate) struct Teaching {
    busy: Arc<AtomicBool>,
    answers: Mutex<VecDeque<Answer>>,
}

struct Answer {
    key: CommandId,
    body: u64,
    at: Timestamp,
    taught: Taught,
}

/// The one who teaches now; the next may, once this is dropped.
struct Turn(Arc<AtomicBool>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Teaching {
    /// What the same request was answered before.
    pub(crate) fn answered(&self, ask: &Ask) -> Result<Option<Taught>, ApiError> {
        let Some(body) = ask.body else { return Ok(None) };
        let answers = self.answers.lock();
        match answers.iter().find(|answer| answer.key == ask.id) {
            Some(answer) if answer.body == body => Ok(Some(answer.taught.clone())),
            Some(_) => Err(Rejection::KeyReused.into()),
            None => Ok(None),
        }
    }

    fn note(&self, ask: &Ask, now: Timestamp, taught: &Taught) {
        let Some(body) = ask.body else { return };
        let mut answers = self.answers.lock();
        answers.retain(|answer| now.seconds_since(answer.at) <= REMEMBERED_S);
        if answers.len() >= ANSWERS_MAX {
            answers.pop_front();
        }
        answers.push_back(Answer { key: ask.id, body, at: now, taught: taught.clone() });
    }

    fn turn(&self) -> Result<Turn, ApiError> {
        let taken = self.busy.swap(true, Ordering::AcqRel);
        if taken { Err(ApiError::TeachingBusy) } else { Ok(Turn(Arc::clone(&self.busy))) }
    }
}

/// Teaches a sign, unless somebody else does. If this is dropped before its end, or the server stops,
/// no model comes of it; the next turn begins when the thread is done all the same.
pub(crate) async fn teach(app: &App, ask: &Ask, lesson: Lesson) -> Result<Taught, ApiError> {
    let turn = app.teaching.turn()?;
    let unwanted = lesson.unwanted.clone().drop_guard();
    let (tell, told) = oneshot::channel();
    let models: SharedModels = Arc::clone(&app.models);
    let thread = std::thread::Builder::new().name("teach".to_owned()).spawn(move || {
        let taught = models.teach(lesson);
        drop(turn);
        // Nobody may wait any more.
        drop(tell.send(taught));
    });
    thread.map_err(|error| ApiError::Internal(format!("no thread to teach on: {error}")))?;
    let taught = tokio::select! {
        taught = told => taught,
        () = app.stopping.cancelled() => return Err(ApiError::Stopping),
    };
    let broken = || NotTaught::Failed("teaching panicked".to_owned());
    let taught = taught.unwrap_or_else(|_| Err(broken()))?;
    unwanted.disarm();
    app.teaching.note(ask, app.now(), &taught);
    Ok(taught)
}
