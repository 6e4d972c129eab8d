//! `signcall vault rotate`: every key wrapped anew under another key-encryption key.
//!
//! The new key lies in the folder of secrets beside the old one until the vault has changed over, in
//! one transaction, and then takes the old one's place. A rotation that was interrupted is finished
//! by the next one. A key that is kept elsewhere is made and put in place there, by other hands.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Subcommand;
use vault::{KeyEncryption, Secrets, Vault, VaultError};

use crate::config::{Config, Options};
use crate::server::{Lock, open_vault};

#[derive(Debug, Subcommand)]
pub(crate) enum Args {
    /// Wrap every key under a new key-encryption key; a server that runs on with the old one ends
    Rotate {
        /// The file that holds the new key, if it is not to lie in the folder of secrets: 64
        /// hexadecimal characters, such as `openssl rand -hex 32` makes
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
        #[command(flatten)]
        options: Box<Options>,
    },
}

impl Args {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let Self::Rotate { to, options } = self;
        let config = options.resolve()?;
        config.make_data_folder()?;
        let _lock = Lock::take(&config.data)?;
        if let Some(file) = to {
            rotate_to(&config, &file).await?;
        } else {
            rotate(&config).await?;
        }
        println!("backups made before still need the old key");
        Ok(ExitCode::SUCCESS)
    }
}

/// Under a new key in the folder.
async fn rotate(config: &Config) -> Result<()> {
    let old = config.open_secrets()?;
    ensure!(
        !old.is_given(),
        "the key-encryption key comes from {}: make a new one, and name its file with --to",
        config.key_encryption_place()
    );
    let (folder, shown) = (&config.secrets, config.secrets.display());
    let vault = match Vault::open_existing(config.vault.expose(), &old).await {
        Err(VaultError::RotationUnfinished) => {
            Secrets::adopt_next(folder)?;
            println!("a rotation that was interrupted is finished: {shown} holds the new key");
            return Ok(());
        }
        vault => vault.with_context(|| format!("cannot open the vault at {}", config.vault))?,
    };
    let keys = vault.rewrap(&old.make_next(folder)?).await?;
    Secrets::adopt_next(folder)?;
    println!("{keys} keys are wrapped under a new key-encryption key in {shown}");
    Ok(())
}

/// Under a key that is kept elsewhere.
async fn rotate_to(config: &Config, file: &Path) -> Result<()> {
    let old = config.open_secrets()?;
    let new = old.with(KeyEncryption::read(file)?);
    let shown = file.display();
    ensure!(new.fingerprint() != old.fingerprint(), "{shown} holds the key that is in use");
    match Vault::open_existing(config.vault.expose(), &new).await {
        Ok(vault) => {
            vault.close().await;
            println!("the keys are wrapped under the key in {shown} already");
        }
        // Under the old one, then.
        Err(VaultError::WrongSecrets) => {
            let keys = open_vault(config, &old).await?.rewrap(&new).await?;
            println!("{keys} keys are wrapped under the key in {shown}");
        }
        Err(error) => return Err(error.into()),
    }
    println!("next: start with it, by --key-encryption-file or SIGNCALL_KEY_ENCRYPTION_KEY");
    Ok(())
}
