//! Faults under a steady load on a spread installation: they begin, last and end; then service has
//! to come back by itself, and everything that was acknowledged has to be there, once.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use futures::future::try_join_all;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::{Instant, sleep};

use super::check;
use super::crowd;
use super::fault::{Fault, some};
use super::load::{Acked, Load, Pace};
use super::run::Run;
use super::sentry::Sentry;
use super::setup::Setup;
use super::world::World;
use crate::server::memory_mb;

/// Acknowledged before anything happens.
const WARM: usize = 20;
/// A fault begins up to so much later, in ms.
const BEGINS_MS: Range<u64> = 0..300;
/// What every class is held to; what it took is in the figures.
const BACK_WITHIN: Duration = Duration::from_secs(20);
/// Memory that a process may have had, in MB, and files that it may have open.
const MEMORY_MAX_MB: f64 = 256.0;
const FILES_MAX: usize = 512;

/// An installation, and what was sent there.
pub(super) struct Story {
    pub(super) world: World,
    acked: Vec<Acked>,
    next: usize,
    logged_out: usize,
}

/// What is done in one run.
pub(super) struct Plot {
    pub(super) faults: Vec<Fault>,
    pub(super) lasts: Duration,
}

impl Story {
    pub(super) async fn begin(setup: Setup, signcall: &Path, seed: u64) -> anyhow::Result<Self> {
        let world = World::start(setup, signcall, seed).await?;
        Ok(Self { world, acked: vec![], next: 0, logged_out: 0 })
    }

    /// One plot after the other, then quiet; what goes wrong is a finding too.
    pub(super) async fn play(&mut self, plots: &[Plot], seed: u64, run: &mut Run) {
        if let Err(error) = self.try_play(plots, seed, run).await {
            run.verdict.breaks(format!("{error:#}"));
        }
        self.witness(run);
    }

    async fn try_play(&mut self, plots: &[Plot], seed: u64, run: &mut Run) -> anyhow::Result<()> {
        let mut random = StdRng::seed_from_u64(seed);
        let load = Load::start(&self.world, self.next, usize::MAX / 2, Pace::STEADY);
        load.acknowledged(WARM).await?;
        let spare = self.world.spare(self.logged_out).context("everybody has logged out")?;
        self.logged_out += 1;
        let lasts_ms = plots.iter().map(|plot| plot.lasts.as_millis() as u64).sum::<u64>();
        let log_out_after = Duration::from_millis(random.random_range(0..=lasts_ms));
        let sentry = Sentry::start(&self.world.addresses, &spare.token, log_out_after).await?;
        let mut healing = Instant::now();
        for plot in plots {
            healing = self.inflict(plot, &mut random, run).await?;
            self.revive(run).await?;
        }
        self.recover(&load, healing, run).await?;
        let seen = sentry.end().await?;
        run.figure("refused_after_log_out", seen.refused_after);
        seen.findings.into_iter().for_each(|what| run.verdict.breaks(what));
        self.settle(load, run).await
    }

    /// Begins all faults, waits, and ends them; the moment at which the end began.
    async fn inflict(
        &mut self,
        plot: &Plot,
        random: &mut StdRng,
        run: &mut Run,
    ) -> anyhow::Result<Instant> {
        let mut held = Vec::new();
        for fault in &plot.faults {
            sleep(Duration::from_millis(random.random_range(BEGINS_MS))).await;
            run.step(fault.tell());
            fault.begin(&mut self.world).await?;
            if let Fault::Starve(kind) = fault
                && let Some(address) = self.world.address(*kind)
            {
                held.extend(crowd::hold(address).await);
            }
        }
        sleep(plot.lasts).await;
        if plot.faults.iter().any(|fault| matches!(fault, Fault::Starve(_))) {
            run.figure("ended_themselves", self.world.ended()?.len());
        }
        let healing = Instant::now();
        run.step("end of the fault");
        let (first, then): (Vec<Fault>, Vec<Fault>) =
            plot.faults.iter().partition(|fault| fault.ends_first());
        for fault in first.into_iter().chain(then) {
            fault.end(&mut self.world).await?;
        }
        Ok(healing)
    }

    /// Waits until every API process acknowledges and shows.
    async fn recover(
        &mut self,
        load: &Load,
        healing: Instant,
        run: &mut Run,
    ) -> anyhow::Result<()> {
        self.revive(run).await?;
        let before = healing.elapsed();
        let probes = self.world.addresses.iter().map(|address| load.probe(*address));
        let probed = try_join_all(probes).await;
        run.step("served again");
        let probed = match probed {
            Ok(probed) => probed,
            Err(error) => {
                self.revive(run).await?;
                return Err(error);
            }
        };
        let served = probed.iter().map(|(served, _)| before + *served).max();
        let tables = probed.iter().map(|(_, tables)| before + *tables).max();
        (run.served, run.tables) = (served, tables);
        run.holds(tables <= Some(BACK_WITHIN), || format!("back only after {tables:?}"));
        self.revive(run).await
    }

    /// Nobody should have ended by itself; whoever did is started again, as a supervisor would.
    async fn revive(&mut self, run: &mut Run) -> anyhow::Result<()> {
        for (kind, words) in self.world.ended()? {
            run.verdict.breaks(format!("the {} ended by itself: {words}", kind.name()));
            self.world.restart(kind).await?;
        }
        Ok(())
    }

    /// Lets the load come to its end, and looks at everything.
    async fn settle(&mut self, load: Load, run: &mut Run) -> anyhow::Result<()> {
        let (acked, next) = load.wind_up().await?;
        (run.acked, self.next) = (acked.len(), next);
        self.acked.extend(acked);
        let found = check::check(&self.world, &self.acked, true).await?;
        run.verdict.add(found);
        run.step("looked at everything");
        self.measure(run)
    }

    /// Nobody has grown without bounds.
    fn measure(&mut self, run: &mut Run) -> anyhow::Result<()> {
        for (kind, process) in &self.world.processes {
            let (name, pid) = (kind.name(), process.pid().context("it has ended")?);
            let (peak_mb, files) = (memory_mb(pid, "VmHWM")?, open_files(pid)?);
            let memory_ok = peak_mb <= MEMORY_MAX_MB;
            run.holds(memory_ok, || format!("the {name} has had {peak_mb} MB"));
            run.holds(files <= FILES_MAX, || format!("the {name} has {files} files open"));
            let highest = run.figures.get("memory_mb").and_then(serde_json::Value::as_f64);
            run.figure("memory_mb", highest.unwrap_or_default().max(peak_mb));
        }
        Ok(())
    }

    /// After a finding: what the processes said.
    fn witness(&self, run: &Run) {
        if run.verdict.holds() {
            return;
        }
        for (kind, process) in &self.world.processes {
            eprintln!("---- {} said:\n{}", kind.name(), process.last_words());
        }
    }
}

fn open_files(pid: u32) -> anyhow::Result<usize> {
    Ok(std::fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}

/// Mixed chaos: some faults at once.
pub(super) fn mixture(world: &World, seed: u64) -> Plot {
    let mut random = StdRng::seed_from_u64(seed);
    let faults = some(world, &mut random);
    Plot { faults, lasts: Duration::from_millis(random.random_range(500..5000)) }
}
