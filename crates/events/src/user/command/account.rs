//! One's own account: another password, or the end of it.

use serde::{Deserialize, Serialize};

use super::{administrator, existing, of_user};
use crate::command::{Actor, Decision, Rejection};
use crate::id::{TokenId, UserId};
use crate::sealed::{Clear, Personal};
use crate::state::State;
use crate::user::event::{Deleted, PasswordChanged, RevocationReason, TokensRevoked, UserEvent};

/// Set another password; every other log-in ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangePassword {
    /// Whose.
    pub user: UserId,
    /// bcrypt; the API has verified the current one, or an operator asks.
    pub password_hash: Clear,
    /// The log-in that asked, which lives on.
    pub keep: Option<TokenId>,
}

/// Delete an account: one's own, or any by an administrator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeleteUser {
    /// Whose.
    pub user: UserId,
    /// Whether the texts go too.
    pub erase_content: bool,
}

impl ChangePassword {
    pub(crate) fn decide(&self, state: &State, actor: Actor) -> Result<Decision, Rejection> {
        if actor != Actor::User(self.user) {
            administrator(state, actor)?;
        }
        let user_id = self.user;
        if existing(state, user_id)?.is_blocked() {
            return Err(Rejection::Blocked);
        }
        let password_hash = Personal::from_clear(&self.password_hash);
        let reason = RevocationReason::PasswordChanged;
        Ok(of_user(
            user_id,
            vec![
                UserEvent::PasswordChanged(PasswordChanged { user_id, password_hash }),
                UserEvent::TokensRevoked(TokensRevoked { user_id, except: self.keep, reason }),
            ],
        ))
    }
}

impl DeleteUser {
    pub(crate) fn decide(&self, state: &State, actor: Actor) -> Result<Decision, Rejection> {
        if actor != Actor::User(self.user) {
            administrator(state, actor)?;
        }
        let user = existing(state, self.user)?;
        if user.is_admin && state.users.admins() == 1 {
            let detail = "the last administrator can't be deleted; grant another first".to_owned();
            return Err(Rejection::LastAdmin(detail));
        }
        let deleted = Deleted { user_id: self.user, erase_content: self.erase_content };
        Ok(of_user(self.user, vec![UserEvent::Deleted(deleted)]))
    }
}
