//! How processes are started: in narrower bounds than usual, and with clocks of their own.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::setup::{Kind, Setup};
use crate::power::compile;

/// What clocks are set with.
const CLOCK: &str = include_str!("clock.c");

/// Bounds of an installation that are narrower than usual.
#[derive(Debug, Default)]
pub(super) struct Extra {
    /// What each process is told besides.
    pub(super) arguments: Vec<&'static str>,
    /// The size of the disk under the log.
    pub(super) disk_mb: Option<u32>,
    /// The size of the disk under PostgreSQL.
    pub(super) postgres_disk_mb: Option<u32>,
    /// How many files a process may have open.
    pub(super) files: Option<u32>,
}

/// What stands before the arguments of each process.
pub(super) struct Launch<'a> {
    data: &'a Path,
    program: PathBuf,
    extra: &'a Extra,
    /// The library that gives each a clock of its own, where they are on machines of their own.
    clock: Option<PathBuf>,
}

impl<'a> Launch<'a> {
    pub(super) fn prepare(
        setup: Setup,
        data: &'a Path,
        signcall: &Path,
        extra: &'a Extra,
    ) -> anyhow::Result<Self> {
        let clock = if setup.is_spread() { Some(compile(CLOCK, data)?) } else { None };
        let program = match setup {
            Setup::Sabotaged => std::env::current_exe()?,
            Setup::AllInOne
            | Setup::ProjectorApart
            | Setup::OnNats
            | Setup::Spread
            | Setup::SpreadOnPostgres
            | Setup::Signing => signcall.to_owned(),
        };
        Ok(Self { data, program, extra, clock })
    }

    /// What is started, and with which arguments.
    pub(super) fn command(
        &self,
        kind: Kind,
        arguments: Vec<String>,
    ) -> anyhow::Result<(PathBuf, Vec<String>)> {
        let mut words = Vec::new();
        if let Some(files) = self.extra.files {
            words.extend(["prlimit".to_owned(), format!("--nofile={files}:{files}")]);
        }
        if let Some(clock) = &self.clock {
            set_clock(self.data, kind, 0)?;
            let file = clock_file(self.data, kind).display().to_string();
            let preload = format!("LD_PRELOAD={}", clock.display());
            words.extend(["env".to_owned(), preload, format!("CLOCK_FILE={file}")]);
        }
        words.push(self.program.display().to_string());
        words.extend(arguments);
        words.extend(self.extra.arguments.iter().map(|text| (*text).to_owned()));
        Ok((PathBuf::from(words.remove(0)), words))
    }
}

fn clock_file(data: &Path, kind: Kind) -> PathBuf {
    data.join(format!("{}.clock", kind.name()))
}

/// Sets the clock of a process by so many seconds forward or back.
pub(super) fn set_clock(data: &Path, kind: Kind, ahead_s: i64) -> anyhow::Result<()> {
    let path = clock_file(data, kind);
    let file = File::options().create(true).truncate(false).write(true).open(path)?;
    Ok(file.write_all_at(&ahead_s.to_ne_bytes(), 0)?)
}
