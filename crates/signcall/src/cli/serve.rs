//! `signcall serve`: the server, whole or some roles of it.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::config::{Config, Options};
use crate::server::Server;
use crate::{shutdown, telemetry};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    options: Options,
}

impl Args {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        serve(self.options).await
    }
}

/// Runs until a signal, or until a role fails.
pub(super) async fn serve(options: Options) -> Result<ExitCode> {
    let config = options.resolve()?;
    let traces = telemetry::start(&config)?;
    let ended = run(&config).await;
    traces.finish().await;
    ended
}

async fn run(config: &Config) -> Result<ExitCode> {
    telemetry::serve_metrics(config)?;
    raise_file_limit();
    // From here on a signal means a clean stop, also while things are still being opened.
    let stop = shutdown::on_signal()?;
    let Config { roles, log, database, .. } = config;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), %roles, %log, %database, "starting");
    let server = tokio::select! {
        server = Server::start(config) => server?,
        () = stop.cancelled() => return Ok(ExitCode::SUCCESS),
    };
    let line = match server.address() {
        Some(address) => {
            let scheme = if config.tls_cert.is_some() { "https" } else { "http" };
            format!("listening on {scheme}://{address}")
        }
        None => format!("running {}", config.roles),
    };
    // A closed standard output is no reason to stop.
    let _ = writeln!(std::io::stdout(), "{line}");
    server.run_until(stop).await?;
    Ok(ExitCode::SUCCESS)
}

/// Every socket takes a file descriptor, and 1024, as many systems begin with, are soon gone.
fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the number of open files can't be raised: see `ulimit -n`");
    }
}
