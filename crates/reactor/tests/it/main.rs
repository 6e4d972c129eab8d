//! The outbox on SQLite and PostgreSQL, with reactors that come, go, and stand side by side.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on panics")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use decider::{Writer, system_clock};
use events::command::Created;
use events::room::command::create::Create;
use events::room::command::message::SendMessage;
use events::user::TokenKind;
use events::user::command::register::Register;
use events::user::command::token::NewToken;
use events::webhook::command::manage::CreateWebhook;
use events::webhook::{Notice, Scope};
use events::{
    Actor, Clear, Command, CommandId, Envelope, LogId, RoomCode, RoomId, TokenDigest, WebhookId,
};
use projector::testing::PrivatePostgres;
use projector::{DeliveryRow, Store};
use reactor::{Outbox, Parts, Targets};
use streams::{Commands, Log};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use vault::{Secrets, Vault};

const PATIENCE: Duration = Duration::from_secs(20);

/// A log with a decider, and tables.
struct World {
    _folder: tempfile::TempDir,
    secrets: Secrets,
    vault: Vault,
    log: Log,
    commands: Commands,
    database: String,
    store: Store,
    server: Option<Arc<PrivatePostgres>>,
}

impl World {
    async fn each(test: &str) -> Vec<Self> {
        let folder = tempfile::tempdir().unwrap();
        let file = format!("sqlite:{}", folder.path().join("tables.db").display());
        let mut worlds = vec![Self::on(folder, file, None).await];
        if let Some(server) = PrivatePostgres::for_test(test).await.unwrap() {
            let database = server.database().await.unwrap();
            worlds.push(Self::on(tempfile::tempdir().unwrap(), database, Some(server)).await);
        }
        worlds
    }

    async fn on(
        folder: tempfile::TempDir,
        database: String,
        server: Option<Arc<PrivatePostgres>>,
    ) -> Self {
        let secrets = Secrets::init(&folder.path().join("secrets")).unwrap();
        let keys = format!("sqlite:{}", folder.path().join("vault.db").display());
        let vault = Vault::open(&keys, &secrets).await.unwrap();
        let store = Store::open(&database).await.unwrap();
        let log = streams::log::memory::create(LogId::from_uuid(Uuid::new_v4()));
        let (commands, queue) = streams::commands::local();
        let writer = Writer::open(log.clone(), vault.clone(), system_clock()).await.unwrap();
        tokio::spawn(writer.run(queue, std::future::pending()));
        Self { _folder: folder, secrets, vault, log, commands, database, store, server }
    }

    async fn send(&self, actor: Actor, command: impl Into<Command>) -> Option<Created> {
        let envelope = Envelope {
            id: CommandId::from_uuid(Uuid::new_v4()),
            actor,
            correlation: None,
            causation: None,
            body: None,
            command: command.into(),
        };
        self.commands.submit(envelope).await.unwrap().unwrap().created
    }

    async fn user(&self, name: &str) -> Actor {
        let email = format!("{name}@example.org");
        let digest = TokenDigest::from_bytes(*Uuid::new_v4().as_bytes());
        let register = Register {
            username: Clear::new(name),
            username_digest: self.secrets.username_digest(name),
            email_digest: self.secrets.email_digest(&email),
            email: Clear::new(email),
            password_hash: Clear::new("hash"),
            bootstrap: false,
            token: NewToken { digest, kind: TokenKind::Api, lifetime_s: 60, cap_s: 60 },
        };
        match self.send(Actor::Anonymous, register).await {
            Some(Created::User(user)) => Actor::User(user),
            other => panic!("expected a user, got {other:?}"),
        }
    }

    async fn room(&self, owner: Actor) -> RoomId {
        let code = RoomCode::from_random(Uuid::new_v4().as_u128() as u64);
        let create = Create { code, settings: events::room::Settings::default() };
        match self.send(owner, create).await {
            Some(Created::Room(room)) => room,
            other => panic!("expected a room, got {other:?}"),
        }
    }

    async fn webhook(&self, owner: Actor, url: &str) -> WebhookId {
        let create = CreateWebhook {
            url: Clear::new(url),
            secret: Clear::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
            scope: Scope::Own,
            events: vec![Notice::MessageSent],
        };
        match self.send(owner, create).await {
            Some(Created::Webhook(webhook)) => webhook,
            other => panic!("expected a webhook, got {other:?}"),
        }
    }

    async fn reactor(&self) -> CancellationToken {
        let parts = Parts {
            log: self.log.clone(),
            commands: self.commands.clone(),
            vault: self.vault.clone(),
            outbox: Outbox::open(&self.database).await.unwrap(),
            targets: Targets { private: true, http: true },
        };
        let stop = CancellationToken::new();
        let (stopped, clock) = (stop.clone(), system_clock());
        tokio::spawn(async move {
            reactor::run(parts, move || clock(), stopped.cancelled()).await.unwrap();
        });
        stop
    }

    async fn deliveries(&self, webhook: WebhookId) -> Vec<DeliveryRow> {
        self.store.deliveries(webhook, u64::MAX, 100).await.unwrap().rows
    }

