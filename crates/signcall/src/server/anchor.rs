//! The log's anchor: a copy of its end, kept with the vault. A log that later does not reach so
//! far, or reaches there by another way, has lost something, and nobody opens it without being told.
//!
//! It is moved now and then and at a clean stop, never by an append: an append waits for one disk.

use std::time::Duration;

use anyhow::{Context, Result};
use streams::Log;
use vault::Vault;

/// How often the anchor follows a log that grows.
const EVERY: Duration = Duration::from_secs(5);

/// Refuses a log that is not whole up to where the vault remembers it.
pub(crate) async fn check(log: &Log, vault: &Vault) -> Result<()> {
    let Some(anchor) = vault.anchor().await? else { return Ok(()) };
    log.check_anchor(&anchor).await.with_context(|| {
        format!(
            "the vault remembers block {} (position {}) of the log, which is not there as it was: \
             what was acknowledged is lost. `signcall log restore --from-archive` brings back what \
             the tables keep of a log on NATS; `signcall restore` brings back a backup; \
             `signcall log restore --accept-loss` goes on with what is left",
            anchor.block, anchor.position
        )
    })
}

/// Moves the anchor while the log grows; does not end by itself.
pub(super) async fn keep(log: &Log, vault: &Vault) {
    let mut appended = log.appended();
    loop {
        if let Err(error) = save(log, vault).await {
            tracing::warn!(error = format!("{error:#}"), "the log's anchor can't be moved");
        }
        tokio::time::sleep(EVERY).await;
        if appended.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

/// Moves the anchor to where the log ends.
pub(super) async fn save(log: &Log, vault: &Vault) -> Result<()> {
    let head = log.head().await?;
    vault.move_anchor(head).await?;
    Ok(())
}
