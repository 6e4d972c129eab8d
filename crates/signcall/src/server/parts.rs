//! What roles and offline commands stand on: the log, the ways between processes, the vault and
//! the tables, each opened once and tied to the same log.

use anyhow::{Context, Result, anyhow, ensure};
use decider::{Follower, Snapshots, Writer, system_clock};
use events::{Envelope, Head};
use projector::Store;
use streams::log::embedded;
use streams::nats::{self, Nats, NatsConfig};
use streams::{CommandQueue, Commands, Frames, Live, Log, Outcome, commands, frames, live};
use vault::{Secrets, Vault};

use super::anchor;
use crate::config::{Config, LogPlace, Role, Roles};

/// The file of the embedded log, in the data folder.
pub(crate) const LOG_FILE: &str = "log.db";

/// The log, and the keys of what is sealed in it.
pub(crate) struct Books {
    /// The truth.
    pub(crate) log: Log,
    /// Keys of personal fields, tied to this log.
    pub(crate) vault: Vault,
    /// Digests of names, among others.
    pub(crate) secrets: Secrets,
    /// Where the fold of the log is kept, so that not all of it has to be folded at every start.
    pub(crate) snapshots: Snapshots,
}

/// The ways between the roles, in this process or over NATS.
pub(crate) struct Ways {
    /// To the decider.
    pub(crate) commands: Commands,
    /// The decider's end.
    pub(crate) queue: Option<CommandQueue>,
    /// To the recognizer, for those who give or take frames.
    pub(crate) frames: Option<Frames>,
    /// To everybody, ephemeral, for those who have something to say.
    pub(crate) live: Option<Live>,
}

impl Books {
    /// Opens the log of a configuration, and its vault.
    pub(crate) async fn open(config: &Config, nats: Option<&Nats>) -> Result<Self> {
        let secrets = Secrets::open(&config.secrets)?;
        let log = open_log(config, nats).await?;
        let vault = Vault::open(config.vault.expose(), &secrets).await;
        let vault = vault.with_context(|| format!("cannot open the vault at {}", config.vault))?;
        // Whoever wrote the log first had tied a vault to it before.
        let empty = log.head().await? == Head::empty(log.id());
        ensure!(
            empty || vault.is_bound().await?,
            "the log holds commits, but the vault at {} is new and can open none of them: \
             restore the vault, or point --vault at it",
            config.vault
        );
        vault.bind(log.id()).await?;
        anchor::check(&log, &vault).await?;
        let snapshots = Snapshots::in_folder(&config.data);
        Ok(Self { log, vault, secrets, snapshots })
    }

    /// Opens what an earlier server left, for an offline command; makes nothing.
    pub(crate) async fn open_existing(config: &Config) -> Result<Self> {
        check_exists(config)?;
        Self::open(config, connect(config).await?.as_ref()).await
    }

    /// A fold of the log as it is now.
    pub(crate) async fn follower(&self) -> Result<Follower> {
        Ok(Follower::resume(self.log.clone(), self.vault.clone(), &self.snapshots).await?)
    }

    /// Decides one command here, beside whoever else decides.
    pub(crate) async fn decide(&self, envelope: Envelope) -> Result<Outcome> {
        let mut outcomes = self.decide_all(vec![envelope]).await?;
        outcomes.pop().context("the decider gave no answer")
    }

    /// The same for several, one after the other.
    pub(crate) async fn decide_all(&self, envelopes: Vec<Envelope>) -> Result<Vec<Outcome>> {
        let (commands, queue) = commands::local();
        let (log, vault) = (self.log.clone(), self.vault.clone());
        let writer = Writer::resume(log, vault, system_clock(), self.snapshots.clone()).await?;
        let deciding = writer.run(queue, std::future::pending());
        let asking = async {
            let mut outcomes = Vec::with_capacity(envelopes.len());
            for envelope in envelopes {
                outcomes.push(commands.submit(envelope).await?);
            }
            Ok(outcomes)
        };
        tokio::select! {
            outcomes = asking => outcomes,
            () = deciding => Err(anyhow!("the decider ended")),
        }
    }
}

