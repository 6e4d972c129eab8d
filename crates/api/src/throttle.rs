//! Token buckets per address, account or user, in bounded memory.
//!
//! Written here because the rules need to *look* before an attempt and *take* only when it failed
//! (wrong passwords, unknown room codes), which the usual crates can't. The algorithm is GCRA: one
//! number per key, the time at which the bucket is full again.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::time::Instant;

use parking_lot::Mutex;

use crate::config::Rate;
use crate::error::ApiError;

/// Keys remembered by one throttle. At the limit those whose buckets are full are forgotten, and
/// if none is, a new key shares the bucket of all that don't fit.
const KEYS_MAX: usize = 65_536;

/// One limit for each of many keys.
pub(crate) struct Throttle<K> {
    rate: Rate,
    epoch: Instant,
    buckets: Mutex<Buckets<K>>,
}

struct Buckets<K> {
    full_at: HashMap<K, u64>,
    overflow: u64,
}

const MICROS: u64 = 1_000_000;

impl<K: Hash + Eq> Throttle<K> {
    pub(crate) fn new(rate: Rate) -> Self {
        let buckets = Mutex::new(Buckets { full_at: HashMap::new(), overflow: 0 });
        Self { rate, epoch: Instant::now(), buckets }
    }

    /// Refuses when nothing is left; takes nothing.
    pub(crate) fn look(&self, key: &K) -> Result<(), ApiError> {
        let Some((now, step, depth)) = self.terms() else { return Ok(()) };
        let buckets = self.buckets.lock();
        let full_at = buckets.full_at.get(key).copied().unwrap_or(buckets.floor());
        self.decide(now, full_at, step, depth).map(|_| ())
    }

    /// Takes one, or refuses when nothing is left.
    pub(crate) fn take(&self, key: K) -> Result<(), ApiError> {
        let Some((now, step, depth)) = self.terms() else { return Ok(()) };
        let mut buckets = self.buckets.lock();
        let floor = buckets.floor();
        let full_at = buckets.full_at.get(&key).copied().unwrap_or(floor);
        let next = self.decide(now, full_at, step, depth)?;
        if buckets.full_at.len() >= KEYS_MAX {
            buckets.full_at.retain(|_, full_at| *full_at > now);
        }
        if buckets.full_at.len() >= KEYS_MAX && !buckets.full_at.contains_key(&key) {
            buckets.overflow = next;
        } else {
            buckets.full_at.insert(key, next);
        }
        Ok(())
    }

    /// Now, the time one request costs, and the time a whole burst costs; µs.
    fn terms(&self) -> Option<(u64, u64, u64)> {
        let Rate { burst, per_minute } = self.rate;
        if burst == 0 || per_minute == 0 {
            return None;
        }
        let now = u64::try_from(self.epoch.elapsed().as_micros()).unwrap_or(u64::MAX);
        let step = 60 * MICROS / u64::from(per_minute);
        Some((now, step, step * u64::from(burst)))
    }

    fn decide(&self, now: u64, full_at: u64, step: u64, depth: u64) -> Result<u64, ApiError> {
        let next = full_at.max(now) + step;
        if next > now + depth {
            let retry_s = (next - now - depth).div_ceil(MICROS);
            return Err(ApiError::Throttled { limit: self.rate.burst, retry_s });
        }
        Ok(next)
    }
}

impl<K> Buckets<K> {
    /// Where a key that is not remembered stands: full, unless memory ran out.
    fn floor(&self) -> u64 {
        if self.full_at.len() >= KEYS_MAX { self.overflow } else { 0 }
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
