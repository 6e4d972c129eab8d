//! Batches of the log on their way to the tables: read ahead, decoded and opened while the one
//! before is written.

use std::collections::HashSet;
use std::time::Duration;

use events::{Block, BlockError, BlockNumber, Commit, Head, KeyScope, Position};
use streams::Log;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use vault::{Keys as VaultKeys, Vault, VaultError};

use crate::archive;
use crate::checkpoint::Checkpoint;
use crate::db::{Db, Session};
use crate::error::ProjectorError;
use crate::parked::{Fate, Lot, is_poison};
use crate::projections::{self, At};
use crate::work::{Done, Keys, Work};

/// Batches that wait to be written, at most.
const AHEAD: usize = 1;
/// How long the end of the log is believed when no hint of an append comes.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Whole blocks, opened.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The end of the log as far as this batch knows it.
    pub(crate) to: Head,
    commits: Vec<Opened>,
    /// The blocks themselves, if they are wanted.
    blocks: Vec<Block>,
}

/// A commit whose personal fields are readable, or erased.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) position: Position,
    pub(crate) commit: Commit,
    /// Why a field does not open, though its key is there.
    pub(crate) unreadable: Option<String>,
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
        mode: Mode<'_>,
    ) -> Self {
        let keep = mode.keeps_blocks();
        let (sender, batches) = mpsc::channel(AHEAD);
        let task = tokio::spawn(async move {
            let mut source = Source { log, vault, after, last, batch_bytes, keep };
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
    keep: bool,
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
                return Ok(Some(open(blocks, self.after, &self.vault, self.keep).await?));
            }
            // A hint may be late: after a while the log itself is asked.
            let _hint_or_time = tokio::time::timeout(LOOK_AGAIN, appended.changed()).await;
        }
    }
}

/// Decodes blocks and opens their personal fields, off the async threads.
async fn open(
    mut blocks: Vec<Block>,
    to: Head,
    vault: &Vault,
    keep: bool,
) -> Result<Batch, ProjectorError> {
    let decoded = off_thread(move || {
        let decoded = decode(&blocks);
        if !keep {
            blocks.clear();
        }
        decoded.map(|(commits, scopes)| (commits, scopes, blocks))
    });
    let (commits, scopes, blocks) = decoded.await??;
    let keys = vault.keys(&scopes).await?;
    let commits = off_thread(move || open_all(commits, &keys)).await??;
    Ok(Batch { to, commits, blocks })
}

/// Opens one commit from its line in a block.
pub(crate) async fn open_line(
    position: Position,
    line: &str,
    vault: &Vault,
) -> Result<Opened, ProjectorError> {
    let block = BlockNumber::new(0);
    let unreadable = |source| BlockError::Commit { block, position, source };
    let mut commit = Commit::decode(line).map_err(unreadable)?;
    let time = commit.time;
    let fields = commit.events.iter_mut().flat_map(|event| event.personal(time));
    let scopes: Vec<KeyScope> = fields.map(|field| field.scope).collect();
    open_one(position, commit, &vault.keys(&scopes).await?)
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
    commits: Vec<(Position, Commit)>,
    keys: &VaultKeys,
) -> Result<Vec<Opened>, ProjectorError> {
    commits.into_iter().map(|(position, commit)| open_one(position, commit, keys)).collect()
}

