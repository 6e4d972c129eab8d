//! Everything that an API process stands on, in this process, with a clock that tests can move.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use api::{ApiConfig, Parts, Throttles};
use decider::{Clock, Follower, Writer, system_clock};
use events::LogId;
use projector::{Projector, Store};
use streams::nats::{Nats, NatsConfig};
use streams::testing::NatsServer;
use streams::{CommandQueue, Commands, Frames, Live, Log};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;
use vault::{Secrets, Vault};

use crate::client::Client;

/// A condition is waited for this long at most.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A running API and what it stands on.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) folder: TempDir,
    pub(crate) log: Log,
    pub(crate) commands: Commands,
    pub(crate) frames: Frames,
    pub(crate) live: Live,
    pub(crate) vault: Vault,
    pub(crate) store: Store,
    config: ApiConfig,
    /// Stops the API.
    pub(crate) stop: CancellationToken,
    /// Stops the projector.
    pub(crate) stop_projector: CancellationToken,
    ahead_s: Arc<AtomicI64>,
    clock: Clock,
    nats: Option<NatsServer>,
    _all: DropGuard,
}

/// What the processes of one installation talk over.
struct Ways {
    log: Log,
    commands: Commands,
    queue: CommandQueue,
    live: Live,
    /// What the projector tells over.
    hints: Live,
    nats: Option<NatsServer>,
    /// Time passes only where a test says so.
    frozen: bool,
}

/// What every API process stands on, besides its ways to the others.
struct Ground {
    folder: PathBuf,
    frames: Frames,
    clock: Clock,
    config: ApiConfig,
}

impl Ground {
    fn secrets(&self) -> Secrets {
        Secrets::open(&self.folder.join("secrets")).unwrap()
    }

    async fn parts(self, ways: (Log, Live, Commands), store: Store, vault: Vault) -> Parts {
        let (secrets, (log, live, commands)) = (self.secrets(), ways);
        Parts {
            commands,
            follower: Follower::start(log, vault.clone()).await.unwrap(),
            store,
            frames: self.frames,
            live,
            vault,
            secrets,
            models: Arc::new(crate::teaching::Pupils),
            reset_mail: None,
            turn_secret: Some(api::Secret::new("north".to_owned())),
            tls: None,
            clock: self.clock,
            config: self.config,
        }
    }
}

/// A process of its own, in all but name: killed when dropped, whatever it is doing.
pub(crate) struct Process(Option<Runtime>);

impl Process {
    fn start(runs: impl Future<Output = ()> + Send + 'static) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = { runtime }.worker_threads(1).enable_all().build().unwrap();
        runtime.spawn(runs);
        Self(Some(runtime))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

async fn connect(server: &NatsServer) -> Nats {
    streams::nats::connect(&NatsConfig::new(server.url())).await.unwrap()
}

/// Limits as shipped, with the cheapest hash.
pub(crate) fn quick() -> ApiConfig {
    ApiConfig { bcrypt_cost: 4, ..ApiConfig::default() }
}

/// Without throttles, for tests that are about something else.
pub(crate) fn unthrottled() -> ApiConfig {
    let off = api::Rate { burst: 0, per_minute: 0 };
    let throttles = Throttles {
        registrations: off,
        logins: off,
        wrong_passwords: off,
        own_passwords: off,
        chat: off,
        unknown_codes: off,
        resets: off,
        ..Throttles::default()
    };
    ApiConfig { throttles, ..quick() }
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(quick()).await
    }

    pub(crate) async fn with(config: ApiConfig) -> Self {
        Self::hearing(config, true).await
    }

    /// At a time that passes only where the test says so.
    pub(crate) async fn frozen(config: ApiConfig) -> Self {
        Self::local(config, true, true).await
    }

    /// Without the projector's hints where `hears` is false: as if every one of them was lost.
    pub(crate) async fn hearing(config: ApiConfig, hears: bool) -> Self {
        Self::local(config, hears, false).await
    }

    async fn local(config: ApiConfig, hears: bool, frozen: bool) -> Self {
        let log = streams::log::memory::create(LogId::from_uuid(Uuid::new_v4()));
        let (commands, queue) = streams::commands::local();
        let live = streams::live::local();
        let hints = if hears { live.clone() } else { streams::live::local() };
        Self::on(config, Ways { log, commands, queue, live, hints, nats: None, frozen }).await
    }

    /// On a private nats-server; a note and `None` where there is none.
    pub(crate) async fn on_nats(test: &str, config: ApiConfig) -> Option<Self> {
        let server = NatsServer::for_test(test).await.unwrap()?;
        let nats = connect(&server).await;
        let (commands, queue) = streams::commands::serve_nats(&nats).await.unwrap();
        let live = streams::live::over_nats(&nats).await.unwrap();
        let hints = streams::live::over_nats(&nats).await.unwrap();
        let log = streams::log::nats::open(&nats).await.unwrap();
        let nats = Some(server);
        let ways = Ways { log, commands, queue, live, hints, nats, frozen: false };
        Some(Self::on(config, ways).await)
    }

    async fn on(mut config: ApiConfig, ways: Ways) -> Self {
        let Ways { log, commands, queue, live, hints, nats, frozen } = ways;
        let folder = tempfile::tempdir().unwrap();
        config.bootstrap_file = Some(folder.path().join("bootstrap"));
        let secrets = Secrets::init(&folder.path().join("secrets")).unwrap();
        let url = |name: &str| format!("sqlite:{}", folder.path().join(name).display());
        let vault = Vault::open(&url("vault.db"), &secrets).await.unwrap();
        let store = Store::open(&url("tables.db")).await.unwrap();
        let frames = streams::frames::local();
        let ahead_s = Arc::new(AtomicI64::new(0));
        let (real, ahead) = (system_clock(), Arc::clone(&ahead_s));
        let start = real();
        let clock: Clock = Arc::new(move || {
            let now = if frozen { start } else { real() };
            now.plus_seconds(ahead.load(Ordering::SeqCst))
        });
        let all = CancellationToken::new();
        let writer = Writer::open(log.clone(), vault.clone(), Arc::clone(&clock)).await.unwrap();
        tokio::spawn(writer.run(queue, all.clone().cancelled_owned()));
        let stop_projector = all.child_token();
        let projector = Projector::new(store.clone(), log.clone(), vault.clone(), hints);
        tokio::spawn(projector.run(stop_projector.clone().cancelled_owned()));
        let stop = all.child_token();
        let mut server = Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            folder,
            log,
            commands,
            frames,
            live,
            store,
            vault,
            config,
            stop,
            stop_projector,
            ahead_s,
            clock,
            nats,
            _all: all.drop_guard(),
        };
        server.address = server.serve().await;
        server
    }

