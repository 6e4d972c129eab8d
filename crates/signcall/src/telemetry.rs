//! Log lines on standard error, as text or JSON; standard output is for results.

mod catalog;
pub(crate) mod process;

use std::io;

use anyhow::{Context, Result};
use metrics_exporter_prometheus::PrometheusBuilder;
use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogFormat};

/// Sets up logging for the whole process.
pub(crate) fn start(config: &Config) -> Result<()> {
    let filter = EnvFilter::try_new(&config.log_level)
        .with_context(|| format!("log_level: {:?} is no filter", config.log_level))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match config.log_format {
        LogFormat::Text => {
            let ansi = io::IsTerminal::is_terminal(&io::stderr());
            lines.with_ansi(ansi).with_target(false).try_init()
        }
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    }
    .map_err(anyhow::Error::from_boxed)
    .context("cannot set up logging")
}

/// Serves what the process counts, in the text format of Prometheus.
pub(crate) fn serve_metrics(config: &Config) -> Result<()> {
    let Some(address) = config.metrics_listen else { return Ok(()) };
    PrometheusBuilder::new()
        .set_buckets(&catalog::BUCKETS)
        .and_then(|builder| builder.with_http_listener(address).install())
        .with_context(|| format!("cannot serve metrics at {address}"))?;
    catalog::describe();
    let watch = std::thread::Builder::new().name("process-metrics".into());
    watch.spawn(process::watch).context("cannot start a thread")?;
    let labels =
        [("version", env!("CARGO_PKG_VERSION").into()), ("roles", config.roles.to_string())];
    metrics::gauge!("signcall_info", &labels).set(1.0);
    Ok(())
}
