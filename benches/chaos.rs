//! Faults in the middle of a load, again and again: after each, every acknowledged command is in the
//! log, once, the tables are what the log says, and service comes back by itself.
//!
//! `setup` and `world` are an installation with processes of its own; `load` sends commands until each
//! is acknowledged; `check` looks for what was lost, doubled or diverged; [`sabotage`] is a server that
//! answers before its log is durable, which a run has to notice.
//!
//! [`run`] is kill -9, again and again. Cycles come in generations: one installation each, drawn from
//! the generation's seed, so that a failing seed alone repeats a failing generation.
//!
//! [`Course`] runs the fault classes of [`CLASSES`]: `disturb` those that are faults under a load (`fault`,
//! over links of `proxy`, with a `sentry` that logs somebody out meanwhile), the other modules those
//! with a course of their own. [`mixed`] has several faults at once. Each run is drawn from its seed and
//! leaves a line (`run`).

mod backlog;
mod check;
mod class;
mod crowd;
mod damage;
mod disk;
mod disturb;
mod drive;
mod fault;
mod full;
mod launch;
mod load;
mod proxy;
mod raw;
mod run;
pub mod sabotage;
mod sentry;
mod setup;
mod signing;
mod workers;
mod world;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use indicatif::ProgressBar;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Map, Value, json};

use check::Verdict;
pub use class::{CLASSES, Class, named};
pub use drive::{Course, mixed};
use load::{Load, Pace};
pub use run::Told;
use setup::Setup;
use world::World;

/// Cycles on one installation before a fresh one: what is replayed in each check stays small.
const GENERATION: u64 = 8;
/// Acknowledged commands of a cycle.
const COMMANDS: usize = 600;
/// The kill comes when so many at least, and at most, are acknowledged.
const KILL_AFTER: std::ops::Range<usize> = 50..500;
/// And up to so much later.
const KILL_LATER_US: u64 = 8000;
/// Findings that are told in full.
const FINDINGS_MAX: usize = 20;

/// What to do.
pub struct Plan {
    /// Kills in all.
    pub cycles: u64,
    /// The first generation's seed; each further one has the next.
    pub seed: u64,
    /// Run the sabotaged server instead of the real one.
    pub sabotage: bool,
    /// The server's program.
    pub signcall: PathBuf,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    cycles: u64,
    acked: u64,
    kills: BTreeMap<&'static str, u64>,
    verdict: Verdict,
    first_failing_seed: Option<u64>,
}

impl Report {
    /// Whether anything was lost, doubled, or diverged.
    pub fn found(&self) -> bool {
        self.first_failing_seed.is_some()
    }

    /// What was found, in words.
    pub fn findings(&self) -> &[String] {
        &self.verdict.findings
    }

    /// As the figures name it.
    pub fn figures(&self) -> Map<String, Value> {
        let Verdict { lost, doubled, diverged, .. } = self.verdict;
        let figures = json!({
            "cycles": self.cycles,
            "acked": self.acked,
            "kills": self.kills,
            "lost": lost,
            "doubled": doubled,
            "diverged": diverged,
            "first_failing_seed": self.first_failing_seed,
        });
        figures.as_object().cloned().unwrap_or_default()
    }

    fn take(&mut self, verdict: Verdict, seed: u64) {
        if verdict.holds() {
            return;
        }
        self.first_failing_seed.get_or_insert(seed);
        self.verdict.lost += verdict.lost;
        self.verdict.doubled += verdict.doubled;
        self.verdict.diverged += verdict.diverged;
        let findings = verdict.findings.into_iter().map(|text| format!("seed {seed}: {text}"));
        self.verdict.findings.extend(findings);
        self.verdict.findings.truncate(FINDINGS_MAX);
    }
}

/// Runs all cycles.
///
/// # Errors
/// The rig itself could not go on: a process that does not start the first time, a full disk.
pub async fn run(plan: &Plan) -> anyhow::Result<Report> {
    let setups = Setup::possible(plan.sabotage);
    let generation = plan.cycles.div_ceil(setups.len() as u64).clamp(1, GENERATION);
    let bar = ProgressBar::new(plan.cycles);
    let mut report = Report::default();
    let mut seed = plan.seed;
    while report.cycles < plan.cycles {
        let setup = setups[(seed % setups.len() as u64) as usize];
        let cycles = generation.min(plan.cycles - report.cycles);
        run_generation(plan, setup, seed, cycles, &mut report, &bar).await?;
        seed += 1;
    }
    bar.finish_and_clear();
    Ok(report)
}

async fn run_generation(
    plan: &Plan,
    setup: Setup,
    seed: u64,
    cycles: u64,
    report: &mut Report,
    bar: &ProgressBar,
) -> anyhow::Result<()> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut world = World::start(setup, &plan.signcall, seed).await?;
    let mut acked = Vec::new();
    for _ in 0..cycles {
        let kind = setup.draw(&mut random);
        let load = Load::start(&world, acked.len(), COMMANDS, Pace::HARD);
        load.acknowledged(random.random_range(KILL_AFTER)).await?;
        tokio::time::sleep(Duration::from_micros(random.random_range(0..KILL_LATER_US))).await;
        *report.kills.entry(kind.name()).or_default() += 1;
        report.cycles += 1;
        bar.inc(1);
        let back = world.restart(kind).await;
        // Whoever does not come back has nobody acknowledge what is still to be sent.
        acked.extend(if back.is_ok() { load.finish().await? } else { load.stop().await });
        let mut verdict = check::check(&world, &acked, back.is_ok()).await?;
        if let Err(error) = back {
            verdict.diverged += 1;
            let text = format!("{} does not start after a kill: {error:#}", kind.name());
            verdict.findings.push(text);
        }
        let holds = verdict.holds();
        report.take(verdict, seed);
        if !holds {
            break;
        }
    }
    report.acked += acked.len() as u64;
    Ok(())
}
