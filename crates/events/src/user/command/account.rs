//! One's own account: another password, name or address, or the end of it.

use serde::{Deserialize, Serialize};

use super::register::{checked_email, checked_username};
use super::{administrator, existing, of_user};
use crate::command::{Actor, Decision, Rejection, SystemRole};
use crate::id::{NameDigest, TokenId, UserId};
use crate::room::Phase;
use crate::room::command::acting_user;
use crate::sealed::{Clear, Personal};
use crate::state::State;
use crate::user::User;
use crate::user::event::{
    Deleted, EmailChanged, PasswordChanged, RevocationReason, TokensRevoked, UserEvent,
    UsernameChanged,
};

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

/// Take another name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangeUsername {
    /// As typed.
    pub username: Clear,
    /// Of it, as it is compared.
    pub digest: NameDigest,
}

/// Use another address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangeEmail {
    /// As typed.
    pub email: Clear,
    /// Of it, as it is compared.
    pub digest: NameDigest,
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

/// The acting user, who has an account.
fn holder(state: &State, actor: Actor) -> Result<UserId, Rejection> {
    let user = acting_user(state, actor)?;
    if existing(state, user)?.guest_of.is_some() {
        return Err(Rejection::Forbidden("guests have no account; register first".to_owned()));
    }
    Ok(user)
}

impl ChangeUsername {
    pub(crate) fn decide(&self, state: &State, actor: Actor) -> Result<Decision, Rejection> {
        let user_id = holder(state, actor)?;
        let username = Personal::Clear(checked_username(&self.username)?);
        if state.users.by_username(self.digest).is_some_and(|other| other != user_id) {
            return Err(Rejection::UsernameTaken);
        }
        let changed = UsernameChanged { user_id, username, username_digest: self.digest };
        Ok(of_user(user_id, vec![UserEvent::UsernameChanged(changed)]))
    }
}

impl ChangeEmail {
    pub(crate) fn decide(&self, state: &State, actor: Actor) -> Result<Decision, Rejection> {
        let user_id = holder(state, actor)?;
        let email = Personal::Clear(checked_email(&self.email)?);
        if state.users.by_email(self.digest).is_some_and(|other| other != user_id) {
            return Err(Rejection::EmailTaken);
        }
        let changed = EmailChanged { user_id, email, email_digest: self.digest };
        Ok(of_user(user_id, vec![UserEvent::EmailChanged(changed)]))
    }
}

impl DeleteUser {
    pub(crate) fn decide(&self, state: &State, actor: Actor) -> Result<Decision, Rejection> {
        let user = existing(state, self.user)?;
        match actor {
            Actor::User(by) if by == self.user => {}
            Actor::System(SystemRole::Reactor) => leftover_guest(state, user)?,
            Actor::Anonymous | Actor::User(_) | Actor::System(_) => {
                administrator(state, actor)?;
            }
        }
        if user.is_admin && state.users.admins() == 1 {
            let detail = "the last administrator can't be deleted; grant another first".to_owned();
            return Err(Rejection::LastAdmin(detail));
        }
        let deleted = Deleted { user_id: self.user, erase_content: self.erase_content };
        Ok(of_user(self.user, vec![UserEvent::Deleted(deleted)]))
    }
}

/// A guest whose room is over: the reactor may delete it.
fn leftover_guest(state: &State, user: &User) -> Result<(), Rejection> {
    let over = |room| state.rooms.get(room).is_none_or(|room| room.phase != Phase::Open);
    if user.guest_of.is_some_and(over) {
        return Ok(());
    }
    Err(Rejection::Forbidden("only guests of closed rooms are deleted by themselves".to_owned()))
}
