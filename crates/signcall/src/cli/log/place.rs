//! Where a log lies, as the command line names it.

use std::convert::Infallible;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};
use events::LogId;
use streams::Log;
use streams::log::{embedded, nats};

use crate::config::{Config, LogPlace, keep_files_private};
use crate::server::{LOG_FILE, connect};

/// `embedded` (in the data folder), `nats://…`, or a file or a data folder.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// As `--log` says it.
    Named(LogPlace),
    /// A file, or the folder that holds it.
    Path(PathBuf),
}

impl FromStr for Place {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.parse() {
            Ok(place) => Self::Named(place),
            Err(_) => Self::Path(text.into()),
        })
    }
}

impl Place {
    /// Opens the log that is there.
    pub(crate) async fn open(&self, config: &Config) -> Result<Log> {
        if let Some(file) = self.file(config) {
            return Ok(embedded::open_existing(&file).await?);
        }
        Ok(nats::open_existing(&self.nats(config).await?).await?)
    }

    /// Opens the log of this id; makes it where there is none.
    pub(crate) async fn create(&self, config: &Config, id: LogId) -> Result<Log> {
        keep_files_private();
        if let Some(file) = self.file(config) {
            let folder = file.parent().context("the log's file has no folder")?;
            let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.with_context(|| format!("cannot make {}", folder.display()))?;
            return Ok(embedded::create(&file, id).await?);
        }
        Ok(nats::create(&self.nats(config).await?, id).await?)
    }

    /// What was written is whole in its one file, without a write-ahead log beside it.
    pub(crate) async fn settle(&self, config: &Config) -> Result<()> {
        if let Some(file) = self.file(config) {
            ensure!(
                embedded::compact(&file).await?,
                "the log is there, but a part of it lies in {0}-wal, because somebody reads it: keep \
                 both files together, or run this again when nobody does",
                file.display()
            );
        }
        Ok(())
    }

    fn file(&self, config: &Config) -> Option<PathBuf> {
        match self {
            Self::Named(LogPlace::Embedded) => Some(config.data.join(LOG_FILE)),
            Self::Named(LogPlace::Nats(_)) => None,
            Self::Path(path) if path.is_dir() => Some(path.join(LOG_FILE)),
            Self::Path(path) => Some(path.clone()),
        }
    }

    async fn nats(&self, config: &Config) -> Result<streams::nats::Nats> {
        let Self::Named(log) = self else { bail!("this place is a file") };
        let there = Config { log: log.clone(), ..config.clone() };
        connect(&there).await?.context("this place is not on NATS")
    }
}
