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
        admission(room, None)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    use crate::command::Actor;
    use crate::room::Settings;
    use crate::room::command::create::Create;
    use crate::room::command::join::Join;
    use crate::room::command::leave::Leave;
    use crate::sealed::Clear;
    use crate::user::command::account::ChangeNames;

    #[test]
    fn a_guest_is_good_for_one_room() {
        let mut town = Scenario::new();
        let ada = town.user("Ada");
        let open = Settings { guests: true, ..Settings::default() };
        let (room, other) = (town.room_with(ada, open.clone()), town.room_with(ada, open.clone()));
        let register = RegisterGuest { room, token: Scenario::token(9) };
        let guest = UserId::new(town.made(Actor::Anonymous, register));
        let by = Actor::User(guest);
        let elsewhere = Scenario::join_as_guest(other, "Visitor");
        assert_eq!(town.refused(by, elsewhere), Rejection::NotFound("room"));
        let spoofed = Scenario::join_as_guest(room, "a\u{202E}b");
        assert!(matches!(town.refused(by, spoofed), Rejection::Invalid { .. }));
        town.when(by, Scenario::join_as_guest(room, "Visitor")).unwrap();
        let called = town.state().users.get(guest).unwrap().display_name.clone().unwrap();
        assert_eq!(called.name, Personal::Clear("Visitor".into()));
        assert_eq!(town.state().users.get(guest).unwrap().tokens[0].kind, TokenKind::Guest);
        let create = Create { code: crate::id::RoomCode::from_random(9), settings: open };
        assert!(matches!(town.refused(by, create), Rejection::Forbidden(_)));
        let digest = NameDigest::from_bytes([9; 16]);
        let rename = ChangeNames { username: Some((Clear::new("Visitor"), digest)), email: None };
        assert!(matches!(town.refused(by, rename), Rejection::Forbidden(_)));
    }

    #[test]
    fn a_guest_keeps_the_name_when_coming_back() {
        let mut town = Scenario::new();
        let ada = town.user("Ada");
        let room = town.room_with(ada, Settings { guests: true, ..Settings::default() });
        let register = RegisterGuest { room, token: Scenario::token(9) };
        let guest = UserId::new(town.made(Actor::Anonymous, register));
        let by = Actor::User(guest);
        let first = town.made(by, Scenario::join_as_guest(room, "Visitor"));
        town.when(by, Leave { room }).unwrap();
        town.when(by, Join { room }).unwrap();
        let called = town.state().users.get(guest).unwrap().display_name.clone().unwrap();
        assert_eq!(
            (called.participant.get(), called.name),
            (first, Personal::Clear("Visitor".into()))
        );
    }

    #[test]
    fn a_guest_imitates_nobody_in_the_room() {
        let mut town = Scenario::new();
        let (ada, eve) = (town.user("Ada"), town.user("Eve"));
        let room = town.room_with(ada, Settings { guests: true, ..Settings::default() });
        town.joined(room, "Bob");
        town.when(Actor::User(ada), Leave { room }).unwrap();
        let register = RegisterGuest { room, token: Scenario::token(9) };
        let guest = UserId::new(town.made(Actor::Anonymous, register));
        for wrong in ["ada", "Ａｄａ", "BOB", "b\u{200D}ob"] {
            let refused = town.refused(Actor::User(guest), Scenario::join_as_guest(room, wrong));
            assert!(matches!(refused, Rejection::Invalid { field: "display_name", .. }), "{wrong}");
        }
        // Eve is not in this room; once she is, who was called so before her stays so.
        town.when(Actor::User(guest), Scenario::join_as_guest(room, "Eve")).unwrap();
        town.when(Actor::User(eve), Join { room }).unwrap();
        town.when(Actor::User(guest), Scenario::join_as_guest(room, "Eve")).unwrap();
    }

    #[test]
    fn only_open_rooms_that_want_guests_get_them() {
        let mut town = Scenario::new();
        let ada = town.user("Ada");
        let by = Actor::Anonymous;
        let register = |room| RegisterGuest { room, token: Scenario::token(9) };
        let room = town.room(ada);
        assert_eq!(town.refused(by, register(room)), Rejection::NotFound("room"));
        let locked = Settings { guests: true, locked: true, ..Settings::default() };
        let room = town.room_with(ada, locked);
        assert_eq!(town.refused(by, register(room)), Rejection::RoomLocked);
        let full = Settings { guests: true, capacity: 2, ..Settings::default() };
        let room = town.room_with(ada, full);
        let user = town.user("Bob");
        town.when(Actor::User(user), Join { room }).unwrap();
        assert_eq!(town.refused(by, register(room)), Rejection::RoomFull(2));
    }
}
