//! Given / when / then: the way every command's rules are told as tests.

use crate::command::{Actor, Command, Decision, Rejection, Stamp};
use crate::event::Event;
use crate::state::State;
use crate::time::Timestamp;
#[cfg(test)]
use crate::{
    command::Created,
    id::{NameDigest, RoomCode, RoomId, UserId},
    room::Settings,
    room::command::{create::Create, join::Join, join::JoinAsGuest},
    sealed::Clear,
    user::command::{register::Register, token::NewToken},
};

/// A history to which commands are put.
#[derive(Debug, Clone, Default)]
pub struct Scenario {
    state: State,
    now: Timestamp,
    last_id: u64,
}

impl Scenario {
    /// Nothing has happened; it is 2026-01-01.
    pub fn new() -> Self {
        let now = Timestamp::from_micros(1_767_225_600_000_000);
        Self { state: State::default(), now, last_id: 0 }
    }

    /// Lets time pass.
    pub fn wait(&mut self, seconds: i64) -> &mut Self {
        self.now = self.now.plus_seconds(seconds);
        self
    }

    /// The state as it is.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The time as it is.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Decides a command and, when it is accepted, lets its events happen.
    pub fn when(
        &mut self,
        actor: Actor,
        command: impl Into<Command>,
    ) -> Result<Decision, Rejection> {
        let mut stamp = Stamp::new(self.now, self.last_id);
        let decision = command.into().decide(&self.state, actor, &mut stamp)?;
        self.last_id = stamp.last_id();
        for event in &decision.events {
            self.given(event);
        }
        Ok(decision)
    }

    /// Lets one event happen.
    pub fn given(&mut self, event: &Event) -> &mut Self {
        self.state.evolve(event, self.now);
        self
    }
}

/// People and rooms that many scenarios begin with.
#[cfg(test)]
impl Scenario {
    /// The command that registers this name.
    pub(crate) fn register(name: &str) -> Register {
        let digest = |domain| Self::name_digest(domain, name);
        Register {
            username: Clear::new(name),
            username_digest: digest(1),
            email: Clear::new(format!("{}@example.org", crate::text::compared_name(name))),
            email_digest: digest(2),
            password_hash: Clear::new("hash"),
            bootstrap: false,
            token: Self::token(1),
        }
    }

    /// What stands for a keyed digest of a name.
    fn name_digest(domain: u8, name: &str) -> NameDigest {
        let mut bytes = [domain; 16];
        let letters = crate::text::compared_name(name);
        for (byte, letter) in bytes.iter_mut().skip(1).zip(letters.bytes()) {
            *byte = letter;
        }
        NameDigest::from_bytes(bytes)
    }

    /// The command with which a guest of this name joins.
    pub(crate) fn join_as_guest(room: RoomId, name: &str) -> JoinAsGuest {
        let name_digest = Self::name_digest(1, name);
        JoinAsGuest { room, display_name: Clear::new(name), name_digest }
    }

    /// A token for an hour, renewable for twelve; `serial` tells its digest apart.
    pub(crate) fn token(serial: u8) -> NewToken {
        let digest = crate::id::TokenDigest::from_bytes([serial; 16]);
        NewToken { digest, kind: crate::user::TokenKind::Api, lifetime_s: 3600, cap_s: 43_200 }
    }

    /// A user of this name; tokens of different users have different digests.
    pub(crate) fn user(&mut self, name: &str) -> UserId {
        let serial = 100 + self.state.users.iter().count() as u8;
        let register = Register { token: Self::token(serial), ..Self::register(name) };
        match self.when(Actor::Anonymous, register).unwrap().created {
            Some(Created::User(user)) => user,
            other => panic!("registering made {other:?}"),
        }
    }

    /// The first administrator.
    pub(crate) fn admin(&mut self, name: &str) -> UserId {
        let user = self.user(name);
        let granted = crate::user::AdminGranted { user_id: user };
        self.given(&Event::User(crate::user::UserEvent::AdminGranted(granted)));
        user
    }

    /// A room of this owner's.
    pub(crate) fn room(&mut self, owner: UserId) -> RoomId {
        self.room_with(owner, Settings::default())
    }

    /// A room that is run like this.
    pub(crate) fn room_with(&mut self, owner: UserId, settings: Settings) -> RoomId {
        let code = RoomCode::from_random(self.state.rooms.iter().count() as u64);
        match self.when(Actor::User(owner), Create { code, settings }).unwrap().created {
            Some(Created::Room(room)) => room,
            other => panic!("creating made {other:?}"),
        }
    }

    /// A user of this name who is in the room.
    pub(crate) fn joined(&mut self, room: RoomId, name: &str) -> UserId {
        let user = self.user(name);
        self.when(Actor::User(user), Join { room }).unwrap();
        user
    }

    /// The id of the row that a command makes, which is accepted.
    pub(crate) fn made(&mut self, actor: Actor, command: impl Into<Command>) -> u64 {
        self.when(actor, command).unwrap().created.unwrap().id()
    }

    /// Why a command is refused.
    pub(crate) fn refused(&mut self, actor: Actor, command: impl Into<Command>) -> Rejection {
        self.when(actor, command).unwrap_err()
    }
}
