//! Guests: people without an account, good for one room, gone when it closes.
//!
//! A guest comes in two commits, each about one subject: this one registers the guest's user, then
//! [`crate::room::command::join::JoinAsGuest`] joins the room as that user.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::of_user;
use super::register::{GUEST_DOMAIN, GUEST_PREFIX};
use super::token::NewToken;
use crate::command::{Created, Decision, Rejection, Stamp};
use crate::id::{NameDigest, RoomId, UserId};
use crate::room::command::join::admission;
use crate::sealed::Personal;
use crate::state::State;
use crate::user::event::{Registered, TokenKind, UserEvent};

/// Register a guest of one room, who joins it next.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RegisterGuest {
    /// Which room.
    pub room: RoomId,
    /// The token that is handed out; it opens nothing but that room.
    pub token: NewToken,
}

/// What no password hashes to.
const NO_PASSWORD: &str = "*";

impl RegisterGuest {
    pub(crate) fn decide(&self, state: &State, stamp: &mut Stamp) -> Result<Decision, Rejection> {
        let room = state.rooms.get(self.room).filter(|room| room.settings.guests);
        admission(room, false)?;
        let user_id = UserId::new(stamp.id());
        let (username, email) =
            (format!("{GUEST_PREFIX}{user_id}"), format!("{user_id}{GUEST_DOMAIN}"));
        let registered = Registered {
            user_id,
            username_digest: digest(&username),
            username: Personal::Clear(username),
            email_digest: digest(&email),
            email: Personal::Clear(email),
            password_hash: Personal::Clear(NO_PASSWORD.to_owned()),
            is_admin: false,
            guest_of: Some(self.room),
        };
        let token = NewToken { kind: TokenKind::Guest, ..self.token };
        let issued = token.issue(user_id, stamp);
        let events = vec![UserEvent::Registered(registered), UserEvent::TokenIssued(issued)];
        Ok(Decision { created: Some(Created::User(user_id)), ..of_user(user_id, events) })
    }
}

/// A guest's names tell nothing but the id, and nobody can choose them: no key is needed.
fn digest(name: &str) -> NameDigest {
    let digest: [u8; 32] = Sha256::digest(name).into();
    NameDigest::from_bytes(digest.first_chunk().copied().unwrap_or_default())
}
