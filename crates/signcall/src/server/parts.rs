//! What roles and offline commands stand on: the log, the ways between processes, the vault and
//! the tables, each opened once and tied to the same log.

use anyhow::{Context, Result, anyhow, bail, ensure};
use decider::{Follower, Snapshots, Writer, system_clock};
use events::{Envelope, Head, LogId};
use projector::Store;
use streams::log::embedded;
use streams::nats::{self, Nats, NatsConfig};
use streams::{CommandQueue, Commands, Frames, Live, Log, Outcome, commands, frames, live};
use vault::{Secrets, Vault, VaultError};

use super::anchor;
use crate::config::{Config, LogPlace, Role, Roles, keep_files_private};

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
    /// Opens the log of a configuration, and its vault. Each is made only where nothing knows of an
    /// earlier one: beside a log that is lost a fresh one would be no help, and in the way.
    pub(crate) async fn open(config: &Config, nats: Option<&Nats>) -> Result<Self> {
        let secrets = config.open_secrets()?;
        let vault = there(open_vault(config, &secrets).await)?;
        let log = match known_log(config, vault.as_ref()).await? {
            Some((who, id)) => {
                let log = open_log_as(config, nats, Absent::Refuse).await;
                log.with_context(|| format!("{who} log {id}, which is not there"))?
            }
            None => open_log_as(config, nats, Absent::Make).await?,
        };
        let vault = match vault {
            Some(vault) => vault,
            None if log.head().await? == Head::empty(log.id()) => {
                let vault = Vault::open(config.vault.expose(), &secrets).await;
                vault.with_context(|| cannot_open_vault(config))?
            }
            None => bail!(
                "the log holds commits, but there is no vault at {}, without which nobody can read \
                 them: point --vault at it, or bring it back from a backup (`signcall restore DIR`)",
                config.vault
            ),
        };
        Self::of(config, log, vault, secrets).await
    }

    /// Opens what an earlier server left, for an offline command; makes nothing.
    pub(crate) async fn open_existing(config: &Config) -> Result<Self> {
        keep_files_private();
        let log = open_existing_log(config).await?;
        let secrets = config.open_secrets()?;
        let vault = open_vault(config, &secrets).await?;
        Self::of(config, log, vault, secrets).await
    }

    async fn of(config: &Config, log: Log, vault: Vault, secrets: Secrets) -> Result<Self> {
        // Whoever wrote the log first had tied a vault to it before.
        let empty = log.head().await? == Head::empty(log.id());
        ensure!(
            empty || vault.log().await?.is_some(),
            "the log holds commits, but the vault at {} is new and can open none of them: point \
             --vault at the right one, or bring it back from a backup (`signcall restore DIR`)",
            config.vault
        );
        vault.bind(log.id()).await?;
        anchor::check(&log, &vault).await?;
        let snapshots = Snapshots::in_folder(&config.data);
        Ok(Self { log, vault, secrets, snapshots })
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

/// What to do where there is no log.
#[derive(Clone, Copy)]
enum Absent {
    Make,
    Refuse,
}

async fn open_log_as(config: &Config, nats: Option<&Nats>, absent: Absent) -> Result<Log> {
    let file = config.data.join(LOG_FILE);
    Ok(match (nats, absent) {
        (Some(nats), Absent::Make) => streams::log::nats::open(nats).await?,
        (Some(nats), Absent::Refuse) => streams::log::nats::open_existing(nats).await?,
        (None, Absent::Make) => embedded::open(&file).await?,
        (None, Absent::Refuse) => embedded::open_existing(&file).await?,
    })
}

/// The log alone, as an earlier server left it; makes nothing.
pub(crate) async fn open_existing_log(config: &Config) -> Result<Log> {
    open_log_as(config, connect(config).await?.as_ref(), Absent::Refuse).await
}

/// The vault alone, as an earlier server left it; makes nothing.
pub(crate) async fn open_vault(config: &Config, secrets: &Secrets) -> Result<Vault> {
    let vault = Vault::open_existing(config.vault.expose(), secrets).await;
    vault.with_context(|| cannot_open_vault(config))
}

fn cannot_open_vault(config: &Config) -> String {
    format!("cannot open the vault at {}", config.vault)
}

/// Nothing, where there is no vault.
pub(crate) fn there(vault: Result<Vault>) -> Result<Option<Vault>> {
    match vault {
        Ok(vault) => Ok(Some(vault)),
        Err(error) if matches!(error.downcast_ref(), Some(VaultError::Missing { .. })) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Which log was here before, and who knows of it: the vault, or else the tables.
async fn known_log(
    config: &Config,
    vault: Option<&Vault>,
) -> Result<Option<(&'static str, LogId)>> {
    if let Some(vault) = vault
        && let Some(log) = vault.log().await?
    {
        return Ok(Some(("the vault holds the keys of", log)));
    }
    let reads_tables =
        [Role::Api, Role::Projector, Role::Reactor].iter().any(|role| config.roles.contains(*role));
    if !reads_tables || !has_tables(config) {
        return Ok(None);
    }
    let store = open_store(config).await?;
    let checkpoint = store.checkpoint().await;
    store.close().await;
    Ok(checkpoint?.map(|checkpoint| ("the tables were made from", checkpoint.head.log)))
}

/// Whether there may be tables: what lies in a server can be told only by asking it.
pub(crate) fn has_tables(config: &Config) -> bool {
    config.database.sqlite_file().is_none_or(|file| file.exists())
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
        Books::open(&config, None).await.unwrap().vault.close().await;
        std::fs::remove_file(folder.path().join("vault.db")).unwrap();
        let refused = Books::open(&config, None).await.err().unwrap().to_string();
        assert!(refused.contains("no vault") && refused.contains("`signcall restore"), "{refused}");
        assert!(!folder.path().join("vault.db").exists(), "it would be in the backup's way");
        // What an older version left where it was refused.
        Vault::open(config.vault.expose(), &secrets).await.unwrap();
        let refused = Books::open(&config, None).await.err().unwrap().to_string();
        assert!(refused.contains("vault") && refused.contains("is new"), "{refused}");
    }
}
