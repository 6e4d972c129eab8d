//! Tickets: what a browser puts into a WebSocket's address, where it can't send a header. Good
//! once, for half a minute, at every API process.
//!
//! A ticket says itself, signed, what it stands for, so no process has to ask another. That it was
//! used, each process tells the others; between two of them that is known a moment later. What was
//! used before a process listened, it can't know: it takes no ticket that is older than itself.

use std::collections::HashMap;

use events::{Timestamp, TokenDigest, TokenId, UserId};
use parking_lot::Mutex;
use vault::Secrets;

use crate::error::ApiError;
use crate::secret::Secret;

/// How long a ticket is good, in seconds.
pub(crate) const GOOD_FOR_S: i64 = 30;
/// Used tickets that are remembered until they would have expired; past it none is taken.
const USED_MAX: usize = 65_536;
/// What a ticket's text begins with, which nothing else that is signed does.
const PREFIX: &str = "ticket";

/// The tickets that were used since a process began and have not expired yet, by their digests.
pub(crate) struct Tickets {
    since: Timestamp,
    used: Mutex<HashMap<TokenDigest, Timestamp>>,
}

/// The log-in that a ticket stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) user: UserId,
    pub(crate) token: TokenId,
    /// To tell the others that it was used.
    pub(crate) digest: TokenDigest,
    pub(crate) expires_at: Timestamp,
}

/// A new ticket, and when it expires.
pub(crate) fn issue(
    secrets: &Secrets,
    user: UserId,
    token: TokenId,
    now: Timestamp,
) -> Result<(Secret, Timestamp), ApiError> {
    let expires_at = now.plus_seconds(GOOD_FOR_S);
    let (until, nonce) = (expires_at.micros(), Secret::random()?);
    let text = format!("{PREFIX}.{user}.{token}.{until}.{}", nonce.expose());
    Ok((Secret::new(secrets.sign_cookie(&text)), expires_at))
}

fn read(secrets: &Secrets, ticket: &str) -> Option<Ticket> {
    let mut parts = secrets.verify_cookie(ticket)?.split('.');
    parts.next().filter(|prefix| *prefix == PREFIX)?;
    let user = parts.next()?.parse().ok()?;
    let token = parts.next()?.parse().ok()?;
    let expires_at = Timestamp::from_micros(parts.next()?.parse().ok()?);
    Some(Ticket { user, token, digest: vault::token_digest(ticket), expires_at })
}

impl Tickets {
    /// Knows of all uses from now on.
    pub(crate) fn since(now: Timestamp) -> Self {
        Self { since: now, used: Mutex::default() }
    }

    /// Uses a ticket up.
    pub(crate) fn take(&self, secrets: &Secrets, ticket: &str, now: Timestamp) -> Option<Ticket> {
        let ticket = read(secrets, ticket).filter(|ticket| {
            ticket.expires_at > now && ticket.expires_at >= self.since.plus_seconds(GOOD_FOR_S)
        })?;
        self.note(ticket.digest, ticket.expires_at, now).then_some(ticket)
    }

    /// Remembers that a ticket was used; false when it was before, or when too many are remembered.
    pub(crate) fn note(&self, used: TokenDigest, expires_at: Timestamp, now: Timestamp) -> bool {
        let mut all = self.used.lock();
        if all.len() >= USED_MAX {
            all.retain(|_, expires_at| *expires_at > now);
        }
        all.len() < USED_MAX && all.insert(used, expires_at).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_once_and_not_for_long() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = Secrets::init(&folder.path().join("secrets")).unwrap();
        let now = Timestamp::from_micros(0);
        let (here, there) = (Tickets::since(now), Tickets::since(now));
        let (user, token) = (UserId::new(1), TokenId::new(2));
        let new = || issue(&secrets, user, token, now).unwrap().0;
        let (one, two) = (new(), new());
        let late = now.plus_seconds(GOOD_FOR_S);
        let taken = there.take(&secrets, one.expose(), now.plus_seconds(29)).unwrap();
        assert_eq!((taken.user, taken.token), (user, token));
        assert!(there.take(&secrets, one.expose(), now).is_none());
        assert!(here.note(taken.digest, taken.expires_at, now), "told by the other process");
        assert!(here.take(&secrets, one.expose(), now).is_none());
        assert!(here.take(&secrets, two.expose(), late).is_none());
        let forged = two.expose().replace("ticket.1.", "ticket.3.");
        assert!(here.take(&secrets, &forged, now).is_none());
        let restarted = Tickets::since(now.plus_seconds(1));
        assert!(restarted.take(&secrets, one.expose(), now).is_none(), "used before it began");
        assert!(restarted.take(&secrets, two.expose(), now).is_none(), "may have been");
        let device = secrets.sign_cookie("device.1.99999999");
        assert!(here.take(&secrets, &device, now).is_none(), "another thing that is signed");
    }
}
