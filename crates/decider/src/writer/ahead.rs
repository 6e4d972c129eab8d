//! What was decided and is not on its way to the log yet, in order.

use std::collections::VecDeque;
use std::time::Instant;

use events::{Commit, Position, Timestamp};
use streams::{Outcome, SubmitError, Submitted};

use crate::fold::Fold;

/// One command that was decided.
pub(super) struct Decided {
    pub(super) submitted: Submitted,
    /// When that began.
    pub(super) begun: Instant,
    pub(super) outcome: Outcome,
    /// What is to be appended, if anything.
    pub(super) commit: Option<Commit>,
    /// The commit in its block.
    pub(super) line: String,
    /// It can't be appended: not decided again, but told so.
    pub(super) refused: Option<SubmitError>,
}

/// Everything decided that waits for its block, and where the log will end after it.
pub(super) struct Ahead {
    decided: VecDeque<Decided>,
    commits: usize,
    bytes: usize,
    /// Of the last undurable commit, or of the log's end.
    pub(super) position: Position,
    pub(super) time: Timestamp,
    pub(super) last_id: u64,
}

impl Ahead {
    /// Nothing, after the log's end.
    pub(super) fn after(durable: &Fold) -> Self {
        Self {
            decided: VecDeque::new(),
            commits: 0,
            bytes: 0,
            position: durable.head.position,
            time: durable.time,
            last_id: durable.last_id,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.decided.is_empty()
    }

    /// Commits that wait.
    pub(super) fn commits(&self) -> usize {
        self.commits
    }

    /// Bytes of their lines.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds one whose commit is not encoded yet.
    pub(super) fn push(&mut self, decided: Decided) {
        self.commits += usize::from(decided.commit.is_some());
        self.decided.push_back(decided);
    }

    /// The commits of those decided last are encoded.
    pub(super) fn weigh(&mut self, count: usize) {
        let from = self.decided.len().saturating_sub(count);
        self.bytes += self.decided.range(from..).map(line_bytes).sum::<usize>();
    }

    /// Takes out what the next block can take, at least one command.
    pub(super) fn next_block(&mut self, commits_max: usize, bytes_max: usize) -> Vec<Decided> {
        let (mut commits, mut bytes, mut taken) = (0, 0, 0);
        for decided in &self.decided {
            let has_commit = usize::from(decided.commit.is_some());
            let more = bytes + line_bytes(decided);
            let fits = has_commit == 0 || commits < commits_max && more <= bytes_max;
            if !fits && commits > 0 {
                break;
            }
            (commits, bytes, taken) = (commits + has_commit, more, taken + 1);
        }
        self.commits -= commits;
        self.bytes -= bytes;
        self.decided.drain(..taken).collect()
    }

    /// Takes everything out; where the log will end is to be said anew.
    pub(super) fn take_all(&mut self) -> VecDeque<Decided> {
        (self.commits, self.bytes) = (0, 0);
        std::mem::take(&mut self.decided)
    }

    /// Those decided last.
    pub(super) fn last(&mut self, count: usize) -> impl DoubleEndedIterator<Item = &mut Decided> {
        let from = self.decided.len().saturating_sub(count);
        self.decided.range_mut(from..)
    }
}

/// With the newline before it.
fn line_bytes(decided: &Decided) -> usize {
    if decided.commit.is_some() { decided.line.len() + 1 } else { 0 }
}
