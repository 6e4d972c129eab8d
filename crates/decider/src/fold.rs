//! The fold of the log up to one point: what the writer decides on and the Follower answers from.

use events::{Block, BlockError, Commit, Head, LogId, Position, State, Timestamp};
use vault::Destruction;

/// The state that the log's commits add up to, and where in the log that is.
#[derive(Debug, Clone, PartialEq)]
pub struct Fold {
    /// What decisions rest on.
    pub state: State,
    /// The last block that was taken in.
    pub head: Head,
    /// The last commit's time; no later commit lies before it.
    pub time: Timestamp,
    /// The greatest id that was ever stamped; the next one lies above it.
    pub last_id: u64,
}

impl Fold {
    /// Nothing has happened.
    pub fn empty(log: LogId) -> Self {
        let state = State::default();
        Self { state, head: Head::empty(log), time: Timestamp::default(), last_id: 0 }
    }

    /// Takes one commit in; adds the keys that have to go after it to `gone`. The head moves with
    /// [`Self::finish`], block by block.
    pub fn apply(&mut self, commit: &Commit, gone: &mut Vec<Destruction>) {
        for event in &commit.events {
            Destruction::collect(&self.state, event, gone);
            self.state.evolve(event, commit.time);
            self.last_id = self.last_id.max(event.greatest_id().unwrap_or(0));
        }
        self.time = self.time.max(commit.time);
    }

    /// Takes a whole block in; adds the keys that have to go after it, with the positions of those
    /// commits, to `gone`, and hands every commit over.
    pub(crate) fn take_in(
        &mut self,
        block: &Block,
        gone: &mut Vec<(Position, Destruction)>,
        mut each: impl FnMut(Position, Commit),
    ) -> Result<(), BlockError> {
        let mut destroyed = Vec::new();
        for (position, commit) in block.commits()? {
            self.apply(&commit, &mut destroyed);
            gone.extend(destroyed.drain(..).map(|destruction| (position, destruction)));
            each(position, commit);
        }
        self.finish(block);
        Ok(())
    }

    /// All commits of a block have been taken in.
    pub fn finish(&mut self, block: &Block) {
        self.head = block.head();
    }
}
