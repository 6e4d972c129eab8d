//! Runs of fault classes, one after the other, and mixed chaos.

use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use projector::testing::find_postgres;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use streams::testing::find_nats_server;
use tokio::time::Instant;

use super::class::{Class, Own, Way};
use super::damage::{self, Damage};
use super::disk::Disk;
use super::disturb::{Plot, Story, mixture};
use super::run::{Run, Told};
use super::setup::Setup;
use super::{backlog, crowd, full, raw, signing, workers};

/// Runs on one installation before a fresh one: what is replayed in each check stays small.
const GENERATION: u64 = 8;
/// Of so many periods of mixed chaos the last one is quiet.
const QUIET_ONE_OF: u64 = 4;

/// What to run.
pub struct Course {
    /// Which classes.
    pub classes: Vec<Class>,
    /// Runs of each.
    pub runs: u64,
    /// The first run's seed; each further one has the next.
    pub seed: u64,
    /// The server's program.
    pub signcall: PathBuf,
    /// Whether each run's line is printed.
    pub json: bool,
    /// Events of a backlog.
    pub backlog: usize,
}

impl Course {
    /// Runs every class as often as asked.
    pub async fn run(&self) -> anyhow::Result<Told> {
        let bar = bar(self.classes.len() as u64 * self.runs)?;
        let mut told = Told::default();
        for class in &self.classes {
            bar.set_message(class.name);
            if let Some(why) = class.impossible() {
                told.skip(class.name, why);
                continue;
            }
            match class.way {
                Way::Spread(setup, draw) => {
                    self.spread(class, setup, draw, &bar, &mut told).await?;
                }
                Way::Own(own) => {
                    for seed in self.seeds() {
                        let mut run = Run::begin(class.name, class.faults, seed);
                        if let Err(error) = self.own(own, seed, &mut run).await {
                            run.verdict.breaks(format!("{error:#}"));
                        }
                        told.take(run, self.json);
                        bar.inc(1);
                    }
                }
            }
        }
        bar.finish_and_clear();
        Ok(told)
    }

    fn seeds(&self) -> std::ops::Range<u64> {
        self.seed..self.seed + self.runs
    }

    async fn spread(
        &self,
        class: &Class,
        setup: Setup,
        draw: fn(&mut StdRng) -> Plot,
        bar: &ProgressBar,
        told: &mut Told,
    ) -> anyhow::Result<()> {
        let mut story: Option<Story> = None;
        for (n, seed) in self.seeds().enumerate() {
            let mut here = match story.take() {
                Some(here) if !(n as u64).is_multiple_of(GENERATION) => here,
                Some(_) | None => Story::begin(setup, &self.signcall, seed).await?,
            };
            let mut run = Run::begin(class.name, class.faults, seed);
            let plot = draw(&mut StdRng::seed_from_u64(seed));
            here.play(&[plot], seed, &mut run).await;
            if run.verdict.holds() {
                story = Some(here);
            }
            told.take(run, self.json);
            bar.inc(1);
        }
        Ok(())
    }

    async fn own(&self, own: Own, seed: u64, run: &mut Run) -> anyhow::Result<()> {
        let dice = &mut StdRng::seed_from_u64(seed);
        let signcall = self.signcall.as_path();
        match own {
            Own::Worker => signing::run(signcall, dice, run).await,
            Own::DiskFull => full::run(Setup::AllInOne, signcall, dice, run).await,
            Own::LogFull => full::run(Setup::OnNats, signcall, dice, run).await,
            Own::PostgresFull => full::postgres(signcall, dice, run).await,
            Own::TornTail => damage::run(Damage::Tail, signcall, dice, run).await,
            Own::BitFlip => damage::run(Damage::Bit, signcall, dice, run).await,
            Own::StaleFiles => damage::run(Damage::Stale, signcall, dice, run).await,
            Own::Backlog => backlog::run(signcall, self.backlog, dice, run).await,
            Own::Rebuild => backlog::rebuild(signcall, dice, run).await,
            Own::SlowReaders => crowd::slow_readers(signcall, run).await,
            Own::Slowloris => crowd::slowloris(signcall, dice, run).await,
            Own::LoginFlood => crowd::login_flood(signcall, dice, run).await,
            Own::ModelDamaged => workers::models(signcall, dice, run).await,
            Own::WrongWorker => workers::lies(signcall, dice, run).await,
            Own::FilesRunOut => crowd::file_descriptors(signcall, dice, run).await,
            Own::Smuggling => raw::run(signcall, dice, run).await,
        }
    }
}

impl Class {
    /// Why it can't run here, if it can't.
    fn impossible(&self) -> Option<String> {
        let (nats, postgres, disk) = match self.way {
            Way::Spread(setup, _) => (true, setup == Setup::SpreadOnPostgres, false),
            Way::Own(Own::Worker | Own::WrongWorker) => (true, false, false),
            Way::Own(Own::LogFull) => (true, false, true),
            Way::Own(Own::PostgresFull) => (true, true, true),
            Way::Own(Own::DiskFull) => (false, false, true),
            Way::Own(
                Own::TornTail
                | Own::BitFlip
                | Own::StaleFiles
                | Own::Backlog
                | Own::Rebuild
                | Own::SlowReaders
                | Own::Slowloris
                | Own::LoginFlood
                | Own::ModelDamaged
                | Own::FilesRunOut
                | Own::Smuggling,
            ) => (false, false, false),
        };
        if nats && find_nats_server().is_none() {
            return Some("nats-server is not installed; cargo xtask test fetches it".to_owned());
        }
        if postgres && find_postgres().is_none() {
            return Some("PostgreSQL is not installed".to_owned());
        }
        if !disk {
            return None;
        }
        Disk::possible().err().map(|error| format!("{error:#}"))
    }
}

/// Several faults at once, again and again, for so long; after each third period of faults a quiet one,
/// in which everything has to come back and is looked at.
///
/// # Errors
/// The rig itself could not go on.
pub async fn mixed(time: Duration, seed: u64, signcall: &Path, json: bool) -> anyhow::Result<Told> {
    let setup = match find_postgres() {
        Some(_) => Setup::SpreadOnPostgres,
        None => Setup::Spread,
    };
    let (begun, mut told) = (Instant::now(), Told::default());
    let bar = bar(time.as_secs())?;
    bar.set_message("mixed");
    let mut story: Option<Story> = None;
    for n in 0.. {
        if n > 0 && begun.elapsed() >= time {
            break;
        }
        let seed = seed + n;
        let mut here = match story.take() {
            Some(here) if n % GENERATION != 0 => here,
            Some(_) | None => Story::begin(setup, signcall, seed).await?,
        };
        let mut run = Run::begin("mixed", "F39", seed);
        let plots: Vec<Plot> = (1..QUIET_ONE_OF)
            .map(|period| mixture(&here.world, seed.wrapping_mul(QUIET_ONE_OF) + period))
            .collect();
        here.play(&plots, seed, &mut run).await;
        if run.verdict.holds() {
            story = Some(here);
        }
        told.take(run, json);
        bar.set_position(begun.elapsed().as_secs());
    }
    bar.finish_and_clear();
    Ok(told)
}

fn bar(length: u64) -> anyhow::Result<ProgressBar> {
    let bar = ProgressBar::new(length);
    bar.set_style(ProgressStyle::with_template("{msg} {bar:40} {pos}/{len}, {elapsed} gone")?);
    Ok(bar)
}
