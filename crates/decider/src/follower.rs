//! The read-only half of the decider: folds the log in every process that faces clients, so that
//! a block or a log-out acts at once, whatever the tables do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use events::{BlockNumber, Commit, Head, Position, State, Timestamp};
use parking_lot::{Mutex, RwLock};
use streams::{Log, LogError};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;
use vault::{Destruction, Vault};

use crate::error::DeciderError;
use crate::fold::Fold;
use crate::snapshot::Snapshots;

/// A Follower that has not reached the log for this long answers nothing any more.
const FRESH: Duration = Duration::from_secs(3);
/// How often the log's end is looked at when nothing was announced.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long one look may take.
const LOOK_MAX: Duration = Duration::from_secs(2);
/// Bytes of blocks read at once.
const READ_BYTES: usize = 1024 * 1024;
/// Applied commits that a slow subscriber may lag behind before it loses some.
const COMMITS_KEPT: usize = 16_384;

/// One commit that the Follower has taken in.
pub type Applied = Arc<(Position, Commit)>;

/// Follows one log. Cheap to clone; stops when the last handle is dropped.
#[derive(Clone)]
pub struct Follower {
    shared: Arc<Shared>,
    _task: Arc<Task>,
}

struct Shared {
    log: Log,
    fold: RwLock<Fold>,
    position: watch::Sender<Position>,
    commits: broadcast::Sender<Applied>,
    /// When the log was last known to end where the fold does.
    looked: Mutex<Instant>,
    /// From here on what it takes in is news.
    caught_up: AtomicBool,
}

/// Where the log ended when it was looked at.
struct Seen {
    at: Instant,
    block: BlockNumber,
}

struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Follower {
    /// Folds the log to its end, then goes on following it.
    pub async fn start(log: Log, vault: Vault) -> Result<Self, DeciderError> {
        let nothing = Fold::empty(log.id());
        Self::go_on(nothing, log, vault).await
    }

    /// As [`Self::start`], from the snapshot that is kept, if it fits.
    pub async fn resume(
        log: Log,
        vault: Vault,
        snapshots: &Snapshots,
    ) -> Result<Self, DeciderError> {
        let kept = snapshots.load(&log, &vault).await?.fold;
        Self::go_on(kept, log, vault).await
    }

    /// As [`Self::start`], from a fold of this very log, such as [`crate::Writer::fold`].
    pub async fn go_on(fold: Fold, log: Log, vault: Vault) -> Result<Self, DeciderError> {
        let shared = Arc::new(Shared {
            log: log.clone(),
            position: watch::Sender::new(fold.head.position),
            fold: RwLock::new(fold),
            commits: broadcast::Sender::new(COMMITS_KEPT),
            looked: Mutex::new(Instant::now()),
            caught_up: AtomicBool::new(false),
        });
        let mut end = None;
        while shared.step(&log, &vault, &mut end).await? {}
        shared.caught_up.store(true, Ordering::Relaxed);
        let task = tokio::spawn(follow(Arc::clone(&shared), log, vault));
        Ok(Self { shared, _task: Arc::new(Task(task)) })
    }

    /// The log that it follows.
    pub fn log(&self) -> &Log {
        &self.shared.log
    }

    /// Answers from the state. Keep it short: the fold waits meanwhile.
    pub fn read<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        look(&self.shared.fold.read().state)
    }

    /// Where the fold stands.
    pub fn head(&self) -> Head {
        self.shared.fold.read().head
    }

    /// When the last commit that the fold holds was decided.
    pub fn time(&self) -> Timestamp {
        self.shared.fold.read().time
    }

    /// The last commit that the fold holds.
    pub fn position(&self) -> Position {
        *self.shared.position.borrow()
    }

    /// Whether the state is the log's: false once the log was out of reach for 3 s. Then nothing
    /// may be answered from it.
    pub fn fresh(&self) -> bool {
        self.shared.looked.lock().elapsed() < FRESH
    }

    /// Waits until the fold holds this commit; false when it does not in time.
    pub async fn wait_for(&self, position: Position, patience: Duration) -> bool {
        let mut positions = self.shared.position.subscribe();
        let reached = positions.wait_for(|now| *now >= position);
        tokio::time::timeout(patience, reached).await.is_ok_and(|reached| reached.is_ok())
    }

    /// Every commit from now on, after the state has taken it in. A receiver that lags is told so
    /// and must look at the state instead.
    pub fn subscribe(&self) -> broadcast::Receiver<Applied> {
        self.shared.commits.subscribe()
    }
}

