//! Logging in with a password that the API has verified, failures counted together, activity.

use serde::{Deserialize, Serialize};

use super::token::{NewToken, TOKENS_MAX};
use super::{existing, of_user};
use crate::command::{Actor, Created, Decision, Rejection, Stamp, SystemRole};
use crate::event::Event;
use crate::id::UserId;
use crate::sealed::{Clear, Personal};
use crate::state::State;
use crate::subject::Subject;
use crate::time::Timestamp;
use crate::user::event::{
    LoginFailed, LoginFailuresCleared, LoginLockExpired, PasswordChanged, Seen, TokenRevoked,
    UserEvent,
};

/// Hand out a token to a user whose password was right.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogIn {
    /// Who.
    pub user: UserId,
    /// What is handed out.
    pub token: NewToken,
    /// [`User::passwords`](crate::user::User) when the password was verified: hashing takes a
    /// while, in which it can have become an old one.
    pub passwords: u32,
    /// A device that logged in before: it may, even while new devices are locked out.
    pub known_device: bool,
    /// The hash at today's cost, when the stored one was made at another.
    pub rehashed: Option<Clear>,
}

/// Count wrong passwords, gathered over a short while so that nobody can fill the log.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RecordLoginFailures {
    /// Whose account.
    pub user: UserId,
    /// How many.
    pub attempts: u32,
    /// How many in a row lock new devices out.
    pub lock_after: u32,
    /// For how long, in seconds.
    pub lock_s: u32,
}

/// Write down that a lock is over, so that the tables do not show it for ever. The counter stands: it
/// goes back with a log-in or an unblock alone, and the next wrong password locks again.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ExpireLock {
    /// Whose account.
    pub user: UserId,
    /// Until when it was locked.
    pub until: Timestamp,
}

/// Write down who was active and when, many at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordSeen {
    /// Users and times.
    pub seen: Vec<(UserId, Timestamp)>,
}

/// A user's activity is written down at most once in this many seconds.
pub const SEEN_EVERY_S: i64 = 60;
/// Most users in one commit of activity.
pub const SEEN_MAX: usize = 1000;

impl LogIn {
    pub(crate) fn decide(&self, state: &State, stamp: &mut Stamp) -> Result<Decision, Rejection> {
        let user = state.users.get(self.user).ok_or(Rejection::LoggedOut)?;
        let shut = user.is_locked(stamp.now) && !self.known_device;
        if shut || user.passwords != self.passwords {
            return Err(Rejection::LoggedOut);
        }
        // Told last: behind a lock it would say that the password was right.
        if user.is_blocked() {
            return Err(Rejection::Blocked);
        }
        let user_id = self.user;
        let mut events = Vec::new();
        if user.failed_login_attempts > 0 {
            events.push(UserEvent::LoginFailuresCleared(LoginFailuresCleared { user_id }));
        }
        if let Some(hash) = &self.rehashed {
            let password_hash = Personal::from_clear(hash);
            let changed = PasswordChanged { user_id, password_hash };
            events.push(UserEvent::PasswordRehashed(changed));
        }
        let live = user.tokens.iter().filter(|token| token.expires_at > stamp.now);
        if live.clone().count() >= TOKENS_MAX
            && let Some(oldest) = live.min_by_key(|token| token.issued_at)
        {
            let revoked = TokenRevoked { user_id, token_id: oldest.id };
            events.push(UserEvent::TokenRevoked(revoked));
        }
        let issued = self.token.issue(user_id, stamp);
        let created = Some(Created::Token(issued.token_id));
        events.push(UserEvent::TokenIssued(issued));
        Ok(Decision { created, ..of_user(user_id, events) })
    }
}

impl RecordLoginFailures {
    pub(crate) fn decide(
        &self,
        state: &State,
        actor: Actor,
        stamp: &mut Stamp,
    ) -> Result<Decision, Rejection> {
        if actor != Actor::System(SystemRole::Api) {
            return Err(Rejection::Forbidden("only the API counts failed log-ins".to_owned()));
        }
        let user = existing(state, self.user)?;
        let count = user.failed_login_attempts.saturating_add(self.attempts);
        let locked = user.is_locked(stamp.now);
        // A lock ends when it was said to, whatever strangers go on trying meanwhile.
        let locks = count >= self.lock_after && !locked;
        let locked_until = locks.then(|| stamp.now.plus_seconds(i64::from(self.lock_s)));
        let failed = LoginFailed { user_id: self.user, attempts: self.attempts, locked_until };
        let events = if self.attempts > 0 { vec![UserEvent::LoginFailed(failed)] } else { vec![] };
        Ok(of_user(self.user, events))
    }
}