    /// One more API process on the same log, tables and live channel; its address.
    pub(crate) async fn serve(&self) -> SocketAddr {
        let Some(server) = &self.nats else { return self.serve_on(self.log.clone()).await };
        // Nothing is shared but the server.
        let nats = connect(server).await;
        let log = streams::log::nats::open(&nats).await.unwrap();
        let live = streams::live::over_nats(&nats).await.unwrap();
        self.serve_with(log, live, streams::commands::over_nats(&nats)).await
    }

    /// An API process that can be killed, and its address.
    pub(crate) fn process(&self) -> (Process, SocketAddr) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (ground, url) = (self.ground(), self.url("tables.db"));
        let (ways, keys) = (self.ways(), self.url("vault.db"));
        let process = Process::start(async move {
            let vault = Vault::open(&keys, &ground.secrets()).await.unwrap();
            let store = Store::open(&url).await.unwrap();
            let parts = ground.parts(ways, store, vault).await;
            let listener = TcpListener::from_std(listener).unwrap();
            drop(api::serve(listener, parts, CancellationToken::new()).await);
        });
        (process, address)
    }

    /// A projector that can be killed, and tells over `hints`.
    pub(crate) fn projector(&self, hints: Live) -> Process {
        let (log, keys, tables) = (self.log.clone(), self.url("vault.db"), self.url("tables.db"));
        let ground = self.ground();
        Process::start(async move {
            let vault = Vault::open(&keys, &ground.secrets()).await.unwrap();
            let store = Store::open(&tables).await.unwrap();
            let projector = Projector::new(store, log, vault, hints);
            // It can only end by being killed, and that may look like anything.
            drop(projector.run(std::future::pending()).await);
        })
    }

    /// One more API process, with its own way to the log; its address.
    pub(crate) async fn serve_on(&self, log: Log) -> SocketAddr {
        self.serve_with(log, self.live.clone(), self.commands.clone()).await
    }

    async fn serve_with(&self, log: Log, live: Live, commands: Commands) -> SocketAddr {
        let (store, vault) = (self.store.clone(), self.vault.clone());
        let parts = self.ground().parts((log, live, commands), store, vault).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(api::serve(listener, parts, self.stop.clone()));
        address
    }

    fn ways(&self) -> (Log, Live, Commands) {
        (self.log.clone(), self.live.clone(), self.commands.clone())
    }

    fn ground(&self) -> Ground {
        let folder = self.folder.path().to_owned();
        let (clock, config) = (Arc::clone(&self.clock), self.config.clone());
        Ground { folder, frames: self.frames.clone(), clock, config }
    }

    fn url(&self, name: &str) -> String {
        format!("sqlite:{}", self.folder.path().join(name).display())
    }

    /// A reactor, which keeps running until the server is dropped.
    pub(crate) async fn reactor(&self, targets: reactor::Targets) {
        let tables = self.url("tables.db");
        let parts = reactor::Parts {
            log: self.log.clone(),
            commands: self.commands.clone(),
            vault: self.vault.clone(),
            outbox: reactor::Outbox::open(&tables).await.unwrap(),
            targets,
        };
        let (clock, stop) = (Arc::clone(&self.clock), self.stop_projector.clone());
        tokio::spawn(async move {
            reactor::run(parts, move || clock(), stop.cancelled()).await.unwrap();
        });
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, seconds: i64) {
        self.ahead_s.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(crate) fn now(&self) -> events::Timestamp {
        (self.clock)()
    }

    /// Nobody in particular.
    pub(crate) fn anonymous(&self) -> Client {
        Client::new(self.address, None)
    }

    /// Somebody with this token.
    pub(crate) fn with_token(&self, token: &str) -> Client {
        Client::new(self.address, Some(token.to_owned()))
    }

    /// A new user, logged in.
    pub(crate) async fn user(&self, name: &str) -> Client {
        let answer = self.anonymous().register(name).await;
        let token = answer.body["token"].as_str().unwrap_or_else(|| panic!("{answer:?}"));
        self.with_token(token)
    }

    /// The first administrator.
    pub(crate) async fn admin(&self) -> Client {
        let file = self.folder.path().join("bootstrap");
        let secret = api::bootstrap::issue(&file, self.now()).unwrap();
        let body = serde_json::json!({
            "secret": secret.expose(),
            "username": "root",
            "email": "root@example.org",
            "password": crate::client::PASSWORD,
        });
        let answer = self.anonymous().post("/admin/bootstrap", &body).await;
        self.with_token(answer.expect(201)["token"].as_str().unwrap())
    }
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !holds().await {
        assert!(tokio::time::Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
