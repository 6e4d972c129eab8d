//! `signcall vault rotate`: every key wrapped anew under a fresh key-encryption key.
//!
//! The new key lies in a folder beside the secrets until the vault has changed over, in one
//! transaction, and then takes the old one's place. A rotation that was interrupted is finished by
//! the next one.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Subcommand;
use vault::{Secrets, Vault, VaultError};

use crate::config::{Config, Options};
use crate::server::Lock;

#[derive(Debug, Subcommand)]
pub(crate) enum Args {
    /// Wrap every key under a new key-encryption key; every process of the server must be stopped
    Rotate {
        #[command(flatten)]
        options: Box<Options>,
    },
}

impl Args {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let Self::Rotate { options } = self;
        let config = options.resolve()?;
        config.make_data_folder()?;
        let _lock = Lock::take(&config.data)?;
        let keys = rotate(&config).await?;
        println!(
            "{keys} keys are wrapped under a new key-encryption key in {}",
            config.secrets.display()
        );
        println!("backups made before still need the old one, which lies in them");
        Ok(ExitCode::SUCCESS)
    }
}

async fn rotate(config: &Config) -> Result<usize> {
    // The folder's own name, whatever it is called by: `.` has none to put an ending to.
    let secrets = std::fs::canonicalize(&config.secrets)
        .with_context(|| format!("cannot find {}", config.secrets.display()))?;
    let mut name = secrets.file_name().context("the secrets can't lie in the root")?.to_owned();
    name.push(".next");
    let next: PathBuf = secrets.with_file_name(name);
    let url = config.vault.expose();
    if Secrets::exist(&next) {
        let begun = Secrets::open(&next)?;
        match Vault::open(url, &begun).await {
            Ok(vault) => {
                vault.close().await;
                Secrets::adopt(&next, &secrets)?;
            }
            Err(VaultError::WrongSecrets) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if next.exists() {
        std::fs::remove_dir_all(&next)
            .with_context(|| format!("cannot remove {}", next.display()))?;
    }
    let old = Secrets::open(&secrets)?;
    let vault = Vault::open(url, &old).await;
    let vault = vault.with_context(|| format!("cannot open the vault at {}", config.vault))?;
    let new = old.init_rotated(&next)?;
    let keys = vault.rewrap(&new).await?;
    Secrets::adopt(&next, &secrets)?;
    Ok(keys)
}
