//! Snapshots: the fold of a log, kept in the data folder, so that a start has to fold only what
//! came after.
//!
//! A snapshot is a shortcut and never the truth: it is taken only if it was made by the same rules
//! from this very log (its head is looked up there), if its bytes are whole, and if the vault has
//! come at least as far as it had then. Else a line in the process's log says why, and the log is
//! folded whole. It holds personal fields as the log does, sealed.
//!
//! [`Snapshots::keep`] makes new ones beside the running process, out of the last one and of what
//! the log says since, so that nobody who decides or follows has to stand still for it. The writer
//! gives it one to begin with, when it had to fold much at its start, and makes a last one when it
//! stops.

mod file;

use std::path::{Path, PathBuf};
use std::time::Duration;

use events::{Head, Position};
use serde::{Deserialize, Serialize};
use streams::Log;
use vault::{Destruction, Vault};

use crate::error::DeciderError;
use crate::fold::Fold;
use crate::remembered::{First, Remembered};

pub(crate) use file::Parts;

/// The file in the data folder.
const FILE: &str = "decider.snapshot";
/// Fewest commits between two snapshots…
const COMMITS_MIN: u64 = 100_000;
/// …and this part of the log's length, if that is more: making one takes time as the log grows.
const PART_OF_LOG: u64 = 20;
/// How often the log's length is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Bytes of blocks read at once.
const READ_BYTES: usize = 4 * 1024 * 1024;

/// Where a process keeps the snapshot of its log's fold.
#[derive(Debug, Clone)]
pub struct Snapshots {
    path: PathBuf,
}

/// A fold with all that has to go with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    pub(crate) fold: Fold,
    pub(crate) remembered: Remembered,
    /// Everything destroyed by commits beyond this is in `gone`.
    pub(crate) swept: Position,
    pub(crate) gone: Vec<(Position, Destruction)>,
}

/// The first line of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: u32,
    rules: String,
    head: Head,
    swept: Position,
}

impl Snapshot {
    pub(crate) fn empty(log: &Log, swept: Position) -> Self {
        let (remembered, gone) = (Remembered::default(), Vec::new());
        Self { fold: Fold::empty(log.id()), remembered, swept, gone }
    }

    /// Folds what the log holds beyond it.
    pub(crate) async fn catch_up(&mut self, log: &Log) -> Result<(), DeciderError> {
        loop {
            let blocks = log.read(self.fold.head, READ_BYTES).await?;
            if blocks.is_empty() {
                break;
            }
            for block in blocks {
                let remembered = &mut self.remembered;
                self.fold.take_in(&block, &mut self.gone, |position, commit| {
                    remembered.insert(commit.command, First::of(position, &commit));
                })?;
                remembered.forget_before(self.fold.time);
            }
        }
        self.gone.retain(|(position, _)| *position > self.swept);
        Ok(())
    }

    fn parts(&self) -> Parts<'_> {
        let Self { fold, remembered, swept, gone } = self;
        Parts { fold, remembered, swept: *swept, gone }
    }
}

impl Snapshots {
    /// In this folder, which exists.
    pub fn in_folder(folder: &Path) -> Self {
        Self { path: folder.join(FILE) }
    }

    /// What is kept, if it fits this log and this vault; else nothing has happened yet.
    pub(crate) async fn load(&self, log: &Log, vault: &Vault) -> Result<Snapshot, DeciderError> {
        let swept = vault.swept().await?;
        let path = self.path.clone();
        let read = tokio::task::spawn_blocking(move || file::read(&path)).await;
        let found = match read.map_err(std::io::Error::other).and_then(|read| read) {
            Ok(found) => found,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                self.ignored(&format!("it can't be read: {error}"));
                None
            }
        };
        let Some(mut found) = found else { return Ok(Snapshot::empty(log, swept)) };
        if let Err(reason) = fits(&found, log, swept).await? {
            self.ignored(&reason);
            return Ok(Snapshot::empty(log, swept));
        }
        found.swept = swept;
        found.gone.retain(|(position, _)| *position > swept);
        Ok(found)
    }

    fn ignored(&self, reason: &str) {
        let path = self.path.display();
        tracing::warn!(%path, reason, "this snapshot is not used, the whole log is folded instead");
    }

    /// Keeps these, in place of what was kept, whole or not at all.
    pub(crate) fn write(&self, parts: &Parts<'_>) {
        let path = self.path.display();
        match file::write(&self.path, parts) {
            Ok(bytes) => {
                let position = parts.fold.head.position;
                tracing::info!(%path, bytes, %position, "a snapshot of the log's fold was kept");
            }
            // The next start takes longer, that is all.
            Err(error) => tracing::warn!(%path, %error, "no snapshot could be kept"),
        }
    }

    /// Keeps `first`, then makes a new snapshot whenever the log has grown enough, for ever. It folds
    /// for seconds on the thread that polls it: that should be one of its own.
    pub async fn keep(self, log: Log, vault: Vault, first: Option<Snapshot>) {
        if let Some(first) = first {
            self.write(&first.parts());
        }
        let mut kept = self.kept();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let Ok(end) = log.head().await else { continue };
            // A writer of this process may have kept one when it stopped.
            kept = kept.max(self.kept());
            if !is_due(kept, end.position) {
                continue;
            }
            match self.renew(&log, &vault).await {
                Ok(position) => kept = position,
                Err(error) => tracing::warn!(%error, "no snapshot could be made"),
            }
        }
    }

    /// Makes a snapshot of the log as it is now. Returns its position.
    pub async fn renew(&self, log: &Log, vault: &Vault) -> Result<Position, DeciderError> {
        let mut snapshot = self.load(log, vault).await?;
        snapshot.catch_up(log).await?;
        let (kept, position) = (self.clone(), snapshot.fold.head.position);
        let written = tokio::task::spawn_blocking(move || kept.write(&snapshot.parts()));
        written.await.map_err(|error| DeciderError::Ended(error.to_string()))?;
        Ok(position)
    }

    /// Up to where the kept one reaches, as it says itself.
    fn kept(&self) -> Position {
        let header = file::header(&self.path);
        header.map_or(Position::new(0), |header| header.head.position)
    }
}

/// Whether the log has grown enough since the last snapshot for a new one.
pub(crate) fn is_due(kept: Position, end: Position) -> bool {
    let grown = end.get().saturating_sub(kept.get());
    grown >= COMMITS_MIN.max(end.get() / PART_OF_LOG)
}

/// Whether a snapshot is one of this log, no further than the vault: destructions before its own
/// `swept` are not in it.
async fn fits(
    found: &Snapshot,
    log: &Log,
    swept: Position,
) -> Result<Result<(), String>, DeciderError> {
    let head = found.fold.head;
    if head.log != log.id() {
        return Ok(Err(format!("it is of log {}, and this is {}", head.log, log.id())));
    }
    if found.swept > swept {
        return Ok(Err(format!(
            "the vault has destroyed keys up to position {swept} only, and had come to {} when it \
             was made: the vault is an older one",
            found.swept
        )));
    }
    Ok(match log.head_at(head.block).await? {
        Some(there) if there == head => Ok(()),
        Some(_) => Err(format!("block {} of the log is another one", head.block)),
        None => Err(format!("the log does not reach block {}", head.block)),
    })
}
