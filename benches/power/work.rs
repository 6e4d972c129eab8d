//! What the recorded process does: people register, open rooms and write, at once and in turn, while
//! the tables are made from the log.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use decider::{Snapshots, Writer};
use events::command::Created;
use events::room::command::{create::Create, message::SendMessage};
use events::user::TokenKind;
use events::user::command::{register::Register, token::NewToken};
use events::{
    Actor, Clear, Command, CommandId, Envelope, NameDigest, RoomCode, RoomId, Timestamp,
    TokenDigest, UserId,
};
use futures::future::join_all;
use parking_lot::Mutex;
use projector::{Projector, Store};
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use streams::Commands;
use tokio::sync::oneshot;
use vault::{Secrets, Vault};

use super::record::ACKED;

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// In each somebody registers, opens a room, and some write at once.
    rounds: u32,
    /// How many write at once.
    writers: usize,
    /// Characters of the longest text.
    text_max: usize,
    /// Whether refusals are borne, as long as things go well again by themselves.
    lenient: bool,
    /// How long that may take.
    patience: Duration,
}

impl Shape {
    /// Long enough that the write-ahead logs are moved into their files on the way.
    pub const LONG: Self =
        Self { rounds: 40, writers: 48, text_max: 4000, lenient: false, patience: PATIENCE };
    /// A few hundred calls.
    pub const SHORT: Self =
        Self { rounds: 3, writers: 4, text_max: 100, lenient: true, patience: PATIENCE };
    /// The same, soon giving up on what will not go well again.
    pub const BRIEF: Self = Self { patience: PAUSE, ..Self::SHORT };
}

/// How long a fault may be felt.
const PATIENCE: Duration = Duration::from_secs(10);
/// Begins the word that it was felt longer.
pub const STUCK: &str = "stuck: ";
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(50);
/// 2026-01-01.
const BEGIN_MICROS: i64 = 1_767_225_600_000_000;

/// Works in a folder, and writes into the file [`ACKED`] what was acknowledged: a command's id and its text.
///
/// # Errors
/// When something is refused, or, where that is borne, does not go well again.
pub async fn work(folder: &Path, seed: u64, shape: Shape) -> Result<()> {
    let place = folder.join("secrets");
    let secrets =
        if Secrets::exist(&place) { Secrets::open(&place) } else { Secrets::init(&place) };
    let log = streams::log::embedded::open(&folder.join("log.db")).await?;
    let vault = Vault::open(&vault_url(folder), &secrets?).await?;
    vault.bind(log.id()).await?;
    let (commands, queue) = streams::commands::local();
    // Another start begins later.
    let begin = BEGIN_MICROS + i64::try_from(seed)? * 1_000_000_000;
    let started = Instant::now();
    let clock = move || Timestamp::from_micros(begin + started.elapsed().as_micros() as i64);
    let snapshots = Snapshots::in_folder(folder);
    let writer = Writer::resume(log.clone(), vault.clone(), Arc::new(clock), snapshots).await?;
    let store = Store::open(&tables_url(folder)).await?;
    let projector = Projector::new(store.clone(), log.clone(), vault, streams::live::local());
    let (stop, stopped) = oneshot::channel::<()>();
    let writing = tokio::spawn(writer.run(queue, async {
        // A stopper that is gone stops it too.
        let _ = stopped.await;
    }));
    let projecting = tokio::spawn(projector.run(std::future::pending()));
    let acked = OpenOptions::new().create(true).append(true).open(folder.join(ACKED))?;
    let mut people = People {
        commands,
        acked: Mutex::new(acked),
        dice: StdRng::seed_from_u64(seed),
        rooms: Vec::new(),
        shape,
    };
    for round in 0..shape.rounds {
        let arrived = people.arrive(round).await;
        let written = people.write().await;
        if !shape.lenient {
            arrived.and(written)?;
        }
    }
    let until = Instant::now() + shape.patience;
    while shape.lenient && people.arrive(shape.rounds).await.is_err() {
        ensure!(Instant::now() < until, "{STUCK}commands are refused and refused");
        tokio::time::sleep(PAUSE).await;
    }
    let end = log.head().await?.position;
    let left = until.saturating_duration_since(Instant::now());
    let reached = store.wait_for(end, left.max(PAUSE)).await;
    if projecting.is_finished() {
        let why = projecting.await?.err().map_or_else(String::new, |why| format!(": {why}"));
        return Err(anyhow!("{STUCK}the projector has ended{why}"));
    }
    ensure!(reached?, "{STUCK}the tables do not come to {end}");
    if shape.lenient {
        // A snapshot is kept at a clean stop.
        let _ = stop.send(());
        writing.await?;
    }
    Ok(())
}