fn open_one(
    position: Position,
    mut commit: Commit,
    keys: &VaultKeys,
) -> Result<Opened, ProjectorError> {
    let mut unreadable = None;
    for event in &mut commit.events {
        match keys.open_fields(event.personal(commit.time)) {
            Ok(()) => {}
            Err(error @ VaultError::Unreadable { .. }) => unreadable = Some(error.to_string()),
            // The vault is not the one it should be: that is no single event's fault.
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Opened { position, commit, unreadable })
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

/// What batches are written for.
#[derive(Clone, Copy)]
pub(crate) enum Mode<'a> {
    /// The live tables: what can't be projected is parked, and the blocks may be kept too.
    Live {
        /// Whether they are.
        archive: bool,
    },
    /// A rebuild: it stops on what can't be projected, but for what was given up.
    Rebuild {
        /// That.
        released: &'a HashSet<Position>,
    },
}

impl Batch {
    /// Tells which requests' commits are in the tables now.
    pub(crate) fn trace(&self, took: Duration) {
        let (step, took_us) = ("project", took.as_micros() as u64);
        for Opened { position, commit, .. } in &self.commits {
            let (command, request_id) = (commit.command, commit.correlation.as_deref());
            let decided_us = commit.time.micros();
            tracing::debug!(step, request_id, %command, %position, decided_us, took_us, "projected");
        }
    }

    /// Writes the rows and moves the checkpoint, in one transaction. `None` when the checkpoint
    /// is not `from` any more: somebody else projected, and nothing was written.
    pub(crate) async fn write(
        &self,
        db: &Db,
        from: &Checkpoint,
        mode: Mode<'_>,
    ) -> Result<Option<Written>, ProjectorError> {
        match self.attempt(db, from, mode, false).await {
            // Somewhere in it is an event that can't be projected: it is looked for by halves.
            Err(error) if is_poison(&error) => self.attempt(db, from, mode, true).await,
            other => other,
        }
    }

    async fn attempt(
        &self,
        db: &Db,
        from: &Checkpoint,
        mode: Mode<'_>,
        careful: bool,
    ) -> Result<Option<Written>, ProjectorError> {
        let mut tx = db.begin().await?;
        let mut session = tx.session();
        if !from.advance(&mut session, &self.to).await? {
            return Ok(None);
        }
        let mut lot = match mode {
            Mode::Live { .. } => Lot::open(&mut session).await?,
            Mode::Rebuild { .. } => Lot::empty(),
        };
        let mut done = Done::default();
        let whole = 0..self.commits.len();
        let mut ranges = vec![whole];
        while let Some(range) = ranges.pop() {
            let commits = &self.commits[range.clone()];
            if careful {
                session.execute("SAVEPOINT part", vec![]).await?;
            }
            match self.project(&mut session, commits, &mut lot, mode).await {
                Ok(more) => done.add(more),
                Err(error) if careful && is_poison(&error) => {
                    session.execute("ROLLBACK TO SAVEPOINT part", vec![]).await?;
                    if let [one] = commits {
                        self.give_up(one, error.to_string(), &mut lot, mode)?;
                    } else {
                        let middle = range.start + range.len() / 2;
                        ranges.push(middle..range.end);
                        ranges.push(range.start..middle);
                    }
                }
                Err(error) => return Err(error),
            }
            if careful {
                session.execute("RELEASE SAVEPOINT part", vec![]).await?;
            }
        }
        lot.write(&mut session).await?;
        if let Mode::Live { archive: true } = mode {
            archive::keep(&mut session, &self.blocks).await?;
        }
        tx.commit().await?;
        let checkpoint = Checkpoint { generation: from.generation, head: self.to };
        let events = self.commits.iter().map(|one| one.commit.events.len() as u64).sum();
        Ok(Some(Written { checkpoint, done, events }))
    }

    /// Projects commits that follow each other, but for those that are parked.
    async fn project(
        &self,
        session: &mut Session<'_>,
        commits: &[Opened],
        lot: &mut Lot,
        mode: Mode<'_>,
    ) -> Result<Done, ProjectorError> {
        let mut keys = Keys::default();
        let (mut taken, mut parked) = (Vec::with_capacity(commits.len()), Vec::new());
        let mut just = HashSet::new();
        for one in commits {
            if mode.skips(one.position) {
                continue;
            }
            match lot.fate(one, &just) {
                Fate::Parked(reason) => {
                    just.insert(one.commit.subject);
                    parked.push((one, reason));
                }
                Fate::Projected => {
                    for event in &one.commit.events {
                        projections::needs(event, &mut keys);
                    }
                    taken.push(one);
                }
            }
        }
        let mut work = Work::load(session, &keys).await?;
        for one in &taken {
            let at = At { position: one.position, time: one.commit.time };
            for event in &one.commit.events {
                projections::apply(&mut work, event, at);
            }
        }
        let done = work.write(session).await?;
        for (one, reason) in parked {
            match reason {
                Some(reason) => self.give_up(one, reason, lot, mode)?,
                None => lot.park(one, None, &self.blocks),
            }
        }
        for one in taken {
            lot.projected(&one.commit);
        }
        Ok(done)
    }

    /// Parks a commit, or stops a rebuild.
    fn give_up(
        &self,
        one: &Opened,
        reason: String,
        lot: &mut Lot,
        mode: Mode<'_>,
    ) -> Result<(), ProjectorError> {
        let (position, subject) = (one.position, one.commit.subject);
        match mode {
            Mode::Live { .. } => lot.park(one, Some(reason), &self.blocks),
            Mode::Rebuild { .. } => {
                return Err(ProjectorError::Poison { position, subject, reason });
            }
        }
        Ok(())
    }
}

impl Mode<'_> {
    fn skips(self, position: Position) -> bool {
        match self {
            Self::Live { .. } => false,
            Self::Rebuild { released } => released.contains(&position),
        }
    }

    /// Whether the blocks are wanted as they are, beside what was read from them.
    fn keeps_blocks(self) -> bool {
        matches!(self, Self::Live { .. })
    }
}
