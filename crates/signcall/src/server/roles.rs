//! One role at a time: how it starts, and how it ends when it is told to.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use api::ApiConfig;
use decider::{Writer, system_clock};
use projector::{Projector, Store};
use reactor::mail::Mailer;
use recognizer::engine::{Health, Limits};
use recognizer::model::{BUILT_IN, Model, built_in, load};
use recognizer::worker::{Connections, Worker};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use vault::Secrets;

use super::parts::{Books, Ways, connect, open_store};
use crate::config::{self as configured, Config, Role};
use crate::shutdown;

/// Requests that are open at shutdown have this long; the other roles need time too.
const REQUESTS_END_WITHIN: Duration = Duration::from_secs(4);
/// At shutdown the tables may take this long to take in what was decided last.
const CATCH_UP_WITHIN: Duration = Duration::from_secs(2);

/// The model may take this long until it is warm, on a busy machine.
const WARM_WITHIN: Duration = Duration::from_secs(30);
const WARM_POLL: Duration = Duration::from_millis(10);

/// What the roles of this process share; only what they need is opened.
pub(super) struct Roles<'a> {
    config: &'a Config,
    ways: Ways,
    books: Option<Books>,
    store: Option<Store>,
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
        Ok(Self { config, ways, books, store })
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

    async fn api(&self, stop: CancellationToken) -> Result<(SocketAddr, Task)> {
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
        let parts = api::Parts {
            commands: self.ways.commands.clone(),
            follower: books.follower().await?,
            store: self.store()?.clone(),
            frames: self.ways.frames.clone(),
            live: self.ways.live.clone(),
            vault: books.vault.clone(),
            secrets: Secrets::open(&self.config.secrets)?,
            models: known_models(&self.config.model),
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
        let task = tokio::spawn(async move { Ok(api::serve(listener, parts, stop).await?) });
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
        let Books { log, vault, .. } = self.books()?;
        let writer = Writer::open(log.clone(), vault.clone(), system_clock()).await?;
        Ok(tokio::spawn(async move {
            writer.run(queue, stop.cancelled()).await;
            Ok(())
        }))
    }

    fn projector(&self, stop: CancellationToken) -> Result<Task> {
        let Books { log, vault, .. } = self.books()?;
        let store = self.store()?;
        // The embedded log syncs what it acknowledges, and lies beside the tables anyway.
        let archive = self.config.event_archive && !self.config.log.is_embedded();
        let new = || {
            let live = self.ways.live.clone();
            Projector::new(store.clone(), log.clone(), vault.clone(), live).with_archive(archive)
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
        let models = open_models(&self.config.model, self.config.recognizer_engines.get())?;
        let connections = Connections {
            frames: self.ways.frames.clone(),
            commands: self.ways.commands.clone(),
            live: self.ways.live.clone(),
        };
        let worker = Worker::start(models, &Limits::default(), connections)?;
        let monitor = worker.monitor();
        let warm = async {
            while monitor.health() == Health::Warming {
                tokio::time::sleep(WARM_POLL).await;
            }
        };
        tokio::time::timeout(WARM_WITHIN, warm).await.context("the model does not warm up")?;
        Ok(tokio::spawn(async move { Ok(worker.run(stop.cancelled()).await?) }))
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

    fn books(&self) -> Result<&Books> {
        self.books.as_ref().context("the log and the vault were not opened")
    }

    fn store(&self) -> Result<&Store> {
        self.store.as_ref().context("the tables were not opened")
    }
}

/// The names that people may choose a model by: those built in, and that of the configured folder.
fn known_models(configured: &str) -> Vec<String> {
    let mut names: Vec<String> = BUILT_IN.iter().map(|name| (*name).to_owned()).collect();
    if !BUILT_IN.contains(&configured)
        && let Ok(model) = load(Path::new(configured))
    {
        names.push(model.spec().name.clone());
    }
    names
}

/// `copies` of the configured model, which streams get that name none, and of every built-in one.
fn open_models(configured: &str, copies: usize) -> Result<Vec<Box<dyn Model>>> {
    let first = open_model(configured)?;
    let name = first.spec().name.clone();
    drop(first);
    let others = BUILT_IN.iter().copied().filter(|other| *other != name);
    let all = std::iter::once(configured).chain(others);
    all.flat_map(|model| std::iter::repeat_n(model, copies)).map(open_model).collect()
}

/// A built-in model by its name, or the one in a folder.
fn open_model(name: &str) -> Result<Box<dyn Model>> {
    match built_in(name) {
        Some(model) => Ok(model?),
        None if Path::new(name).is_dir() => Ok(load(Path::new(name))?),
        None => bail!("there is no model {name:?}: neither built in nor a folder"),
    }
}
