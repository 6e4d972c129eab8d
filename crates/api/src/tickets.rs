//! Tickets: what a browser puts into a WebSocket's address, where it can't send a header. Good
//! once, for half a minute, in this process.

use std::collections::HashMap;

use events::{Timestamp, TokenDigest, TokenId, UserId};
use parking_lot::Mutex;

/// How long a ticket is good, in seconds.
pub(crate) const GOOD_FOR_S: i64 = 30;
/// Tickets that may be out at once; past it the oldest are not waited for.
const TICKETS_MAX: usize = 65_536;

/// The tickets that are out, by their digests.
#[derive(Default)]
pub(crate) struct Tickets(Mutex<HashMap<TokenDigest, Ticket>>);

/// The log-in that a ticket stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) user: UserId,
    pub(crate) token: TokenId,
    expires_at: Timestamp,
}

impl Tickets {
    /// Remembers a ticket; says when it expires, or `None` when too many are out.
    pub(crate) fn put(
        &self,
        digest: TokenDigest,
        user: UserId,
        token: TokenId,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let mut tickets = self.0.lock();
        if tickets.len() >= TICKETS_MAX {
            tickets.retain(|_, ticket| ticket.expires_at > now);
        }
        if tickets.len() >= TICKETS_MAX {
            return None;
        }
        let expires_at = now.plus_seconds(GOOD_FOR_S);
        tickets.insert(digest, Ticket { user, token, expires_at });
        Some(expires_at)
    }

    /// Uses a ticket up.
    pub(crate) fn take(&self, digest: TokenDigest, now: Timestamp) -> Option<Ticket> {
        self.0.lock().remove(&digest).filter(|ticket| ticket.expires_at > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_once_and_not_for_long() {
        let (tickets, now) = (Tickets::default(), Timestamp::from_micros(0));
        let (one, two) = (TokenDigest::from_bytes([1; 16]), TokenDigest::from_bytes([2; 16]));
        for digest in [one, two] {
            tickets.put(digest, UserId::new(1), TokenId::new(2), now).unwrap();
        }
        assert!(tickets.take(one, now.plus_seconds(29)).is_some());
        assert!(tickets.take(one, now.plus_seconds(29)).is_none());
        assert!(tickets.take(two, now.plus_seconds(30)).is_none());
    }
}
