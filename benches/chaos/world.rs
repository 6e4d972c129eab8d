//! An installation: a data folder with a few users, and the processes that serve it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use projector::testing::{PrivatePostgres, find_postgres};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use sqlx::{Connection as _, PgConnection};
use streams::Log;
use streams::log::embedded;
use streams::nats::{NatsConfig, connect};
use streams::testing::{NatsServer, find_nats_server};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::disk::Disk;
use super::launch::{self, Extra, Launch};
use super::proxy::{Mode, Proxy};
use super::setup::{Kind, Setup};
use crate::population::{self, Population};
use crate::server::{Server, free_address, released};

/// Users who send, each in one of the rooms.
pub(super) const PEOPLE: usize = 16;
/// Users besides, each of whom logs out in the middle of one fault.
const SPARE: usize = 48;
const ROOMS: usize = 4;
/// How long a process may take to come up, tried again and again as a supervisor would.
const UP_WITHIN: Duration = Duration::from_secs(60);
/// More connections than PostgreSQL is set up for.
const CROWD_MAX: usize = 400;
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(50);

/// A running installation, gone when dropped.
pub(super) struct World {
    pub(super) setup: Setup,
    /// Where the API answers, at each of its processes.
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) population: Population,
    pub(super) processes: Vec<(Kind, Server)>,
    links: Vec<(Kind, Proxy)>,
    postgres: Option<PrivatePostgres>,
    /// The small file system of data folder, streams or database, where there is one.
    disk: Option<Disk>,
    nats: Option<NatsServer>,
    /// Connections that leave no place for others.
    crowd: Vec<PgConnection>,
    /// The database of tables and vault, as the processes and as the rig reach it.
    databases: Option<(String, String)>,
    folder: TempDir,
}

impl World {
    /// Makes the data folder and starts the processes; `seed` is that of the links' dice.
    pub(super) async fn start(setup: Setup, signcall: &Path, seed: u64) -> anyhow::Result<Self> {
        Self::start_with(setup, signcall, seed, &Extra::default()).await
    }

    /// As [`Self::start`], in narrower bounds.
    pub(super) async fn start_with(
        setup: Setup,
        signcall: &Path,
        seed: u64,
        extra: &Extra,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("signcall-chaos-").tempdir()?;
        let mut world = Self {
            setup,
            addresses: vec![],
            population: Population { people: vec![], rooms: vec![] },
            processes: vec![],
            links: vec![],
            nats: None,
            postgres: None,
            crowd: vec![],
            databases: None,
            disk: None,
            folder,
        };
        world.start_services(seed, extra).await?;
        let data = world.data();
        let log = world.log().await?;
        let vault = world.vault_url();
        let people = if setup.is_spread() { PEOPLE + SPARE } else { PEOPLE };
        world.population = population::settle_with(&log, &data, &vault, people, ROOMS).await?;
        drop(log);
        released(&data).await?;
        let launch = Launch::prepare(setup, &data, signcall, extra)?;
        for (kind, roles) in setup.processes() {
            let address = free_address()?;
            if roles.contains("api") {
                world.addresses.push(address);
            }
            let (program, arguments) =
                launch.command(*kind, world.arguments(*kind, roles, address)?)?;
            let process = Server::start(&program, arguments, &data, kind.name()).await?;
            world.processes.push((*kind, process));
        }
        Ok(world)
    }

    async fn start_services(&mut self, seed: u64, extra: &Extra) -> anyhow::Result<()> {
        let on_nats = self.setup == Setup::OnNats || self.setup.is_spread();
        if let Some(mb) = extra.disk_mb.filter(|_| !on_nats) {
            self.disk = Some(Disk::mount(self.folder.path(), mb)?);
        }
        if on_nats {
            let program = find_nats_server().context("there is no nats-server")?;
            let mut nats = NatsServer::start(program, "").await?;
            if let Some(mb) = extra.disk_mb {
                nats.kill();
                self.disk = Some(Disk::mount(&nats.store(), mb)?);
                nats.restart().await?;
            }
            let server = SocketAddr::from(([127, 0, 0, 1], nats.port()));
            self.nats = Some(nats);
            for (n, (kind, _)) in self.setup.processes().iter().enumerate() {
                if self.setup.is_spread() {
                    let link = Proxy::start(server, seed.wrapping_add(n as u64)).await?;
                    self.links.push((*kind, link));
                }
            }
        }
        if self.setup == Setup::SpreadOnPostgres {
            let programs = find_postgres().context("there is no PostgreSQL")?;
            let folder = PrivatePostgres::folder()?;
            if let Some(mb) = extra.postgres_disk_mb {
                self.disk = Some(Disk::mount(&folder, mb)?);
            }
            let postgres = PrivatePostgres::start_in(programs, folder).await?;
            let server = SocketAddr::from(([127, 0, 0, 1], postgres.port()));
            let link = Proxy::start(server, seed).await?;
            let direct = postgres.database().await?;
            let ports = [postgres.port(), link.address.port()].map(|port| format!(":{port}/"));
            let linked = direct.replace(&ports[0], &ports[1]);
            self.links.push((Kind::Postgres, link));
            self.databases = Some((linked, direct));
            self.postgres = Some(postgres);
        }
        Ok(())
    }

