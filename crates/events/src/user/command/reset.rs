//! Password reset by a link that works once, for a short while.

use serde::{Deserialize, Serialize};

use super::account::new_password;
use super::{administrator, existing, of_user};
use crate::command::{Actor, Decision, Rejection, Stamp, SystemRole};
use crate::id::{TokenDigest, UserId};
use crate::sealed::Clear;
use crate::state::State;
use crate::user::event::{ResetRequested, UserEvent};
use crate::user::state::PasswordReset;

/// Make a link, which takes the place of any earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RequestReset {
    /// For whom.
    pub user: UserId,
    /// Of the secret in the link.
    pub digest: TokenDigest,
    /// How long the link is good, in seconds.
    pub lifetime_s: u32,
}

/// Anybody's request makes no new link for a user who was made one so many seconds ago.
pub const MADE_EVERY_S: i64 = 60;

/// Set a new password by a link; every log-in ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResetPassword {
    /// Of the secret in the link.
    pub digest: TokenDigest,
    /// bcrypt.
    pub password_hash: Clear,
}

impl RequestReset {
    pub(crate) fn decide(
        self,
        state: &State,
        actor: Actor,
        stamp: &Stamp,
    ) -> Result<Decision, Rejection> {
        if actor != Actor::System(SystemRole::Api)
            && administrator(state, actor)? == Some(self.user)
        {
            // Else a stolen log-in of an administrator would do instead of the password.
            let detail = "administrators can't make a link for themselves; change your password \
                          with the present one, or ask another administrator";
            return Err(Rejection::Forbidden(detail.to_owned()));
        }
        let user = existing(state, self.user)?;
        if user.guest_of.is_some() {
            return Err(Rejection::Forbidden("guests have no password".to_owned()));
        }
        if user.is_blocked() {
            return Err(Rejection::Blocked);
        }
        // Whoever knows an address could fill its mailbox, and put each link out of use by the next.
        let made_s = |reset: PasswordReset| {
            i64::from(self.lifetime_s) - reset.expires_at.seconds_since(stamp.now)
        };
        let anybody = actor == Actor::System(SystemRole::Api);
        if anybody && user.reset.is_some_and(|reset| made_s(reset) < MADE_EVERY_S) {
            let detail = format!("a link was made less than {MADE_EVERY_S} s ago; use that one");
            return Err(Rejection::Forbidden(detail));
        }
        let expires_at = stamp.now.plus_seconds(i64::from(self.lifetime_s));
        let requested = ResetRequested { user_id: self.user, digest: self.digest, expires_at };
        Ok(of_user(self.user, vec![UserEvent::ResetRequested(requested)]))
    }
}

impl ResetPassword {
    pub(crate) fn decide(&self, state: &State, stamp: &Stamp) -> Result<Decision, Rejection> {
        let gone =
            || Rejection::Gone("this link was used or has expired; ask for a new one".into());
        let user_id = state.users.by_reset(self.digest).ok_or_else(gone)?;
        let user = existing(state, user_id)?;
        user.reset.filter(|reset| reset.expires_at > stamp.now).ok_or_else(gone)?;
        Ok(of_user(user_id, new_password(user_id, user, &self.password_hash)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;
    use crate::user::command::admin::{Block, Unblock};

    fn link(serial: u8) -> TokenDigest {
        TokenDigest::from_bytes([serial; 16])
    }

    fn request(user: UserId, serial: u8) -> RequestReset {
        RequestReset { user, digest: link(serial), lifetime_s: 600 }
    }

    fn reset(serial: u8) -> ResetPassword {
        ResetPassword { digest: link(serial), password_hash: Clear::new("new") }
    }

    #[test]
    fn a_link_works_once_and_ends_every_log_in() {
        let mut town = Scenario::new();
        let ada = town.user("Ada");
        let api = Actor::System(SystemRole::Api);
        town.when(api, request(ada, 1)).unwrap();
        town.wait(59);
        assert!(matches!(town.refused(api, request(ada, 2)), Rejection::Forbidden(_)));
        town.wait(1);
        town.when(api, request(ada, 2)).unwrap();
        let earlier = town.refused(Actor::Anonymous, reset(1));
        assert!(matches!(earlier, Rejection::Gone(_)));
        town.when(Actor::Anonymous, reset(2)).unwrap();
        assert!(town.state().users.get(ada).unwrap().tokens.is_empty());
        assert!(matches!(town.refused(Actor::Anonymous, reset(2)), Rejection::Gone(_)));
    }

    #[test]
    fn a_link_is_good_for_its_time() {
        let mut town = Scenario::new();
        let (ada, bob) = (town.admin("Ada"), town.user("Bob"));
        assert!(matches!(town.refused(Actor::User(bob), request(bob, 1)), Rejection::Forbidden(_)));
        assert!(matches!(town.refused(Actor::User(ada), request(ada, 1)), Rejection::Forbidden(_)));
        town.when(Actor::User(ada), request(bob, 1)).unwrap();
        town.wait(600);
        assert!(matches!(town.refused(Actor::Anonymous, reset(1)), Rejection::Gone(_)));
        town.when(Actor::User(ada), request(bob, 2)).unwrap();
        town.wait(599);
        assert!(town.when(Actor::Anonymous, reset(2)).is_ok());
    }

    #[test]
    fn a_block_ends_a_link_for_good_and_tells_its_holder_nothing() {
        let mut town = Scenario::new();
        let (ada, bob) = (town.admin("Ada"), town.user("Bob"));
        town.when(Actor::System(SystemRole::Api), request(bob, 1)).unwrap();
        let block = Block { user: bob, reason: Clear::new("spam") };
        town.when(Actor::User(ada), block).unwrap();
        assert!(matches!(town.refused(Actor::Anonymous, reset(1)), Rejection::Gone(_)));
        assert_eq!(town.refused(Actor::User(ada), request(bob, 2)), Rejection::Blocked);
        town.when(Actor::User(ada), Unblock { user: bob }).unwrap();
        assert!(matches!(town.refused(Actor::Anonymous, reset(1)), Rejection::Gone(_)));
    }
}
