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