    /// Sets the clock of a process by so many seconds forward or back.
    pub(super) fn set_clock(&self, kind: Kind, ahead_s: i64) -> anyhow::Result<()> {
        launch::set_clock(&self.data(), kind, ahead_s)
    }

    fn arguments(
        &self,
        kind: Kind,
        roles: &str,
        address: SocketAddr,
    ) -> anyhow::Result<Vec<String>> {
        let (shared, address) = (self.data(), address.to_string());
        let shown = |path: &Path| path.display().to_string();
        if self.setup == Setup::Sabotaged {
            let arguments = ["chaos", "serve-sabotaged", &shown(&shared), &address];
            return Ok(arguments.map(str::to_owned).to_vec());
        }
        // Machines of their own share neither snapshots nor anything else but log, tables and vault.
        let own = shared.join(kind.name());
        let spread = self.setup.is_spread();
        let data = shown(if spread { &own } else { &shared });
        let fixed = ["serve", "--data", &data, "--roles", roles, "--listen", &address];
        let mut arguments = fixed.map(str::to_owned).to_vec();
        let quiet = ["--log-level", "warn", "--api", "throttles.chat.per_minute=0"];
        arguments.extend(quiet.map(str::to_owned));
        if let Some(nats) = &self.nats {
            let link = self.links.iter().find(|(known, _)| *known == kind);
            let url =
                link.map_or_else(|| nats.url(), |(_, link)| format!("nats://{}", link.address));
            arguments.extend(["--log".to_owned(), url]);
        }
        if spread {
            let (tables, vault) = match &self.databases {
                Some((linked, _)) => (linked.clone(), linked.clone()),
                None => (self.tables_url(), self.vault_url()),
            };
            let secrets = shown(&shared.join("secrets"));
            let places = ["--database", &tables, "--vault", &vault, "--secrets", &secrets];
            arguments.extend(places.map(str::to_owned));
        }
        Ok(arguments)
    }

