//! Batches of the log on their way to the tables: read ahead, decoded and opened while the one
//! before is written.

use std::collections::HashSet;

use events::{Block, BlockError, BlockNumber, Commit, Head, KeyScope, Position};
use streams::Log;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use vault::{Keys as VaultKeys, Vault};

use crate::checkpoint::Checkpoint;
use crate::db::Db;
use crate::error::ProjectorError;
use crate::projections::{self, At};
use crate::work::{Done, Keys, Work};

/// Batches that wait to be written, at most.
const AHEAD: usize = 1;
/// How long the end of the log is believed when no hint of an append comes.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_secs(1);

/// Whole blocks, opened.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The end of the log as far as this batch knows it.
    pub(crate) to: Head,
    commits: Vec<(Position, Commit)>,
}

/// The log from some block on, in batches.
pub(crate) struct Ahead {
    batches: mpsc::Receiver<Result<Batch, ProjectorError>>,
    task: JoinHandle<()>,
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Ahead {
    /// Reads on from `after`, up to `batch_bytes` at once, for ever or up to and with `last`.
    pub(crate) fn start(
        log: Log,
        vault: Vault,
        after: Head,
        last: Option<BlockNumber>,
        batch_bytes: usize,
    ) -> Self {
        let (sender, batches) = mpsc::channel(AHEAD);
        let task = tokio::spawn(async move {
            let mut source = Source { log, vault, after, last, batch_bytes };
            while let Some(batch) = source.next().await.transpose() {
                let failed = batch.is_err();
                if sender.send(batch).await.is_err() || failed {
                    break;
                }
            }
        });
        Self { batches, task }
    }

    /// The next batch; `None` after the last block, or after an error.
    pub(crate) async fn next(&mut self) -> Result<Option<Batch>, ProjectorError> {
        self.batches.recv().await.transpose()
    }
}

struct Source {
    log: Log,
    vault: Vault,
    after: Head,
    last: Option<BlockNumber>,
    batch_bytes: usize,
}

impl Source {
    async fn next(&mut self) -> Result<Option<Batch>, ProjectorError> {
        let mut appended = self.log.appended();
        loop {
            if self.last.is_some_and(|last| self.after.block >= last) {
                return Ok(None);
            }
            appended.mark_unchanged();
            let mut blocks = self.log.read(self.after, self.batch_bytes).await?;
            if let Some(last) = self.last {
                blocks.retain(|block| block.header.block <= last);
            }
            if let Some(block) = blocks.last() {
                self.after = block.head();
                return Ok(Some(open(blocks, self.after, &self.vault).await?));
            }
            // A hint may be late: after a while the log itself is asked.
            let _hint_or_time = tokio::time::timeout(LOOK_AGAIN, appended.changed()).await;
        }
    }
}

/// Decodes blocks and opens their personal fields, off the async threads.
async fn open(blocks: Vec<Block>, to: Head, vault: &Vault) -> Result<Batch, ProjectorError> {
    let (commits, scopes) = off_thread(move || decode(&blocks)).await??;
    let keys = vault.keys(&scopes).await?;
    let commits = off_thread(move || open_all(commits, &keys)).await??;
    Ok(Batch { to, commits })
}

async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ProjectorError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|source| ProjectorError::Stopped { source })
}

type Decoded = (Vec<(Position, Commit)>, Vec<KeyScope>);

fn decode(blocks: &[Block]) -> Result<Decoded, BlockError> {
    let mut commits = Vec::new();
    let mut scopes = HashSet::new();
    for block in blocks {
        commits.extend(block.commits()?);
    }
    for (_, commit) in &mut commits {
        for event in &mut commit.events {
            scopes.extend(event.personal(commit.time).iter().map(|field| field.scope));
        }
    }
    Ok((commits, scopes.into_iter().collect()))
}

fn open_all(
    mut commits: Vec<(Position, Commit)>,
    keys: &VaultKeys,
) -> Result<Vec<(Position, Commit)>, ProjectorError> {
    for (_, commit) in &mut commits {
        for event in &mut commit.events {
            keys.open_fields(event.personal(commit.time))?;
        }
    }
    Ok(commits)
}

/// What a batch did to the tables.
#[derive(Debug)]
pub(crate) struct Written {
    /// Where the tables stand now.
    pub(crate) checkpoint: Checkpoint,
    /// What others want to hear.
    pub(crate) done: Done,
    /// How many events it held.
    pub(crate) events: u64,
}

impl Batch {
    /// Writes the rows and moves the checkpoint, in one transaction. `None` when the checkpoint
    /// is not `from` any more: somebody else projected, and nothing was written.
    pub(crate) async fn write(
        &self,
        db: &Db,
        from: &Checkpoint,
    ) -> Result<Option<Written>, ProjectorError> {
        let mut keys = Keys::default();
        let mut events = 0;
        for event in self.commits.iter().flat_map(|(_, commit)| &commit.events) {
            projections::needs(event, &mut keys);
            events += 1;
        }
        let mut tx = db.begin().await?;
        if !from.advance(&mut tx.session(), &self.to).await? {
            return Ok(None);
        }
        let mut work = Work::load(&mut tx.session(), &keys).await?;
        for (position, commit) in &self.commits {
            let at = At { position: *position, time: commit.time };
            for event in &commit.events {
                projections::apply(&mut work, event, at);
            }
        }
        let done = work.write(&mut tx.session()).await?;
        tx.commit().await?;
        let checkpoint = Checkpoint { generation: from.generation, head: self.to };
        Ok(Some(Written { checkpoint, done, events }))
    }
}
