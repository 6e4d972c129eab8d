//! Files of the embedded log that were cut, changed or exchanged while the server was down: nothing
//! acknowledged is passed over in silence, and with the files back everything is there.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rand::RngExt as _;
use rand::rngs::StdRng;
use tokio::time::{Instant, timeout};

use super::check;
use super::disk::copy;
use super::load::{Acked, Load, Pace};
use super::run::Run;
use super::setup::{Kind, Setup};
use super::world::World;

/// Messages before the damage; half of them before the older copy.
const MESSAGES: usize = 300;
/// Longest look at a damaged log.
const TOLD_WITHIN: Duration = Duration::from_secs(30);
/// What is cut off, or written over, at most.
const TAIL_MAX: u64 = 20_000;
const LOG_FILES: [&str; 3] = ["log.db", "log.db-wal", "log.db-shm"];

/// What is done to the files.
#[derive(Debug, Clone, Copy)]
pub(super) enum Damage {
    /// The end of a file is cut off, zeroed, or garbage.
    Tail,
    /// One bit somewhere.
    Bit,
    /// Files of an earlier time, or none.
    Stale,
}

/// One run: load, kill, damage, look, repair.
pub(super) async fn run(
    damage: Damage,
    signcall: &Path,
    random: &mut StdRng,
    run: &mut Run,
) -> anyhow::Result<()> {
    let mut world = World::start(Setup::AllInOne, signcall, 0).await?;
    let kept = tempfile::tempdir()?;
    let (mut acked, next) = speak(&world, 0, run).await?;
    world.kill(Kind::AllInOne).await?;
    let (early, late) = (kept.path().join("early"), kept.path().join("late"));
    copy(&world.data(), &early)?;
    world.restart(Kind::AllInOne).await?;
    let (more, next) = speak(&world, next, run).await?;
    acked.extend(more);
    world.kill(Kind::AllInOne).await?;
    copy(&world.data(), &late)?;
    run.acked = acked.len();
    let what = damage.inflict(&world.data(), &early, random)?;
    run.step(what.clone());

    let verified = verify(signcall, &world.data()).await?;
    let says_whole = verified.status.success();
    let begun = Instant::now();
    let up = world.restart_once(Kind::AllInOne).await;
    run.figure("told_ms", begun.elapsed().as_secs_f64() * 1e3);
    let words = world.last_words(Kind::AllInOne);
    world.kill(Kind::AllInOne).await?;
    // What is really there, read block by block.
    let truth = check::log_alone(&world, &acked).await;
    let whole = matches!(&truth, Ok(verdict) if verdict.holds());
    run.figure("harmless", u64::from(whole));
    let told = String::from_utf8_lossy(&verified.stderr).into_owned();
    let told = told + &String::from_utf8_lossy(&verified.stdout);
    run.holds(whole || !says_whole, || format!("{what}, and `log verify` calls it whole: {told}"));
    let lost = matches!(&truth, Ok(verdict) if !verdict.holds());
    run.holds(!(lost && up.is_ok()), || format!("{what}, and the server starts without a word"));
    run.holds(!words.contains("panicked"), || format!("{what}, and a panic: {words}"));
    run.holds(!told.contains("panicked"), || format!("{what}, and a panic: {told}"));
    let named = told.contains("block") || told.contains("log");
    run.holds(says_whole || named, || format!("{what}, and no word of where: {told}"));

    for file in LOG_FILES {
        let (from, to) = (late.join(file), world.data().join(file));
        // It may be one of those that were taken away.
        let _removed = std::fs::remove_file(&to);
        if from.exists() {
            std::fs::copy(from, to)?;
        }
    }
    let repaired = Instant::now();
    world.restart(Kind::AllInOne).await?;
    let load = Load::start(&world, next, 0, Pace::STEADY);
    let before = repaired.elapsed();
    let (served, tables) = load.probe(world.addresses[0]).await?;
    (run.served, run.tables) = (Some(before + served), Some(before + tables));
    acked.extend(load.wind_up().await?.0);
    run.verdict.add(check::check(&world, &acked, true).await?);
    Ok(())
}

