//! A bounded memory of unwrapped keys, so that a batch seldom asks the database.

use std::collections::HashMap;
use std::sync::Arc;

use events::KeyScope;
use parking_lot::Mutex;

use crate::destruction::Destruction;
use crate::key::Key;

/// Keys kept unwrapped at most (about 100 bytes each). Two generations share them.
const CACHED_KEYS_MAX: usize = 131_072;

/// What is known of a key.
#[derive(Clone)]
pub(crate) enum Held {
    /// It is here.
    Key(Arc<Key>),
    /// It was destroyed.
    Destroyed,
}

/// Least recently used, roughly: whatever was not asked for during a whole generation goes.
#[derive(Default)]
pub(crate) struct Cache(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    young: HashMap<KeyScope, Held>,
    old: HashMap<KeyScope, Held>,
}

impl Cache {
    /// Moves what is known about `scopes` into `found`; returns the others.
    pub(crate) fn take(
        &self,
        scopes: &[KeyScope],
        found: &mut HashMap<KeyScope, Held>,
    ) -> Vec<KeyScope> {
        let mut generations = self.0.lock();
        let mut missing = Vec::new();
        for scope in scopes {
            if found.contains_key(scope) {
                continue;
            }
            match generations.get(scope) {
                Some(held) => {
                    found.insert(*scope, held);
                }
                None => missing.push(*scope),
            }
        }
        missing.sort_unstable();
        missing.dedup();
        missing
    }

    pub(crate) fn put(&self, scope: KeyScope, held: Held) {
        self.0.lock().put(scope, held);
    }

    pub(crate) fn forget(&self, gone: &[Destruction]) {
        let mut generations = self.0.lock();
        let Generations { young, old } = &mut *generations;
        for destruction in gone {
            if let Destruction::User(user) = destruction {
                // The frequent case, without a walk over everything.
                young.insert(KeyScope::User(*user), Held::Destroyed);
                old.remove(&KeyScope::User(*user));
                continue;
            }
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
        for n in 0..(CACHED_KEYS_MAX as u64 * 2) {
            cache.put(scope(n), Held::Destroyed);
            assert!(cache.take(&[scope(0)], &mut HashMap::new()).is_empty(), "in use at {n}");
        }
        let generations = cache.0.lock();
        assert!(generations.young.len() + generations.old.len() <= CACHED_KEYS_MAX);
    }
}
