//! Token buckets per address, account or user, in bounded memory.
//!
//! Written here because the rules need to *look* before an attempt and *take* only when it failed
//! (unknown room codes), to give back what a right password took, and to slow down by steps, which
//! the usual crates can't. The algorithm is GCRA: one number per key, the time at which the bucket
//! is full again.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::time::Instant;

use parking_lot::Mutex;

use crate::config::{Rate, Step};
use crate::error::ApiError;

/// Keys remembered by one throttle. At the limit those whose buckets are full are forgotten, and
/// if none is, a new key shares the bucket of all that don't fit.
const KEYS_MAX: usize = 65_536;

/// One limit for each of many keys.
pub(crate) struct Throttle<K> {
    rate: Rate,
    steps: Vec<Step>,
    epoch: Instant,
    buckets: Mutex<Buckets<K>>,
}

struct Buckets<K> {
    of: HashMap<K, Bucket>,
    overflow: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    /// When all that was taken has come back, µs.
    full_at: u64,
    /// How often something was taken and not given back.
    taken: u32,
}

/// What was taken, so that it can be given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken(u64);

const MICROS: u64 = 1_000_000;

impl<K: Hash + Eq> Throttle<K> {
    pub(crate) fn new(rate: Rate) -> Self {
        Self::stepped(rate, Vec::new())
    }

    /// A limit that is stricter on keys from which much was taken and never given back.
    pub(crate) fn stepped(rate: Rate, steps: Vec<Step>) -> Self {
        let buckets = Mutex::new(Buckets { of: HashMap::new(), overflow: 0 });
        Self { rate, steps, epoch: Instant::now(), buckets }
    }

    /// Refuses when nothing is left; takes nothing.
    pub(crate) fn look(&self, key: &K) -> Result<(), ApiError> {
        let Some((step, depth)) = self.terms() else { return Ok(()) };
        let buckets = self.buckets.lock();
        let full_at = buckets.of.get(key).map_or(buckets.floor(), |bucket| bucket.full_at);
        self.decide(self.now(), full_at, step, depth)
    }

    /// Takes one, or refuses when nothing is left.
    pub(crate) fn take(&self, key: K) -> Result<Taken, ApiError> {
        self.take_at(key, self.now())
    }

    fn take_at(&self, key: K, now: u64) -> Result<Taken, ApiError> {
        let Some((step, depth)) = self.terms() else { return Ok(Taken(0)) };
        let mut buckets = self.buckets.lock();
        let floor = Bucket { full_at: buckets.floor(), taken: 0 };
        let Bucket { full_at, taken } = buckets.of.get(&key).copied().unwrap_or(floor);
        self.decide(now, full_at, step, depth)?;
        let slower = self.steps.iter().rfind(|slower| taken >= slower.after);
        let cost = slower.map_or(step, |slower| step.max(u64::from(slower.wait_s) * MICROS));
        // A step may cost more than a bucket holds: then it stays empty until that has come back.
        let next = Bucket { full_at: full_at.max(now) + cost, taken: taken.saturating_add(1) };
        if buckets.of.len() >= KEYS_MAX {
            buckets.of.retain(|_, bucket| bucket.full_at > now);
        }
        if buckets.of.len() >= KEYS_MAX && !buckets.of.contains_key(&key) {
            buckets.overflow = next.full_at;
        } else {
            buckets.of.insert(key, next);
        }
        Ok(Taken(cost))
    }

    /// Gives back what was taken for something that was no offence.
    pub(crate) fn give_back(&self, key: &K, Taken(cost): Taken) {
        let mut buckets = self.buckets.lock();
        if let Some(bucket) = buckets.of.get_mut(key) {
            bucket.full_at = bucket.full_at.saturating_sub(cost);
            bucket.taken = bucket.taken.saturating_sub(1);
        }
    }

