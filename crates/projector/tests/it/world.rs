//! A small town that writes real history: commands decided by the rules, personal fields sealed
//! by a real vault, blocks appended to a real log.

use std::sync::Arc;

use events::command::Created;
use events::room::command::{
    captions::SetCaptions, create::Create, join::Join, message, transcript,
};
use events::room::{Consent, RoomEvent, Settings, TranscriptKind};
use events::user::TokenKind;
use events::user::command::{register::Register, token};
use events::{
    Actor, Block, Clear, Command, CommandId, Commit, Event, LogId, MessageId, NameDigest, Position,
    RoomCode, RoomId, SegmentId, Stamp, State, Subject, SystemRole, Timestamp, TokenDigest,
    TranscriptId, UserId,
};
use projector::Store;
use streams::{Log, live};
use uuid::Uuid;
use vault::{Destruction, Secrets, Vault};

pub(crate) const OPERATOR: Actor = Actor::System(SystemRole::Operator);
pub(crate) const RECOGNIZER: Actor = Actor::System(SystemRole::Recognizer);

pub(crate) struct World {
    pub(crate) log: Log,
    pub(crate) vault: Vault,
    pub(crate) state: State,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) now: Timestamp,
    pub(crate) last_id: u64,
    pub(crate) names: u64,
    pending: Vec<String>,
    gone: Vec<Destruction>,
    pub(crate) said: Vec<(RoomId, UserId, MessageId)>,
    pub(crate) signed: Vec<(RoomId, TranscriptId)>,
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

    pub(crate) async fn commit(&mut self, actor: Actor, subject: Subject, mut events: Vec<Event>) {
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

    pub(crate) fn digest(&mut self) -> [u8; 16] {
        self.names += 1;
        *Uuid::new_v5(&Uuid::NAMESPACE_OID, &self.names.to_be_bytes()).as_bytes()
    }

    pub(crate) fn token(&mut self) -> token::NewToken {
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

    pub(crate) async fn try_create_room(&mut self, owner: UserId) -> Option<Created> {
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

    /// A projector from this log into a store.
    pub(crate) fn projector(&self, store: &Store) -> projector::Projector {
        let (log, vault) = (self.log.clone(), self.vault.clone());
        projector::Projector::new(store.clone(), log, vault, live::local())
    }
}

fn register_command(register: Register) -> events::user::UserCommand {
    events::user::UserCommand::Register(register)
}
