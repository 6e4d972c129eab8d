//! Commands that were decided in the last 24 hours of log time: a retry gets the first answer.

use std::collections::{HashMap, VecDeque};

use events::command::Created;
use events::{CommandId, Commit, Envelope, Position, Rejection, Timestamp};
use streams::{Accepted, Outcome};

/// How long a command id is remembered, in seconds of log time.
const REMEMBERED_S: i64 = 24 * 60 * 60;
/// Command ids remembered at most (about 130 bytes each); beyond, the oldest go early.
const REMEMBERED_MAX: usize = 1_000_000;

/// The first answer to a command.
#[derive(Debug, Clone, Copy)]
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

#[derive(Default)]
pub(crate) struct Remembered {
    first: HashMap<CommandId, First>,
    oldest: VecDeque<CommandId>,
}

impl Remembered {
    pub(crate) fn get(&self, id: CommandId) -> Option<&First> {
        self.first.get(&id)
    }

    pub(crate) fn insert(&mut self, id: CommandId, first: First) {
        if self.first.insert(id, first).is_none() {
            self.oldest.push_back(id);
        }
        while let Some(id) = self.oldest.front() {
            let age = self.first.get(id).map_or(0, |old| first.time.seconds_since(old.time));
            if age < REMEMBERED_S && self.first.len() <= REMEMBERED_MAX {
                break;
            }
            self.first.remove(id);
            self.oldest.pop_front();
        }
    }
}
