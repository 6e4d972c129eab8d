//! Much to do at once: a projector that comes up beside a log full of history, and tables that are
//! made anew while the server works.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures::future::try_join_all;
use projector::Store;
use rand::RngExt as _;
use rand::rngs::StdRng;
use streams::log::embedded;
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};
use vault::{Secrets, Vault};

use super::check;
use super::load::{Load, Pace};
use super::run::Run;
use super::setup::Setup;
use super::world::World;
use crate::history::History;
use crate::server::{Server, free_address, memory_mb, released};

/// Longest catching up.
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(300);
/// What is aimed for, of a million events.
const PER_MILLION_S: f64 = 60.0;
const MEMORY_MAX_MB: f64 = 256.0;
/// What a start and a busy machine take besides.
const START_S: f64 = 20.0;
/// Longest rebuild of what a load has left.
const REBUILT_WITHIN: Duration = Duration::from_secs(60);

/// Roles that stand before a backlog: in one process, or in two, as an embedded log lets them be.
const TOGETHER: &[&str] = &["api,decider,projector,reactor"];
const APART: &[&str] = &["projector", "api,decider,reactor"];

/// So many events that no table holds yet.
pub(super) async fn run(
    signcall: &Path,
    events: usize,
    random: &mut StdRng,
    run: &mut Run,
) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new().prefix("signcall-backlog-").tempdir()?;
    let data = folder.path();
    let secrets = Secrets::init(&data.join("secrets"))?;
    let url = |file: &str| format!("sqlite:{}", data.join(file).display());
    let vault = Vault::open(&url("vault.db"), &secrets).await?;
    let log = embedded::open(&data.join("log.db")).await?;
    vault.bind(log.id()).await?;
    History::default().write(&log, &vault, events).await?;
    let end = log.head().await?.position;
    vault.close().await;
    drop((log, vault));
    released(data).await?;
    run.step(format!("a log of {} commits", end.get()));
    let processes = if random.random_bool(0.5) { TOGETHER } else { APART };
    let begun = Instant::now();
    let starting = processes.iter().map(|roles| start(signcall, data, roles));
    let servers = try_join_all(starting).await?;
    run.served = Some(begun.elapsed());
    let store = Store::open(&url("tables.db")).await?;
    ensure!(store.wait_for(end, CAUGHT_UP_WITHIN).await?, "the tables do not come to {end}");
    let took = begun.elapsed();
    store.close().await;
    run.tables = Some(took);
    run.figure("events_per_s", (end.get() as f64 / took.as_secs_f64()).round());
    for (roles, server) in processes.iter().zip(&servers) {
        let memory_mb = memory_mb(server.pid().context("the server has ended")?, "VmHWM")?;
        run.figure(&format!("memory_mb_of_{roles}"), memory_mb);
        run.holds(memory_mb <= MEMORY_MAX_MB, || {
            format!("catching up takes {memory_mb} MB of {roles}")
        });
    }
    let bound = START_S + PER_MILLION_S * end.get() as f64 / 1e6;
    let took_s = took.as_secs_f64();
    run.holds(took_s <= bound, || format!("{took_s:.1} s for {} events", end.get()));
    Ok(())
}

async fn start(signcall: &Path, data: &Path, roles: &str) -> anyhow::Result<Server> {
    let (data_shown, address) = (data.display().to_string(), free_address()?.to_string());
    let arguments = ["serve", "--data", &data_shown, "--roles", roles, "--listen", &address];
    let arguments = arguments.map(str::to_owned).to_vec();
    Server::start(signcall, arguments, data, roles).await
}

/// `signcall replay` beside the working server: the tables are exchanged under a load.
pub(super) async fn rebuild(
    signcall: &Path,
    random: &mut StdRng,
    run: &mut Run,
) -> anyhow::Result<()> {
    let mut world = World::start(Setup::AllInOne, signcall, 0).await?;
    let load = Load::start(&world, 0, usize::MAX / 2, Pace::STEADY);
    load.acknowledged(random.random_range(20..400)).await?;
    let begun = Instant::now();
    let mut replay = Command::new(signcall);
    replay.args(["replay", "--data"]).arg(world.data());
    replay.stdin(Stdio::null()).kill_on_drop(true);
    let done = if random.random_range(0..3) == 0 {
        // Killed in the middle, then done again.
        let mut child = replay.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        sleep(Duration::from_millis(random.random_range(0..800))).await;
        child.kill().await?;
        run.step("a replay that is killed");
        let mut again = Command::new(signcall);
        again.args(["replay", "--data"]).arg(world.data()).stdin(Stdio::null());
        timeout(REBUILT_WITHIN, again.kill_on_drop(true).output()).await
    } else {
        timeout(REBUILT_WITHIN, replay.output()).await
    };
    let done = done.context("the replay does not end")??;
    run.step("the tables are exchanged");
    run.figure("replay_ms", begun.elapsed().as_secs_f64() * 1e3);
    let words = String::from_utf8_lossy(&done.stderr);
    run.holds(done.status.success(), || format!("the replay ended with {}: {words}", done.status));
    let (served, tables) = load.probe(world.addresses[0]).await?;
    (run.served, run.tables) = (Some(served), Some(tables));
    check::conclude(&mut world, load, run).await
}
