//! A small town that writes real history: commands decided by the rules, personal fields sealed
//! by a real vault, blocks appended to a real log; and tables on either database to project into.

use std::path::PathBuf;
use std::sync::Arc;

use events::command::Created;
use events::room::command::{
    captions::SetCaptions, close, create::Create, join::Join, leave, message, transcript,
};
use events::room::{Consent, RoomEvent, Settings, TranscriptKind};
use events::room::{HandedOver, SettingsChanged, TextsExpired};
use events::user::UsernameChanged;
use events::user::command::{account, admin, login, register::Register, token};
use events::user::{TokenKind, UserEvent};
use events::{
    Actor, Block, Clear, Command, CommandId, Commit, Event, LogId, MessageId, NameDigest, Personal,
    Position, RoomCode, RoomId, SegmentId, Stamp, State, Subject, SystemRole, Timestamp,
    TokenDigest, TranscriptId, UserId,
};
use projector::Store;
use projector::testing::PrivatePostgres;
use streams::{Log, live};
use uuid::Uuid;
use vault::{Destruction, Secrets, Vault};

pub(crate) const OPERATOR: Actor = Actor::System(SystemRole::Operator);
const RECOGNIZER: Actor = Actor::System(SystemRole::Recognizer);
const API: Actor = Actor::System(SystemRole::Api);
const DAY_S: i64 = 24 * 3600;

/// Numbers that look random and are the same every time.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1)
    }

    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides.max(1) as u64) as usize
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        of.get(self.roll(of.len())).copied()
    }
}

