//! What administrators decide: who else is one, who is blocked.

use serde::{Deserialize, Serialize};

use super::{administrator, existing, of_user};
use crate::command::{Actor, Decision, Rejection};
use crate::id::UserId;
use crate::sealed::{Clear, Personal};
use crate::state::State;
use crate::text;
use crate::user::event::{
    AdminGranted, AdminRevoked, Blocked, ModelTaught, RevocationReason, TokensRevoked, Unblocked,
    UserEvent,
};

macro_rules! about_a_user {
    ($($(#[$doc:meta])* $name:ident,)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
        pub struct $name {
            /// Whom it is about.
            pub user: UserId,
        }
    )*};
}

about_a_user! {
    /// Make somebody an administrator.
    GrantAdmin,
    /// Take it back.
    RevokeAdmin,
    /// Let a blocked user in again; clears the log-in lock and the counter too.
    Unblock,
}

/// Block a user; every log-in of theirs ends at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Block {
    /// Whom.
    pub user: UserId,
    /// Why.
    pub reason: Clear,
}

/// Write down that a sign was taught: the new model is there already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteTaught {
    /// The model that learned.
    pub base: String,
    /// The new one.
    pub model: String,
    /// Clips that it learned from.
    pub clips: u32,
}

fn not_oneself(by: Option<UserId>, user: UserId) -> Result<(), Rejection> {
    if by == Some(user) {
        let detail = "administrators can't do this to themselves; ask another one".to_owned();
        return Err(Rejection::Forbidden(detail));
    }
    Ok(())
}

impl GrantAdmin {
    pub(crate) fn decide(self, state: &State, actor: Actor) -> Result<Decision, Rejection> {
        let by = administrator(state, actor)?;
        not_oneself(by, self.user)?;
        let user = existing(state, self.user)?;
        if user.guest_of.is_some() || user.is_blocked() {
            let detail = "a guest or a blocked user can't be an administrator".to_owned();
            return Err(Rejection::Forbidden(detail));
        }
        let granted = UserEvent::AdminGranted(AdminGranted { user_id: self.user });
        Ok(of_user(self.user, if user.is_admin { vec![] } else { vec![granted] }))
    }
}

impl RevokeAdmin {
    pub(crate) fn decide(self, state: &State, actor: Actor) -> Result<Decision, Rejection> {
        let by = administrator(state, actor)?;
        not_oneself(by, self.user)?;
        let user = existing(state, self.user)?;
        if state.users.is_last_admin(self.user) {
            let detail = "the last administrator can't be revoked; grant another first".to_owned();
            return Err(Rejection::LastAdmin(detail));
        }
        let revoked = UserEvent::AdminRevoked(AdminRevoked { user_id: self.user });
        Ok(of_user(self.user, if user.is_admin { vec![revoked] } else { vec![] }))
    }
}

impl Block {
    pub(crate) fn decide(&self, state: &State, actor: Actor) -> Result<Decision, Rejection> {
        let by = administrator(state, actor)?;
        not_oneself(by, self.user)?;
        let user = existing(state, self.user)?;
        if state.users.is_last_admin(self.user) {
            let detail = "the last administrator can't be blocked; grant another first".to_owned();
            return Err(Rejection::LastAdmin(detail));
        }
        let reason = Personal::Clear(text::body("reason", &self.reason, text::REASON)?);
        if user.is_blocked() {
            return Ok(of_user(self.user, vec![]));
        }
        let user_id = self.user;
        let why = RevocationReason::Blocked;
        Ok(of_user(
            user_id,
            vec![
                UserEvent::Blocked(Blocked { user_id, reason }),
                UserEvent::TokensRevoked(TokensRevoked { user_id, except: None, reason: why }),
            ],
        ))
    }
}

impl Unblock {
    pub(crate) fn decide(self, state: &State, actor: Actor) -> Result<Decision, Rejection> {
        administrator(state, actor)?;
        let user = existing(state, self.user)?;
        let nothing = !user.is_blocked() && user.failed_login_attempts == 0;
        let unblocked = UserEvent::Unblocked(Unblocked { user_id: self.user });
        Ok(of_user(self.user, if nothing { vec![] } else { vec![unblocked] }))
    }
}

