//! `signcall init`: a data folder with its secrets, made once.

use std::process::ExitCode;

use anyhow::Result;

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
        config.make_secrets()?;
        println!(
            "made {secrets}: back it up, apart from the databases; without it nobody can read them"
        );
        println!("next: signcall serve --data {}", config.data.display());
        Ok(ExitCode::SUCCESS)
    }
}