impl ExpireLock {
    pub(crate) fn decide(
        self,
        state: &State,
        actor: Actor,
        stamp: &Stamp,
    ) -> Result<Decision, Rejection> {
        if actor != Actor::System(SystemRole::Reactor) {
            return Err(Rejection::Forbidden("a lock ends by itself".to_owned()));
        }
        let user = existing(state, self.user)?;
        if user.login_locked_until != Some(self.until) || self.until > stamp.now {
            return Err(Rejection::Forbidden("there is no lock that is over".to_owned()));
        }
        let expired = LoginLockExpired { user_id: self.user };
        Ok(of_user(self.user, vec![UserEvent::LoginLockExpired(expired)]))
    }
}

impl RecordSeen {
    pub(crate) fn decide(&self, state: &State, actor: Actor) -> Result<Decision, Rejection> {
        if actor != Actor::System(SystemRole::Api) {
            return Err(Rejection::Forbidden("only the API records activity".to_owned()));
        }
        let fresh = |(user, at): &&(UserId, Timestamp)| {
            let seen = state.users.get(*user).map(|user| user.last_seen);
            seen.is_some_and(|seen| at.seconds_since(seen) >= SEEN_EVERY_S)
        };
        let seen: Vec<_> = self.seen.iter().take(SEEN_MAX).filter(fresh).copied().collect();
        let events = if seen.is_empty() {
            Vec::new()
        } else {
            vec![Event::User(UserEvent::Seen(Seen { seen }))]
        };
        Ok(Decision { subject: Subject::Users, events, created: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;
    use crate::user::command::account::ChangePassword;
    use crate::user::command::admin::Block;

    fn log_in(user: UserId, serial: u8) -> LogIn {
        let token = Scenario::token(serial);
        LogIn { user, token, passwords: 1, known_device: false, rehashed: None }
    }

    fn fail(town: &mut Scenario, user: UserId, attempts: u32) {
        let failed = RecordLoginFailures { user, attempts, lock_after: 10, lock_s: 1800 };
        town.when(Actor::System(SystemRole::Api), failed).unwrap();
    }

    #[test]
    fn ten_wrong_passwords_lock_new_devices_out_and_nobody_else() {
        let mut town = Scenario::new();
        let ada = town.user("Ada");
        let token = town.state().users.get(ada).unwrap().tokens[0].id;
        fail(&mut town, ada, 9);
        town.when(Actor::Anonymous, log_in(ada, 2)).unwrap();
        assert_eq!(town.state().users.get(ada).unwrap().failed_login_attempts, 0);
        fail(&mut town, ada, 10);
        assert_eq!(town.refused(Actor::Anonymous, log_in(ada, 3)), Rejection::LoggedOut);
        let known = LogIn { known_device: true, ..log_in(ada, 4) };
        assert!(town.state().users.get(ada).unwrap().token(token).is_some());
        town.when(Actor::Anonymous, known).unwrap();
        fail(&mut town, ada, 10);
        town.wait(1799);
        assert_eq!(town.refused(Actor::Anonymous, log_in(ada, 5)), Rejection::LoggedOut);
        town.wait(1);
        assert!(town.when(Actor::Anonymous, log_in(ada, 6)).is_ok());
    }

    #[test]
    fn a_lock_is_not_stretched_and_comes_again_with_the_next_wrong_password() {
        let mut town = Scenario::new();
        let ada = town.user("Ada");
        fail(&mut town, ada, 10);
        let until = town.now().plus_seconds(1800);
        town.wait(1700);
        fail(&mut town, ada, 5);
        let locked = |town: &Scenario| town.state().users.get(ada).unwrap().login_locked_until;
        assert_eq!(locked(&town), Some(until));
        town.wait(200);
        fail(&mut town, ada, 1);
        assert_eq!(locked(&town), Some(town.now().plus_seconds(1800)));
    }

    #[test]
    fn a_lock_tells_nothing_of_a_block() {
        let mut town = Scenario::new();
        let (ada, bob) = (town.admin("Ada"), town.user("Bob"));
        let block = Block { user: bob, reason: Clear::new("spam") };
        town.when(Actor::User(ada), block).unwrap();
        assert_eq!(town.refused(Actor::Anonymous, log_in(bob, 2)), Rejection::Blocked);
        fail(&mut town, bob, 10);
        assert_eq!(town.refused(Actor::Anonymous, log_in(bob, 3)), Rejection::LoggedOut);
    }

    #[test]
    fn a_lock_that_is_over_is_written_down_once_and_the_counter_stands() {
        let mut town = Scenario::new();
        let ada = town.user("Ada");
        fail(&mut town, ada, 10);
        let until = town.now().plus_seconds(1800);
        let (reactor, expire) =
            (Actor::System(SystemRole::Reactor), ExpireLock { user: ada, until });
        town.wait(1799);
        assert!(matches!(town.refused(reactor, expire), Rejection::Forbidden(_)));
        town.wait(1);
        assert!(matches!(town.refused(Actor::User(ada), expire), Rejection::Forbidden(_)));
        town.when(reactor, expire).unwrap();
        let user = town.state().users.get(ada).unwrap();
        assert_eq!((user.failed_login_attempts, user.login_locked_until), (10, None));
        assert!(matches!(town.refused(reactor, expire), Rejection::Forbidden(_)));
        fail(&mut town, ada, 1);
        assert_eq!(town.refused(Actor::Anonymous, log_in(ada, 2)), Rejection::LoggedOut);
        assert!(matches!(town.refused(reactor, expire), Rejection::Forbidden(_)));
    }

    #[test]
    fn a_password_that_was_changed_while_it_was_verified_opens_nothing() {
        let mut town = Scenario::new();
        let ada = town.user("Ada");
        let verified = LogIn { rehashed: Some(Clear::new("old")), ..log_in(ada, 2) };
        let change =
            ChangePassword { user: ada, password_hash: Clear::new("new"), passwords: None };
        town.when(Actor::User(ada), change).unwrap();
        assert_eq!(town.refused(Actor::Anonymous, verified), Rejection::LoggedOut);
        let hash = &town.state().users.get(ada).unwrap().password_hash;
        assert_eq!(*hash, Personal::Clear("new".into()));
        town.when(Actor::Anonymous, LogIn { passwords: 2, ..log_in(ada, 3) }).unwrap();
    }

    #[test]
    fn the_oldest_log_in_makes_room_for_one_too_many() {
        let mut town = Scenario::new();
        let ada = town.user("Ada");
        let oldest = town.state().users.get(ada).unwrap().tokens[0].id;
        for serial in 0..TOKENS_MAX as u8 {
            town.wait(1);
            town.when(Actor::Anonymous, log_in(ada, serial)).unwrap();
        }
        let user = town.state().users.get(ada).unwrap();
        assert_eq!(user.tokens.len(), TOKENS_MAX);
        assert!(user.token(oldest).is_none());
    }

    #[test]
    fn a_new_cost_of_hashing_is_taken_over_with_a_log_in() {
        let mut town = Scenario::new();
        let ada = town.user("Ada");
        let rehashed = LogIn { rehashed: Some(Clear::new("dearer")), ..log_in(ada, 2) };
        town.when(Actor::Anonymous, rehashed).unwrap();
        let hash = &town.state().users.get(ada).unwrap().password_hash;
        assert_eq!(*hash, Personal::Clear("dearer".into()));
    }

    #[test]
    fn activity_is_written_at_most_once_a_minute() {
        let mut town = Scenario::new();
        let ada = town.user("Ada");
        let api = Actor::System(SystemRole::Api);
        let seen = |town: &Scenario| RecordSeen { seen: vec![(ada, town.now())] };
        town.wait(59);
        let now = seen(&town);
        assert!(town.when(api, now).unwrap().events.is_empty());
        town.wait(1);
        let now = seen(&town);
        assert_eq!(town.when(api, now).unwrap().events.len(), 1);
        assert_eq!(town.state().users.get(ada).unwrap().last_seen, town.now());
        let by_user = seen(&town);
        assert!(matches!(town.refused(Actor::User(ada), by_user), Rejection::Forbidden(_)));
    }
}
