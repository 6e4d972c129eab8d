//! The recognition worker: frames in, captions out, and nothing lost by a kill.
//!
//! A worker takes frame batches, gives each stream a place in an engine, hands finals in as
//! commands, sends open captions to the live channel, and lets frames go only when the finals of
//! their utterance are in the log. Frames that were not let go come again after a restart; since an
//! utterance starts from zero, and a segment's name is a digest of its place in its stream, the
//! next worker says the same under the same names, and the decider takes each only once.
//!
//! # Layout
//! * [`Worker`]: engines, started and run; [`Monitor`]: how they do.
//! * `intake`: batches into the engines, streams opened, parked and closed.
//! * `served`: the models, and which a stream is for.
//! * `teller`: one stream's way out.
//! * [`segment`]: a caption with its names and times.

mod intake;
mod report;
pub mod segment;
mod served;
mod teller;
#[cfg(test)]
mod tests;

use crate::engine::{Clock, Engine, EngineThread, Health, Limits, Notice, Stats, Ticket};
use crate::model::Model;
use intake::Intake;
use parking_lot::Mutex;
use served::Served;
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use streams::commands::Commands;
use streams::frames::{FrameBatch, Frames, FramesError};
use streams::live::Live;
use tokio::sync::mpsc;

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
    monitor: Monitor,
    routes: Routes,
    connections: Connections,
    served: Served,
    clock: Clock,
}

/// How a worker's engines do. Cheap to clone.
#[derive(Clone)]
pub struct Monitor(Arc<Vec<EngineThread>>);

impl Monitor {
    /// The state of the engine that does worst: all must be ready for the worker to be.
    pub fn health(&self) -> Health {
        let all = self.0.iter().map(EngineThread::health);
        all.reduce(|worst, next| if worst == Health::Ready { next } else { worst })
            .unwrap_or(Health::Stopped)
    }

    /// What was counted, per engine; looking starts [`Stats::worst_age_us`] anew.
    pub fn stats(&self) -> Vec<Stats> {
        self.0.iter().map(EngineThread::stats).collect()
    }
}

impl Worker {
    /// Starts one engine thread for each of `models`, copies of a model side by side, and warms them
    /// up in the background. A stream that names no model is for the first that fits.
    pub fn start(
        models: Vec<Box<dyn Model>>,
        limits: &Limits,
        connections: Connections,
    ) -> Result<Self, WorkerError> {
        let served = Served::new(models.iter().map(|model| model.spec()))?;
        let begun = Instant::now();
        let clock: Clock = Arc::new(move || begun.elapsed().as_micros() as u64);
        let routes = Routes::default();
        let start = |model| {
            let routes = routes.clone();
            let tell = move |notice: Notice| {
                let route = routes.lock().get(&notice.ticket()).cloned();
                if let Some(route) = route {
                    // An error means that the stream was closed meanwhile.
                    let _ = route.blocking_send(notice);
                }
            };
            EngineThread::start(Engine::new(model, limits.clone()), clock.clone(), tell)
        };
        let engines = models.into_iter().map(start).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { monitor: Monitor(Arc::new(engines)), routes, connections, served, clock })
    }

    /// How the engines do.
    pub fn monitor(&self) -> Monitor {
        self.monitor.clone()
    }

    /// Serves until `shutdown`, then makes everything final and hands it in, within 8 seconds.
    ///
    /// # Errors
    /// An engine stopped. The frames of its streams are still in the buffer.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), WorkerError> {
        let (ahead, mut batches) = mpsc::channel(BATCHES_AHEAD);
        let fetching = tokio::spawn(fetch(self.connections.frames.clone(), ahead));
        let (events, mut reports) = mpsc::channel(EVENTS);
        let monitor = self.monitor.clone();
        let mut intake = Intake::new(self, events);
        let mut tick = tokio::time::interval(TICK);
        tokio::pin!(shutdown);
        let outcome = loop {
            let step = tokio::select! {
                () = &mut shutdown => break Ok(()),
                Some(batch) = batches.recv(), if intake.has_room() => intake.take(batch).await,
                Some(event) = reports.recv() => intake.settle(event).await,
                _ = tick.tick() => intake.retry().await,
            };
            if let Err(error) = step {
                break Err(error);
            }
        };
        fetching.abort();
        let engines = monitor.clone();
        // Draining waits for the engines' threads, which wait for the tellers.
        let drained = tokio::task::spawn_blocking(move || {
            engines.0.iter().for_each(EngineThread::drain);
        });
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