pub(crate) struct World {
    pub(crate) log: Log,
    pub(crate) vault: Vault,
    pub(crate) state: State,
    pub(crate) folder: tempfile::TempDir,
    now: Timestamp,
    last_id: u64,
    names: u64,
    pending: Vec<String>,
    gone: Vec<Destruction>,
    said: Vec<(RoomId, UserId, MessageId)>,
    signed: Vec<(RoomId, TranscriptId)>,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::on(streams::log::memory::create(LogId::from_uuid(Uuid::new_v4()))).await
    }

    pub(crate) async fn on(log: Log) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let secrets = Secrets::init(&folder.path().join("secrets")).unwrap();
        let url = format!("sqlite:{}", folder.path().join("vault.db").display());
        Self {
            log,
            vault: Vault::open(&url, &secrets).await.unwrap(),
            state: State::default(),
            folder,
            now: Timestamp::from_micros(1_767_225_600_000_000),
            last_id: 0,
            names: 0,
            pending: Vec::new(),
            gone: Vec::new(),
            said: Vec::new(),
            signed: Vec::new(),
        }
    }

    /// Decides a command; what it decides goes into the block that is being gathered.
    pub(crate) async fn act(
        &mut self,
        actor: Actor,
        command: impl Into<Command>,
    ) -> Option<Created> {
        let mut stamp = Stamp::new(self.now, self.last_id);
        let decision = command.into().decide(&self.state, actor, &mut stamp).ok()?;
        self.last_id = stamp.last_id();
        if !decision.events.is_empty() {
            self.commit(actor, decision.subject, decision.events).await;
        }
        decision.created
    }

    /// Lets events happen that no command asks for yet.
    pub(crate) async fn happen(&mut self, room: RoomId, event: RoomEvent) {
        self.commit(OPERATOR, Subject::Room(room), vec![Event::Room(event)]).await;
    }

    async fn commit(&mut self, actor: Actor, subject: Subject, mut events: Vec<Event>) {
        let mut scopes = Vec::new();
        for event in &mut events {
            Destruction::collect(&self.state, event, &mut self.gone);
            self.state.evolve(event, self.now);
            scopes.extend(event.personal(self.now).iter().map(|field| field.scope));
        }
        let keys = self.vault.keys_for(&scopes).await.unwrap();
        for event in &mut events {
            keys.seal_fields(event.personal(self.now)).unwrap();
        }
        let commit = Commit {
            command: CommandId::from_uuid(Uuid::new_v4()),
            time: self.now,
            actor,
            subject,
            correlation: None,
            causation: None,
            body: None,
            events,
        };
        self.pending.push(commit.encode().unwrap());
        self.now = self.now.plus_seconds(1);
    }

    /// Appends what was gathered as one block, then destroys the keys that must go.
    pub(crate) async fn append(&mut self) -> Position {
        let head = self.log.head().await.unwrap();
        if self.pending.is_empty() {
            return head.position;
        }
        let block = Block::build(&head, &std::mem::take(&mut self.pending));
        let position = block.head().position;
        self.log.append(Arc::new(block)).await.unwrap();
        self.vault.destroy(&std::mem::take(&mut self.gone), position).await.unwrap();
        position
    }

    pub(crate) fn wait(&mut self, seconds: i64) {
        self.now = self.now.plus_seconds(seconds);
    }

    fn digest(&mut self) -> [u8; 16] {
        self.names += 1;
        *Uuid::new_v5(&Uuid::NAMESPACE_OID, &self.names.to_be_bytes()).as_bytes()
    }

    fn token(&mut self) -> token::NewToken {
        let digest = TokenDigest::from_bytes(self.digest());
        token::NewToken { digest, kind: TokenKind::Api, lifetime_s: 3600, cap_s: 43200 }
    }

    pub(crate) async fn register(&mut self) -> UserId {
        let name = format!("ada{}", self.names);
        let token = self.token();
        let register = Register {
            username: Clear::new(&name),
            username_digest: NameDigest::from_bytes(self.digest()),
            email: Clear::new(format!("{name}@example.org")),
            email_digest: NameDigest::from_bytes(self.digest()),
            password_hash: Clear::new(format!("$2b$12${name}")),
            bootstrap: false,
            token,
        };
        match self.act(Actor::Anonymous, Command::User(register_command(register))).await {
            Some(Created::User(user)) => user,
            other => panic!("registering made {other:?}"),
        }
    }

    pub(crate) async fn create_room(&mut self, owner: UserId) -> RoomId {
        match self.try_create_room(owner).await {
            Some(Created::Room(room)) => room,
            other => panic!("creating a room made {other:?}"),
        }
    }

    async fn try_create_room(&mut self, owner: UserId) -> Option<Created> {
        let bytes = self.digest();
        let bits = u64::from_be_bytes(bytes[..8].try_into().unwrap());
        let create = Create { code: RoomCode::from_random(bits), settings: Settings::default() };
        self.act(Actor::User(owner), create).await
    }

    pub(crate) async fn join(&mut self, room: RoomId, user: UserId) {
        self.act(Actor::User(user), Join { room }).await;
    }

    pub(crate) async fn send(&mut self, room: RoomId, user: UserId, text: &str) -> MessageId {
        let send = message::SendMessage { room, text: Clear::new(text) };
        match self.act(Actor::User(user), send).await {
            Some(Created::Message(message)) => message,
            other => panic!("sending made {other:?}"),
        }
    }

    pub(crate) async fn sign(&mut self, room: RoomId, user: UserId, text: &str) -> TranscriptId {
        let segment = SegmentId::from_bytes(self.digest());
        let record = transcript::RecordTranscript {
            room,
            user,
            segment,
            kind: TranscriptKind::Gloss,
            text: Clear::new(text),
            start: self.now,
            end: self.now.plus_seconds(1),
            confidence: 0.93,
            model: "asl-basic-1".to_owned(),
        };
        match self.act(RECOGNIZER, record).await {
            Some(Created::Transcript(transcript)) => transcript,
            other => panic!("signing made {other:?}"),
        }
    }

    pub(crate) async fn consent(&mut self, room: RoomId, user: UserId) {
        let consent = SetCaptions { room, consent: Consent::Captions, language: None, model: None };
        self.act(Actor::User(user), consent).await;
    }

    /// One more thing happens to somebody, whatever it is; many are refused, as in life.
    pub(crate) async fn anything(&mut self, dice: &mut Dice) {
        let users: Vec<UserId> = sorted(self.state.users.iter().map(|(id, _)| id));
        let rooms: Vec<RoomId> = sorted(self.state.rooms.iter().map(|(id, _)| id));
        let (Some(user), Some(other)) = (dice.pick(&users), dice.pick(&users)) else {
            self.register().await;
            return;
        };
        let Some(room) = dice.pick(&rooms) else {
            self.try_create_room(user).await;
            return;
        };
        match dice.roll(100) {
            0..5 => drop(self.register().await),
            5..8 => drop(self.try_create_room(user).await),
            8..18 => self.join(room, user).await,
            18..68 => self.say_something(dice, room).await,
            68..80 => self.in_a_room(dice, room, user, other).await,
            80..96 => self.to_a_user(dice, user, other).await,
            96..98 => self.wait(DAY_S / 3),
            _ => self.expire(dice, room).await,
        }
    }

    async fn say_something(&mut self, dice: &mut Dice, room: RoomId) {
        let Some(found) = self.state.rooms.get(room) else {
            return;
        };
        let start = found.created_at;
        let members = sorted(found.participants.keys().copied());
        let Some(user) = dice.pick(&members) else {
            return;
        };
        let actor = Actor::User(user);
        let text = Clear::new(format!("text {} by {user}", dice.roll(1000)));
        let segment = SegmentId::from_bytes(self.digest());
        let (said, signed) = (dice.pick(&self.said), dice.pick(&self.signed));
        match (dice.roll(9), said, signed) {
            (0, Some((room, author, message)), _) => {
                let edit = message::EditMessage { room, message, text, expected: None };
                self.act(Actor::User(author), edit).await;
            }
            (1, Some((room, author, message)), _) if dice.roll(3) == 0 => {
                let delete = message::DeleteMessage { room, message, expected: None };
                self.act(Actor::User(author), delete).await;
            }
            (2, _, Some((room, transcript))) => {
                let correct =
                    transcript::CorrectTranscript { room, transcript, text, expected: None };
                self.act(actor, correct).await;
            }
            (3 | 4, ..) => {
                self.consent(room, user).await;
                let record = transcript::RecordTranscript {
                    room,
                    user,
                    segment,
                    kind: TranscriptKind::Fingerspelling,
                    text,
                    start,
                    end: self.now,
                    confidence: 0.1 + dice.roll(9) as f32 / 10.0,
                    model: "asl-basic-1".to_owned(),
                };
                if let Some(Created::Transcript(id)) = self.act(RECOGNIZER, record).await {
                    self.signed.push((room, id));
                }
            }
            (5, ..) => drop(self.act(actor, transcript::TypeCaption { room, segment, text }).await),
            _ => {
                let send = message::SendMessage { room, text };
                if let Some(Created::Message(id)) = self.act(actor, send).await {
                    self.said.push((room, user, id));
                }
            }
        }
    }

    async fn in_a_room(&mut self, dice: &mut Dice, room: RoomId, user: UserId, other: UserId) {
        let actor = Actor::User(user);
        let member = self.state.rooms.get(room).is_some_and(|room| room.admits(other));
        match dice.roll(8) {
            0 => drop(self.act(actor, leave::Leave { room }).await),
            2 => drop(self.act(actor, leave::Remove { room, user: other }).await),
            3 => drop(self.act(actor, close::Close { room }).await),
            4 if dice.roll(4) == 0 => drop(self.act(actor, close::Delete { room }).await),
            1 | 5 => {
                let locked = dice.roll(2) == 0;
                let settings = Settings { locked, ..Settings::default() };
                let changed = SettingsChanged { room_id: room, settings };
                self.happen(room, RoomEvent::SettingsChanged(changed)).await;
            }
            6 if member => {
                let handed = HandedOver { room_id: room, owner_id: other };
                self.happen(room, RoomEvent::HandedOver(handed)).await;
            }
            _ => self.consent(room, user).await,
        }
    }

    async fn to_a_user(&mut self, dice: &mut Dice, user: UserId, other: UserId) {
        let actor = Actor::User(user);
        match dice.roll(12) {
            0 | 1 => {
                let token = self.token();
                let log_in = login::LogIn { user, token, known_device: false, rehashed: None };
                self.act(Actor::Anonymous, log_in).await;
            }
            2 => {
                let failed =
                    login::RecordLoginFailures { user, attempts: 4, lock_after: 10, lock_s: 1800 };
                self.act(API, failed).await;
            }
            3 => drop(self.act(actor, token::RevokeTokens {}).await),
            4 => {
                let password_hash = Clear::new(format!("$2b$12$new{}", dice.roll(100)));
                let change = account::ChangePassword { user, password_hash, keep: None };
                self.act(actor, change).await;
            }
            5 => {
                let seen = vec![(user, self.now), (other, self.now)];
                self.act(API, login::RecordSeen { seen }).await;
            }
            6 => {
                let reason = Clear::new("enough");
                self.act(OPERATOR, admin::Block { user, reason }).await;
            }
            7 => drop(self.act(OPERATOR, admin::Unblock { user }).await),
            8 => drop(self.act(OPERATOR, admin::GrantAdmin { user }).await),
            9 if user != other => self.swap_names(user, other).await,
            10 if dice.roll(2) == 0 => {
                let erase_content = dice.roll(2) == 0;
                self.act(actor, account::DeleteUser { user, erase_content }).await;
            }
            _ => drop(self.act(OPERATOR, admin::RevokeAdmin { user }).await),
        }
    }

    /// Two users take each other's names: the hardest case for a unique column.
    async fn swap_names(&mut self, user: UserId, other: UserId) {
        let aside = format!("aside{}", self.names);
        let names = [self.name(user).await, self.name(other).await];
        let moves = [(user, aside), (other, names[0].clone()), (user, names[1].clone())];
        for (user_id, name) in moves {
            let username_digest = NameDigest::from_bytes(self.digest());
            let username = Personal::Clear(name);
            let renamed = UsernameChanged { user_id, username, username_digest };
            let event = Event::User(UserEvent::UsernameChanged(renamed));
            self.commit(OPERATOR, Subject::User(user_id), vec![event]).await;
        }
    }

    async fn name(&self, user: UserId) -> String {
        let scope = events::KeyScope::User(user);
        let label = events::sealed::label("user.username", user.get());
        let sealed = &self.state.users.get(user).unwrap().username;
        self.vault.read(scope, &label, sealed).await.unwrap().into_text().unwrap()
    }

    pub(crate) async fn expire(&mut self, dice: &mut Dice, room: RoomId) {
        let day = self.now.plus_seconds(-(dice.roll(4) as i64) * DAY_S).day();
        let (transcripts_before, messages_before) = match dice.roll(3) {
            0 => (Some(day), None),
            1 => (None, Some(day)),
            _ => (Some(day), Some(day)),
        };
        let expired = TextsExpired { room_id: room, transcripts_before, messages_before };
        self.happen(room, RoomEvent::TextsExpired(expired)).await;
    }

    /// A projector from this log into a store.
    pub(crate) fn projector(&self, store: &Store) -> projector::Projector {
        let (log, vault) = (self.log.clone(), self.vault.clone());
        projector::Projector::new(store.clone(), log, vault, live::local())
    }
}

