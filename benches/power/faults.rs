//! Input and output that fails: the n-th call of a process on its files (open, read, write, sync, rename,
//! link, unlink) fails, for every n, once or from there on, with EIO or as on a full disk, in a new folder
//! and in one that another process left. Whatever fails, the process tells
//! it or gets over it, and comes back without the fault with all that was acknowledged.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Result, bail};
use serde_json::{Map, Value, json};

use super::record::{ACKED, Op, Recording};
use super::work::STUCK;
use super::{SHIM, check, compile};

/// Told of at most so many.
const FAILURES_MAX: usize = 20;

/// What came of it.
#[derive(Debug, Default)]
pub struct Found {
    runs: u64,
    borne: u64,
    told: u64,
    failed: u64,
    failures: Vec<String>,
}

impl Found {
    /// What should not have been, told shortly.
    pub fn failures(&self) -> &[String] {
        &self.failures
    }

    /// As figures.
    pub fn figures(&self) -> Map<String, Value> {
        let figures = json!({ "runs": self.runs, "borne": self.borne, "told": self.told, "failures": self.failed });
        figures.as_object().cloned().unwrap_or_default()
    }

    fn fails(&mut self, what: String) {
        self.failed += 1;
        if self.failures.len() < FAILURES_MAX {
            self.failures.push(what);
        }
    }
}

/// Which call fails, and how.
#[derive(Debug, Clone, Copy)]
struct Fault {
    at: u64,
    /// All after it fail, too.
    stays: bool,
    /// With the error of a full disk, where the call takes space.
    full: bool,
}

impl Fault {
    fn tell(self, place: &str) -> String {
        let Self { at, stays, full } = self;
        let (how, error) = (
            if stays { " and all after it" } else { " once" },
            if full { ", disk full" } else { "" },
        );
        format!("call {at} of a {place} folder{how}{error}")
    }
}

struct Rig<'a> {
    folder: PathBuf,
    shim: PathBuf,
    writer: &'a Path,
    seed: u64,
}

/// Lets each `step`-th call fail. `writer` is to be started with `work-short FOLDER SEED` or `work-brief …`.
///
/// # Errors
/// When there is no C compiler, or the work fails without a fault.
pub async fn run(step: u64, seed: u64, writer: &Path) -> Result<Found> {
    let folder = tempfile::Builder::new().prefix("signcall-faults-").tempdir()?;
    let shim = compile(SHIM, folder.path())?;
    let rig = Rig { folder: folder.path().to_owned(), shim, writer, seed };
    let left = rig.folder.join("left");
    begin(&left)?;
    let fresh = rig.calls(&left, seed)?;
    let mut found = Found::default();
    rig.all(None, fresh, step, &mut found).await?;
    let again = rig.folder.join("again");
    copy(&left, &again)?;
    let reopened = rig.calls(&again, seed + 1)?;
    rig.all(Some(&left), reopened, step, &mut found).await?;
    Ok(found)
}

impl Rig<'_> {
    /// How many calls there are without a fault.
    fn calls(&self, data: &Path, seed: u64) -> Result<u64> {
        let ran = self.work(data, seed, None)?;
        if !ran.status.success() {
            bail!("the work failed without a fault: {}", String::from_utf8_lossy(&ran.stderr));
        }
        let recording = Recording::read(&std::fs::read(self.recording())?)?;
        Ok(recording.ops.iter().filter(|op| !matches!(op, Op::Ack(_))).count() as u64)
    }

    fn recording(&self) -> PathBuf {
        self.folder.join("recording")
    }

    fn work(&self, data: &Path, seed: u64, fault: Option<Fault>) -> Result<Output> {
        let _ = std::fs::remove_file(self.recording());
        let shape =
            if fault.is_some_and(|fault| fault.stays) { "work-brief" } else { "work-short" };
        let mut work = Command::new("timeout");
        work.arg("60")
            .arg(self.writer)
            .arg("power_loss")
            .arg(shape)
            .arg(data)
            .arg(seed.to_string());
        work.env("LD_PRELOAD", &self.shim).env("POWER_FOLDER", data);
        work.env("POWER_RECORD", self.recording());
        work.env("POWER_LOOKS", "1");
        if let Some(Fault { at, stays, full }) = fault {
            work.env("POWER_FAIL_AT", at.to_string());
            for (name, is_set) in [("POWER_FAIL_ON", stays), ("POWER_FULL", full)] {
                if is_set {
                    work.env(name, "1");
                }
            }
        }
        Ok(work.output()?)
    }

    async fn all(
        &self,
        from: Option<&Path>,
        calls: u64,
        step: u64,
        found: &mut Found,
    ) -> Result<()> {
        let mut at = 1 + self.seed % step;
        while at <= calls {
            for (stays, full) in [(false, false), (true, false), (false, true), (true, true)] {
                self.one(from, Fault { at, stays, full }, found).await?;
            }
            at += step;
        }
        Ok(())
    }

    async fn one(&self, from: Option<&Path>, fault: Fault, found: &mut Found) -> Result<()> {
        let data = self.folder.join(format!("data-{}", found.runs));
        match from {
            Some(left) => copy(left, &data)?,
            None => begin(&data)?,
        }
        found.runs += 1;
        let place = if from.is_some() { "reopened" } else { "new" };
        let name = fault.tell(place);
        let ran = self.work(&data, self.seed + 1, Some(fault))?;
        let said = String::from_utf8_lossy(&ran.stderr);
        // A fault that passed is to be got over; one that stays may be told for ever.
        let bad = said.contains("panicked") || (!fault.stays && said.contains(STUCK));
        match ran.status.code() {
            Some(0) if !bad => found.borne += 1,
            Some(2) if !bad => found.told += 1,
            _ => found.fails(format!("{name}: ended with {}: {}", ran.status, last_words(&ran))),
        }
        let back = self.work(&data, self.seed + 2, None)?;
        if back.status.success() {
            let acked = std::fs::read_to_string(data.join(ACKED)).unwrap_or_default();
            let acked: Vec<String> = acked.lines().map(str::to_owned).collect();
            match check::missing(&data, &acked).await {
                Ok(missing) if missing.is_empty() => {}
                Ok(missing) => {
                    found.fails(format!("{name}: {} are lost: {}", missing.len(), missing[0]))
                }
                Err(error) => found.fails(format!("{name}: {error:#}")),
            }
        } else {
            found.fails(format!("{name}: does not come back: {}", last_words(&back)));
        }
        std::fs::remove_dir_all(&data)?;
        Ok(())
    }
}

fn last_words(ran: &Output) -> String {
    let said = String::from_utf8_lossy(&ran.stderr);
    said.lines().rfind(|line| !line.is_empty()).unwrap_or_default().to_owned()
}

/// A folder with secrets, as `signcall init` leaves it.
fn begin(folder: &Path) -> Result<()> {
    std::fs::create_dir(folder)?;
    vault::Secrets::init(&folder.join("secrets"))?;
    Ok(())
}

/// A folder with everything in it, for the owner alone.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let ran = Command::new("cp").arg("-a").arg(from).arg(to).output()?;
    if !ran.status.success() {
        bail!("cp: {}", String::from_utf8_lossy(&ran.stderr));
    }
    Ok(())
}
