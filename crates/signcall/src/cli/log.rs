//! `signcall log`: the truth itself, to look at, to check, to take elsewhere. The server may run.

mod parked;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum Args {
    /// Events that could not be projected: list them, try them again, give one up
    #[command(subcommand)]
    Parked(parked::Args),
}

impl Args {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        match self {
            Self::Parked(args) => args.run().await,
        }
    }
}
