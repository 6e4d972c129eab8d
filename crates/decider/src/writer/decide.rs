//! Deciding, sealing and encoding, before anything is on its way to the log.

use std::time::Instant;

use events::block::COMMIT_BYTES_MAX;
use events::command::Stamp;
use events::{Commit, Envelope, KeyScope, Personal, Rejection};
use streams::{Accepted, SubmitError};
use vault::{Keys, VaultError};

use super::ahead::Decided;
use super::{CHUNK_MAX, Writer};
use crate::remembered::First;

/// Why what was decided can't be sealed.
enum Unsealed {
    /// Another writer knows of a deletion that this one has not read yet.
    Behind,
    Refused(SubmitError),
}

impl Writer {
    /// Decides the commands that wait longest; `working` takes each commit in at once.
    pub(super) async fn decide_some(&mut self) {
        let mut scopes = Vec::with_capacity(CHUNK_MAX);
        let (mut count, begun) = (0, Instant::now());
        while count < CHUNK_MAX {
            let Some(submitted) = self.waiting.pop_front() else { break };
            let (outcome, commit) = match self.decide(&submitted.envelope, &mut scopes) {
                Ok((accepted, commit)) => (Ok(accepted), commit),
                Err(rejection) => (Err(rejection), None),
            };
            let line = String::new();
            self.ahead.push(Decided { submitted, begun, outcome, commit, line, refused: None });
            count += 1;
        }
        if !self.seal_last(count, &scopes).await {
            self.go_back().await;
        }
    }

    fn decide(
        &mut self,
        envelope: &Envelope,
        scopes: &mut Vec<KeyScope>,
    ) -> Result<(Accepted, Option<Commit>), Rejection> {
        let id = envelope.id;
        if let Some(first) = self.remembered.get(id) {
            return first.again(envelope).map(|accepted| (accepted, None));
        }
        let mut stamp = Stamp::new((self.clock)().max(self.ahead.time), self.ahead.last_id);
        let decision = envelope.command.decide(&self.working, envelope.actor, &mut stamp)?;
        let (time, created) = (stamp.now, decision.created);
        if decision.events.is_empty() {
            let position = self.ahead.position;
            return Ok((Accepted { position, time, created, repeated: false }, None));
        }
        let mut commit = Commit {
            command: id,
            time,
            actor: envelope.actor,
            subject: decision.subject,
            correlation: envelope.correlation.clone(),
            causation: envelope.causation,
            body: envelope.body,
            events: decision.events,
        };
        self.let_working_take_in(&mut commit, scopes);
        let position = self.ahead.position.next();
        (self.ahead.position, self.ahead.time) = (position, time);
        self.ahead.last_id = stamp.last_id();
        self.remembered.insert(id, First { position, time, created, body: commit.body });
        Ok((Accepted { position, time, created, repeated: false }, Some(commit)))
    }

    /// Without the personal text, which no decision needs.
    fn let_working_take_in(&mut self, commit: &mut Commit, scopes: &mut Vec<KeyScope>) {
        for event in &mut commit.events {
            let mut texts = Vec::new();
            for field in event.personal(commit.time) {
                scopes.push(field.scope);
                texts.push(std::mem::replace(field.field, Personal::Erased));
            }
            self.working.evolve(event, commit.time);
            if !texts.is_empty() {
                for (field, text) in event.personal(commit.time).into_iter().zip(texts) {
                    *field.field = text;
                }
            }
        }
    }

    /// Seals the personal fields of those decided last, under keys that are durable first, and
    /// encodes their commits. False when some of them can't be appended as they are.
    async fn seal_last(&mut self, count: usize, scopes: &[KeyScope]) -> bool {
        let keys = self.vault.keys_for(scopes).await;
        let mut sealed = true;
        for decided in self.ahead.last(count) {
            let Some(commit) = &mut decided.commit else { continue };
            let line = match &keys {
                Ok(keys) => seal(commit, keys),
                Err(error) if error.is_full() => Err(Unsealed::Refused(SubmitError::Full)),
                Err(error) => Err(Unsealed::Refused(SubmitError::Log(error.to_string()))),
            };
            match line {
                Ok(line) => decided.line = line,
                Err(Unsealed::Behind) => (self.synced, sealed) = (false, false),
                Err(Unsealed::Refused(error)) => {
                    (decided.refused, sealed) = (Some(error), false);
                }
            }
        }
        self.lost += usize::from(!self.synced);
        self.ahead.weigh(count);
        sealed
    }
}

fn seal(commit: &mut Commit, keys: &Keys) -> Result<String, Unsealed> {
    let unreadable = |error: &dyn ToString| Unsealed::Refused(SubmitError::Log(error.to_string()));
    for event in &mut commit.events {
        match keys.seal_fields(event.personal(commit.time)) {
            Ok(()) => {}
            Err(VaultError::Destroyed { .. }) => return Err(Unsealed::Behind),
            Err(error) => return Err(unreadable(&error)),
        }
    }
    let line = commit.encode().map_err(|error| unreadable(&error))?;
    if line.len() > COMMIT_BYTES_MAX {
        let (bytes, max) = (line.len(), COMMIT_BYTES_MAX);
        return Err(Unsealed::Refused(SubmitError::TooLarge { bytes, max }));
    }
    Ok(line)
}
