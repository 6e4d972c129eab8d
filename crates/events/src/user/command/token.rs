//! Tokens and sessions: handing out, renewing the same one, ending one or all.

use serde::{Deserialize, Serialize};

use super::{existing, of_user};
use crate::command::{Actor, Decision, Rejection, Stamp};
use crate::id::{TokenDigest, TokenId, UserId};
use crate::room::command::acting_user;
use crate::state::State;
use crate::user::event::{
    RevocationReason, TokenIssued, TokenKind, TokenRenewed, TokenRevoked, TokensRevoked, UserEvent,
};

/// Most live tokens of one user; the oldest ends when one more is handed out.
pub const TOKENS_MAX: usize = 50;

/// A token that the API drew, to be handed out if the command is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct NewToken {
    /// Of the secret.
    pub digest: TokenDigest,
    /// What it opens.
    pub kind: TokenKind,
    /// How long it lives unless renewed, in seconds.
    pub lifetime_s: u32,
    /// How long renewals can stretch it, in seconds from now.
    pub cap_s: u32,
}

/// Let the same token live longer; deciding it twice appends once.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RenewToken {
    /// Whose.
    pub user: UserId,
    /// Which.
    pub token: TokenId,
    /// How long from now, in seconds; never beyond the cap.
    pub lifetime_s: u32,
    /// Renew only when fewer seconds are left than this.
    pub when_left_s: u32,
}

/// End one token of one's own.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RevokeToken {
    /// Which.
    pub token: TokenId,
}

/// Log out everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RevokeTokens {}

impl NewToken {
    /// The event of handing it out.
    pub(crate) fn issue(&self, user_id: UserId, stamp: &mut Stamp) -> TokenIssued {
        let cap_at = stamp.now.plus_seconds(i64::from(self.cap_s));
        TokenIssued {
            user_id,
            token_id: TokenId::new(stamp.id()),
            digest: self.digest,
            kind: self.kind,
            expires_at: stamp.now.plus_seconds(i64::from(self.lifetime_s)).min(cap_at),
            cap_at,
        }
    }
}

impl RenewToken {
    pub(crate) fn decide(
        &self,
        state: &State,
        actor: Actor,
        stamp: &mut Stamp,
    ) -> Result<Decision, Rejection> {
        if actor != Actor::User(self.user) {
            return Err(Rejection::LoggedOut);
        }
        let user = existing(state, self.user).map_err(|_| Rejection::LoggedOut)?;
        if user.is_blocked() {
            return Err(Rejection::Blocked);
        }
        let token = user.token(self.token).ok_or(Rejection::LoggedOut)?;
        if token.expires_at <= stamp.now {
            return Err(Rejection::LoggedOut);
        }
        let expires_at = stamp.now.plus_seconds(i64::from(self.lifetime_s)).min(token.cap_at);
        let left = token.expires_at.seconds_since(stamp.now);
        if left >= i64::from(self.when_left_s) || expires_at <= token.expires_at {
            return Ok(of_user(self.user, Vec::new()));
        }
        let renewed = TokenRenewed { user_id: self.user, token_id: self.token, expires_at };
        Ok(of_user(self.user, vec![UserEvent::TokenRenewed(renewed)]))
    }
}

impl RevokeToken {
    pub(crate) fn decide(self, state: &State, actor: Actor) -> Result<Decision, Rejection> {
        let user_id = acting_user(state, actor)?;
        let user = existing(state, user_id)?;
        user.token(self.token).ok_or(Rejection::NotFound("token"))?;
        let revoked = TokenRevoked { user_id, token_id: self.token };
        Ok(of_user(user_id, vec![UserEvent::TokenRevoked(revoked)]))
    }
}

impl RevokeTokens {
    pub(crate) fn decide(state: &State, actor: Actor) -> Result<Decision, Rejection> {
        let user_id = acting_user(state, actor)?;
        let reason = RevocationReason::LoggedOut;
        let revoked = TokensRevoked { user_id, except: None, reason };
        Ok(of_user(user_id, vec![UserEvent::TokensRevoked(revoked)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    use crate::time::Timestamp;

    fn renew(town: &mut Scenario, user: UserId, token: TokenId) -> Result<Timestamp, Rejection> {
        let renew = RenewToken { user, token, lifetime_s: 3600, when_left_s: 60 };
        town.when(Actor::User(user), renew)?;
        Ok(town.state().users.get(user).unwrap().token(token).unwrap().expires_at)
    }

    #[test]
    fn the_same_token_lives_on_up_to_its_cap() {
        let mut town = Scenario::new();
        let ada = town.user("Ada");
        let token = town.state().users.get(ada).unwrap().tokens[0].id;
        let begin = town.now();
        town.wait(3539);
        assert_eq!(renew(&mut town, ada, token), Ok(begin.plus_seconds(3600)));
        town.wait(2);
        assert_eq!(renew(&mut town, ada, token), Ok(begin.plus_seconds(3541 + 3600)));
        // Twice is once.
        let twice = RenewToken { user: ada, token, lifetime_s: 3600, when_left_s: 60 };
        assert!(town.when(Actor::User(ada), twice).unwrap().events.is_empty());
        for _ in 0..11 {
            town.wait(3590);
            renew(&mut town, ada, token).unwrap();
        }
        let last = renew(&mut town, ada, token).unwrap();
        assert_eq!(last, begin.plus_seconds(43_200));
        town.wait(last.seconds_since(town.now()));
        assert_eq!(renew(&mut town, ada, token), Err(Rejection::LoggedOut));
    }

    #[test]
    fn nobody_renews_or_ends_another_ones_token() {
        let mut town = Scenario::new();
        let (ada, bob) = (town.user("Ada"), town.user("Bob"));
        let token = town.state().users.get(ada).unwrap().tokens[0].id;
        let renew = RenewToken { user: ada, token, lifetime_s: 3600, when_left_s: 9999 };
        assert_eq!(town.refused(Actor::User(bob), renew), Rejection::LoggedOut);
        let revoke = RevokeToken { token };
        assert_eq!(town.refused(Actor::User(bob), revoke), Rejection::NotFound("token"));
        town.when(Actor::User(ada), revoke).unwrap();
        assert_eq!(town.refused(Actor::User(ada), renew), Rejection::LoggedOut);
    }

    #[test]
    fn logging_out_everywhere_ends_every_token() {
        let mut town = Scenario::new();
        let ada = town.user("Ada");
        let digest = town.state().users.get(ada).unwrap().tokens[0].digest;
        assert!(town.state().users.by_token(digest).is_some());
        town.when(Actor::User(ada), RevokeTokens {}).unwrap();
        assert!(town.state().users.get(ada).unwrap().tokens.is_empty());
        assert!(town.state().users.by_token(digest).is_none());
    }
}
