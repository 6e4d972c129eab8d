//! The recognition worker: frames in, captions out, and nothing lost by a kill.
//!
//! A worker takes frame batches, gives each stream a place in an engine, hands finals in as
//! commands, sends open captions to the live channel, and lets frames go only when the finals of
//! their utterance are in the log. Frames that were not let go come again after a restart; since an
//! utterance starts from zero, and a segment's name is a digest of its place in its stream, the
//! next worker says the same under the same names, and the decider takes each only once.
//!
//! # Layout
//! * [`Worker`]: started and run.
//! * `fleet`: the engines, which may change while they serve; [`Monitor`]: how they do.
//! * `intake`: batches into the engines, streams opened, parked and closed.
//! * `served`: the models, and which a stream is for.
//! * `teller`: one stream's way out.
//! * [`segment`]: a caption with its names and times.

mod fleet;
mod intake;
mod report;
pub mod segment;
mod served;
mod teller;
#[cfg(test)]
mod tests;

use crate::engine::{Clock, EngineThread, Limits, Notice, Ticket};
use crate::model::library::Offer;
use fleet::Fleet;
use intake::Intake;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use streams::commands::Commands;
use streams::frames::{FrameBatch, Frames, FramesError};
use streams::live::Live;
use tokio::sync::mpsc;

pub use fleet::Monitor;

/// Batches taken from the buffer ahead of the engines.
const BATCHES_AHEAD: usize = 16;
/// Captions of one stream that may wait to be told; past it, its engine waits.
const NOTICES: usize = 1_024;
/// Reports of tellers that may wait for the intake.
const EVENTS: usize = 256;
/// How often parked streams are tried again, and the engines looked at.
const TICK: Duration = Duration::from_millis(250);
/// Longest time for handing in what is open at a shutdown.
const DRAIN: Duration = Duration::from_secs(8);
/// Pause after the frames could not be asked for.
const FRAMES_RETRY: Duration = Duration::from_millis(500);

/// What a worker is connected to.
#[derive(Clone)]
pub struct Connections {
    /// Where frames come from.
    pub frames: Frames,
    /// Where finals go.
    pub commands: Commands,
    /// Where open captions go.
    pub live: Live,
}

/// Why a worker can't go on.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// There must be a model, and copies of one must be the same.
    #[error("these models can't be served: {0}")]
    Models(String),
    /// Decoding pictures broke off.
    #[error("decoding pictures broke off: {0}")]
    Decoder(String),
    /// No thread for an engine.
    #[error("an engine's thread can't be started")]
    Thread(#[from] std::io::Error),
    /// An engine stopped; another worker plays its streams again.
    #[error("an engine stopped: {0}")]
    Engine(String),
}

/// What a teller has to say to the intake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    /// Nothing came for the stream, and all is told.
    Idle(Ticket),
    /// A flush mark was reached; the number of the frame after it.
    Flushed(Ticket, u64),
    /// The decider refused the stream's captions.
    Unwanted(Ticket),
}

/// Where the notices of each stream go.
type Routes = Arc<Mutex<HashMap<Ticket, mpsc::Sender<Notice>>>>;

/// Engines that serve, not yet fed.
pub struct Worker {
    fleet: Fleet,
    routes: Routes,
    connections: Connections,
    clock: Clock,
    changes: (Changes, mpsc::Receiver<Vec<Offer>>),
}

/// Takes the models that are to be served from now on.
#[derive(Clone)]
pub struct Changes(mpsc::Sender<Vec<Offer>>);

impl Changes {
    /// Serves these models, the first that fits for streams that name none, and no others, as soon
    /// as all of them are warm; no stream is dropped. Models that run already go on.
    pub async fn serve(&self, models: Vec<Offer>) {
        // A worker that has ended serves nothing.
        let _ = self.0.send(models).await;
    }
}

