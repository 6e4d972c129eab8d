//! Simulation: writers, callers and projectors on a log whose every operation waits for a seeded
//! schedule, and is lost, doubled, late or refused as that says; writers die and come back, and the
//! log may lose its tail. In the end what was answered is in the log once, names are unique, and
//! the tables are the log's fold.
//!
//! `SIGNCALL_SIMULATIONS=20000` runs so many seeds instead of a few, `SIGNCALL_SIMULATION_FROM=N`
//! begins at another one. The schedule follows from the seed; what the databases' threads do in
//! between does not, so a seed that failed may have to be tried some times.

mod callers;
mod log;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use decider::Writer;
use events::{Actor, LogId};
use projector::{Projector, ProjectorError, Store};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use streams::{LogError, SubmitError};
use tokio::task::{JoinHandle, JoinSet};
use uuid::Uuid;

use crate::rig::{Rig, created_room, envelope, join, registered, say, send};
use callers::{Answers, Town, ask_around};
use log::{Fate, Shared};

const WRITERS: usize = 2;
const PROJECTORS: usize = 2;
const CALLERS: usize = 4;
/// Commands of each caller.
const COMMANDS: usize = 8;
/// Steps of the schedule before calm returns.
const STEPS: usize = 150;
/// How long the end may take once nothing fails any more.
const CALM_MAX: Duration = Duration::from_mins(1);

struct World {
    random: StdRng,
    rig: Rig,
    store: Store,
    shared: Arc<Shared>,
    town: Town,
    answers: Answers,
    writers: [Option<JoinHandle<()>>; WRITERS],
    projectors: JoinSet<ProjectorError>,
}

impl World {
    async fn new(seed: u64) -> Self {
        let folder = Rig::folder();
        let shared = Shared::new(LogId::from_uuid(Uuid::from_u128(seed.into())));
        let url = format!("sqlite:{}", folder.path().join("tables.db").display());
        let store = Store::open(&url).await.unwrap();
        let rig = Rig::on(folder, shared.stored()).await;
        let town = Town::default();
        let (random, answers) = (StdRng::seed_from_u64(seed), Answers::default());
        let (writers, projectors) = ([const { None }; WRITERS], JoinSet::new());
        let mut world = Self { random, rig, store, shared, town, answers, writers, projectors };
        for at in 0..WRITERS {
            world.start_writer(at);
        }
        let commands = world.town.writers.lock()[0].clone().unwrap();
        let ada = registered(&world.rig, &commands, "Ada").await;
        let bob = registered(&world.rig, &commands, "Bob").await;
        let room = created_room(&commands, ada).await;
        send(&commands, Actor::User(bob), join(room)).await.unwrap();
        world.town.people.lock().extend([ada, bob]);
        world.town.room = Some(room);
        world
    }

    fn start_writer(&mut self, at: usize) {
        let (commands, queue) = streams::commands::local();
        let (log, vault, clock) =
            (self.shared.seen_by(at), self.rig.vault.clone(), self.rig.clock());
        self.writers[at] = Some(tokio::spawn(async move {
            let writer = loop {
                if let Ok(writer) =
                    Writer::open(log.clone(), vault.clone(), Arc::clone(&clock)).await
                {
                    break writer;
                }
            };
            writer.run(queue, std::future::pending()).await;
        }));
        self.town.writers.lock()[at] = Some(commands);
    }

    async fn kill_writer(&mut self, at: usize) {
        let Some(task) = self.writers[at].take() else { return };
        self.town.writers.lock()[at] = None;
        task.abort();
        let _ = task.await;
        // What it had sent may arrive yet.
        let mut waiting = self.shared.waiting.lock();
        let sent = waiting.extract_if(.., |waiting| waiting.actor == at);
        let sent: Vec<_> = sent.filter_map(|waiting| waiting.block).collect();
        self.shared.late.lock().extend(sent);
    }

    fn projector(&self, log: streams::Log) -> Projector {
        let live = streams::live::local();
        Projector::new(self.store.clone(), log, self.rig.vault.clone(), live)
    }