fn register_command(register: Register) -> events::user::UserCommand {
    events::user::UserCommand::Register(register)
}

fn sorted<T: Ord>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut items: Vec<T> = items.collect();
    items.sort_unstable();
    items
}

/// Makes empty tables, as many as a test wants.
pub(crate) enum Databases {
    Sqlite(PathBuf, std::cell::Cell<u32>),
    Postgres(Arc<PrivatePostgres>),
}

impl Databases {
    pub(crate) fn sqlite(world: &World) -> Self {
        Self::Sqlite(world.folder.path().to_owned(), std::cell::Cell::new(0))
    }

    pub(crate) async fn postgres(test: &str) -> Option<Self> {
        PrivatePostgres::for_test(test).await.unwrap().map(Self::Postgres)
    }

    pub(crate) async fn url(&self) -> String {
        match self {
            Self::Sqlite(folder, made) => {
                made.set(made.get() + 1);
                format!("sqlite:{}", folder.join(format!("{}.db", made.get())).display())
            }
            Self::Postgres(server) => server.database().await.unwrap(),
        }
    }

    pub(crate) async fn open(&self) -> Store {
        Store::open(&self.url().await).await.unwrap()
    }
}

/// Writes each scenario once and runs it on both databases.
#[macro_export]
macro_rules! on_both {
    ($($scenario:ident),* $(,)?) => {
        mod sqlite {$(
            #[tokio::test(flavor = "multi_thread")]
            async fn $scenario() {
                let world = $crate::world::World::new().await;
                let databases = $crate::world::Databases::sqlite(&world);
                super::$scenario(world, databases).await;
            }
        )*}
        mod postgres {$(
            #[tokio::test(flavor = "multi_thread")]
            async fn $scenario() {
                let name = concat!(module_path!(), "::", stringify!($scenario));
                let Some(databases) = $crate::world::Databases::postgres(name).await else { return };
                super::$scenario($crate::world::World::new().await, databases).await;
            }
        )*}
    };
}
