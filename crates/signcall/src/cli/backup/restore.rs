//! `signcall restore`: puts back what is missing, and leaves what is there.
//!
//! A log that is there may have gone on since the backup. Then the restored vault is brought up to
//! it before anybody reads with it: keys that the log says are destroyed go again, and keys that
//! were made after the backup are lost, so that what they sealed reads as erased.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use decider::{Writer, system_clock};
use events::{Head, KeyScope};
use streams::Log;
use streams::log::transfer::Import;
use vault::{Secrets, Vault, VaultError};

use super::{LOG, Manifest, SECRETS, TABLES, VAULT, new_file, secrets_in, sqlite};
use crate::cli::log::{Place, bar};
use crate::config::{Config, Options};
use crate::server::{Lock, check_anchor, open_vault};

/// Bytes of blocks read at once.
const READ_BYTES: usize = 4 * 1024 * 1024;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder that `backup` made
    folder: PathBuf,
    #[command(flatten)]
    options: Options,
}

impl Args {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let config = self.options.resolve()?;
        let folder = &self.folder;
        let manifest = Manifest::read(folder)?;
        config.make_data_folder()?;
        let _lock = Lock::take(&config.data)?;
        let secrets = restore_secrets(&config, folder)?;
        let log = restore_log(&config, folder, &manifest).await?;
        let (vault, lost) = restore_vault(&config, folder, &secrets, &log, manifest.head).await?;
        let tables_were_there = restore_tables(&config, folder, &manifest)?;
        vault.close().await;
        if lost > 0 && tables_were_there {
            println!("next: signcall replay, since the tables still hold what those keys opened");
        }
        println!("next: signcall log verify, then signcall serve");
        Ok(ExitCode::SUCCESS)
    }
}

fn restore_secrets(config: &Config, folder: &Path) -> Result<Secrets> {
    let backup = secrets_in(folder, config)?;
    if !config.has_secrets() {
        backup.copy_to(&config.secrets)?;
        println!("the secrets are restored to {}", config.secrets.display());
        return Ok(backup);
    }
    let there = config.open_secrets()?;
    ensure!(
        there.fingerprint() == backup.fingerprint(),
        "{} holds other secrets than the backup's {SECRETS}: point --secrets elsewhere",
        config.secrets.display()
    );
    Ok(there)
}

