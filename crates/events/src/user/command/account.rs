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
    Deleted, EmailChanged, LoginFailuresCleared, PasswordChanged, RevocationReason, TokensRevoked,
    UserEvent, UsernameChanged,
};

/// Set another password; every log-in ends, that of the request too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangePassword {
    /// Whose.
    pub user: UserId,
    /// bcrypt; the API has verified the current one, or an operator asks.
    pub password_hash: Clear,
    /// [`User::passwords`](crate::user::User) when the current one was verified.
    pub passwords: Option<u32>,
}

/// Take another name, use another address, or both; what is left out stays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangeNames {
    /// The name as typed, and its digest as it is compared.
    pub username: Option<(Clear, NameDigest)>,
    /// The address as typed, and its digest as it is compared.
    pub email: Option<(Clear, NameDigest)>,
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
        let user = existing(state, self.user)?;
        if user.is_blocked() {
            return Err(Rejection::Blocked);
        }
        if self.passwords.is_some_and(|verified| verified != user.passwords) {
            return Err(Rejection::LoggedOut);
        }
        Ok(of_user(self.user, new_password(self.user, user, &self.password_hash)))
    }
}

/// What a new password comes to: every log-in ends, and so does what wrong ones brought about.
pub(super) fn new_password(user_id: UserId, user: &User, hash: &Clear) -> Vec<UserEvent> {
    let password_hash = Personal::from_clear(hash);
    let reason = RevocationReason::PasswordChanged;
    let mut events = vec![
        UserEvent::PasswordChanged(PasswordChanged { user_id, password_hash }),
        UserEvent::TokensRevoked(TokensRevoked { user_id, except: None, reason }),
    ];
    if user.failed_login_attempts > 0 {
        events.push(UserEvent::LoginFailuresCleared(LoginFailuresCleared { user_id }));
    }
    events
}

/// The acting user, who has an account.
fn holder(state: &State, actor: Actor) -> Result<UserId, Rejection> {
    let user = acting_user(state, actor)?;
    if existing(state, user)?.guest_of.is_some() {
        return Err(Rejection::Forbidden("guests have no account; register first".to_owned()));
    }
    Ok(user)
}

impl ChangeNames {
    pub(crate) fn decide(&self, state: &State, actor: Actor) -> Result<Decision, Rejection> {
        let user_id = holder(state, actor)?;
        let another = |holder: Option<UserId>| holder.is_some_and(|holder| holder != user_id);
        let mut events = Vec::new();
        if let Some((typed, digest)) = &self.username {
            let (username, username_digest) = (Personal::Clear(checked_username(typed)?), *digest);
            if another(state.users.by_username(username_digest)) {
                return Err(Rejection::UsernameTaken);
            }
            let changed = UsernameChanged { user_id, username, username_digest };
            events.push(UserEvent::UsernameChanged(changed));
        }
        if let Some((typed, digest)) = &self.email {
            let (email, email_digest) = (Personal::Clear(checked_email(typed)?), *digest);
            if another(state.users.by_email(email_digest)) {
                return Err(Rejection::EmailTaken);
            }
            events.push(UserEvent::EmailChanged(EmailChanged { user_id, email, email_digest }));
        }
        Ok(of_user(user_id, events))
    }
}

impl DeleteUser {
    pub(crate) fn decide(&self, state: &State, actor: Actor) -> Result<Decision, Rejection> {
        let user = existing(state, self.user)?;
        match actor {
            Actor::User(by) if by == self.user && user.is_blocked() => {
                return Err(Rejection::Blocked);
            }
            Actor::User(by) if by == self.user => {}
            Actor::System(SystemRole::Reactor) => leftover_guest(state, user)?,
            Actor::Anonymous | Actor::User(_) | Actor::System(_) => {
                administrator(state, actor)?;
            }
        }
        if state.users.is_last_admin(self.user) {
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
    use crate::user::command::login::RecordLoginFailures;

    #[test]
    fn a_new_password_ends_every_log_in() {
        let mut town = Scenario::new();
        let (ada, bob) = (town.user("Ada"), town.user("Bob"));
        let password_hash = Clear::new("new");
        let change =
            || ChangePassword { user: ada, password_hash: password_hash.clone(), passwords: None };
        assert!(matches!(town.refused(Actor::User(bob), change()), Rejection::Forbidden(_)));
        town.when(Actor::User(ada), change()).unwrap();
        assert!(town.state().users.get(ada).unwrap().tokens.is_empty());
        town.when(Actor::System(SystemRole::Operator), change()).unwrap();
        let late = ChangePassword { passwords: Some(2), ..change() };
        assert_eq!(town.refused(Actor::User(ada), late), Rejection::LoggedOut);
        let newest = ChangePassword { passwords: Some(3), ..change() };
        town.when(Actor::User(ada), newest).unwrap();
    }

    #[test]
    fn a_new_password_ends_a_lock() {
        let mut town = Scenario::new();
        let ada = town.user("Ada");
        let failed = RecordLoginFailures { user: ada, attempts: 10, lock_after: 10, lock_s: 1800 };
        town.when(Actor::System(SystemRole::Api), failed).unwrap();
        let change =
            ChangePassword { user: ada, password_hash: Clear::new("new"), passwords: None };
        town.when(Actor::System(SystemRole::Operator), change).unwrap();
        let user = town.state().users.get(ada).unwrap();
        assert_eq!((user.failed_login_attempts, user.login_locked_until), (0, None));
    }

    #[test]
    fn a_new_name_must_be_free_and_frees_the_old_one() {
        let mut town = Scenario::new();
        let (ada, _bob) = (town.user("Ada"), town.user("Bob"));
        let rename = |name: &str| {
            let register = Scenario::register(name);
            let username = Some((register.username, register.username_digest));
            ChangeNames { username, email: None }
        };
        assert_eq!(town.refused(Actor::User(ada), rename("bob")), Rejection::UsernameTaken);
        town.when(Actor::User(ada), rename("ADA")).unwrap();
        town.when(Actor::User(ada), rename("Eve")).unwrap();
        let old = Scenario::register("Ada").username_digest;
        assert_eq!(town.state().users.by_username(old), None);
        let address = |name: &str| {
            let register = Scenario::register(name);
            let email = Some((register.email, register.email_digest));
            ChangeNames { username: None, email }
        };
        assert_eq!(town.refused(Actor::User(ada), address("bob")), Rejection::EmailTaken);
        town.when(Actor::User(ada), address("eve")).unwrap();
        let old = Scenario::register("Ada").email_digest;
        assert_eq!(town.state().users.by_email(old), None);
        // Both or none.
        let both = ChangeNames { username: rename("Eva").username, email: address("bob").email };
        assert_eq!(town.refused(Actor::User(ada), both), Rejection::EmailTaken);
        let eve = Scenario::register("Eve").username_digest;
        assert_eq!(town.state().users.by_username(eve), Some(ada));
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