impl NoteTaught {
    pub(crate) fn decide(&self, state: &State, actor: Actor) -> Result<Decision, Rejection> {
        let Some(user_id) = administrator(state, actor)? else {
            let detail = "an operator's teaching is nobody's in the log".to_owned();
            return Err(Rejection::Forbidden(detail));
        };
        text::tag("base", Some(&self.base))?;
        text::tag("model", Some(&self.model))?;
        let (base, model, clips) = (self.base.clone(), self.model.clone(), self.clips);
        let taught = ModelTaught { user_id, base, model, clips };
        Ok(of_user(user_id, vec![UserEvent::ModelTaught(taught)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    use crate::user::command::account::DeleteUser;
    use crate::user::command::login::LogIn;

    #[test]
    fn who_taught_a_model_is_written_down() {
        let mut town = Scenario::new();
        let (ada, bob) = (town.admin("Ada"), town.user("Bob"));
        let note = |model: &str| NoteTaught {
            base: "asl-basic".to_owned(),
            model: model.to_owned(),
            clips: 10,
        };
        let refused = town.refused(Actor::User(bob), note("asl-basic-tea"));
        assert!(matches!(refused, Rejection::Forbidden(_)));
        let wrong = town.refused(Actor::User(ada), note("tea pot"));
        assert!(matches!(wrong, Rejection::Invalid { field: "model", .. }));
        let noted = town.when(Actor::User(ada), note("asl-basic-tea")).unwrap();
        let taught = ModelTaught {
            user_id: ada,
            base: "asl-basic".to_owned(),
            model: "asl-basic-tea".to_owned(),
            clips: 10,
        };
        assert_eq!(noted.events, [crate::Event::User(UserEvent::ModelTaught(taught))]);
    }

    #[test]
    fn an_administrator_makes_another_but_never_acts_on_themself() {
        let mut town = Scenario::new();
        let (ada, bob) = (town.admin("Ada"), town.user("Bob"));
        let by = Actor::User(ada);
        assert!(matches!(
            town.refused(Actor::User(bob), GrantAdmin { user: bob }),
            Rejection::Forbidden(_)
        ));
        assert!(matches!(town.refused(by, RevokeAdmin { user: ada }), Rejection::Forbidden(_)));
        town.when(by, GrantAdmin { user: bob }).unwrap();
        assert!(town.when(by, GrantAdmin { user: bob }).unwrap().events.is_empty());
        town.when(Actor::User(bob), RevokeAdmin { user: ada }).unwrap();
        let operator = Actor::System(crate::command::SystemRole::Operator);
        assert!(matches!(
            town.refused(operator, RevokeAdmin { user: bob }),
            Rejection::LastAdmin(_)
        ));
        let block = Block { user: bob, reason: Clear::new("rude") };
        assert!(matches!(town.refused(operator, block), Rejection::LastAdmin(_)));
    }

    #[test]
    fn a_blocked_administrator_is_none_that_could_help() {
        let mut town = Scenario::new();
        let (ada, bob) = (town.admin("Ada"), town.user("Bob"));
        town.when(Actor::User(ada), GrantAdmin { user: bob }).unwrap();
        let block = Block { user: bob, reason: Clear::new("spam") };
        town.when(Actor::User(ada), block).unwrap();
        let delete = DeleteUser { user: ada, erase_content: false };
        assert!(matches!(town.refused(Actor::User(ada), delete), Rejection::LastAdmin(_)));
        // Whoever is blocked helps nobody, and may be revoked.
        town.when(Actor::User(ada), RevokeAdmin { user: bob }).unwrap();
    }

    #[test]
    fn a_block_ends_every_log_in_until_it_is_lifted() {
        let mut town = Scenario::new();
        let (ada, bob) = (town.admin("Ada"), town.user("Bob"));
        let block = Block { user: bob, reason: Clear::new("spam") };
        town.when(Actor::User(ada), block.clone()).unwrap();
        assert!(town.when(Actor::User(ada), block).unwrap().events.is_empty());
        let wordless = Block { user: bob, reason: Clear::new(" ") };
        let refused = town.refused(Actor::User(ada), wordless);
        assert!(matches!(refused, Rejection::Invalid { field: "reason", .. }));
        let user = town.state().users.get(bob).unwrap();
        assert!(user.is_blocked() && user.tokens.is_empty());
        let token = Scenario::token(9);
        let log_in = LogIn { user: bob, token, passwords: 1, known_device: true, rehashed: None };
        assert_eq!(town.refused(Actor::Anonymous, log_in.clone()), Rejection::Blocked);
        town.when(Actor::User(ada), Unblock { user: bob }).unwrap();
        assert!(town.when(Actor::Anonymous, log_in).is_ok());
        assert!(town.when(Actor::User(ada), Unblock { user: bob }).unwrap().events.is_empty());
    }
}
