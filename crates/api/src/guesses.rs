//! Who may try a password, and how often: strangers by the name that they try, before it is looked
//! up; those whom the server knows apart from them, so that no stranger stands in their way.

use axum::http::{HeaderMap, Method};
use events::{NameDigest, UserId};

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
    Known(UserId),
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
        let guess = match (guess, user.filter(|user| known.contains(user))) {
            (Some(guess), _) => guess,
            (None, Some(user)) => Self::at_own(app, user)?,
            (None, None) => stranger()?,
        };
        Ok((guess, user))
    }

    /// Lets an attempt of somebody who is logged in through, or refuses it.
    pub(crate) fn at_own(app: &App, user: UserId) -> Result<Self, ApiError> {
        let taken = app.throttles.own_passwords.take(user)?;
        Ok(Self { whose: Whose::Known(user), taken })
    }

    /// Whether the server knew who tried.
    pub(crate) fn is_known(self) -> bool {
        matches!(self.whose, Whose::Known(_))
    }

    /// The queue in which the attempt waits.
    pub(crate) fn lane(self) -> Lane {
        if self.is_known() { Lane::Known } else { Lane::Strangers }
    }

    /// It was not compared at all: it does not count.
    pub(crate) fn give_back(self, app: &App) {
        match self.whose {
            Whose::Stranger(name) => app.throttles.wrong_passwords.give_back(&name, self.taken),
            Whose::Known(user) => app.throttles.own_passwords.give_back(&user, self.taken),
        }
    }

    /// It was right: those before it do not count either.
    pub(crate) fn was_right(self, app: &App, user: UserId) {
        match self.whose {
            Whose::Stranger(name) => app.throttles.wrong_passwords.forget(&name),
            Whose::Known(user) => app.throttles.own_passwords.forget(&user),
        }
        app.activity.succeeded(user);
    }
}

/// The users of whom the request proves to know something: by the mark of a device, by a live
/// token or session.
fn known(app: &App, context: &Context, headers: &HeaderMap) -> Vec<UserId> {
    let device = cookies::known_device(&app.secrets, headers, context.https(), app.now());
    let logged_in = auth::who(app, context, &Method::POST, headers);
    device.into_iter().chain(logged_in).collect()
}