impl Shared {
    /// Reads on once; true when there may be more.
    async fn step(
        &self,
        log: &Log,
        vault: &Vault,
        end: &mut Option<Seen>,
    ) -> Result<bool, DeciderError> {
        let head = self.fold.read().head;
        let asked = Instant::now();
        let blocks = within(log.read(head, READ_BYTES)).await?;
        let (more, read) = (!blocks.is_empty(), Instant::now());
        for block in blocks {
            let commits = block.commits()?;
            let mut gone: Vec<Destruction> = Vec::new();
            let mut fold = self.fold.write();
            for (_, commit) in &commits {
                fold.apply(commit, &mut gone);
            }
            fold.finish(&block);
            drop(fold);
            vault.forget(&gone);
            if self.caught_up.load(Ordering::Relaxed) {
                trace(&commits, read.elapsed());
            }
            for applied in commits {
                // Nobody listening is no error.
                let _ = self.commits.send(Arc::new(applied));
            }
            let position = block.head().position;
            self.position.send_replace(position);
            metrics::gauge!("signcall_follower_position").set(position.get() as f64);
        }
        if !more {
            *self.looked.lock() = asked;
        } else if asked.duration_since(*self.looked.lock()) > LOOK_EVERY {
            self.look(log, end).await?;
        }
        Ok(more)
    }

    /// While the log grows without a pause: its end as it was seen is reached in the end.
    async fn look(&self, log: &Log, end: &mut Option<Seen>) -> Result<(), DeciderError> {
        let seen = match end.take() {
            Some(seen) => seen,
            None => Seen { at: Instant::now(), block: within(log.head()).await?.block },
        };
        if seen.block <= self.fold.read().head.block {
            *self.looked.lock() = seen.at;
        } else {
            *end = Some(seen);
        }
        Ok(())
    }
}

/// Tells which requests' commits count in this process from now on.
fn trace(commits: &[(Position, Commit)], took: Duration) {
    let (step, took_us) = ("follow", took.as_micros() as u64);
    for (position, commit) in commits {
        let (command, request_id) = (commit.command, commit.correlation.as_deref());
        let decided_us = commit.time.micros();
        tracing::debug!(step, request_id, %command, %position, decided_us, took_us, "followed");
    }
}

/// What the log answers, if it does in time.
async fn within<T>(asked: impl Future<Output = Result<T, LogError>>) -> Result<T, DeciderError> {
    let answer = tokio::time::timeout(LOOK_MAX, asked).await;
    Ok(answer.map_err(|_| DeciderError::Silent(LOOK_MAX.as_secs()))??)
}

async fn follow(shared: Arc<Shared>, log: Log, vault: Vault) {
    let mut appended = log.appended();
    let (mut failing, mut end) = (false, None);
    loop {
        let unseen = shared.looked.lock().elapsed();
        metrics::gauge!("signcall_follower_unseen_seconds").set(unseen.as_secs_f64());
        match shared.step(&log, &vault, &mut end).await {
            Ok(true) => continue,
            Ok(false) => {
                if failing {
                    tracing::info!("the log can be followed again");
                }
                failing = false;
            }
            Err(error) => {
                if !failing {
                    tracing::error!(%error, "the log can't be followed");
                }
                failing = true;
            }
        }
        let wait = tokio::time::timeout(LOOK_EVERY, appended.changed());
        if matches!(wait.await, Ok(Err(_))) || failing {
            // The announcements ended, or they are of no use now: look now and then.
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
