//! The engines of a worker, and the models that they run; both may change while streams are served.
//! New models are warmed up beside the old ones. Once all of them work, streams go to them, each at
//! its next batch, after what is open there was told; an engine that nobody needs any more ends.

use super::WorkerError;
use super::served::{Entry, Served};
use crate::engine::{Command, Engine, EngineThread, Health, Limits, Refused, Stats};
use crate::model::library::Offer;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

/// Pause before a command that did not fit is offered to its engine again.
const INBOX_RETRY: Duration = Duration::from_millis(5);

/// Starts an engine's thread.
pub(super) type Start = Box<dyn Fn(Engine) -> std::io::Result<EngineThread> + Send + Sync>;

/// How a worker's engines do. Cheap to clone.
#[derive(Clone, Default)]
pub struct Monitor(Arc<Mutex<Engines>>);

#[derive(Default)]
struct Engines {
    /// By number; an engine that has ended leaves a gap, for numbers are never used again.
    all: Vec<Option<Arc<EngineThread>>>,
    /// What those that ended had counted.
    ended: Stats,
}

impl Monitor {
    fn here(&self) -> Vec<Arc<EngineThread>> {
        self.0.lock().all.iter().flatten().cloned().collect()
    }

    /// The state of the engine that does worst: all must be ready for the worker to be.
    pub fn health(&self) -> Health {
        let all = self.here().into_iter().map(|engine| engine.health());
        all.reduce(|worst, next| if worst == Health::Ready { next } else { worst })
            .unwrap_or(Health::Stopped)
    }

    /// What was counted, per engine, and by those that have ended; looking starts
    /// [`Stats::worst_age_us`] anew.
    pub fn stats(&self) -> Vec<Stats> {
        let here = self.here().into_iter().map(|engine| engine.stats());
        std::iter::once(self.0.lock().ended).chain(here).collect()
    }

    /// Makes everything final in all engines, and waits for their ends. Blocks.
    pub(super) fn drain(&self) {
        self.here().iter().for_each(|engine| engine.drain());
    }
}

/// Models on their way in.
struct Coming {
    served: Served,
    /// By the number that each will have.
    engines: Vec<EngineThread>,
}

pub(super) struct Fleet {
    pub(super) monitor: Monitor,
    pub(super) served: Served,
    limits: Limits,
    start: Start,
    /// Streams of each engine.
    loads: Vec<usize>,
    coming: Option<Coming>,
}

impl Fleet {
    /// Starts an engine for each offer; copies of a model are offered several times.
    pub(super) fn new(
        offers: Vec<Offer>,
        limits: Limits,
        start: Start,
    ) -> Result<Self, WorkerError> {
        let (monitor, served) = (Monitor::default(), Served::default());
        let mut fleet = Self { monitor, served, limits, start, loads: Vec::new(), coming: None };
        if let Some(coming) = fleet.prepare(offers)? {
            fleet.welcome(coming);
        }
        Ok(fleet)
    }

    /// The engine of that number, while it is there.
    fn engine(&self, engine: usize) -> Result<Arc<EngineThread>, WorkerError> {
        let ended = || WorkerError::Engine("it has ended".to_owned());
        self.monitor.0.lock().all.get(engine).cloned().flatten().ok_or_else(ended)
    }

    /// The engine of that model that has the fewest streams.
    pub(super) fn emptiest(&self, model: usize) -> usize {
        let engines = self.served.engines(model).iter().copied();
        engines.min_by_key(|engine| self.loads[*engine]).unwrap_or(0)
    }

    /// Hands a command to an engine, waiting while its inbox is full.
    pub(super) async fn send(
        &self,
        engine: usize,
        mut command: Command,
    ) -> Result<(), WorkerError> {
        let engine = self.engine(engine)?;
        loop {
            command = match engine.send(command) {
                Ok(()) => return Ok(()),
                Err(Refused::Full(command)) => command,
                Err(Refused::Stopped) => {
                    return Err(WorkerError::Engine(format!("{:?}", engine.health())));
                }
            };
            tokio::time::sleep(INBOX_RETRY).await;
        }
    }

    /// One stream more.
    pub(super) fn board(&mut self, engine: usize) {
        self.loads[engine] += 1;
    }

    /// One stream less.
    pub(super) fn alight(&mut self, engine: usize) {
        self.loads[engine] -= 1;
    }

    /// Serves these models, and no others, as soon as all of them are warm. Those that are served
    /// already go on as they are.
    pub(super) fn change(&mut self, offers: Vec<Offer>) {
        match self.prepare(offers) {
            Ok(coming) => self.coming = coming,
            Err(error) => tracing::error!(%error, "other models are not served"),
        }
    }

    /// Looks after what changes: models that are warm take over, engines that nobody needs end.
    pub(super) fn look_after(&mut self) {
        let health = self.coming.as_ref().map(|coming| {
            let all = coming.engines.iter().map(EngineThread::health);
            all.reduce(|worst, next| if worst == Health::Ready { next } else { worst })
        });
        match health {
            Some(None | Some(Health::Ready)) => {
                if let Some(coming) = self.coming.take() {
                    self.welcome(coming);
                    tracing::info!(models = ?self.served.names(), "these models are served now");
                }
            }
            Some(Some(Health::Failed(error))) => {
                tracing::error!(error, "a new model does not work; the old ones stay");
                self.coming = None;
            }
            Some(Some(Health::Warming | Health::Stalled | Health::Stopped)) | None => {}
        }
        for engine in self.served.retired() {
            if self.loads[engine] == 0 {
                self.end(engine);
            }
        }
    }

    /// What would be served then; nothing, if that is what is served now.
    fn prepare(&self, offers: Vec<Offer>) -> Result<Option<Coming>, WorkerError> {
        let mut served = self.served.without_order();
        let mut engines = Vec::new();
        for Offer { digest, model } in offers {
            let spec = model.spec().clone();
            let there = served.position(&spec.name, digest);
            if let Some(index) = there
                && index < self.served.len()
            {
                // It runs already, on as many engines as it needs.
                served.order(index)?;
                continue;
            }
            let engine = self.loads.len() + engines.len();
            let start = (self.start)(Engine::new(model, self.limits.clone()));
            engines.push(start.map_err(WorkerError::Thread)?);
            if let Some(index) = there {
                served.copy(index, engine);
            } else {
                let index = served.add(Entry::new(&spec, digest, engine));
                served.order(index)?;
            }
        }
        if served.names().is_empty() {
            return Err(WorkerError::Models("there is none".to_owned()));
        }
        Ok((served != self.served).then_some(Coming { served, engines }))
    }

    fn welcome(&mut self, coming: Coming) {
        let Coming { served, engines } = coming;
        self.loads.resize(self.loads.len() + engines.len(), 0);
        self.monitor.0.lock().all.extend(engines.into_iter().map(|engine| Some(Arc::new(engine))));
        self.served = served;
    }

    /// Ends an engine that has no streams; it was never told of more than it has told.
    fn end(&mut self, engine: usize) {
        let mut engines = self.monitor.0.lock();
        let Some(thread) = engines.all[engine].take() else { return };
        engines.ended.add(&thread.stats());
        drop(engines);
        self.served.ended(engine);
        // It ends when it has taken the command; nobody waits for that.
        std::thread::spawn(move || thread.drain());
    }
}
