//! An installation: a data folder with a few users, and the processes that serve it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rand::RngExt as _;
use rand::rngs::StdRng;
use streams::Log;
use streams::log::embedded;
use streams::nats::{NatsConfig, connect};
use streams::testing::{NatsServer, find_nats_server};
use tempfile::TempDir;

use crate::population::{self, Population};
use crate::server::{Server, free_address, released};

/// Users who send, each in one of the rooms.
const PEOPLE: usize = 16;
const ROOMS: usize = 4;

/// Which processes there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setup {
    /// One process on the embedded log.
    AllInOne,
    /// The embedded log, and the projector in a process of its own.
    ProjectorApart,
    /// Every role in a process of its own, the log on NATS.
    OnNats,
    /// One process that answers before its log is durable.
    Sabotaged,
}

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    AllInOne,
    Projector,
    NatsServer,
    Decider,
    Api,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::AllInOne => "all_in_one",
            Self::Projector => "projector",
            Self::NatsServer => "nats_server",
            Self::Decider => "decider",
            Self::Api => "api",
        }
    }
}

impl Setup {
    /// What can run here: without nats-server, the embedded log alone.
    pub(super) fn possible(sabotage: bool) -> &'static [Self] {
        match (sabotage, find_nats_server()) {
            (true, _) => &[Self::Sabotaged],
            (false, Some(_)) => &[Self::AllInOne, Self::ProjectorApart, Self::OnNats],
            (false, None) => &[Self::AllInOne, Self::ProjectorApart],
        }
    }

    /// Draws a victim.
    pub(super) fn draw(self, random: &mut StdRng) -> Kind {
        let kinds: &[Kind] = match self {
            Self::AllInOne | Self::Sabotaged => &[Kind::AllInOne],
            Self::ProjectorApart => &[Kind::Projector],
            // The server more often: it holds the log.
            Self::OnNats => {
                &[Kind::NatsServer, Kind::NatsServer, Kind::Decider, Kind::Api, Kind::Projector]
            }
        };
        kinds[random.random_range(0..kinds.len())]
    }

    /// Roles by process; those whom others wait for first.
    fn processes(self) -> &'static [(Kind, &'static str)] {
        match self {
            Self::AllInOne | Self::Sabotaged => {
                &[(Kind::AllInOne, "api,decider,projector,reactor")]
            }
            Self::ProjectorApart => {
                &[(Kind::Projector, "projector"), (Kind::Decider, "api,decider,reactor")]
            }
            Self::OnNats => &[
                (Kind::Decider, "decider"),
                (Kind::Projector, "projector,reactor"),
                (Kind::Api, "api"),
            ],
        }
    }
}

/// A running installation, gone when dropped.
pub(super) struct World {
    pub(super) address: SocketAddr,
    pub(super) population: Population,
    processes: Vec<(Kind, Server)>,
    nats: Option<NatsServer>,
    folder: TempDir,
}

impl World {
    /// Makes the data folder and starts the processes.
    pub(super) async fn start(setup: Setup, signcall: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let data = folder.path().to_owned();
        let nats = match (setup, find_nats_server()) {
            (Setup::OnNats, Some(program)) => Some(NatsServer::start(program, "").await?),
            _ => None,
        };
        let log = open_log(&data, nats.as_ref()).await?;
        let population = population::settle(&log, &data, PEOPLE, ROOMS).await?;
        drop(log);
        released(&data).await?;
        let address = free_address()?;
        let mut world = Self { address, population, processes: vec![], nats, folder };
        let program = match setup {
            Setup::Sabotaged => std::env::current_exe()?,
            Setup::AllInOne | Setup::ProjectorApart | Setup::OnNats => signcall.to_owned(),
        };
        for (kind, roles) in setup.processes() {
            let arguments = world.arguments(setup, roles);
            let name = roles.replace(',', "-");
            let process = Server::start(&program, arguments, &world.data(), &name).await?;
            world.processes.push((*kind, process));
        }
        Ok(world)
    }

    fn arguments(&self, setup: Setup, roles: &str) -> Vec<String> {
        let (data, address) = (self.data().display().to_string(), self.address.to_string());
        if setup == Setup::Sabotaged {
            return ["chaos", "serve-sabotaged", &data, &address].map(str::to_owned).to_vec();
        }
        let mut arguments =
            ["serve", "--data", &data, "--roles", roles, "--listen", &address, "--log-level"]
                .map(str::to_owned)
                .to_vec();
        arguments.extend(["warn", "--api", "throttles.chat.per_minute=0"].map(str::to_owned));
        if let Some(nats) = &self.nats {
            arguments.extend(["--log".to_owned(), nats.url()]);
        }
        arguments
    }

    /// The data folder.
    pub(super) fn data(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// The log, beside the running processes.
    pub(super) async fn log(&self) -> anyhow::Result<Log> {
        open_log(&self.data(), self.nats.as_ref()).await
    }

    /// Kills one as hard as can be, and starts it again.
    pub(super) async fn kill_and_restart(&mut self, kind: Kind) -> anyhow::Result<()> {
        if kind == Kind::NatsServer {
            let nats = self.nats.as_mut().context("there is no nats-server")?;
            return Ok(nats.restart().await?);
        }
        let mut processes = self.processes.iter_mut();
        let victim = processes.find(|(known, _)| *known == kind).context("no such process")?;
        victim.1.restart().await
    }
}

async fn open_log(data: &Path, nats: Option<&NatsServer>) -> anyhow::Result<Log> {
    Ok(match nats {
        None => embedded::open(&data.join("log.db")).await?,
        Some(nats) => {
            let connection = connect(&NatsConfig::new(nats.url())).await?;
            streams::log::nats::open(&connection).await?
        }
    })
}
