//! One role at a time: how it starts, and how it ends when it is told to.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use api::ApiConfig;
use decider::{Fold, Follower, Snapshot, Writer, system_clock};
use projector::{Projector, Store};
use reactor::mail::Mailer;
use recognizer::cuda::{Place, Settings};
use recognizer::engine::{Health, Limits};
use recognizer::model::Library;
use recognizer::worker::{Connections, Worker};
use rustix::process::setpriority_process;
use streams::{Frames, Live};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use vault::Vault;

use super::models::Models;
use super::parts::{Books, LOG_FILE, Ways, connect, open_store};
use super::school::School;
use super::{anchor, growth};
use crate::config::{self as configured, Config, Role};
use crate::shutdown;

/// Requests that are open at shutdown have this long; the other roles need time too.
const REQUESTS_END_WITHIN: Duration = Duration::from_secs(4);
/// At shutdown the tables may take this long to take in what was decided last.
const CATCH_UP_WITHIN: Duration = Duration::from_secs(2);

/// After a start that failed, databases may take this long to close.
const CLOSED_WITHIN: Duration = Duration::from_secs(2);

/// At shutdown a snapshot on its way is waited for this long.
const SNAPSHOTS_END_WITHIN: Duration = Duration::from_secs(1);

/// The nice value of a thread that may wait for all others.
const PRIORITY_LEAST: i32 = 19;

/// The model may take this long until it is warm, on a busy machine.
const WARM_WITHIN: Duration = Duration::from_secs(30);
const WARM_POLL: Duration = Duration::from_millis(10);

/// What the roles of this process share; only what they need is opened.
pub(super) struct Roles<'a> {
    config: &'a Config,
    ways: Ways,
    books: Option<Books>,
    store: Option<Store>,
    /// The decider's fold of the log, until the API goes on from it.
    fold: Option<Fold>,
}

type Task = JoinHandle<Result<()>>;

impl<'a> Roles<'a> {
    /// Opens what the configured roles need.
    pub(super) async fn open(config: &'a Config) -> Result<Self> {
        let has = |role| config.roles.contains(role);
        let nats = connect(config).await?;
        let ways = match &nats {
            Some(nats) => Ways::on_nats(nats, config).await?,
            None => Ways::local(),
        };
        let reads = config.roles != configured::Roles::only(Role::Recognizer);
        let books = if reads { Some(Books::open(config, nats.as_ref()).await?) } else { None };
        let tables = has(Role::Api) || has(Role::Projector) || has(Role::Reactor);
        let store = if tables { Some(open_store(config).await?) } else { None };
        if let (Some(store), Some(books)) = (&store, &books) {
            projector::check_tables(store, &books.log).await?;
        }
        Ok(Self { config, ways, books, store, fold: None })
    }

    /// The keys, if this process has to do with them.
    pub(super) fn vault(&self) -> Option<Vault> {
        self.books.as_ref().map(|books| books.vault.clone())
    }

    /// Closes what was opened, for a process that does not come up.
    pub(super) async fn close(self) {
        let closed = async {
            if let Some(books) = &self.books {
                books.vault.close().await;
            }
            if let Some(store) = &self.store {
                store.close().await;
            }
        };
        if tokio::time::timeout(CLOSED_WITHIN, closed).await.is_err() {
            tracing::debug!("the databases were not waited for any longer");
        }
    }

    /// Starts one role; where it answers HTTP, if it does.
    pub(super) async fn start(
        &mut self,
        role: Role,
        stop: CancellationToken,
    ) -> Result<(Option<SocketAddr>, Task)> {
        Ok(match role {
            Role::Api => {
                let (address, task) = self.api(stop).await?;
                (Some(address), task)
            }
            Role::Decider => (None, self.decider(stop).await?),
            Role::Projector => (None, self.projector(stop)?),
            Role::Recognizer => (None, self.recognizer(stop).await?),
            Role::Reactor => (None, self.reactor(stop).await?),
        })
    }

