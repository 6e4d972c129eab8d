//! Who may try a password, and how often: strangers by the name that they try, before it is looked
//! up; those whom the server knows apart from them and from each other, each by the log-in or the
//! device that they are known by: so no stranger stands in their way, and no thief of a token.

use axum::http::{HeaderMap, Method};
use events::{NameDigest, Timestamp, TokenId, UserId};

use crate::auth;
use crate::context::Context;
use crate::cookies;
use crate::error::ApiError;
use crate::password::Lane;
use crate::state::App;
use crate::throttle::Taken;

/// One attempt that was let through.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guess {
    whose: Whose,
    taken: Taken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// Somebody whom the server does not know, at this name.
    Stranger(NameDigest),
    /// The user themself: logged in, or at a device that logged in before.
    Known(UserId, Proof),
}

/// By what the server knows a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Proof {
    /// A live token or session.
    LogIn(TokenId),
    /// The mark of a device, told from others by its end, a time in microseconds.
    Device(Timestamp),
}

impl Guess {
    /// Lets an attempt at this name through, or refuses it. Also says whose name it is.
    pub(crate) fn at_name(
        app: &App,
        context: &Context,
        headers: &HeaderMap,
        name: NameDigest,
    ) -> Result<(Self, Option<UserId>), ApiError> {
        let stranger = || {
            let taken = app.throttles.wrong_passwords.take(name)?;
            Ok::<_, ApiError>(Self { whose: Whose::Stranger(name), taken })
        };
        let known = known(app, context, headers);
        // Before anything is looked up, unless there is proof of knowing somebody here.
        let guess = if known.is_empty() { Some(stranger()?) } else { None };
        let user = app.look(|state| state.users.by_username(name));
        let proof = known.into_iter().find(|(known, _)| user == Some(*known));
        let guess = match (guess, proof) {
            (Some(guess), _) => guess,
            (None, Some((user, proof))) => Self::at_own(app, user, proof)?,
            (None, None) => stranger()?,
        };
        Ok((guess, user))
    }

    /// Lets an attempt of somebody whom the server knows through, or refuses it.
    pub(crate) fn at_own(app: &App, user: UserId, proof: Proof) -> Result<Self, ApiError> {
        let taken = app.throttles.own_passwords.take((user, proof))?;
        Ok(Self { whose: Whose::Known(user, proof), taken })
    }

    /// Whether the server knew who tried.
    pub(crate) fn is_known(self) -> bool {
        matches!(self.whose, Whose::Known(..))
    }

    /// The queue in which the attempt waits.
    pub(crate) fn lane(self) -> Lane {
        if self.is_known() { Lane::Known } else { Lane::Strangers }
    }

    /// It was not compared at all: it does not count.
    pub(crate) fn give_back(self, app: &App) {
        match self.whose {
            Whose::Stranger(name) => app.throttles.wrong_passwords.give_back(&name, self.taken),
            Whose::Known(user, proof) => {
                app.throttles.own_passwords.give_back(&(user, proof), self.taken);
            }
        }
    }

    /// It was right: those before it do not count either.
    pub(crate) fn was_right(self, app: &App, user: UserId) {
        match self.whose {
            Whose::Stranger(name) => app.throttles.wrong_passwords.forget(&name),
            Whose::Known(user, proof) => app.throttles.own_passwords.forget(&(user, proof)),
        }
        app.activity.succeeded(user);
    }
}

/// The users of whom the request proves to know something, and how: by the mark of a device, by a
/// live token or session.
fn known(app: &App, context: &Context, headers: &HeaderMap) -> Vec<(UserId, Proof)> {
    let device = cookies::known_device(&app.secrets, headers, context.https(), app.now());
    let device = device.map(|(user, until)| (user, Proof::Device(until)));
    let login = auth::who(app, context, &Method::POST, headers);
    let login = login.map(|login| (login.user, Proof::LogIn(login.token)));
    device.into_iter().chain(login).collect()
}