    /// Forgets what was taken so far.
    pub(crate) fn forget(&self, key: &K) {
        self.buckets.lock().of.remove(key);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// The time one request costs, and the time a whole burst costs, µs; `None` without a limit.
    fn terms(&self) -> Option<(u64, u64)> {
        let Rate { burst, per_minute } = self.rate;
        if burst == 0 || per_minute == 0 {
            return None;
        }
        let step = 60 * MICROS / u64::from(per_minute);
        Some((step, step * u64::from(burst)))
    }

    fn decide(&self, now: u64, full_at: u64, step: u64, depth: u64) -> Result<(), ApiError> {
        let next = full_at.max(now) + step;
        if next > now + depth {
            let retry_s = (next - now - depth).div_ceil(MICROS);
            return Err(ApiError::Throttled { limit: self.rate.burst, retry_s });
        }
        Ok(())
    }
}

impl<K> Buckets<K> {
    /// Where a key that is not remembered stands: full, unless memory ran out.
    fn floor(&self) -> u64 {
        if self.of.len() >= KEYS_MAX { self.overflow } else { 0 }
    }
}

/// What an address is counted under: IPv4 by itself, IPv6 by its /64, as one owner holds it whole.
pub(crate) fn address_key(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(v4) => u64::from(v4.to_bits()),
        IpAddr::V6(v6) => (v6.to_bits() >> 64) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_a_refusal_that_says_how_long_to_wait() {
        let throttle = Throttle::new(Rate { burst: 3, per_minute: 1 });
        for _ in 0..3 {
            throttle.look(&1).unwrap();
            throttle.take(1).unwrap();
        }
        assert!(throttle.look(&1).is_err());
        let refused = throttle.take(1).unwrap_err();
        assert!(matches!(refused, ApiError::Throttled { limit: 3, retry_s: 59..=60 }));
        throttle.take(2).unwrap();
    }

    #[test]
    fn looking_takes_nothing_and_zero_is_no_limit() {
        let throttle = Throttle::new(Rate { burst: 1, per_minute: 1 });
        for _ in 0..100 {
            throttle.look(&1).unwrap();
        }
        throttle.take(1).unwrap();
        assert!(throttle.look(&1).is_err());
        let off = Throttle::new(Rate { burst: 0, per_minute: 0 });
        for _ in 0..1000 {
            off.take(1).unwrap();
        }
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let throttle = Throttle::new(Rate { burst: 1, per_minute: 1 });
        for _ in 0..100 {
            let taken = throttle.take(1).unwrap();
            throttle.give_back(&1, taken);
        }
        throttle.take(1).unwrap();
        assert!(throttle.take(1).is_err());
        throttle.forget(&1);
        throttle.take(1).unwrap();
    }

    #[test]
    fn a_day_of_guessing_comes_to_a_hundred_guesses() {
        let config = crate::config::Throttles::default();
        let throttle = Throttle::stepped(config.wrong_passwords, config.wrong_password_steps);
        // One attempt a second, for three days.
        let guesses = |day: u64| {
            let seconds = day * 86_400..(day + 1) * 86_400;
            seconds.filter(|second| throttle.take_at(1, second * MICROS).is_ok()).count()
        };
        assert!(guesses(0) <= 200);
        assert!(guesses(1) <= 100 && guesses(2) <= 100);
        // Ten at once, as promised, for another account.
        assert_eq!((0..20).filter(|_| throttle.take_at(2, 0).is_ok()).count(), 10);
        // The one whose password it is begins anew.
        throttle.forget(&1);
        let later = 4 * 86_400 * MICROS;
        assert_eq!((0..20).filter(|_| throttle.take_at(1, later).is_ok()).count(), 10);
    }

    #[test]
    fn many_addresses_share_what_does_not_fit() {
        let throttle = Throttle::new(Rate { burst: 1, per_minute: 1 });
        for key in 0..KEYS_MAX as u64 {
            throttle.take(key).unwrap();
        }
        throttle.take(u64::MAX).unwrap();
        assert!(throttle.take(u64::MAX - 1).is_err());
    }

    #[test]
    fn ipv6_counts_by_its_64() {
        let key = |text: &str| address_key(text.parse().unwrap());
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_eq!(key("::ffff:10.0.0.1"), key("10.0.0.1"));
    }
}
