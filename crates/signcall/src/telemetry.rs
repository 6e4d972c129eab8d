//! Log lines on standard error, as text or JSON (standard output is for results), traces for a
//! collector, figures for Prometheus.

mod catalog;
pub(crate) mod process;
pub(crate) mod traces;

use std::io;

use anyhow::{Context, Result};
use metrics_exporter_prometheus::PrometheusBuilder;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::config::{Config, LogFormat};
use traces::Traces;

/// PostgreSQL notices whatever is there already. The operator's own filter comes after, and counts.
const QUIET: &str = "sqlx::postgres::notice=warn";

/// Sets up log lines and traces for the whole process.
pub(crate) fn start(config: &Config) -> Result<Traces> {
    let filter = EnvFilter::try_new(format!("{QUIET},{}", config.log_level))
        .with_context(|| format!("log_level: {:?} is no filter", config.log_level))?;
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let lines = match config.log_format {
        LogFormat::Text => {
            let ansi = io::IsTerminal::is_terminal(&io::stderr());
            lines.with_ansi(ansi).with_target(false).boxed()
        }
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let lines = tracing_subscriber::registry().with(lines.with_filter(filter));
    let (set_up, traces) = match config.otlp()? {
        // Without a collector nothing asks for steps, and telling them costs nothing.
        None => (lines.try_init(), Traces::none()),
        Some(otlp) => {
            let (spans, traces) = Traces::start(&otlp)?;
            (lines.with(spans).try_init(), traces)
        }
    };
    set_up.context("cannot set up logging")?;
    Ok(traces)
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
