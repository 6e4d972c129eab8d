//! Whether traces arrive where they are meant to: the only way to know is to send something.

use tokio::time::timeout;

use super::{Finding, LOOK_WITHIN, Verdict, silent};
use crate::config::Config;
use crate::telemetry::traces;

const WHAT: &str = "traces";

/// Sends the collector a message without spans. A server runs as well without one, so nothing that
/// is wrong here is worse than a warning.
pub(super) async fn finding(config: &Config) -> Finding {
    let otlp = match config.otlp() {
        Ok(Some(otlp)) => otlp,
        Ok(None) => return Finding::good(WHAT, "not exported: otlp_endpoint names no collector"),
        Err(error) => return Finding::failed(WHAT, &error, "mend the configuration"),
    };
    let remedy = "commands are served all the same; is the collector there, does it take OTLP \
        over HTTP (port 4318, not 4317), and does it know otlp_headers?";
    match timeout(LOOK_WITHIN, traces::probe(&otlp)).await {
        Ok(Ok(())) if otlp.url.scheme_str() == Some("http") && !otlp.headers.is_empty() => {
            let found = format!("{} takes them, and otlp_headers go there in the clear", otlp.url);
            let remedy = "give it https, unless nobody can listen on the way";
            Finding::of(WHAT, Verdict::Warning, found, remedy)
        }
        Ok(Ok(())) => Finding::good(WHAT, format!("{} takes them", otlp.url)),
        Ok(Err(error)) => {
            Finding::of(WHAT, Verdict::Warning, format!("{}: {error:#}", otlp.url), remedy)
        }
        Err(_) => Finding { verdict: Verdict::Warning, ..silent(WHAT) },
    }
}