    async fn api(&mut self, stop: CancellationToken) -> Result<(SocketAddr, Task)> {
        let fold = self.fold.take();
        let books = self.books()?;
        let listen = self.config.listen;
        let listener = TcpListener::bind(listen).await;
        let listener = listener.with_context(|| format!("cannot listen on {listen}"))?;
        let address = listener.local_addr()?;
        let shutdown_within = self.config.api.shutdown_within.min(REQUESTS_END_WITHIN);
        let tls = self.config.tls()?;
        if let Some(tls) = &tls {
            shutdown::on_hangup(tls.clone(), stop.clone())?;
        }
        let teaches = self.config.roles.contains(Role::Recognizer);
        let school = School { models: self.models(), teaches };
        let parts = api::Parts {
            commands: self.ways.commands.clone(),
            follower: match fold {
                Some(fold) => Follower::go_on(fold, books.log.clone(), books.vault.clone()).await?,
                None => books.follower().await?,
            },
            store: self.store()?.clone(),
            frames: self.frames()?,
            live: self.live()?,
            vault: books.vault.clone(),
            secrets: self.config.open_secrets()?,
            models: Arc::new(school),
            reset_mail: self.reset_mail()?,
            turn_secret: self
                .config
                .turn_secret
                .as_ref()
                .map(|s| api::Secret::new(s.expose().to_owned())),
            tls,
            clock: system_clock(),
            config: ApiConfig {
                bootstrap_file: Some(self.config.bootstrap_file()),
                landmarker: Some(self.config.landmarker_folder()),
                shutdown_within,
                ..self.config.api.clone()
            },
        };
        // Where there is a decider, it keeps them.
        let keeps = !self.config.roles.contains(Role::Decider);
        let snapshots = if keeps { Some(self.keep_snapshots(None, stop.clone())?) } else { None };
        let task = tokio::spawn(async move {
            let served = api::serve(listener, parts, stop.clone()).await;
            stop.cancel();
            if let Some(snapshots) = snapshots {
                ended_soon(snapshots).await;
            }
            Ok(served?)
        });
        Ok((address, task))
    }

    /// Links for new passwords go out by mail, if there is a mail server.
    fn reset_mail(&self) -> Result<Option<api::ResetMail>> {
        let Some(mail) = self.config.mail()? else { return Ok(None) };
        let mailer = Mailer::start(mail)?;
        Ok(Some(Arc::new(move |to, secret| mailer.reset_link(to, secret.expose()))))
    }

    async fn decider(&mut self, stop: CancellationToken) -> Result<Task> {
        let queue = self.ways.queue.take().context("the decider has no queue")?;
        let Books { log, vault, snapshots, .. } = self.books()?;
        let (log, vault, snapshots) = (log.clone(), vault.clone(), snapshots.clone());
        let writer = Writer::resume(log.clone(), vault.clone(), system_clock(), snapshots).await?;
        self.fold = self.config.roles.contains(Role::Api).then(|| writer.fold());
        let first = writer.first_snapshot().await?;
        let keeping = self.keep_snapshots(first, stop.clone())?;
        let file = self.config.log.is_embedded().then(|| self.config.data.join(LOG_FILE));
        let growing = async move {
            match file {
                Some(file) => growth::report(file).await,
                None => std::future::pending().await,
            }
        };
        Ok(tokio::spawn(async move {
            tokio::select! {
                () = writer.run(queue, stop.cancelled()) => {}
                () = anchor::keep(&log, &vault) => {}
                () = growing => {}
            }
            // Without it the next start only looks less far.
            if let Err(error) = anchor::save(&log, &vault).await {
                tracing::warn!(error = format!("{error:#}"), "the log's anchor can't be moved");
            }
            stop.cancel();
            ended_soon(keeping).await;
            Ok(())
        }))
    }

    /// Beside those who fold the log, once a process; on a thread of its own, which yields to all
    /// others: people wait for them, and for a snapshot nobody. Ends with `stop`.
    fn keep_snapshots(
        &self,
        first: Option<Snapshot>,
        stop: CancellationToken,
    ) -> Result<JoinHandle<()>> {
        let Books { log, vault, snapshots, .. } = self.books()?;
        let (log, vault, snapshots) = (log.clone(), vault.clone(), snapshots.clone());
        let runtime = Handle::current();
        Ok(tokio::task::spawn_blocking(move || {
            if let Err(error) = setpriority_process(None, PRIORITY_LEAST) {
                tracing::debug!(%error, "snapshots are made with the priority of everything else");
            }
            runtime.block_on(stop.run_until_cancelled(snapshots.keep(log, vault, first)));
        }))
    }

