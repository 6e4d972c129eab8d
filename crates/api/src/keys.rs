//! Idempotency keys of frames. Frames make no commit, so the log can't remember what was sent under
//! a key: each API process does, in bounded memory.

use std::collections::{HashMap, VecDeque};

use events::{CommandId, Rejection, Timestamp};
use parking_lot::Mutex;

use crate::error::ApiError;

/// Keys that are remembered at once; past it the oldest is forgotten.
const KEYS_MAX: usize = 65_536;
/// How long a key is remembered, in seconds.
const REMEMBERED_S: i64 = 24 * 3600;

/// What was sent under which key.
#[derive(Default)]
pub(crate) struct Keys(Mutex<Remembered>);

#[derive(Default)]
struct Remembered {
    bodies: HashMap<CommandId, u64>,
    oldest_first: VecDeque<(Timestamp, CommandId)>,
}

impl Keys {
    /// Refuses a key under which another body was taken.
    pub(crate) fn check(&self, key: CommandId, body: u64) -> Result<(), ApiError> {
        match self.0.lock().bodies.get(&key) {
            Some(known) if *known != body => Err(Rejection::KeyReused.into()),
            Some(_) | None => Ok(()),
        }
    }

    /// Remembers what was taken under a key.
    pub(crate) fn note(&self, key: CommandId, body: u64, now: Timestamp) {
        let mut keys = self.0.lock();
        let Remembered { bodies, oldest_first } = &mut *keys;
        if bodies.insert(key, body).is_none() {
            oldest_first.push_back((now, key));
        }
        let too_old = |at: &Timestamp| now.seconds_since(*at) > REMEMBERED_S;
        while let Some((at, oldest)) = oldest_first.front()
            && (oldest_first.len() > KEYS_MAX || too_old(at))
        {
            bodies.remove(oldest);
            oldest_first.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u128) -> CommandId {
        CommandId::from_uuid(uuid::Uuid::from_u128(number))
    }

    #[test]
    fn a_key_is_for_one_body_for_a_day() {
        let (keys, start) = (Keys::default(), Timestamp::from_micros(0));
        keys.note(key(1), 7, start);
        keys.check(key(1), 7).unwrap();
        keys.check(key(2), 8).unwrap();
        assert!(keys.check(key(1), 8).is_err());
        keys.note(key(2), 8, start.plus_seconds(REMEMBERED_S + 1));
        keys.check(key(1), 8).unwrap();
    }

    #[test]
    fn memory_is_bounded() {
        let (keys, start) = (Keys::default(), Timestamp::from_micros(0));
        for number in 0..=KEYS_MAX as u128 {
            keys.note(key(number), 7, start);
        }
        keys.check(key(0), 8).unwrap();
        assert!(keys.check(key(1), 8).is_err());
        assert_eq!(keys.0.lock().bodies.len(), KEYS_MAX);
    }
}
