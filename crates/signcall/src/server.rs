//! The roles of one process: opened, run, and stopped in an order in which nothing is lost.

mod anchor;
mod growth;
mod lock;
mod models;
mod parts;
mod roles;
mod school;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

use vault::{Vault, VaultError};

use crate::config::{self as configured, Config, Role};
use crate::shutdown::DEADLINE;

/// How often a running server looks whether its secrets are still those of the vault.
const SECRETS_EVERY: Duration = Duration::from_secs(5);

pub(crate) use anchor::check as check_anchor;
pub(crate) use lock::Lock;
pub(crate) use parts::{
    Books, LOG_FILE, connect, has_tables, open_existing_log, open_store, open_vault, there,
};
use roles::Roles;

/// Clients go first, then those who still have something to say to the decider, then the decider,
/// and last the tables, which take in what it wrote.
const STOP_ORDER: [Role; 5] =
    [Role::Api, Role::Recognizer, Role::Reactor, Role::Decider, Role::Projector];

/// Running roles.
pub(crate) struct Server {
    address: Option<SocketAddr>,
    roles: Vec<Running>,
    vault: Option<Vault>,
    /// A start that is given up leaves nothing running either: it would find the runtime gone.
    _stop_all: DropGuard,
    // Held until the end: one writer of one data folder.
    _lock: Option<lock::Lock>,
}

struct Running {
    role: Role,
    stop: CancellationToken,
    task: JoinHandle<Result<()>>,
}

impl Server {
    /// Opens what the roles need and starts them; returns when all of them are ready.
    pub(crate) async fn start(config: &Config) -> Result<Self> {
        // A worker keeps nothing.
        if config.roles != configured::Roles::only(Role::Recognizer) {
            config.make_data_folder()?;
        }
        let embedded_writer = config.log.is_embedded() && config.roles.contains(Role::Decider);
        let lock = if embedded_writer { Some(lock::Lock::take(&config.data)?) } else { None };
        make_secrets(config)?;
        let mut roles = Roles::open(config).await?;
        let vault = roles.vault();
        let stop_all = CancellationToken::new();
        let guard = stop_all.clone().drop_guard();
        let mut server =
            Self { address: None, roles: vec![], vault, _stop_all: guard, _lock: lock };
        // Those whom others wait for come up first.
        for role in STOP_ORDER.into_iter().rev().filter(|role| config.roles.contains(*role)) {
            let stop = stop_all.child_token();
            let started = roles.start(role, stop.clone()).await;
            match started.with_context(|| format!("cannot start the {role}")) {
                Ok((address, task)) => {
                    server.address = server.address.or(address);
                    server.roles.push(Running { role, stop, task });
                }
                Err(error) => {
                    // Why it does not start is the news, not how the others end.
                    let _ended = server.stop_roles(None).await;
                    roles.close().await;
                    return Err(error);
                }
            }
        }
        Ok(server)
    }

    /// Where HTTP is answered, if the API is among the roles.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Runs until `stop`, until a role fails, or until the secrets are not the vault's any more; then
    /// stops all roles in order.
    pub(crate) async fn run_until(mut self, stop: CancellationToken) -> Result<()> {
        let vault = self.vault.clone();
        let (result, ended_early) = {
            let ends = self
                .roles
                .iter_mut()
                .map(|running| async { (running.role, ended(&mut running.task).await) });
            let mut ends: FuturesUnordered<_> = ends.collect();
            tokio::select! {
                () = stop.cancelled() => (Ok(()), None),
                Some((role, end)) = ends.next() => (Err(match end {
                    Ok(()) => anyhow!("the {role} ended"),
                    Err(error) => error.context(format!("the {role} failed")),
                }), Some(role)),
                error = rotated(vault) => (Err(error.into()), None),
            }
        };
        let stopped = self.stop_roles(ended_early).await;
        result.and(stopped)
    }

    /// Stops all roles in order but the one that has ended already; what the first said that did
    /// not end well.
    async fn stop_roles(&mut self, ended_early: Option<Role>) -> Result<()> {
        let deadline = Instant::now() + DEADLINE;
        let mut result = Ok(());
        for role in STOP_ORDER {
            let running = self.roles.iter_mut().find(|running| running.role == role);
            let Some(running) = running.filter(|_| ended_early != Some(role)) else { continue };
            running.stop.cancel();
            let end = timeout_at(deadline, ended(&mut running.task)).await;
            let end = end.unwrap_or_else(|_| Err(anyhow!("it did not stop in time")));
            if let Err(error) = end
                && result.is_ok()
            {
                result = Err(error.context(format!("cannot stop the {role} cleanly")));
            }
        }
        result
    }
}

/// Done when the vault's keys are wrapped under other secrets than this process has: it could make
/// no key any more, and read fewer and fewer.
async fn rotated(vault: Option<Vault>) -> VaultError {
    let Some(vault) = vault else { return std::future::pending().await };
    loop {
        tokio::time::sleep(SECRETS_EVERY).await;
        // Whoever needs the vault finds out what else is wrong with it.
        if let Err(error @ VaultError::WrongSecrets) = vault.check_secrets().await {
            return error;
        }
    }
}

/// The first start of a server that is whole and alone makes what `signcall init` would make.
fn make_secrets(config: &Config) -> Result<()> {
    let alone = config.log.is_embedded() && config.roles == configured::Roles::all();
    if alone && !config.data.join(LOG_FILE).exists() && !config.has_secrets() {
        config.make_secrets()?;
        tracing::info!(secrets = %config.secrets.display(), "made secrets; back them up");
    }
    Ok(())
}

async fn ended(task: &mut JoinHandle<Result<()>>) -> Result<()> {
    task.await.unwrap_or_else(|panic| Err(anyhow!(panic)))
}
