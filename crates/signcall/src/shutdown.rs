//! From a signal to a clean end: each role is stopped after those that still need it, and all of
//! it within a deadline.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// All roles together have this long to end.
pub(crate) const DEADLINE: Duration = Duration::from_secs(9);

/// A token that is cancelled by the first SIGTERM or SIGINT. The second one ends the process at once.
pub(crate) fn on_signal() -> Result<CancellationToken> {
    let token = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let stop = token.clone();
    tokio::spawn(async move {
        for again in [false, true] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if again {
                std::process::exit(EXIT_INTERRUPTED);
            }
            tracing::info!("stopping; once more to stop at once");
            stop.cancel();
        }
    });
    Ok(token)
}

/// Reads certificate and key again at each SIGHUP, until `stop`.
pub(crate) fn on_hangup(tls: api::Tls, stop: CancellationToken) -> Result<()> {
    let mut hangup = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = hangup.recv() => {}
            }
            match tls.reload() {
                Ok(()) => tracing::info!("read certificate and key again"),
                Err(error) => {
                    tracing::error!(%error, "going on with the certificate that was there");
                }
            }
        }
    });
    Ok(())
}

/// 128 + SIGINT, as shells have it.
const EXIT_INTERRUPTED: i32 = 130;