    /// The data folder.
    pub(super) fn data(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// The tables, as the rig reaches them.
    pub(super) fn tables_url(&self) -> String {
        self.url_of("tables.db")
    }

    /// The vault, as the rig reaches it.
    pub(super) fn vault_url(&self) -> String {
        self.url_of("vault.db")
    }

    fn url_of(&self, file: &str) -> String {
        match &self.databases {
            Some((_, direct)) => direct.clone(),
            None => format!("sqlite:{}", self.data().join(file).display()),
        }
    }

    /// Where an API process answers.
    pub(super) fn address(&self, kind: Kind) -> Option<SocketAddr> {
        let apis = [Kind::Api, Kind::SecondApi];
        let place = apis.iter().position(|api| *api == kind)?;
        self.addresses.get(place).copied()
    }

    /// The log, beside the running processes.
    pub(super) async fn log(&self) -> anyhow::Result<Log> {
        Ok(match &self.nats {
            None => embedded::open(&self.data().join("log.db")).await?,
            Some(nats) => {
                let connection = connect(&NatsConfig::new(nats.url())).await?;
                streams::log::nats::open(&connection).await?
            }
        })
    }

    /// One of those of the population who only log out.
    pub(super) fn spare(&self, n: usize) -> Option<&population::Person> {
        self.population.people.get(PEOPLE + n)
    }

    /// The small file system.
    pub(super) fn disk(&self) -> anyhow::Result<&Disk> {
        self.disk.as_ref().context("there is no small file system")
    }

    /// The NATS server, where there is one.
    pub(super) fn nats(&mut self) -> anyhow::Result<&mut NatsServer> {
        self.nats.as_mut().context("there is no nats-server")
    }

    /// Whether tables and vault lie on PostgreSQL.
    pub(super) fn has_postgres(&self) -> bool {
        self.postgres.is_some()
    }

    /// PostgreSQL, where it is used.
    pub(super) fn postgres(&mut self) -> anyhow::Result<&mut PrivatePostgres> {
        self.postgres.as_mut().context("there is no PostgreSQL")
    }

    /// Takes every connection that PostgreSQL has to give, and those of the processes that they let
    /// go of; `false` lets them all go.
    pub(super) async fn crowd_postgres(&mut self, is_crowded: bool) -> anyhow::Result<()> {
        self.crowd.clear();
        let url = self.tables_url();
        while is_crowded && self.crowd.len() < CROWD_MAX {
            match PgConnection::connect(&url).await {
                Ok(connection) => self.crowd.push(connection),
                Err(_) => break,
            }
        }
        Ok(())
    }

    fn process(&mut self, kind: Kind) -> anyhow::Result<&mut Server> {
        let mut processes = self.processes.iter_mut();
        let found = processes.find(|(known, _)| *known == kind);
        found.map(|(_, process)| process).with_context(|| format!("there is no {}", kind.name()))
    }

    /// Kills one as hard as can be.
    pub(super) async fn kill(&mut self, kind: Kind) -> anyhow::Result<()> {
        match kind {
            Kind::NatsServer => self.nats()?.kill(),
            Kind::Postgres => self.postgres()?.kill(),
            _ => self.process(kind)?.kill().await?,
        }
        Ok(())
    }

    /// Starts one, if need be killing it before; whoever waits for others is started again.
    pub(super) async fn restart(&mut self, kind: Kind) -> anyhow::Result<()> {
        let until = Instant::now() + UP_WITHIN;
        loop {
            let up = match kind {
                Kind::NatsServer => self.nats()?.restart().await.map_err(anyhow::Error::from),
                Kind::Postgres => self.postgres()?.restart().await.map_err(anyhow::Error::from),
                _ => self.process(kind)?.restart().await,
            };
            match up {
                Err(_) if Instant::now() < until => sleep(PAUSE).await,
                up => return up,
            }
        }
    }

    /// Starts a process; whether it comes up at the first try.
    pub(super) async fn restart_once(&mut self, kind: Kind) -> anyhow::Result<()> {
        self.process(kind)?.restart().await
    }

    /// The end of what a process said.
    pub(super) fn last_words(&mut self, kind: Kind) -> String {
        self.process(kind).map(|process| process.last_words()).unwrap_or_default()
    }

    /// Sends a signal, such as SIGSTOP.
    pub(super) fn signal(&mut self, kind: Kind, signal: Signal) -> anyhow::Result<()> {
        Ok(kill_process(self.pid(kind)?, signal)?)
    }

    /// Gives a process no more memory than it has.
    pub(super) fn starve(&mut self, kind: Kind) -> anyhow::Result<()> {
        let none = Rlimit { current: Some(0), maximum: Some(0) };
        prlimit(Some(self.pid(kind)?), Resource::Data, none)?;
        Ok(())
    }

    fn pid(&mut self, kind: Kind) -> anyhow::Result<Pid> {
        let pid = match kind {
            Kind::NatsServer => self.nats()?.pid(),
            Kind::Postgres => bail!("PostgreSQL is many processes"),
            _ => self.process(kind)?.pid(),
        };
        let pid = pid.with_context(|| format!("the {} does not run", kind.name()))?;
        Pid::from_raw(i32::try_from(pid)?).context("no process has the number 0")
    }

    /// What the link of a process to NATS, or all links to PostgreSQL, do from now on.
    pub(super) fn link(&self, kind: Kind, mode: Mode) -> anyhow::Result<()> {
        let link = self.links.iter().find(|(known, _)| *known == kind);
        let (_, link) = link.with_context(|| format!("the {} has no link", kind.name()))?;
        link.set(mode);
        Ok(())
    }

    /// Processes that have ended by themselves, with their last words.
    pub(super) fn ended(&mut self) -> anyhow::Result<Vec<(Kind, String)>> {
        let mut ended = Vec::new();
        for (kind, process) in &mut self.processes {
            if process.has_ended()? {
                ended.push((*kind, process.last_words()));
            }
        }
        Ok(ended)
    }
}