    async fn until_delivered(&self, webhook: WebhookId, count: usize) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let rows = self.deliveries(webhook).await;
            if rows.len() == count && rows.iter().all(|row| row.state == "delivered") {
                return;
            }
            assert!(tokio::time::Instant::now() < deadline, "not in time: {rows:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Answers 204 to everything; tells the first line of the body's text of each message.
async fn receiver() -> (String, mpsc::UnboundedReceiver<String>) {
    let (tell, told) = mpsc::unbounded_channel();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, tell.clone()));
        }
    });
    (url, told)
}

async fn answer(mut stream: TcpStream, tell: mpsc::UnboundedSender<String>) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if length.is_some_and(|length| body.len() >= length.parse().unwrap_or(usize::MAX)) {
                let body: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
                let _ = tell.send(body["data"]["msg_content"].as_str().unwrap_or("?").to_owned());
                return stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
            }
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    }
}

/// Takes connections and never answers; counts those that are open.
async fn silent() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let open = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&open);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let open = Arc::clone(&counted);
            open.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut bytes = [0; 1024];
                while stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
                open.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    (url, open)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_never_answers_holds_up_no_other() {
    for world in World::each("reactor a_receiver_that_never_answers_holds_up_no_other").await {
        let ((slow, open), (url, mut told)) = (silent().await, receiver().await);
        let (eve, ada) = (world.user("eve").await, world.user("ada").await);
        for _ in 0..5 {
            world.webhook(eve, &slow).await;
        }
        let webhook = world.webhook(ada, &url).await;
        // More than could ever be under way at once.
        for _ in 0..30 {
            let (room, text) = (world.room(eve).await, Clear::new("into the void"));
            world.send(eve, SendMessage { room, text }).await;
        }
        let _reactor = world.reactor().await;
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while open.load(Ordering::SeqCst) < 4 {
            assert!(tokio::time::Instant::now() < deadline, "not in time");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let rooms = [world.room(ada).await, world.room(ada).await];
        for n in 0..10 {
            let text = Clear::new(format!("{n}"));
            world.send(ada, SendMessage { room: rooms[n % 2], text }).await;
        }
        world.until_delivered(webhook, 10).await;
        let under_way = open.load(Ordering::SeqCst);
        assert!(under_way <= 4, "{under_way} deliveries of one owner are under way");
        let mut heard = Vec::new();
        while let Ok(text) = told.try_recv() {
            heard.push(text.parse::<usize>().unwrap());
        }
        for parity in [0, 1] {
            let of_room: Vec<_> = heard.iter().filter(|n| *n % 2 == parity).copied().collect();
            assert_eq!(of_room, (parity..10).step_by(2).collect::<Vec<_>>(), "the room's order");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_delivery_is_made_once_whoever_comes_and_goes() {
    for world in World::each("reactor each_delivery_is_made_once_whoever_comes_and_goes").await {
        let (url, mut told) = receiver().await;
        let ada = world.user("ada").await;
        let (room, webhook) = (world.room(ada).await, world.webhook(ada, &url).await);
        let say = async |text: &str| {
            world.send(ada, SendMessage { room, text: Clear::new(text) }).await;
        };
        let mut expected = Vec::new();
        for round in 0..3 {
            // What was said while nobody was there is told too.
            let stops = [world.reactor().await, world.reactor().await];
            for n in 0..5 {
                let text = format!("{round}/{n}");
                say(&text).await;
                expected.push(text);
            }
            world.until_delivered(webhook, expected.len()).await;
            stops.iter().for_each(CancellationToken::cancel);
            let text = format!("{round}, alone");
            say(&text).await;
            expected.push(text);
        }
        let _last = world.reactor().await;
        world.until_delivered(webhook, expected.len()).await;
        let mut heard = Vec::new();
        while let Ok(text) = told.try_recv() {
            heard.push(text);
        }
        assert_eq!(heard, expected, "in order, each once");
        let rows = world.deliveries(webhook).await;
        assert!(rows.is_sorted_by(|newer, older| newer.n > older.n), "numbers rise with the log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outbox_for_another_log_begins_anew() {
    for mut world in World::each("reactor an_outbox_for_another_log_begins_anew").await {
        let (url, mut told) = receiver().await;
        let mut before = Vec::new();
        for text in ["in the first log", "in the second log"] {
            let ada = world.user("ada").await;
            let (room, webhook) = (world.room(ada).await, world.webhook(ada, &url).await);
            let stop = world.reactor().await;
            world.send(ada, SendMessage { room, text: Clear::new(text) }).await;
            world.until_delivered(webhook, 1).await;
            assert_eq!(told.recv().await.unwrap(), text);
            stop.cancel();
            let (database, server) = (world.database.clone(), world.server.clone());
            let next = World::on(tempfile::tempdir().unwrap(), database, server).await;
            // Its folder holds the tables of the next one.
            before.push(std::mem::replace(&mut world, next));
        }
    }
}