impl Worker {
    /// Starts one engine thread for each of `models` (a model that is offered several times has so
    /// many), and warms them up in the background. A stream that names no model is for the first
    /// that fits.
    pub fn start(
        models: Vec<Offer>,
        limits: &Limits,
        connections: Connections,
    ) -> Result<Self, WorkerError> {
        let begun = Instant::now();
        let clock: Clock = Arc::new(move || begun.elapsed().as_micros() as u64);
        let routes = Routes::default();
        let (starting, ticking) = (routes.clone(), clock.clone());
        let start = move |engine| {
            let routes = starting.clone();
            let tell = move |notice: Notice| {
                let route = routes.lock().get(&notice.ticket()).cloned();
                if let Some(route) = route {
                    // An error means that the stream was closed meanwhile.
                    let _ = route.blocking_send(notice);
                }
            };
            EngineThread::start(engine, ticking.clone(), tell)
        };
        let fleet = Fleet::new(models, limits.clone(), Box::new(start))?;
        let (changes, changed) = mpsc::channel(1);
        Ok(Self { fleet, routes, connections, clock, changes: (Changes(changes), changed) })
    }

    /// How the engines do.
    pub fn monitor(&self) -> Monitor {
        self.fleet.monitor.clone()
    }

    /// The way to other models.
    pub fn changes(&self) -> Changes {
        self.changes.0.clone()
    }

    /// Serves until `shutdown`, then makes everything final and hands it in, within 8 seconds.
    ///
    /// # Errors
    /// An engine stopped. The frames of its streams are still in the buffer.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), WorkerError> {
        let (ahead, mut batches) = mpsc::channel(BATCHES_AHEAD);
        let fetching = tokio::spawn(fetch(self.connections.frames.clone(), ahead));
        let (events, mut reports) = mpsc::channel(EVENTS);
        let monitor = self.monitor();
        let Self { fleet, routes, connections, clock, changes: (keep_open, mut changes) } = self;
        let mut intake = Intake::new(fleet, routes, connections, clock, events);
        let mut tick = tokio::time::interval(TICK);
        tokio::pin!(shutdown);
        let outcome = loop {
            let step = tokio::select! {
                () = &mut shutdown => break Ok(()),
                Some(batch) = batches.recv(), if intake.has_room() => intake.take(batch).await,
                Some(event) = reports.recv() => intake.settle(event).await,
                Some(models) = changes.recv() => {
                    intake.change(models);
                    Ok(())
                }
                _ = tick.tick() => intake.retry().await,
            };
            if let Err(error) = step {
                break Err(error);
            }
        };
        fetching.abort();
        drop(keep_open);
        // Draining waits for the engines' threads, which wait for the tellers.
        let drained = tokio::task::spawn_blocking(move || monitor.drain());
        let finish = async {
            // An error means that draining panicked; there is nothing left to drain then.
            let _ = drained.await;
            intake.finish().await;
        };
        if tokio::time::timeout(DRAIN, finish).await.is_err() {
            tracing::warn!("not everything open was handed in; the next worker does it");
        }
        outcome
    }
}

/// Asks for batches, one after the other, on a task of its own: asking is never broken off.
async fn fetch(frames: Frames, ahead: mpsc::Sender<FrameBatch>) {
    loop {
        match frames.next().await {
            Ok(batch) => {
                if ahead.send(batch).await.is_err() {
                    return;
                }
            }
            Err(FramesError::Unavailable(error)) => {
                tracing::warn!(error, "frames can't be had; trying again");
                tokio::time::sleep(FRAMES_RETRY).await;
            }
            Err(
                error @ (FramesError::Full { .. }
                | FramesError::TooManyBytes { .. }
                | FramesError::TooManyUploads { .. }
                | FramesError::TooManyStreams { .. }
                | FramesError::OutOfOrder { .. }),
            ) => {
                tracing::error!(%error, "the frame buffer answers a question that was not asked");
                tokio::time::sleep(FRAMES_RETRY).await;
            }
        }
    }
}

/// Microseconds since 1970.
fn wall_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_micros() as i64
}
