//! A bounded memory of unwrapped keys, so that a batch seldom asks the database.
//!
//! It never outlives a destruction for long: this process forgets after the tombstone is durable,
//! and what another process destroyed is asked for again after [`HELD_MAX`] at the latest.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::{Duration, Instant};

use events::KeyScope;
use parking_lot::Mutex;

use crate::destruction::Destruction;
use crate::key::Key;

/// Keys kept unwrapped at most (about 100 bytes each). Two generations share them.
const CACHED_KEYS_MAX: usize = 131_072;

/// How long anything is held before the database is asked again.
const HELD_MAX: Duration = Duration::from_mins(1);

/// What is known of a key.
#[derive(Clone)]
pub(crate) enum Held {
    /// It is here.
    Key(Arc<Key>),
    /// It was destroyed.
    Destroyed,
}

/// Least recently used, roughly: whatever was not asked for during a whole generation goes.
pub(crate) struct Cache(Mutex<Generations>);

struct Generations {
    young: HashMap<KeyScope, Held>,
    old: HashMap<KeyScope, Held>,
    since: Instant,
    /// Counts the calls of [`Cache::forget`].
    forgotten: u64,
}

/// Scopes to ask the database for; the answer is kept only if nothing was forgotten meanwhile.
pub(crate) struct Missing {
    pub(crate) scopes: Vec<KeyScope>,
    forgotten: u64,
}

impl Default for Cache {
    fn default() -> Self {
        let (young, old) = (HashMap::new(), HashMap::new());
        Self(Mutex::new(Generations { young, old, since: Instant::now(), forgotten: 0 }))
    }
}

impl Cache {
    /// Moves what is known about `scopes` into `found`; returns the others.
    pub(crate) fn take(&self, scopes: &[KeyScope], found: &mut HashMap<KeyScope, Held>) -> Missing {
        let mut generations = self.0.lock();
        if generations.since.elapsed() > HELD_MAX {
            generations.young.clear();
            generations.old.clear();
            generations.since = Instant::now();
        }
        let mut missing = Vec::new();
        for scope in scopes {
            let Entry::Vacant(place) = found.entry(*scope) else { continue };
            match generations.get(scope) {
                Some(held) => {
                    place.insert(held);
                }
                None => missing.push(*scope),
            }
        }
        missing.sort_unstable();
        missing.dedup();
        Missing { scopes: missing, forgotten: generations.forgotten }
    }

    /// Keeps what the database said of `missing`.
    pub(crate) fn put(&self, missing: &Missing, scope: KeyScope, held: Held) {
        let mut generations = self.0.lock();
        if generations.forgotten == missing.forgotten {
            generations.put(scope, held);
        }
    }

    pub(crate) fn forget(&self, gone: &[Destruction]) {
        let mut generations = self.0.lock();
        generations.forgotten += 1;
        let Generations { young, old, .. } = &mut *generations;
        for destruction in gone {
            young.retain(|scope, _| !destruction.covers(scope));
            old.retain(|scope, _| !destruction.covers(scope));
        }
    }
}

impl Generations {
    fn get(&mut self, scope: &KeyScope) -> Option<Held> {
        if let Some(held) = self.young.get(scope) {
            return Some(held.clone());
        }
        let held = self.old.remove(scope)?;
        self.put(*scope, held.clone());
        Some(held)
    }

    fn put(&mut self, scope: KeyScope, held: Held) {
        if self.young.len() >= CACHED_KEYS_MAX / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(scope, held);
    }
}

#[cfg(test)]
mod tests {
    use events::UserId;

    use super::*;

    #[test]
    fn it_stays_bounded_and_keeps_what_is_used() {
        let cache = Cache::default();
        let scope = |n| KeyScope::User(UserId::new(n));
        let take = |n| cache.take(&[scope(n)], &mut HashMap::new());
        for n in 0..(CACHED_KEYS_MAX as u64 * 2) {
            cache.put(&take(n), scope(n), Held::Destroyed);
            assert!(take(0).scopes.is_empty(), "in use at {n}");
        }
        let generations = cache.0.lock();
        assert!(generations.young.len() + generations.old.len() <= CACHED_KEYS_MAX);
    }

    #[test]
    fn what_was_asked_before_something_was_forgotten_is_not_kept() {
        let cache = Cache::default();
        let user = UserId::new(1);
        let take = || cache.take(&[KeyScope::User(user)], &mut HashMap::new());
        let asked = take();
        cache.forget(&[Destruction::User(user)]);
        cache.put(&asked, KeyScope::User(user), Held::Destroyed);
        let again = take();
        assert_eq!(again.scopes.len(), 1);
        cache.put(&again, KeyScope::User(user), Held::Destroyed);
        assert!(take().scopes.is_empty());
    }
}
