//! A small town of users and rooms, and the chat they write: the same for the same seed.

use events::command::Created;
use events::room::command::{create, join, message};
use events::scenario::Scenario;
use events::user::TokenKind;
use events::user::command::{register, token};
use events::{
    Actor, Clear, Command, CommandId, Commit, Envelope, NameDigest, Personal, RoomCode, RoomId,
    TokenDigest, UserId,
};
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};

/// The seed of every benchmark.
pub const SEED: u64 = 7;
/// Rooms of the town.
pub const ROOMS: usize = 100;
/// Users of the town; each is in one room.
pub const USERS: usize = 1000;

/// Users and rooms, and the commands that made them, in order.
pub struct Town {
    /// The state after `history`.
    pub scenario: Scenario,
    /// What was asked, and by whom.
    pub history: Vec<(Actor, Command)>,
    /// Who is in which room.
    pub members: Vec<(UserId, RoomId)>,
    random: StdRng,
}

impl Default for Town {
    fn default() -> Self {
        Self::new()
    }
}

impl Town {
    /// Builds the town.
    ///
    /// # Panics
    /// When a rule refuses what the town does: then the benchmark would measure nothing.
    pub fn new() -> Self {
        let mut town = Self {
            scenario: Scenario::new(),
            history: Vec::new(),
            members: Vec::new(),
            random: StdRng::seed_from_u64(SEED),
        };
        let users: Vec<UserId> = (0..USERS).map(|n| town.register(n)).collect();
        let rooms: Vec<RoomId> = users.iter().take(ROOMS).map(|owner| town.room(*owner)).collect();
        for (n, user) in users.into_iter().enumerate() {
            let room = rooms[n % ROOMS];
            town.act(Actor::User(user), join::Join { room });
            town.members.push((user, room));
        }
        town
    }

    /// One more chat message of somebody in the room they are in, about 100 characters long.
    pub fn chat(&mut self) -> (Actor, Command) {
        let (user, room) = self.members[self.random.random_range(0..self.members.len())];
        let length = self.random.random_range(20..180);
        let letter = |random: &mut StdRng| char::from(b'a' + random.random_range(0..26u8));
        let text: String = (0..length).map(|_| letter(&mut self.random)).collect();
        (Actor::User(user), message::SendMessage { room, text: Clear::new(text) }.into())
    }

    /// One short message of every member, in envelopes of their own.
    pub fn everybody_says_hello(&mut self) -> Vec<Envelope> {
        let hello = |(user, room): (UserId, RoomId)| {
            let text = Clear::new("hello");
            (Actor::User(user), message::SendMessage { room, text }.into())
        };
        let said: Vec<_> = self.members.iter().copied().map(hello).collect();
        said.into_iter().map(|one| self.envelope(one)).collect()
    }

    /// A chat message as its commit's line in a block, sealed with random bytes.
    ///
    /// # Panics
    /// When a rule refuses the message, or its commit can't be written.
    pub fn chat_line(&mut self) -> String {
        let (actor, command) = self.chat();
        let time = self.scenario.now();
        let decision = self.scenario.when(actor, command.clone()).expect("chat is allowed");
        let mut events = decision.events;
        for event in &mut events {
            for sealed in event.personal(time) {
                // A nonce of 24 bytes and a tag of 16 go with every sealed text.
                let bytes = (0..160).map(|_| self.random.random()).collect();
                *sealed.field = Personal::Sealed(bytes);
            }
        }
        let id = self.envelope((actor, command)).id;
        let commit = Commit {
            command: id,
            time,
            actor,
            subject: decision.subject,
            correlation: None,
            causation: None,
            body: None,
            events,
        };
        commit.encode().expect("the commit is sealed")
    }

    /// The command in an envelope of its own.
    pub fn envelope(&mut self, (actor, command): (Actor, Command)) -> Envelope {
        let bytes: [u8; 16] = self.random.random();
        let id = CommandId::from_uuid(uuid::Uuid::from_bytes(bytes));
        Envelope { id, actor, correlation: None, causation: None, body: None, command }
    }

    fn act(&mut self, actor: Actor, command: impl Into<Command>) -> Option<Created> {
        let command = command.into();
        self.history.push((actor, command.clone()));
        self.scenario.when(actor, command).expect("the town keeps the rules").created
    }

    fn register(&mut self, n: usize) -> UserId {
        let (username_digest, email_digest) = (self.bytes(), self.bytes());
        let token = token::NewToken {
            digest: TokenDigest::from_bytes(self.bytes()),
            kind: TokenKind::Api,
            lifetime_s: 3600,
            cap_s: 43_200,
        };
        let created = self.act(
            Actor::Anonymous,
            register::Register {
                username: Clear::new(format!("user {n}")),
                username_digest: NameDigest::from_bytes(username_digest),
                email: Clear::new(format!("user{n}@example.org")),
                email_digest: NameDigest::from_bytes(email_digest),
                password_hash: Clear::new("x".repeat(60)),
                bootstrap: false,
                token,
            },
        );
        match created {
            Some(Created::User(id)) => id,
            other => panic!("registering made {other:?}"),
        }
    }

    fn room(&mut self, owner: UserId) -> RoomId {
        let code = RoomCode::from_random(self.random.next_u64());
        let settings = events::room::Settings::default();
        match self.act(Actor::User(owner), create::Create { code, settings }) {
            Some(Created::Room(id)) => id,
            other => panic!("creating a room made {other:?}"),
        }
    }

    fn bytes(&mut self) -> [u8; 16] {
        self.random.random()
    }
}
