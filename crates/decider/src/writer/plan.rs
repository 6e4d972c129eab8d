//! Deciding one round of commands, before anything is durable.

use std::collections::HashMap;

use events::command::Stamp;
use events::state::Touched;
use events::{CommandId, Commit, Envelope, KeyScope, Personal, Position, State, Timestamp};
use streams::{Accepted, Outcome, Submitted};

use super::Writer;
use crate::remembered::First;

/// What a round comes to: commits in order, and for each command its answer.
#[derive(Default)]
pub(super) struct Plan {
    /// With personal fields still clear.
    pub(super) commits: Vec<Commit>,
    /// One per command: the answer, true once so many of the commits are durable.
    pub(super) answers: Vec<(usize, Outcome)>,
    /// Records that `working` changed.
    pub(super) touched: Touched,
    /// The keys that seal the commits' fields.
    pub(super) scopes: Vec<KeyScope>,
    first: HashMap<CommandId, First>,
    time: Timestamp,
    last_id: u64,
}

impl Writer {
    /// Decides one after the other; `working` takes each commit in at once.
    pub(super) fn plan(&mut self, waiting: &[Submitted]) -> Plan {
        let (time, last_id) = (self.durable.time, self.durable.last_id);
        let mut plan = Plan { time, last_id, ..Plan::default() };
        for submitted in waiting {
            let outcome = self.decide(&submitted.envelope, &mut plan);
            plan.answers.push((plan.commits.len(), outcome));
        }
        plan
    }

    fn decide(&mut self, envelope: &Envelope, plan: &mut Plan) -> Outcome {
        let id = envelope.id;
        if let Some(first) = self.remembered.get(id).or_else(|| plan.first.get(&id)) {
            return first.again(envelope);
        }
        let mut stamp = Stamp::new((self.clock)().max(plan.time), plan.last_id);
        let decision = envelope.command.decide(&self.working, envelope.actor, &mut stamp)?;
        let time = stamp.now;
        let end = self.durable.head.position.get() + plan.commits.len() as u64;
        let created = decision.created;
        if decision.events.is_empty() {
            let position = Position::new(end);
            return Ok(Accepted { position, time, created, repeated: false });
        }
        let commit = Commit {
            command: id,
            time,
            actor: envelope.actor,
            subject: decision.subject,
            correlation: envelope.correlation.clone(),
            causation: envelope.causation,
            body: envelope.body,
            events: decision.events,
        };
        plan.take_in(&mut self.working, &commit);
        (plan.time, plan.last_id) = (time, stamp.last_id());
        let position = Position::new(end + 1);
        plan.first.insert(id, First { position, time, created, body: commit.body });
        plan.commits.push(commit);
        Ok(Accepted { position, time, created, repeated: false })
    }
}

impl Plan {
    /// Lets `working` take a commit in, without its personal text, which no decision needs.
    fn take_in(&mut self, working: &mut State, commit: &Commit) {
        for event in &commit.events {
            let mut bare = event.clone();
            for field in bare.personal(commit.time) {
                self.scopes.push(field.scope);
                *field.field = Personal::Erased;
            }
            self.touched.note(working, &bare);
            working.evolve(&bare, commit.time);
        }
    }
}
