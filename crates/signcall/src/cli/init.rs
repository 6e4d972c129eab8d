//! `signcall init`: a data folder with its secrets, made once.

use std::process::ExitCode;

use anyhow::{Context, Result};
use vault::Secrets;

use crate::config::Options;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    options: Options,
}

impl Args {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let config = self.options.resolve()?;
        config.make_data_folder()?;
        let secrets = config.secrets.display();
        Secrets::init(&config.secrets)
            .with_context(|| format!("cannot make secrets in {secrets}"))?;
        println!(
            "made {secrets}: back it up, apart from the databases; without it nobody can read them"
        );
        println!("next: signcall serve --data {}", config.data.display());
        Ok(ExitCode::SUCCESS)
    }
}