    fn start_projectors(&mut self) {
        for at in 0..PROJECTORS {
            let projector = self.projector(self.shared.seen_by(WRITERS + at));
            self.projectors.spawn(async move {
                loop {
                    match projector.catch_up().await {
                        Ok(_) | Err(ProjectorError::Log(LogError::Unreachable { .. })) => {
                            tokio::task::yield_now().await;
                        }
                        Err(error) => return error,
                    }
                }
            });
        }
    }

    fn fate(&mut self, appends: bool) -> Fate {
        match self.random.random_range(0..100) {
            60..70 => Fate::Twice,
            70..78 => Fate::AnswerLost,
            78..86 => Fate::RequestLost,
            86..92 if appends => Fate::Late,
            92..96 => Fate::Full,
            96.. if appends => Fate::Small,
            _ => Fate::Done,
        }
    }

    /// One thing happens.
    async fn step(&mut self) {
        let waiting = self.shared.waiting.lock().len();
        let asking = self.town.asking.lock().len();
        let late = self.shared.late.lock().len();
        match self.random.random_range(0..100) {
            0..3 => {
                let at = self.random.random_range(0..WRITERS);
                if self.writers[at].is_some() {
                    self.kill_writer(at).await;
                } else {
                    self.start_writer(at);
                }
            }
            3..15 if late > 0 => {
                let block = self.random.random_range(0..late);
                let block = self.shared.late.lock().remove(block);
                let _ = self.shared.stored().append(block).await;
            }
            15..60 if asking > 0 => {
                let caller = self.random.random_range(0..asking);
                let writer = self.random.random_range(0..WRITERS);
                let _ = self.town.asking.lock().remove(caller).send(writer);
            }
            _ if waiting > 0 => {
                let next = self.random.random_range(0..waiting);
                let next = self.shared.waiting.lock().remove(next);
                let fate = self.fate(next.block.is_some());
                let _ = next.go.send(fate);
            }
            // Everybody waits for a database.
            _ => tokio::time::sleep(Duration::from_micros(50)).await,
        }
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }

    async fn live(&mut self) {
        self.shared.set_calm(false);
        self.start_projectors();
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS {
            let random = StdRng::seed_from_u64(self.random.random());
            let (town, answers) = (self.town.clone(), Arc::clone(&self.answers));
            let names = self.rig.registrations();
            callers.spawn(ask_around(random, town, names, answers, COMMANDS));
        }
        for _ in 0..STEPS {
            self.step().await;
        }
        self.shared.set_calm(true);
        for at in 0..WRITERS {
            if self.writers[at].is_none() {
                self.start_writer(at);
            }
        }
        let late = std::mem::take(&mut *self.shared.late.lock());
        for block in late {
            let _ = self.shared.stored().append(block).await;
        }
        self.town.set_calm();
        let settled = async { while callers.join_next().await.transpose().unwrap().is_some() {} };
        let settled = tokio::time::timeout(CALM_MAX, settled).await;
        assert!(settled.is_ok(), "everybody is answered in the end");
        if let Some(failed) = self.projectors.try_join_next() {
            panic!("a projector gave up: {}", failed.unwrap());
        }
        self.projectors.shutdown().await;
    }

    /// What was answered is what the log says, once.
    async fn check_answers(&self) {
        let logged = self.rig.logged_on(&self.shared.stored()).await;
        let answers = self.answers.lock();
        for (id, outcome) in answers.iter() {
            let times = logged.iter().filter(|logged| *logged == id).count();
            match outcome {
                Ok(accepted) => {
                    let index = usize::try_from(accepted.position.get()).unwrap() - 1;
                    assert_eq!(logged[index], *id, "it is where it was said to be");
                    assert_eq!(times, 1, "and nowhere else");
                }
                Err(_) => assert_eq!(times, 0, "what was refused did not happen"),
            }
        }
        assert_eq!(answers.len(), CALLERS * COMMANDS);
        let unique: std::collections::HashSet<_> = logged.iter().collect();
        assert_eq!(unique.len(), logged.len(), "nothing is in the log twice");
    }