async fn restore_log(config: &Config, folder: &Path, manifest: &Manifest) -> Result<Log> {
    let file = folder.join(LOG);
    let lines = File::open(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let import = Import::begin(BufReader::new(lines))?;
    let log = Place::Named(config.log.clone()).create(config, import.log()).await?;
    let (there, wanted) = (log.head().await?, manifest.head);
    if there.block >= wanted.block {
        ensure!(
            log.head_at(wanted.block).await? == Some(wanted),
            "the log at {} has another past than the backup's",
            config.log
        );
        println!(
            "the log at {} was there, up to position {}, and stays",
            config.log, there.position
        );
        return Ok(log);
    }
    let bar = bar("restoring the log", wanted.position.get())?;
    let mut step = |head: Head| bar.set_position(head.position.get());
    let end = import.into_log(&log, &mut step).await;
    bar.finish_and_clear();
    ensure!(end? == wanted, "the backup's log does not end where the backup says");
    println!("the log is restored to {}, up to position {}", config.log, wanted.position);
    Ok(log)
}

/// The vault, and how many keys were made after the backup and are lost. It is another's to open
/// only when it is brought up to the log: what is interrupted before that is begun anew.
async fn restore_vault(
    config: &Config,
    folder: &Path,
    secrets: &Secrets,
    log: &Log,
    backup: Head,
) -> Result<(Vault, usize)> {
    if let Some(vault) = copy_vault(config, folder, secrets).await? {
        vault.bind(log.id()).await?;
        let lost = give_up_later_keys(log, &vault, backup).await?;
        destroy_again(log, &vault).await?;
        vault.finish_restore().await?;
        println!("the vault is restored to {}", config.vault);
        if lost > 0 {
            println!(
                "{lost} keys were made after the backup and are lost: what they sealed reads as erased"
            );
        }
        return Ok((vault, lost));
    }
    let vault = open_vault(config, secrets).await?;
    vault.bind(log.id()).await?;
    println!("the vault at {} was there and stays", config.vault);
    if let Err(error) = check_anchor(log, &vault).await {
        println!("but the backup is older than what it remembers: {error}");
    }
    destroy_again(log, &vault).await?;
    Ok((vault, 0))
}

/// Folding the log destroys every key that it says is gone.
async fn destroy_again(log: &Log, vault: &Vault) -> Result<()> {
    Writer::open(log.clone(), vault.clone(), system_clock()).await?;
    Ok(())
}

/// The backup's vault at its place, still unfinished; nothing if another one is in use there.
async fn copy_vault(config: &Config, folder: &Path, secrets: &Secrets) -> Result<Option<Vault>> {
    // A copy of it is opened: the backup may lie where nothing can be written.
    let copied = tempfile::tempdir().context("cannot make a temporary folder")?;
    let file = copied.path().join(VAULT);
    copy_file(&folder.join(VAULT), &file)?;
    let backup = Vault::open_existing(&sqlite(&file), secrets).await;
    let backup = backup.context("the backup's vault can't be read")?;
    let restored = backup.restore_to(config.vault.expose(), secrets).await;
    backup.close().await;
    match restored {
        Ok(vault) => Ok(Some(vault)),
        Err(VaultError::Occupied) => Ok(None),
        Err(error) => {
            Err(error).with_context(|| format!("cannot restore the vault to {}", config.vault))
        }
    }
}

/// The vault knows no key that was made after the backup's end of the log.
async fn give_up_later_keys(log: &Log, vault: &Vault, backup: Head) -> Result<usize> {
    let (mut head, mut lost) = (backup, 0);
    loop {
        let blocks = log.read(head, READ_BYTES).await?;
        let Some(last) = blocks.last() else { return Ok(lost) };
        head = last.head();
        let mut scopes: Vec<KeyScope> = Vec::new();
        for block in &blocks {
            for (_, mut commit) in block.commits()? {
                let time = commit.time;
                let events = commit.events.iter_mut();
                scopes
                    .extend(events.flat_map(|event| event.personal(time)).map(|field| field.scope));
            }
        }
        lost += vault.give_up(&scopes).await?;
    }
}

/// Whether there were tables before.
fn restore_tables(config: &Config, folder: &Path, manifest: &Manifest) -> Result<bool> {
    let Some(file) = config.database.sqlite_file() else {
        println!(
            "what the tables at {} lack comes from the log at the next start",
            config.database
        );
        return Ok(true);
    };
    if file.exists() {
        println!("the tables at {} were there and stay", file.display());
        return Ok(true);
    }
    if !manifest.has(TABLES) {
        println!("the tables will be made from the log at the next start");
        return Ok(false);
    }
    let half = file.with_extension("restoring");
    if half.exists() {
        std::fs::remove_file(&half)?;
    }
    copy_file(&folder.join(TABLES), &half)?;
    // What an earlier file left in its write-ahead log must not get into this one.
    for left in ["-wal", "-shm"].map(|end| format!("{}{end}", file.display())) {
        if Path::new(&left).exists() {
            std::fs::remove_file(left)?;
        }
    }
    std::fs::rename(&half, &file)?;
    println!("the tables are restored to {}", file.display());
    Ok(false)
}

/// Copies a file, for its owner alone, whoever could read the one in the backup.
fn copy_file(from: &Path, to: &Path) -> Result<()> {
    let copied = || -> Result<()> {
        let mut into = new_file(to)?;
        std::io::copy(&mut File::open(from)?, &mut into)?;
        Ok(into.sync_all()?)
    };
    copied().with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}
