//! `signcall log`: the truth itself, to look at, to check, to take elsewhere. The server may run.

mod copy;
mod export;
mod import;
mod look;
mod parked;
mod place;
mod restore;
mod stats;
mod verify;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};

pub(super) use place::Place;

#[derive(Debug, Subcommand)]
pub(crate) enum Args {
    /// Print the last commits, and go on with --follow
    Tail(look::Tail),
    /// Print one commit, or the block that holds it
    Show(look::Show),
    /// Write the log as lines of JSON
    Export(export::Args),
    /// Read lines that `export` wrote into an empty log, or into one that has the first of them
    Import(import::Args),
    /// Copy a log to another place, or bring an earlier copy up to date
    Copy(copy::Args),
    /// Read all of it and check every hash, position and commit, and its end against what tables
    /// and vault remember; exit 1 when it is damaged, 2 when one of them can't be asked
    Verify(verify::Args),
    /// Count what it holds
    Stats(stats::Args),
    /// Events that could not be projected: list them, try them again, give one up
    #[command(subcommand)]
    Parked(parked::Args),
    /// Bring back a tail that the log lost, or go on without it
    Restore(restore::Args),
}

impl Args {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        match self {
            Self::Tail(args) => args.run().await,
            Self::Show(args) => args.run().await,
            Self::Export(args) => args.run().await,
            Self::Import(args) => args.run().await,
            Self::Copy(args) => args.run().await,
            Self::Verify(args) => args.run().await,
            Self::Stats(args) => args.run().await,
            Self::Parked(args) => args.run().await,
            Self::Restore(args) => args.run().await,
        }
    }
}

/// A bar on standard error that counts commits; `total` is 0 when it is not known.
pub(crate) fn bar(doing: &'static str, total: u64) -> Result<ProgressBar> {
    let bar = if total == 0 { ProgressBar::no_length() } else { ProgressBar::new(total) };
    let style = "{msg} {bar:40} {pos}/{len} commits, {per_sec}, {eta} left";
    bar.set_style(ProgressStyle::with_template(style)?);
    bar.set_message(doing);
    Ok(bar)
}
