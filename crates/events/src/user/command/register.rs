//! Registering: a name and an address that nobody else has, and the first token with it.

use serde::{Deserialize, Serialize};

use super::of_user;
use super::token::NewToken;
use crate::command::{Created, Decision, Rejection, Stamp};
use crate::id::{NameDigest, UserId};
use crate::sealed::{Clear, Personal};
use crate::state::State;
use crate::text;
use crate::user::event::{Registered, UserEvent};

/// Register a user, or the first administrator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Register {
    /// As typed.
    pub username: Clear,
    /// Of [`text::compared_name`] of it.
    pub username_digest: NameDigest,
    /// As typed.
    pub email: Clear,
    /// Of [`text::email`] of it.
    pub email_digest: NameDigest,
    /// bcrypt; made by the API, off the async threads.
    pub password_hash: Clear,
    /// The first administrator, by the bootstrap secret that the API has checked.
    pub bootstrap: bool,
    /// The token that is handed out with the answer.
    pub token: NewToken,
}

/// Names that the system gives to guests.
pub(crate) const GUEST_PREFIX: &str = "guest-";
/// Where nobody's mail goes.
pub(crate) const GUEST_DOMAIN: &str = "@guest.invalid";

impl Register {
    pub(crate) fn decide(&self, state: &State, stamp: &mut Stamp) -> Result<Decision, Rejection> {
        if self.bootstrap && state.users.admins() > 0 {
            let detail = "there is an administrator already; ask them".to_owned();
            return Err(Rejection::Gone(detail));
        }
        let username = checked_username(&self.username)?;
        let email = checked_email(&self.email)?;
        if state.users.by_username(self.username_digest).is_some() {
            return Err(Rejection::UsernameTaken);
        }
        if state.users.by_email(self.email_digest).is_some() {
            return Err(Rejection::EmailTaken);
        }
        let user_id = UserId::new(stamp.id());
        let registered = Registered {
            user_id,
            username: Personal::Clear(username),
            username_digest: self.username_digest,
            email: Personal::Clear(email),
            email_digest: self.email_digest,
            password_hash: Personal::from_clear(&self.password_hash),
            is_admin: self.bootstrap,
            guest_of: None,
        };
        let issued = self.token.issue(user_id, stamp);
        let events = vec![UserEvent::Registered(registered), UserEvent::TokenIssued(issued)];
        Ok(Decision { created: Some(Created::User(user_id)), ..of_user(user_id, events) })
    }
}

/// A name that people may choose, as it is stored.
pub fn checked_username(username: &Clear) -> Result<String, Rejection> {
    let username = text::name("username", username, text::USERNAME)?;
    let reserved = text::compared_name(&username).starts_with(GUEST_PREFIX);
    if reserved || username.contains(':') {
        let detail = "can't start with \"guest-\" or contain a colon; choose another".to_owned();
        return Err(Rejection::Invalid { field: "username", detail });
    }
    Ok(username)
}

/// An address with something before and a domain after its one `@`, as it is stored.
pub fn checked_email(email: &Clear) -> Result<String, Rejection> {
    let email = text::address("email", email)?;
    let plausible = email.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty() && !domain.is_empty() && !domain.contains('@')
    });
    let reserved = email.ends_with(GUEST_DOMAIN);
    if !plausible || reserved || email.chars().any(char::is_whitespace) {
        let detail = "is not an e-mail address such as ada@example.org".to_owned();
        return Err(Rejection::Invalid { field: "email", detail });
    }
    Ok(email)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Actor;
    use crate::scenario::Scenario;
    use crate::user::command::account::DeleteUser;

    #[test]
    fn a_name_and_an_address_are_one_users() {
        let mut town = Scenario::new();
        let registered = town.when(Actor::Anonymous, Scenario::register("Ada")).unwrap();
        assert_eq!(registered.events.len(), 2);
        let same_name = Register {
            email_digest: NameDigest::from_bytes([9; 16]),
            ..Scenario::register("ＡＤＡ")
        };
        assert_eq!(town.refused(Actor::Anonymous, same_name), Rejection::UsernameTaken);
        let same_address = Register {
            username_digest: NameDigest::from_bytes([9; 16]),
            ..Scenario::register("Ada")
        };
        assert_eq!(town.refused(Actor::Anonymous, same_address), Rejection::EmailTaken);
        assert!(town.when(Actor::Anonymous, Scenario::register("Bob")).is_ok());
    }

    #[test]
    fn a_deleted_users_name_is_free_again() {
        let mut town = Scenario::new();
        let ada = town.user("Ada");
        let delete = DeleteUser { user: ada, erase_content: false };
        town.when(Actor::User(ada), delete).unwrap();
        assert_ne!(town.user("Ada"), ada);
    }

    #[test]
    fn names_that_nobody_may_choose() {
        let mut town = Scenario::new();
        for name in ["guest-1", "Ｇuest-x", "a:b", "", " ", "a\u{202E}b"] {
            let refused = town.refused(Actor::Anonymous, Scenario::register(name));
            assert!(matches!(refused, Rejection::Invalid { field: "username", .. }), "{name:?}");
        }
        for email in ["ada", "@example.org", "ada@", "a@b@c", "1@guest.invalid", "a b@c"] {
            let register = Register { email: Clear::new(email), ..Scenario::register("Ada") };
            let refused = town.refused(Actor::Anonymous, register);
            assert!(matches!(refused, Rejection::Invalid { field: "email", .. }), "{email:?}");
        }
    }

    #[test]
    fn the_first_administrator_bootstraps_once() {
        let mut town = Scenario::new();
        let bootstrap = |name| Register { bootstrap: true, ..Scenario::register(name) };
        town.when(Actor::Anonymous, bootstrap("Ada")).unwrap();
        assert_eq!(town.state().users.admins(), 1);
        assert!(matches!(town.refused(Actor::Anonymous, bootstrap("Bob")), Rejection::Gone(_)));
    }
}
