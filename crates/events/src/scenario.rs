//! Given / when / then: the way every command's rules are told as tests.

use crate::command::{Actor, Command, Decision, Rejection, Stamp};
use crate::event::Event;
use crate::state::State;
use crate::time::Timestamp;

/// A history to which commands are put.
#[derive(Debug, Clone, Default)]
pub struct Scenario {
    state: State,
    now: Timestamp,
    last_id: u64,
}

impl Scenario {
    /// Nothing has happened; it is 2026-01-01.
    pub fn new() -> Self {
        let now = Timestamp::from_micros(1_767_225_600_000_000);
        Self { state: State::default(), now, last_id: 0 }
    }

    /// Lets time pass.
    pub fn wait(&mut self, seconds: i64) -> &mut Self {
        self.now = self.now.plus_seconds(seconds);
        self
    }

    /// The state as it is.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The time as it is.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Decides a command and, when it is accepted, lets its events happen.
    pub fn when(
        &mut self,
        actor: Actor,
        command: impl Into<Command>,
    ) -> Result<Decision, Rejection> {
        let mut stamp = Stamp::new(self.now, self.last_id);
        let decision = command.into().decide(&self.state, actor, &mut stamp)?;
        self.last_id = stamp.last_id();
        for event in &decision.events {
            self.given(event);
        }
        Ok(decision)
    }

    /// Lets one event happen.
    pub fn given(&mut self, event: &Event) -> &mut Self {
        self.state.evolve(event, self.now);
        self
    }
}
