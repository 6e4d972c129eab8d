//! Commands that were decided in the last 24 hours of log time: a retry gets the first answer.

use std::collections::{HashMap, VecDeque};

use events::command::Created;
use events::{CommandId, Commit, Envelope, Position, Rejection, Timestamp};
use serde::{Deserialize, Serialize};
use streams::{Accepted, Outcome};

/// How long a command id is remembered, in seconds of log time.
const REMEMBERED_S: i64 = 24 * 60 * 60;
/// Command ids remembered at most (about 130 bytes each); beyond, the oldest go early.
const REMEMBERED_MAX: usize = 1_000_000;

/// The first answer to a command.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct First {
    pub(crate) position: Position,
    pub(crate) time: Timestamp,
    pub(crate) created: Option<Created>,
    pub(crate) body: Option<u64>,
}

impl First {
    pub(crate) fn of(position: Position, commit: &Commit) -> Self {
        let created = commit.events.iter().find_map(events::Event::created);
        Self { position, time: commit.time, created, body: commit.body }
    }

    /// The answer to the same command once more.
    pub(crate) fn again(&self, envelope: &Envelope) -> Outcome {
        if envelope.body != self.body {
            return Err(Rejection::KeyReused);
        }
        let Self { position, time, created, .. } = *self;
        Ok(Accepted { position, time, created, repeated: true })
    }
}

/// The first answers, oldest first; the newest may still be taken back.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Remembered {
    first: HashMap<CommandId, First>,
    oldest: VecDeque<CommandId>,
}

impl Remembered {
    pub(crate) fn with_capacity(count: usize) -> Self {
        Self { first: HashMap::with_capacity(count), oldest: VecDeque::with_capacity(count) }
    }

    pub(crate) fn get(&self, id: CommandId) -> Option<&First> {
        self.first.get(&id)
    }

    pub(crate) fn insert(&mut self, id: CommandId, first: First) {
        if self.first.insert(id, first).is_none() {
            self.oldest.push_back(id);
        }
    }

    /// Takes the newest `count` back: they never happened.
    pub(crate) fn take_back(&mut self, count: usize) {
        for id in self.oldest.drain(self.oldest.len().saturating_sub(count)..) {
            self.first.remove(&id);
        }
    }

    /// Forgets what is too old once the log has come to `now`.
    pub(crate) fn forget_before(&mut self, now: Timestamp) {
        while let Some(id) = self.oldest.front() {
            let age = self.first.get(id).map_or(0, |old| now.seconds_since(old.time));
            if age < REMEMBERED_S && self.first.len() <= REMEMBERED_MAX {
                break;
            }
            self.first.remove(id);
            self.oldest.pop_front();
        }
    }

    /// All of them, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (CommandId, First)> {
        self.oldest.iter().filter_map(|id| Some((*id, *self.first.get(id)?)))
    }
}
