//! `signcall log verify`: every block against the chain, every commit against the vocabulary, and
//! the whole against what others know of its end.

use std::process::ExitCode;

use anyhow::Result;
use events::Head;
use serde_json::json;
use streams::Log;

use super::bar;
use crate::config::{Config, Options};
use crate::server::{has_tables, open_existing_log, open_store, open_vault, there};

/// The log is not whole.
const EXIT_DAMAGED: u8 = 1;
/// Bytes of blocks read at once.
const READ_BYTES: usize = 4 * 1024 * 1024;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    options: Options,
}

impl Args {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let config = self.options.clone().resolve()?;
        let log = open_existing_log(&config).await?;
        let bar = bar("verifying", log.head().await?.position.get())?;
        let mut head = Head::empty(log.id());
        let anchors = anchors(&config).await;
        let fault = loop {
            match step(&log, &mut head).await {
                Ok(true) => bar.set_position(head.position.get()),
                Ok(false) => break against_anchors(&log, &anchors).await,
                Err(error) => break Some(error.to_string()),
            }
        };
        bar.finish_and_clear();
        self.print(&head, &anchors, fault.as_deref());
        Ok(if fault.is_none() { ExitCode::SUCCESS } else { EXIT_DAMAGED.into() })
    }

    fn print(&self, head: &Head, anchors: &[Anchor], fault: Option<&str>) {
        if self.json {
            let known =
                anchors.iter().map(|anchor| json!({ "of": anchor.of, "head": anchor.head }));
            let known: Vec<_> = known.collect();
            println!(
                "{}",
                json!({ "whole": fault.is_none(), "fault": fault, "checked": head, "anchors": known })
            );
            return;
        }
        for Anchor { of, head } in anchors {
            println!("{of} knew block {}, position {}", head.block, head.position);
        }
        println!("checked log {} up to block {}, position {}", head.log, head.block, head.position);
        match fault {
            None => println!("whole: every block is the one that was written"),
            Some(fault) => println!("damaged: {fault}"),
        }
    }
}

/// An end of the log that somebody else remembers.
struct Anchor {
    of: &'static str,
    head: Head,
}

/// What the tables and the vault remember; nothing of what is not there.
async fn anchors(config: &Config) -> Vec<Anchor> {
    let mut anchors = Vec::new();
    match of_the_tables(config).await {
        Ok(head) => anchors.extend(head.map(|head| Anchor { of: "the tables", head })),
        Err(error) => tracing::warn!(%error, "the tables can't be asked how far the log went"),
    }
    match of_the_vault(config).await {
        Ok(head) => anchors.extend(head.map(|head| Anchor { of: "the vault", head })),
        Err(error) => tracing::warn!(%error, "the vault can't be asked how far the log went"),
    }
    anchors
}

async fn of_the_tables(config: &Config) -> Result<Option<Head>> {
    if !has_tables(config) {
        return Ok(None);
    }
    let store = open_store(config).await?;
    let checkpoint = store.checkpoint().await;
    store.close().await;
    Ok(checkpoint?.map(|checkpoint| checkpoint.head))
}

async fn of_the_vault(config: &Config) -> Result<Option<Head>> {
    let Some(vault) = there(open_vault(config, &config.open_secrets()?).await)? else {
        return Ok(None);
    };
    let anchor = vault.anchor().await;
    vault.close().await;
    Ok(anchor?)
}

/// What does not agree with the log, in words.
async fn against_anchors(log: &Log, anchors: &[Anchor]) -> Option<String> {
    for Anchor { of, head } in anchors {
        if let Err(error) = log.check_anchor(head).await {
            return Some(format!("{of} knew block {}: {error}", head.block));
        }
    }
    None
}

/// Reads on; false at the end.
async fn step(log: &Log, head: &mut Head) -> Result<bool> {
    let blocks = log.read(*head, READ_BYTES).await?;
    for block in &blocks {
        block.commits()?;
        *head = block.head();
    }
    Ok(!blocks.is_empty())
}