    fn projector(&self, stop: CancellationToken) -> Result<Task> {
        let Books { log, vault, .. } = self.books()?;
        let store = self.store()?;
        // The embedded log syncs what it acknowledges, and lies beside the tables anyway.
        let archive = self.config.event_archive && !self.config.log.is_embedded();
        let live = self.live()?;
        let new = || {
            Projector::new(store.clone(), log.clone(), vault.clone(), live.clone())
                .with_archive(archive)
        };
        let (running, last) = (new(), new());
        Ok(tokio::spawn(async move {
            running.run(stop.cancelled()).await?;
            // What does not fit in is taken in at the next start.
            if let Ok(caught_up) = tokio::time::timeout(CATCH_UP_WITHIN, last.catch_up()).await {
                caught_up?;
            }
            Ok(())
        }))
    }

    async fn recognizer(&self, stop: CancellationToken) -> Result<Task> {
        let models = self.models();
        let begun = models.stamp();
        let offers = models.open()?;
        let connections = Connections {
            frames: self.frames()?,
            commands: self.ways.commands.clone(),
            live: self.live()?,
        };
        let worker = Worker::start(offers, &limits(self.config.device), connections)?;
        let monitor = worker.monitor();
        let warm = async {
            while monitor.health() == Health::Warming {
                tokio::time::sleep(WARM_POLL).await;
            }
        };
        tokio::time::timeout(WARM_WITHIN, warm).await.context("the model does not warm up")?;
        tokio::spawn(models.watch(begun, worker.changes(), stop.clone()));
        Ok(tokio::spawn(async move { Ok(worker.run(stop.cancelled()).await?) }))
    }

    fn models(&self) -> Models {
        Models {
            library: Library::new(self.config.models_folder()).on(self.config.device),
            configured: self.config.model.clone(),
            copies: match self.config.device {
                Place::Cpu => self.config.recognizer_engines,
                Place::Cuda(_) => NonZeroUsize::MIN,
            },
        }
    }

    async fn reactor(&self, stop: CancellationToken) -> Result<Task> {
        let Books { log, vault, .. } = self.books()?;
        let webhooks = self.config.api.webhooks;
        let parts = reactor::Parts {
            log: log.clone(),
            commands: self.ways.commands.clone(),
            vault: vault.clone(),
            // Opening the tables made the outbox's too.
            outbox: reactor::Outbox::open(self.config.database.expose()).await?,
            targets: reactor::Targets {
                private: webhooks.allow_private_targets,
                http: webhooks.allow_http,
            },
        };
        let clock = system_clock();
        Ok(tokio::spawn(async move {
            reactor::run(parts, move || clock(), stop.cancelled()).await?;
            Ok(())
        }))
    }

    fn frames(&self) -> Result<Frames> {
        self.ways.frames.clone().context("the way for frames was not opened")
    }

    fn live(&self) -> Result<Live> {
        self.ways.live.clone().context("the way for live messages was not opened")
    }

    fn books(&self) -> Result<&Books> {
        self.books.as_ref().context("the log and the vault were not opened")
    }

    fn store(&self) -> Result<&Store> {
        self.store.as_ref().context("the tables were not opened")
    }
}

/// Waits a moment for what was told to end: it would find the runtime gone.
async fn ended_soon(task: JoinHandle<()>) {
    if !matches!(tokio::time::timeout(SNAPSHOTS_END_WITHIN, task).await, Ok(Ok(()))) {
        tracing::debug!("a snapshot was not waited for");
    }
}

/// What an engine takes on: a device lives from large steps, and one engine keeps it busy, while all
/// cores read frames for it.
fn limits(device: Place) -> Limits {
    match device {
        Place::Cpu => Limits::default(),
        Place::Cuda(_) => {
            let on = Settings::of(device);
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            let reading = 1.0 / cores as f64;
            Limits { slots: on.rows - on.batch, batch: on.batch, reading, ..Limits::default() }
        }
    }
}