/// A connection to NATS, if the log lies there.
pub(crate) async fn connect(config: &Config) -> Result<Option<Nats>> {
    let LogPlace::Nats(url) = &config.log else { return Ok(None) };
    let nats = NatsConfig {
        url: url.expose().to_owned(),
        credentials: config.nats_credentials.clone(),
        nkey_seed_file: config.nats_nkey.clone(),
        user: config.nats_user.clone(),
        password: config.nats_password.as_ref().map(|password| password.expose().into()),
        tls_ca: config.nats_tls_ca.clone(),
        prefix: config.nats_prefix.clone(),
        inbox: format!("_INBOX.{}", config.roles.to_string().replace(',', "_")),
        replicas: config.nats_replicas,
    };
    Ok(Some(nats::connect(&nats).await?))
}

async fn open_log(config: &Config, nats: Option<&Nats>) -> Result<Log> {
    Ok(match nats {
        Some(nats) => streams::log::nats::open(nats).await?,
        None => embedded::open(&config.data.join(LOG_FILE)).await?,
    })
}

/// The log alone, as an earlier server left it; makes nothing.
pub(crate) async fn open_existing_log(config: &Config) -> Result<Log> {
    check_exists(config)?;
    open_log(config, connect(config).await?.as_ref()).await
}

fn check_exists(config: &Config) -> Result<()> {
    if config.log.is_embedded() {
        let log = config.data.join(LOG_FILE);
        ensure!(log.exists(), "there is no log at {}: is --data right?", log.display());
    }
    Ok(())
}

impl Ways {
    /// Over NATS; commands are taken by the process that decides.
    pub(crate) async fn on_nats(nats: &Nats, config: &Config) -> Result<Self> {
        let part = config.recognizer_part.partition().context("no such part of the rooms")?;
        if config.roles == Roles::only(Role::Recognizer) {
            return Ok(Self {
                commands: commands::results_over_nats(nats),
                queue: None,
                frames: Some(frames::for_worker(nats, part).await?),
                live: Some(live::captions_over_nats(nats)),
            });
        }
        let (commands, queue) = if config.roles.contains(Role::Decider) {
            let (commands, queue) = commands::serve_nats(nats).await?;
            (commands, Some(queue))
        } else {
            (commands::over_nats(nats), None)
        };
        let has = |role| config.roles.contains(role);
        let with_frames = has(Role::Api) || has(Role::Recognizer);
        let frames = if with_frames { Some(frames::over_nats(nats, part).await?) } else { None };
        let speaks = with_frames || has(Role::Projector);
        let live = if speaks { Some(live::over_nats(nats).await?) } else { None };
        Ok(Self { commands, queue, frames, live })
    }

    /// Within this process.
    pub(crate) fn local() -> Self {
        let (commands, queue) = commands::local();
        Self {
            commands,
            queue: Some(queue),
            frames: Some(frames::local()),
            live: Some(live::local()),
        }
    }
}

/// The tables.
pub(crate) async fn open_store(config: &Config) -> Result<Store> {
    let store = Store::open(config.database.expose()).await;
    store.with_context(|| format!("cannot open the tables at {}", config.database))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Options;
    use events::sealed::Clear;
    use events::user::TokenKind;
    use events::user::command::register::Register;
    use events::user::command::token::NewToken;
    use events::{Actor, CommandId};

    #[tokio::test]
    async fn a_new_vault_beside_an_old_log_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let data = Some(folder.path().to_path_buf());
        let config = Options { data, ..Options::default() }.over_defaults().unwrap();
        let secrets = Secrets::init(&config.secrets).unwrap();
        let digest = vault::token_digest("token");
        let register = Register {
            username: Clear::new("ada"),
            username_digest: secrets.username_digest("ada"),
            email: Clear::new("ada@example.org"),
            email_digest: secrets.email_digest("ada@example.org"),
            password_hash: Clear::new("*"),
            bootstrap: false,
            token: NewToken { digest, kind: TokenKind::Api, lifetime_s: 60, cap_s: 60 },
        };
        let envelope = Envelope {
            id: CommandId::from_uuid(uuid::Uuid::new_v4()),
            actor: Actor::Anonymous,
            correlation: None,
            causation: None,
            body: None,
            command: register.into(),
        };
        let books = Books::open(&config, None).await.unwrap();
        books.decide(envelope).await.unwrap().unwrap();
        books.vault.close().await;
        Books::open(&config, None).await.unwrap();
        std::fs::remove_file(folder.path().join("vault.db")).unwrap();
        let refused = Books::open(&config, None).await.err().unwrap().to_string();
        assert!(refused.contains("vault") && refused.contains("is new"), "{refused}");
    }
}
