//! A disk that is full under the log: commands are refused with the word for it, reads go on, and with
//! room again everything goes on.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use futures::future::try_join_all;
use hyper::{Method, StatusCode};
use rand::RngExt as _;
use rand::rngs::StdRng;
use serde_json::json;
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::time::{Instant, sleep, timeout};

use super::check;
use super::launch::Extra;
use super::load::{Load, Pace};
use super::run::Run;
use super::setup::{Kind, Setup};
use super::world::World;
use crate::http::{Connection, request};

/// The whole disk.
const DISK_MB: u32 = 32;
/// Of nats-server: it sets aside what frames may take, and not more than three quarters.
const NATS_DISK_MB: u32 = 3000;
/// Of PostgreSQL, which takes a third of it empty.
const POSTGRES_DISK_MB: u32 = 160;
/// Until the first refusal.
const FULL_WITHIN: Duration = Duration::from_secs(60);
/// By itself; else the server of the streams is started again, as an operator would.
const BACK_WITHIN: Duration = Duration::from_secs(15);
/// Longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(8);
const PAUSE: Duration = Duration::from_millis(20);

/// One run on this installation: fill up, look, make room, look again.
pub(super) async fn run(
    setup: Setup,
    signcall: &Path,
    random: &mut StdRng,
    run: &mut Run,
) -> anyhow::Result<()> {
    let size = if setup == Setup::AllInOne { DISK_MB } else { NATS_DISK_MB };
    let extra = Extra { disk_mb: Some(size), ..Extra::default() };
    let mut world = World::start_with(setup, signcall, 0, &extra).await?;
    let load = Load::start(&world, 0, usize::MAX / 2, Pace::STEADY);
    load.acknowledged(20).await?;
    let free = random.random_range(0..300_000);
    let filler = world.disk()?.fill(free)?;
    run.step(format!("the disk has {free} bytes left"));
    let refused = refusal(&world, run).await?;
    run.step(format!("refused with {refused}"));
    let fits = [StatusCode::INSUFFICIENT_STORAGE, StatusCode::SERVICE_UNAVAILABLE];
    run.holds(fits.contains(&refused), || format!("a full disk is told as {refused}"));
    run.figure("told_507", u64::from(refused == StatusCode::INSUFFICIENT_STORAGE));
    let read = ask(&world, Method::GET, 0).await;
    let reads = matches!(read, Ok(status) if status.is_success());
    run.holds(reads, || format!("beside a full disk a read is answered with {read:?}"));
    sleep(Duration::from_millis(random.random_range(0..2000))).await;
    std::fs::remove_file(filler)?;
    run.step("room again");
    let addresses = world.addresses.clone();
    let mut probing = Box::pin(probe(&load, &addresses));
    let back = timeout(BACK_WITHIN, &mut probing).await;
    run.figure("restarts_of_nats", u64::from(back.is_err()));
    let (served, tables) = match back {
        Ok(back) => back?,
        Err(_) => {
            run.holds(setup != Setup::AllInOne, || "it does not heal by itself".to_owned());
            world.restart(Kind::NatsServer).await.context("after the disk was full")?;
            run.step("nats-server started again");
            (&mut probing).await?
        }
    };
    drop(probing);
    (run.served, run.tables) = (Some(served), Some(tables));
    check::conclude(&mut world, load, run).await
}

/// A run with PostgreSQL's disk: it holds tables and vault, and the log is elsewhere.
pub(super) async fn postgres(
    signcall: &Path,
    random: &mut StdRng,
    run: &mut Run,
) -> anyhow::Result<()> {
    let extra = Extra { postgres_disk_mb: Some(POSTGRES_DISK_MB), ..Extra::default() };
    let mut world = World::start_with(Setup::SpreadOnPostgres, signcall, 0, &extra).await?;
    let load = Load::start(&world, 0, usize::MAX / 2, Pace::STEADY);
    load.acknowledged(20).await?;
    let free = random.random_range(0..300_000);
    let filler = world.disk()?.fill(free)?;
    run.step(format!("the disk has {free} bytes left"));
    sleep(Duration::from_millis(random.random_range(1000..8000))).await;
    let read = ask(&world, Method::GET, 0).await;
    run.step(format!("a read is answered with {read:?}"));
    let table =
        "CREATE TABLE too_much AS SELECT repeat(n::text, 99) FROM generate_series(1, 9999) n";
    let written = match PgConnection::connect(&world.tables_url()).await {
        Ok(mut connection) => connection.execute(table).await.map(|_done| ()),
        Err(error) => Err(error),
    };
    match written {
        Ok(()) => run.verdict.breaks("PostgreSQL's disk is not full".to_owned()),
        Err(error) => run.step(format!("PostgreSQL says {error}")),
    }
    std::fs::remove_file(filler)?;
    run.step("room again");
    let addresses = world.addresses.clone();
    let mut probing = Box::pin(probe(&load, &addresses));
    let back = timeout(BACK_WITHIN, &mut probing).await;
    run.figure("restarts_of_postgres", u64::from(back.is_err()));
    let (served, tables) = match back {
        Ok(back) => back?,
        Err(_) => {
            world.restart(Kind::Postgres).await.context("after the disk was full")?;
            run.step("PostgreSQL started again");
            (&mut probing).await?
        }
    };
    drop(probing);
    (run.served, run.tables) = (Some(served), Some(tables));
    check::conclude(&mut world, load, run).await
}

async fn probe(load: &Load, addresses: &[SocketAddr]) -> anyhow::Result<(Duration, Duration)> {
    let begun = Instant::now();
    let probed = try_join_all(addresses.iter().map(|address| load.probe(*address))).await?;
    let served = probed.iter().map(|(served, _)| *served).max().unwrap_or_default();
    Ok((served, begun.elapsed()))
}

/// What a command is refused with, once it is: each changes a room's capacity.
async fn refusal(world: &World, run: &mut Run) -> anyhow::Result<StatusCode> {
    let until = Instant::now() + FULL_WITHIN;
    for number in 0_u64.. {
        match ask(world, Method::PATCH, number).await {
            Ok(status) if status.is_success() => {}
            Ok(status) => return Ok(status),
            Err(error) => run.step(format!("no answer: {error:#}")),
        }
        anyhow::ensure!(Instant::now() < until, "the disk does not fill up");
        sleep(PAUSE).await;
    }
    anyhow::bail!("there are no numbers left")
}

/// A read of a room, or a change of it, by its owner.
async fn ask(world: &World, method: Method, number: u64) -> anyhow::Result<StatusCode> {
    let room = &world.population.rooms[0];
    let owner = &world.population.people[room.members[0]];
    let body = json!({ "capacity": 50 + number % 50 });
    let body = (method != Method::GET).then_some(&body);
    let asking = request(method, &format!("/rooms/{}", room.code), &owner.token, body);
    let asked =
        async { Connection::open(world.addresses[0]).await?.send_within(asking, PATIENCE).await };
    let (status, body) = timeout(PATIENCE, asked).await.context("no answer in time")??;
    anyhow::ensure!(
        !status.is_client_error(),
        "answered {status} {}",
        String::from_utf8_lossy(&body)
    );
    Ok(status)
}