/// Sends half of the messages, and waits until the tables hold them.
async fn speak(world: &World, first: usize, run: &mut Run) -> anyhow::Result<(Vec<Acked>, usize)> {
    let load = Load::start(world, first, MESSAGES / 2, Pace::HARD);
    load.acknowledged(MESSAGES / 2).await?;
    load.probe(world.addresses[0]).await?;
    run.step("acknowledged, and in the tables");
    load.wind_up().await
}

async fn verify(signcall: &Path, data: &Path) -> anyhow::Result<Output> {
    let mut verify = tokio::process::Command::new(signcall);
    verify.args(["log", "verify", "--data"]).arg(data).kill_on_drop(true);
    timeout(TOLD_WITHIN, verify.output())
        .await
        .context("`log verify` does not end")?
        .map_err(Into::into)
}

impl Damage {
    fn inflict(self, data: &Path, early: &Path, random: &mut StdRng) -> anyhow::Result<String> {
        match self {
            Self::Tail => tail(&drawn(data, random)?, random),
            Self::Bit => bit(&drawn(data, random)?, random),
            Self::Stale => stale(data, early, random),
        }
    }
}

/// The log's file or its write-ahead log.
fn drawn(data: &Path, random: &mut StdRng) -> anyhow::Result<PathBuf> {
    let files = LOG_FILES[..2].iter().map(|name| data.join(name));
    let files: Vec<PathBuf> =
        files.filter(|file| file.metadata().is_ok_and(|found| found.len() > 0)).collect();
    ensure!(!files.is_empty(), "there is no log in {}", data.display());
    Ok(files[random.random_range(0..files.len())].clone())
}

fn tail(path: &Path, random: &mut StdRng) -> anyhow::Result<String> {
    let file = File::options().read(true).write(true).open(path)?;
    let length = file.metadata()?.len();
    let bytes = random.random_range(1..=TAIL_MAX.min(length));
    let (at, shown) = (length - bytes, path.display());
    Ok(match random.random_range(0..3) {
        0 => {
            file.set_len(at)?;
            format!("{bytes} bytes cut off {shown}")
        }
        1 => {
            file.write_all_at(&vec![0; usize::try_from(bytes)?], at)?;
            format!("the last {bytes} bytes of {shown} zeroed")
        }
        _ => {
            let garbage: Vec<u8> = (0..bytes).map(|_| random.random()).collect();
            file.write_all_at(&garbage, at)?;
            format!("the last {bytes} bytes of {shown} garbage")
        }
    })
}

fn bit(path: &Path, random: &mut StdRng) -> anyhow::Result<String> {
    let file = File::options().read(true).write(true).open(path)?;
    let at = random.random_range(0..file.metadata()?.len());
    let (mut byte, bit) = ([0], random.random_range(0..8));
    file.read_exact_at(&mut byte, at)?;
    byte[0] ^= 1 << bit;
    file.write_all_at(&byte, at)?;
    Ok(format!("bit {bit} of byte {at} of {} flipped", path.display()))
}

fn stale(data: &Path, early: &Path, random: &mut StdRng) -> anyhow::Result<String> {
    let exchanged: &[&str] = match random.random_range(0..3) {
        0 => &LOG_FILES,
        1 => &LOG_FILES[..1],
        _ => &LOG_FILES[1..],
    };
    let gone = random.random_range(0..3) == 0;
    for name in exchanged {
        // What is not there needs no removal.
        let _removed = std::fs::remove_file(data.join(name));
        if !gone && early.join(name).exists() {
            std::fs::copy(early.join(name), data.join(name))?;
        }
    }
    let names = exchanged.join(", ");
    Ok(if gone { format!("{names} gone") } else { format!("{names} of an earlier time") })
}
