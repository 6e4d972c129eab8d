//! What the tests share: a log, a vault, writers on them, and commands to send.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use decider::{Clock, Fold, Writer};
use events::command::Created;
use events::room::command::{create::Create, join::Join, message::SendMessage};
use events::user::TokenKind;
use events::user::command::{register::Register, token::NewToken};
use events::{
    Actor, Clear, Command, CommandId, Envelope, LogId, RoomCode, RoomId, Timestamp, TokenDigest,
    UserId,
};
use streams::{Commands, Log, Outcome};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use uuid::Uuid;
use vault::{Secrets, Vault};

/// 2026-01-01.
const BEGIN_MICROS: i64 = 1_767_225_600_000_000;

pub(crate) struct Rig {
    pub(crate) folder: TempDir,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) log: Log,
    pub(crate) vault: Vault,
    pub(crate) micros: Arc<AtomicI64>,
}

impl Rig {
    pub(crate) async fn embedded() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = streams::log::embedded::open(&folder.path().join("log.db")).await.unwrap();
        Self::on(folder, log).await
    }

    pub(crate) async fn memory() -> Self {
        let log = streams::log::memory::create(LogId::from_uuid(Uuid::new_v4()));
        Self::on(tempfile::tempdir().unwrap(), log).await
    }

    pub(crate) async fn on(folder: TempDir, log: Log) -> Self {
        let secrets = Arc::new(Secrets::init(&folder.path().join("secrets")).unwrap());
        let url = format!("sqlite:{}", folder.path().join("vault.db").display());
        let vault = Vault::open(&url, &secrets).await.unwrap();
        Self { folder, secrets, log, vault, micros: Arc::new(AtomicI64::new(BEGIN_MICROS)) }
    }

    /// The time moves a microsecond with every look.
    pub(crate) fn clock(&self) -> Clock {
        let micros = Arc::clone(&self.micros);
        Arc::new(move || Timestamp::from_micros(micros.fetch_add(1, Ordering::Relaxed)))
    }

    /// A writer of its own on a handle of the log.
    pub(crate) async fn writer(&self, log: Log) -> (Commands, JoinHandle<()>) {
        let (commands, queue) = streams::commands::local();
        let writer = Writer::open(log, self.vault.clone(), self.clock()).await.unwrap();
        let task = tokio::spawn(writer.run(queue, std::future::pending()));
        (commands, task)
    }

    /// In memory where the machine has such a folder: nothing here is about power losses.
    pub(crate) fn folder() -> TempDir {
        tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
    }

    /// What the log adds up to.
    pub(crate) async fn replay(&self) -> Fold {
        self.replay_of(&self.log).await
    }

    pub(crate) async fn replay_of(&self, log: &Log) -> Fold {
        let mut fold = Fold::empty(log.id());
        loop {
            let blocks = log.read(fold.head, 1 << 20).await.unwrap();
            if blocks.is_empty() {
                return fold;
            }
            for block in blocks {
                for (_, commit) in block.commits().unwrap() {
                    fold.apply(&commit, &mut Vec::new());
                }
                fold.finish(&block);
            }
        }
    }

    /// The command ids in the log, in order.
    pub(crate) async fn logged(&self) -> Vec<CommandId> {
        self.logged_on(&self.log).await
    }

    pub(crate) async fn logged_on(&self, log: &Log) -> Vec<CommandId> {
        let (mut head, mut ids) = (events::Head::empty(log.id()), Vec::new());
        loop {
            let blocks = log.read(head, 1 << 20).await.unwrap();
            let Some(last) = blocks.last() else { return ids };
            head = last.head();
            for block in &blocks {
                ids.extend(block.commits().unwrap().into_iter().map(|(_, commit)| commit.command));
            }
        }
    }

    /// One registration for each of a few names.
    pub(crate) fn registrations(&self) -> Vec<Register> {
        ["Ada", "Bob", "Cleo", "Dan"].into_iter().map(|name| self.register(name)).collect()
    }

    pub(crate) fn register(&self, name: &str) -> Register {
        let email = format!("{}@example.org", name.to_lowercase());
        Register {
            username: Clear::new(name),
            username_digest: self.secrets.username_digest(name),
            email_digest: self.secrets.email_digest(&email),
            email: Clear::new(email),
            password_hash: Clear::new("$2b$04$hash"),
            bootstrap: false,
            token: token(),
        }
    }
}

pub(crate) fn token() -> NewToken {
    let digest = TokenDigest::from_bytes(*Uuid::new_v4().as_bytes());
    NewToken { digest, kind: TokenKind::Api, lifetime_s: 3600, cap_s: 43_200 }
}

pub(crate) fn envelope(actor: Actor, command: impl Into<Command>) -> Envelope {
    Envelope {
        id: CommandId::from_uuid(Uuid::new_v4()),
        actor,
        correlation: None,
        causation: None,
        body: None,
        command: command.into(),
    }
}

pub(crate) async fn send(
    commands: &Commands,
    actor: Actor,
    command: impl Into<Command>,
) -> Outcome {
    commands.submit(envelope(actor, command)).await.unwrap()
}

pub(crate) async fn registered(rig: &Rig, commands: &Commands, name: &str) -> UserId {
    let accepted = send(commands, Actor::Anonymous, rig.register(name)).await.unwrap();
    match accepted.created {
        Some(Created::User(user)) => user,
        other => panic!("expected a user, got {other:?}"),
    }
}

pub(crate) async fn created_room(commands: &Commands, owner: UserId) -> RoomId {
    static DRAWN: AtomicU64 = AtomicU64::new(1);
    let code = RoomCode::from_random(DRAWN.fetch_add(1, Ordering::Relaxed));
    let create = Create { code, settings: events::room::Settings::default() };
    match send(commands, Actor::User(owner), create).await.unwrap().created {
        Some(Created::Room(room)) => room,
        other => panic!("expected a room, got {other:?}"),
    }
}

pub(crate) fn join(room: RoomId) -> Join {
    Join { room }
}

pub(crate) fn say(room: RoomId, text: &str) -> SendMessage {
    SendMessage { room, text: Clear::new(text) }
}
