//! One's own account: another password, name or address, or the end of it.

use serde::{Deserialize, Serialize};

use super::register::{checked_email, checked_username};
use super::{administrator, existing, of_user};
use crate::command::{Actor, Decision, Rejection, SystemRole};
use crate::id::{NameDigest, UserId};
use crate::room::Phase;
use crate::room::command::acting_user;
use crate::sealed::{Clear, Personal};
use crate::state::State;
use crate::user::User;
use crate::user::event::{
    Deleted, EmailChanged, PasswordChanged, RevocationReason, TokensRevoked, UserEvent,
    UsernameChanged,
};

/// Set another password; every log-in ends, that of the request too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangePassword {
    /// Whose.
    pub user: UserId,
    /// bcrypt; the API has verified the current one, or an operator asks.
    pub password_hash: Clear,
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
                UserEvent::TokensRevoked(TokensRevoked { user_id, except: None, reason }),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    use crate::room::Settings;
    use crate::room::command::{close::Close, join::Join, message::SendMessage};
    use crate::user::command::guest::RegisterGuest;

    #[test]
    fn a_new_password_ends_every_log_in() {
        let mut town = Scenario::new();
        let (ada, bob) = (town.user("Ada"), town.user("Bob"));
        let change = || ChangePassword { user: ada, password_hash: Clear::new("new") };
        assert!(matches!(town.refused(Actor::User(bob), change()), Rejection::Forbidden(_)));
        town.when(Actor::User(ada), change()).unwrap();
        assert!(town.state().users.get(ada).unwrap().tokens.is_empty());
        town.when(Actor::System(SystemRole::Operator), change()).unwrap();
    }

    #[test]
    fn a_new_name_must_be_free_and_frees_the_old_one() {
        let mut town = Scenario::new();
        let (ada, _bob) = (town.user("Ada"), town.user("Bob"));
        let rename = |name: &str| {
            let register = Scenario::register(name);
            ChangeUsername { username: register.username, digest: register.username_digest }
        };
        assert_eq!(town.refused(Actor::User(ada), rename("bob")), Rejection::UsernameTaken);
        town.when(Actor::User(ada), rename("ADA")).unwrap();
        town.when(Actor::User(ada), rename("Eve")).unwrap();
        let old = Scenario::register("Ada").username_digest;
        assert_eq!(town.state().users.by_username(old), None);
        let address = |name: &str| {
            let register = Scenario::register(name);
            ChangeEmail { email: register.email, digest: register.email_digest }
        };
        assert_eq!(town.refused(Actor::User(ada), address("bob")), Rejection::EmailTaken);
        town.when(Actor::User(ada), address("eve")).unwrap();
        let old = Scenario::register("Ada").email_digest;
        assert_eq!(town.state().users.by_email(old), None);
    }

    #[test]
    fn deleting_an_account_takes_its_rooms_and_leaves_the_others() {
        let mut town = Scenario::new();
        let (ada, bob) = (town.user("Ada"), town.user("Bob"));
        let (hers, his) = (town.room(ada), town.room(bob));
        town.when(Actor::User(ada), Join { room: his }).unwrap();
        let say = SendMessage { room: his, text: Clear::new("hello") };
        town.when(Actor::User(ada), say).unwrap();
        let delete = DeleteUser { user: ada, erase_content: false };
        assert!(matches!(town.refused(Actor::User(bob), delete.clone()), Rejection::Forbidden(_)));
        town.when(Actor::User(ada), delete.clone()).unwrap();
        assert!(town.state().users.get(ada).is_none());
        assert!(town.state().rooms.get(hers).is_none());
        assert!(!town.state().rooms.get(his).unwrap().admits(ada));
        assert_eq!(town.refused(Actor::User(ada), delete), Rejection::NotFound("user"));
    }

    #[test]
    fn the_last_administrator_stays() {
        let mut town = Scenario::new();
        let ada = town.admin("Ada");
        let delete = DeleteUser { user: ada, erase_content: true };
        assert!(matches!(town.refused(Actor::User(ada), delete), Rejection::LastAdmin(_)));
    }

    #[test]
    fn the_reactor_deletes_guests_of_closed_rooms_alone() {
        let mut town = Scenario::new();
        let ada = town.user("Ada");
        let room = town.room_with(ada, Settings { guests: true, ..Settings::default() });
        let register = RegisterGuest { room, token: Scenario::token(9) };
        let guest = UserId::new(town.made(Actor::Anonymous, register));
        let reactor = Actor::System(SystemRole::Reactor);
        let delete = |user| DeleteUser { user, erase_content: false };
        assert!(matches!(town.refused(reactor, delete(guest)), Rejection::Forbidden(_)));
        town.when(Actor::User(ada), Close { room }).unwrap();
        town.when(reactor, delete(guest)).unwrap();
        assert!(matches!(town.refused(reactor, delete(ada)), Rejection::Forbidden(_)));
    }
}
