//! Commands that were decided in the last 24 hours of log time: a retry gets the first answer.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, RandomState};

use events::command::Created;
use events::{CommandId, Commit, Envelope, Position, Rejection, Timestamp};
use hashbrown::HashTable;
use serde::{Deserialize, Serialize};
use streams::{Accepted, Outcome};

/// How long a command id is remembered, in seconds of log time.
const REMEMBERED_S: i64 = 24 * 60 * 60;
/// Command ids remembered at most (about 75 bytes each); beyond, the oldest go early.
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

/// The first answers, oldest first; the newest may still be taken back. There may be a million, so
/// they lie side by side (64 bytes each) and are found by an index of numbers (5 to 10 bytes each).
#[derive(Debug, Clone, Default)]
pub(crate) struct Remembered {
    first: VecDeque<(CommandId, First)>,
    /// The number of each: the oldest has `forgotten`, and they wrap around.
    numbers: HashTable<u32>,
    /// How many were forgotten, wrapping around.
    forgotten: u32,
    /// Callers choose the ids, and may not choose where they come to lie.
    keys: RandomState,
}

impl PartialEq for Remembered {
    fn eq(&self, other: &Self) -> bool {
        self.first == other.first
    }
}

impl Remembered {
    pub(crate) fn of(oldest_first: VecDeque<(CommandId, First)>) -> Self {
        let numbers = HashTable::with_capacity(oldest_first.len());
        let mut remembered = Self { first: oldest_first, numbers, ..Self::default() };
        for number in 0..remembered.first.len() as u32 {
            remembered.index(number);
        }
        remembered
    }

    /// All of them, oldest first.
    pub(crate) fn oldest_first(&self) -> &VecDeque<(CommandId, First)> {
        &self.first
    }

    pub(crate) fn get(&self, id: CommandId) -> Option<&First> {
        self.first.get(self.place(id)?).map(|(_, first)| first)
    }

    pub(crate) fn insert(&mut self, id: CommandId, first: First) {
        if let Some(place) = self.place(id) {
            self.first[place].1 = first;
            return;
        }
        let number = self.forgotten.wrapping_add(self.first.len() as u32);
        self.first.push_back((id, first));
        self.index(number);
    }

    /// Takes the newest `count` back: they never happened.
    pub(crate) fn take_back(&mut self, count: usize) {
        for _ in 0..count {
            let Some((id, _)) = self.first.pop_back() else { break };
            self.unindex(id, self.forgotten.wrapping_add(self.first.len() as u32));
        }
    }

    /// Forgets what is too old once the log has come to `now`.
    pub(crate) fn forget_before(&mut self, now: Timestamp) {
        while let Some((id, old)) = self.first.front() {
            let age = now.seconds_since(old.time);
            if age < REMEMBERED_S && self.first.len() <= REMEMBERED_MAX {
                break;
            }
            self.unindex(*id, self.forgotten);
            self.first.pop_front();
            self.forgotten = self.forgotten.wrapping_add(1);
        }
    }

    /// Where it lies.
    fn place(&self, id: CommandId) -> Option<usize> {
        let place = |number: &u32| number.wrapping_sub(self.forgotten) as usize;
        let is =
            |number: &u32| self.first.get(place(number)).is_some_and(|(found, _)| *found == id);
        self.numbers.find(self.keys.hash_one(id), is).map(place)
    }

    /// What has this number can be found.
    fn index(&mut self, number: u32) {
        let Self { first, numbers, forgotten, keys } = self;
        let place = |number: u32| number.wrapping_sub(*forgotten) as usize;
        let hash = |number: &u32| keys.hash_one(first[place(*number)].0);
        numbers.insert_unique(hash(&number), number, hash);
    }

    fn unindex(&mut self, id: CommandId, number: u32) {
        if let Ok(found) = self.numbers.find_entry(self.keys.hash_one(id), |at| *at == number) {
            found.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// What is done to them, with ids out of few.
    #[derive(Debug, Clone)]
    enum Step {
        Insert(u8),
        TakeBack(usize),
        Forget(i64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => any::<u8>().prop_map(Step::Insert),
            1 => (0_usize..6).prop_map(Step::TakeBack),
            1 => (0_i64..40).prop_map(Step::Forget),
        ]
    }

    fn id(number: u8) -> CommandId {
        CommandId::from_uuid(uuid::Uuid::from_u128(number.into()))
    }

    proptest! {
        #[test]
        fn they_answer_as_a_plain_list_would(
            steps in prop::collection::vec(step(), 1..300),
            forgotten in prop_oneof![Just(0), Just(u32::MAX - 20)],
        ) {
            let mut remembered = Remembered { forgotten, ..Remembered::default() };
            let mut plain: Vec<(u8, First)> = Vec::new();
            for (at, step) in steps.into_iter().enumerate() {
                let time = Timestamp::from_micros(at as i64 * 1_000_000);
                match step {
                    Step::Insert(number) => {
                        let position = Position::new(at as u64);
                        let first = First { position, time, created: None, body: None };
                        remembered.insert(id(number), first);
                        match plain.iter_mut().find(|(found, _)| *found == number) {
                            Some(old) => old.1 = first,
                            None => plain.push((number, first)),
                        }
                    }
                    Step::TakeBack(count) => {
                        remembered.take_back(count);
                        plain.truncate(plain.len().saturating_sub(count));
                    }
                    Step::Forget(seconds) => {
                        let now = Timestamp::from_micros(
                            (REMEMBERED_S + at as i64 - seconds) * 1_000_000,
                        );
                        remembered.forget_before(now);
                        let old = |(_, first): &(u8, First)| {
                            now.seconds_since(first.time) >= REMEMBERED_S
                        };
                        let gone = plain.iter().take_while(|entry| old(entry)).count();
                        plain.drain(..gone);
                    }
                }
                let known: BTreeMap<u8, First> = plain.iter().copied().collect();
                for number in 0..=u8::MAX {
                    prop_assert_eq!(remembered.get(id(number)), known.get(&number));
                }
                prop_assert_eq!(remembered.numbers.len(), plain.len());
            }
            let again = Remembered::of(remembered.oldest_first().clone());
            prop_assert_eq!(&again, &remembered);
            for (number, first) in plain {
                prop_assert_eq!(again.get(id(number)), Some(&first));
            }
        }
    }
}
