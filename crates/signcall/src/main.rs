//! The signcall binary: command line, configuration, telemetry, shutdown, and which roles run.

mod cli;
mod client;
mod config;
mod server;
mod shutdown;
mod telemetry;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    cli::Cli::parse().run()
}