    async fn check_names(&self) {
        let state = self.rig.replay_of(&self.shared.stored()).await.state;
        let names = self.rig.registrations();
        let held =
            names.iter().filter(|name| state.users.by_username(name.username_digest).is_some());
        assert_eq!(held.count(), state.users.iter().count(), "a name has one owner");
    }

    async fn check_tables(&self) {
        let log = self.shared.stored();
        let reached = self.projector(log.clone()).catch_up().await.unwrap();
        assert_eq!(reached, log.head().await.unwrap().position);
        let (store, vault, quietly) = (&self.store, &self.rig.vault, &mut |_| ());
        let report = projector::replay(store, &log, vault, true, quietly).await.unwrap();
        assert!(report.compared);
        assert_eq!(report.differences, [], "the tables are the log's fold");
    }

    /// The log loses its tail, and perhaps grows again: nobody goes on as if nothing had happened.
    async fn lose_tail(&mut self) {
        let end = self.shared.stored().head().await.unwrap();
        let blocks = usize::try_from(end.block.get()).unwrap();
        let keep = blocks - self.random.random_range(1..=blocks.min(3));
        let commands = self.town.writers.lock()[0].clone().unwrap();
        // This writer has come to the log's end.
        let room = self.town.room.unwrap();
        let somebody = self.town.people.lock()[0];
        let before = commands.submit(envelope(Actor::User(somebody), say(room, "before"))).await;
        before.unwrap().unwrap();
        self.shared.truncate(keep).await;
        if self.random.random() {
            let (other, queue) = streams::commands::local();
            let (log, vault) = (self.shared.stored(), self.rig.vault.clone());
            let writer = Writer::open(log, vault, self.rig.clock()).await.unwrap();
            let writing = tokio::spawn(writer.run(queue, std::future::pending()));
            for n in 0..5 {
                // Refused or not: the log may end before that room or these people.
                let _ = other
                    .submit(envelope(Actor::Anonymous, self.rig.register(&format!("new{n}"))))
                    .await;
            }
            drop(other);
            writing.await.unwrap();
        }
        let cut = self.shared.stored().head().await.unwrap();
        let after = commands.submit(envelope(Actor::User(somebody), say(room, "after"))).await;
        assert!(matches!(after, Err(SubmitError::Log(_))), "the writer notices: {after:?}");
        assert_eq!(self.shared.stored().head().await.unwrap(), cut, "and writes nothing");
        let refused = self.projector(self.shared.stored()).catch_up().await;
        assert!(refused.is_err(), "the projector notices: {refused:?}");
    }
}

async fn simulate(seed: u64) {
    let mut world = World::new(seed).await;
    world.live().await;
    world.check_answers().await;
    world.check_names().await;
    world.check_tables().await;
    if seed.is_multiple_of(4) {
        world.lose_tail().await;
    }
}

fn run(seed: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(simulate(seed));
}

fn number(variable: &str, otherwise: u64) -> u64 {
    let given = std::env::var(variable).ok();
    given.map_or(otherwise, |given| given.parse().unwrap())
}

#[test]
fn whatever_the_schedule_nothing_is_lost_doubled_or_made_up() {
    let from = number("SIGNCALL_SIMULATION_FROM", 0);
    let count = number("SIGNCALL_SIMULATIONS", 40);
    let (next, end) = (AtomicU64::new(from), from + count);
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                break;
            }
            let failed = std::panic::catch_unwind(|| run(seed)).is_err();
            if failed {
                next.store(end, Ordering::Relaxed);
            }
            assert!(!failed, "seed {seed}: SIGNCALL_SIMULATION_FROM={seed} SIGNCALL_SIMULATIONS=1");
            if count > 1000 && seed % 500 == 499 {
                println!("{} seeds", seed + 1 - from);
            }
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(work))));
}
