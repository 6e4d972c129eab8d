//! Power loss: a process writes to log and vault while a shim records its writes and syncs; then
//! disks are made up on which everything up to some moment happened, and of what was not synced by
//! then any part is missing or torn. On each of them, all that had been acknowledged must be there.

pub mod check;
pub mod disk;
pub mod faults;
pub mod record;
pub mod work;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Map, Value, json};

use disk::Disk;
use record::{Op, Recording};

/// What is recorded.
const SHIM: &str = include_str!("power/shim.c");
/// Moments that are looked at of each recording; then another one is made, from another seed.
const CUTS: u64 = 25;

/// What to do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How often the power goes.
    pub cycles: u64,
    /// Of the work, the moments, and what gets lost.
    pub seed: u64,
    /// The disk takes no notice of syncs, as if they had been switched off.
    pub no_sync: bool,
    /// Instead, let calls fail: each so-manieth.
    pub io_errors: Option<u64>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Found {
    cycles: u64,
    acked: u64,
    dropped: u64,
    torn: u64,
    /// Cycles whose disk lacked something acknowledged, or could not be opened.
    lossy: u64,
    lost: u64,
    first: Option<(u64, String)>,
}

impl Found {
    /// Whether anything was lost.
    pub fn lossy(&self) -> bool {
        self.lossy > 0
    }

    /// The first loss, with its seed.
    pub fn first(&self) -> Option<&(u64, String)> {
        self.first.as_ref()
    }

    /// As figures.
    pub fn figures(&self) -> Map<String, Value> {
        let first = self.first.as_ref().map(|(seed, _)| *seed);
        let figures = json!({
            "cycles": self.cycles, "acked_checked": self.acked, "writes_dropped": self.dropped,
            "writes_torn": self.torn, "cycles_with_loss": self.lossy, "acked_lost": self.lost,
            "first_failing_seed": first,
        });
        figures.as_object().cloned().unwrap_or_default()
    }
}

/// Cuts the power as often as planned. `writer` is this program, to be started with `work FOLDER SEED`.
///
/// # Errors
/// When there is no C compiler, or the work itself fails.
pub async fn run(plan: &Plan, writer: &Path) -> Result<Found> {
    let folder = tempfile::Builder::new().prefix("signcall-power-").tempdir()?;
    let shim = compile(SHIM, folder.path())?;
    let mut found = Found::default();
    let mut recording = None;
    for cycle in 0..plan.cycles {
        let seed = plan.seed + cycle;
        if cycle % CUTS == 0 {
            recording = Some(record(folder.path(), &shim, writer, seed)?);
        }
        let recording = recording.as_ref().context("the first cycle makes one")?;
        cut(plan, recording, seed, folder.path(), &mut found).await?;
    }
    Ok(found)
}

/// A shim as a library in a folder, to be loaded before all others.
///
/// # Errors
/// When there is no C compiler.
pub(crate) fn compile(text: &str, folder: &Path) -> Result<PathBuf> {
    let (source, shim) = (folder.join("shim.c"), folder.join("shim.so"));
    std::fs::write(&source, text)?;
    let mut cc = Command::new("cc");
    cc.args(["-O2", "-shared", "-fPIC", "-o"]).arg(&shim).arg(&source).arg("-ldl");
    let ran = cc.output().context("no C compiler: cc")?;
    if !ran.status.success() {
        bail!("cc: {}", String::from_utf8_lossy(&ran.stderr));
    }
    Ok(shim)
}

fn record(folder: &Path, shim: &Path, writer: &Path, seed: u64) -> Result<Recording> {
    let (data, file) = (folder.join("data"), folder.join("recording"));
    let _ = std::fs::remove_dir_all(&data);
    let _ = std::fs::remove_file(&file);
    std::fs::create_dir(&data)?;
    let ran = Command::new(writer)
        .args(["power_loss", "work"])
        .arg(&data)
        .arg(seed.to_string())
        .env("LD_PRELOAD", shim)
        .env("POWER_FOLDER", &data)
        .env("POWER_RECORD", &file)
        .output()?;
    if !ran.status.success() {
        bail!("the work failed: {}", String::from_utf8_lossy(&ran.stderr));
    }
    let recording = Recording::read(&std::fs::read(&file)?)?;
    if recording.acks() == 0 {
        bail!(
            "nothing was recorded: is the program linked so that a library can come before libc?"
        );
    }
    Ok(recording)
}

/// Makes up one disk, and looks whether all is there that was acknowledged by then.
async fn cut(
    plan: &Plan,
    recording: &Recording,
    seed: u64,
    folder: &Path,
    found: &mut Found,
) -> Result<()> {
    let mut dice = StdRng::seed_from_u64(seed);
    let first = recording.first_ack();
    let moment = dice.random_range(first..recording.ops.len()) + 1;
    let (mut disk, mut acked) = (Disk::default(), Vec::new());
    for op in &recording.ops[..moment] {
        match op {
            Op::Ack(line) => acked.push(line.clone()),
            Op::Sync(_) if plan.no_sync => {}
            op => disk.take(op),
        }
    }
    // A folder of its own: what the check had open is closed a little later, and that deletes files.
    let place = folder.join(format!("after-{seed}"));
    let loss = disk.lose_power(&mut dice, &place)?;
    found.cycles += 1;
    found.acked += acked.len() as u64;
    found.dropped += loss.dropped;
    found.torn += loss.torn;
    let missing = check::missing(&place, &acked).await;
    std::fs::remove_dir_all(&place)?;
    let (lost, what) = match missing {
        Ok(missing) if missing.is_empty() => return Ok(()),
        Ok(missing) => (
            missing.len() as u64,
            format!("{} are not there, such as {}", missing.len(), missing[0]),
        ),
        Err(error) => (acked.len() as u64, format!("can't be opened: {error:#}")),
    };
    found.lossy += 1;
    found.lost += lost;
    found.first.get_or_insert((seed, format!("seed {seed}, after {moment} operations: {what}")));
    Ok(())
}
