//! `signcall log verify`: every block against the chain, every commit against the vocabulary, and
//! the whole against what others know of its end.

use std::process::ExitCode;

use anyhow::Result;
use events::Head;
use serde_json::{Value, json};
use streams::Log;

use super::bar;
use crate::config::{Config, Options};
use crate::server::{has_tables, open_existing_log, open_store, open_vault, there};

/// The log is not whole.
const EXIT_DAMAGED: u8 = 1;
/// It agrees with itself, but somebody who remembers its end could not be asked: a lost tail would
/// look the same.
const EXIT_UNKNOWN: u8 = 2;
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
        let found = Found::new(fault, &anchors);
        self.print(&head, &anchors, &found);
        Ok(match found {
            Found::Whole => ExitCode::SUCCESS,
            Found::Damaged(_) => EXIT_DAMAGED.into(),
            Found::Unknown => EXIT_UNKNOWN.into(),
        })
    }

    fn print(&self, head: &Head, anchors: &[Anchor], found: &Found) {
        if self.json {
            let known: Vec<_> = anchors.iter().map(Anchor::json).collect();
            let (whole, fault) = match found {
                Found::Whole => (Some(true), None),
                Found::Damaged(fault) => (Some(false), Some(fault)),
                Found::Unknown => (None, None),
            };
            println!(
                "{}",
                json!({ "whole": whole, "fault": fault, "checked": head, "anchors": known })
            );
            return;
        }
        for Anchor { of, knew } in anchors {
            match knew {
                Ok(Some(head)) => {
                    println!("{of} knew block {}, position {}", head.block, head.position);
                }
                Ok(None) => println!("{of} knew nothing of a log"),
                Err(error) => println!("{of} can't be asked how far the log went: {error}"),
            }
        }
        println!("checked log {} up to block {}, position {}", head.log, head.block, head.position);
        match found {
            Found::Whole => println!("whole: every block is the one that was written"),
            Found::Damaged(fault) => println!("damaged: {fault}"),
            Found::Unknown => println!(
                "not known to be whole: every block that is here is the one that was written, but \
                 blocks may be missing at the end; make those answer who can't be asked, and verify \
                 again"
            ),
        }
    }
}

/// What the log was found to be.
enum Found {
    Whole,
    Damaged(String),
    Unknown,
}

impl Found {
    fn new(fault: Option<String>, anchors: &[Anchor]) -> Self {
        match fault {
            Some(fault) => Self::Damaged(fault),
            None if anchors.iter().any(|anchor| anchor.knew.is_err()) => Self::Unknown,
            None => Self::Whole,
        }
    }
}

/// Somebody else who remembers the end of the log.
struct Anchor {
    of: &'static str,
    /// The end, if there ever was one; or why it can't be read.
    knew: Result<Option<Head>, String>,
}

impl Anchor {
    fn new(of: &'static str, knew: Result<Option<Head>>) -> Self {
        Self { of, knew: knew.map_err(|error| format!("{error:#}")) }
    }

    fn json(&self) -> Value {
        let (head, error) = match &self.knew {
            Ok(head) => (head.as_ref(), None),
            Err(error) => (None, Some(error)),
        };
        json!({ "of": self.of, "head": head, "error": error })
    }
}

/// What the tables and the vault remember.
async fn anchors(config: &Config) -> [Anchor; 2] {
    [
        Anchor::new("the tables", of_the_tables(config).await),
        Anchor::new("the vault", of_the_vault(config).await),
    ]
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
    for Anchor { of, knew } in anchors {
        if let Ok(Some(head)) = knew
            && let Err(error) = log.check_anchor(head).await
        {
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
