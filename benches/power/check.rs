//! What of the acknowledged is on a disk, and whether the tables say the same.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use events::{Head, Personal};
use projector::Store;
use vault::{Secrets, Vault};

use super::work::{tables_url, vault_url};

/// Bytes of the log that are read at a time.
const READ_BYTES: usize = 1 << 20;

/// The acknowledged commands (`id text`) that are not in the log, or whose text can't be opened any more.
///
/// # Errors
/// When something can't be opened, the log's chain does not hold, or the tables are not what it says.
pub async fn missing(folder: &Path, acked: &[String]) -> Result<Vec<String>> {
    let log = streams::log::embedded::open(&folder.join("log.db")).await.context("log")?;
    let secrets = Secrets::open(&folder.join("secrets")).context("secrets")?;
    let vault = Vault::open(&vault_url(folder), &secrets).await.context("vault")?;
    let mut head = Head::empty(log.id());
    let mut texts: HashMap<String, Vec<String>> = HashMap::new();
    loop {
        let blocks = log.read(head, READ_BYTES).await?;
        let Some(last) = blocks.last() else { break };
        head = last.head();
        for block in &blocks {
            for (_, mut commit) in block.commits()? {
                let (id, at) = (commit.command.uuid().to_string(), commit.time);
                for event in &mut commit.events {
                    vault.read_fields(event.personal(at)).await.context("a key is missing")?;
                    let fields = event.personal(at).into_iter().map(|field| match &*field.field {
                        Personal::Clear(text) => text.clone(),
                        Personal::Sealed(_) | Personal::Erased => String::new(),
                    });
                    texts.entry(id.clone()).or_default().extend(fields);
                }
            }
        }
    }
    let store = Store::open(&tables_url(folder)).await.context("tables")?;
    let compared = projector::replay(&store, &log, &vault, true, &mut |_| {}).await;
    let differing = compared.context("the tables can't be compared")?.differing_rows;
    ensure!(differing == 0, "{differing} rows of the tables are not what the log says");
    store.close().await;
    vault.close().await;
    let is_there = |line: &&String| {
        let (id, text) = line.split_once(' ').unwrap_or((line, ""));
        texts.get(id).is_some_and(|found| text.is_empty() || found.iter().any(|one| one == text))
    };
    Ok(acked.iter().filter(|line| !is_there(line)).cloned().collect())
}
