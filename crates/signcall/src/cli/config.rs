//! `signcall config check`: the configuration that would hold, or what is wrong with it.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Subcommand;

use crate::config::Options;

#[derive(Debug, Subcommand)]
pub(crate) enum Args {
    /// Print the effective configuration with secrets hidden, or say what is wrong
    Check {
        #[command(flatten)]
        options: Box<Options>,
    },
}

impl Args {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let Self::Check { options } = self;
        let config = options.check()?;
        print!("{}", toml::to_string(&config).context("cannot print the configuration")?);
        Ok(ExitCode::SUCCESS)
    }
}
