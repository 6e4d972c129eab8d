//! What can be asked of users: one file per topic, each with payloads, `decide` and scenarios.

pub mod account;
pub mod admin;
pub mod guest;
pub mod login;
pub mod register;
pub mod reset;
pub mod token;

use serde::{Deserialize, Serialize};

use super::event::UserEvent;
use super::state::User;
use crate::command::{Actor, Decision, Rejection, Stamp};
use crate::event::Event;
use crate::id::UserId;
use crate::state::State;
use crate::subject::Subject;

/// A command about one user (or, for [`login::RecordSeen`], about the activity of many).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each variant is documented at its payload")]
pub enum UserCommand {
    Register(register::Register),
    RegisterGuest(guest::RegisterGuest),
    LogIn(login::LogIn),
    RecordLoginFailures(login::RecordLoginFailures),
    ExpireLock(login::ExpireLock),
    RecordSeen(login::RecordSeen),
    RenewToken(token::RenewToken),
    RevokeToken(token::RevokeToken),
    RevokeTokens(token::RevokeTokens),
    ChangePassword(account::ChangePassword),
    ChangeNames(account::ChangeNames),
    RequestReset(reset::RequestReset),
    ResetPassword(reset::ResetPassword),
    DeleteUser(account::DeleteUser),
    GrantAdmin(admin::GrantAdmin),
    RevokeAdmin(admin::RevokeAdmin),
    Block(admin::Block),
    Unblock(admin::Unblock),
    NoteTaught(admin::NoteTaught),
}

impl UserCommand {
    pub(crate) fn decide(
        &self,
        state: &State,
        actor: Actor,
        stamp: &mut Stamp,
    ) -> Result<Decision, Rejection> {
        match self {
            Self::Register(command) => command.decide(state, stamp),
            Self::RegisterGuest(command) => command.decide(state, stamp),
            Self::LogIn(command) => command.decide(state, stamp),
            Self::RecordLoginFailures(command) => command.decide(state, actor, stamp),
            Self::ExpireLock(command) => command.decide(state, actor, stamp),
            Self::RecordSeen(command) => command.decide(state, actor),
            Self::RenewToken(command) => command.decide(state, actor, stamp),
            Self::RevokeToken(command) => command.decide(state, actor),
            Self::RevokeTokens(token::RevokeTokens {}) => token::RevokeTokens::decide(state, actor),
            Self::ChangePassword(command) => command.decide(state, actor),
            Self::ChangeNames(command) => command.decide(state, actor),
            Self::RequestReset(command) => command.decide(state, actor, stamp),
            Self::ResetPassword(command) => command.decide(state, stamp),
            Self::DeleteUser(command) => command.decide(state, actor),
            Self::GrantAdmin(command) => command.decide(state, actor),
            Self::RevokeAdmin(command) => command.decide(state, actor),
            Self::Block(command) => command.decide(state, actor),
            Self::Unblock(command) => command.decide(state, actor),
            Self::NoteTaught(command) => command.decide(state, actor),
        }
    }
}

/// The user, who must exist.
pub(crate) fn existing(state: &State, user: UserId) -> Result<&User, Rejection> {
    state.users.get(user).ok_or(Rejection::NotFound("user"))
}

/// The acting administrator, or an operator at the command line.
pub(crate) fn administrator(state: &State, actor: Actor) -> Result<Option<UserId>, Rejection> {
    match actor {
        Actor::System(crate::command::SystemRole::Operator) => Ok(None),
        Actor::User(id) => match state.users.get(id) {
            Some(user) if user.is_admin && !user.is_blocked() => Ok(Some(id)),
            Some(_) | None => {
                Err(Rejection::Forbidden("only an administrator may do this".to_owned()))
            }
        },
        Actor::Anonymous | Actor::System(_) => Err(Rejection::LoggedOut),
    }
}

/// A decision about one user.
pub(crate) fn of_user(user: UserId, events: Vec<UserEvent>) -> Decision {
    Decision {
        subject: Subject::User(user),
        events: events.into_iter().map(Event::User).collect(),
        created: None,
    }
}