/// Where the tables lie in a folder.
pub fn tables_url(folder: &Path) -> String {
    format!("sqlite:{}", folder.join("tables.db").display())
}

/// Where the vault lies in a folder.
pub fn vault_url(folder: &Path) -> String {
    format!("sqlite:{}", folder.join("vault.db").display())
}

struct People {
    commands: Commands,
    acked: Mutex<File>,
    dice: StdRng,
    rooms: Vec<(UserId, RoomId)>,
    shape: Shape,
}

impl People {
    async fn arrive(&mut self, round: u32) -> Result<()> {
        let number: u32 = self.dice.random();
        let name = format!("user {round} of {number}");
        let register = Register {
            username: Clear::new(name.clone()),
            username_digest: NameDigest::from_bytes(self.dice.random()),
            email: Clear::new(format!("{round}.{number}@example.org")),
            email_digest: NameDigest::from_bytes(self.dice.random()),
            password_hash: Clear::new("x".repeat(60)),
            bootstrap: false,
            token: NewToken {
                digest: TokenDigest::from_bytes(self.dice.random()),
                kind: TokenKind::Api,
                lifetime_s: 3600,
                cap_s: 43_200,
            },
        };
        let id = CommandId::from_uuid(uuid::Uuid::from_bytes(self.dice.random()));
        let Some(Created::User(user)) = self.send(id, Actor::Anonymous, register, &name).await?
        else {
            return Err(anyhow!("registering made no user"));
        };
        let code = RoomCode::from_random(self.dice.next_u64());
        let create = Create { code, settings: events::room::Settings::default() };
        let id = CommandId::from_uuid(uuid::Uuid::from_bytes(self.dice.random()));
        match self.send(id, Actor::User(user), create, "").await? {
            Some(Created::Room(room)) => self.rooms.push((user, room)),
            other => return Err(anyhow!("creating a room made {other:?}")),
        }
        Ok(())
    }

    async fn write(&mut self) -> Result<()> {
        let mut texts = Vec::new();
        let writers = if self.rooms.is_empty() { 0 } else { self.shape.writers };
        for _ in 0..writers {
            let (user, room) = self.rooms[self.dice.random_range(0..self.rooms.len())];
            let length = self.dice.random_range(1..self.shape.text_max);
            let letter = |dice: &mut StdRng| char::from(b'a' + dice.random_range(0..26u8));
            let text: String = (0..length).map(|_| letter(&mut self.dice)).collect();
            let id = CommandId::from_uuid(uuid::Uuid::from_bytes(self.dice.random()));
            texts.push((id, user, room, text));
        }
        let sent = texts.iter().map(|(id, user, room, text)| {
            let message = SendMessage { room: *room, text: Clear::new(text.clone()) };
            self.send(*id, Actor::User(*user), message, text)
        });
        join_all(sent).await.into_iter().collect::<Result<Vec<_>>>().map(drop)
    }

    async fn send(
        &self,
        id: CommandId,
        actor: Actor,
        command: impl Into<Command>,
        text: &str,
    ) -> Result<Option<Created>> {
        let command = command.into();
        let envelope =
            Envelope { id, actor, correlation: None, causation: None, body: None, command };
        let answer = self.commands.submit(envelope).await.map_err(|error| anyhow!("{error}"))?;
        let accepted = answer.map_err(|rejection| anyhow!("refused: {rejection:?}"))?;
        // In one write: so it is one line of the recording.
        self.acked.lock().write_all(format!("{} {text}\n", id.uuid()).as_bytes())?;
        Ok(accepted.created)
    }
}
