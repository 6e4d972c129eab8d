//! `signcall log stats`: what the log holds, counted in one pass.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Result;
use events::stored::StoredEvent;
use events::{Block, Head, Timestamp};
use serde_json::json;
use streams::log::embedded;

use super::bar;
use crate::config::{Config, Options};
use crate::server::{LOG_FILE, open_existing_log};

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

/// What was counted.
#[derive(Default)]
struct Counts {
    blocks: u64,
    commits: u64,
    events: u64,
    bytes: u64,
    largest_block: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    tags: BTreeMap<&'static str, u64>,
}

impl Args {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let config = self.options.resolve()?;
        let log = open_existing_log(&config).await?;
        let bar = bar("counting", log.head().await?.position.get())?;
        let mut counts = Counts::default();
        let mut head = Head::empty(log.id());
        loop {
            let blocks = log.read(head, READ_BYTES).await?;
            if blocks.is_empty() {
                break;
            }
            for block in &blocks {
                counts.take_in(block)?;
                head = block.head();
            }
            bar.set_position(head.position.get());
        }
        bar.finish_and_clear();
        let files = file_bytes(&config);
        if self.json {
            println!(
                "{}",
                json!({
                    "log": head.log, "kind": log.kind(), "block": head.block, "position": head.position,
                    "hash": head.hash, "blocks": counts.blocks, "commits": counts.commits,
                    "events": counts.events, "bytes": counts.bytes,
                    "largest_block_bytes": counts.largest_block,
                    "file_bytes": files.map(|files| files[0]), "wal_bytes": files.map(|files| files[1]),
                    "first": counts.first, "last": counts.last, "tags": counts.tags,
                })
            );
        } else {
            counts.print(&head, log.kind(), files);
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Counts {
    fn take_in(&mut self, block: &Block) -> Result<()> {
        let bytes = block.bytes.len() as u64;
        self.blocks += 1;
        self.bytes += bytes;
        self.largest_block = self.largest_block.max(bytes);
        for (_, commit) in block.commits()? {
            self.commits += 1;
            self.first.get_or_insert(commit.time);
            self.last = Some(commit.time);
            for event in commit.events {
                self.events += 1;
                *self.tags.entry(StoredEvent::from(event).tag()).or_default() += 1;
            }
        }
        Ok(())
    }

    fn print(&self, head: &Head, kind: &str, files: Option<[u64; 2]>) {
        println!("log {} ({kind}), up to block {}, {}", head.log, head.block, head.hash);
        println!("  {} blocks, {} commits, {} events", self.blocks, self.commits, self.events);
        println!("  {} bytes, {} in the largest block", self.bytes, self.largest_block);
        if let Some([file, wal]) = files {
            println!("  {file} bytes in the file, {wal} in its write-ahead log");
        }
        if let (Some(first), Some(last)) = (self.first, self.last) {
            println!("  from {first} to {last}");
        }
        for (tag, count) in &self.tags {
            println!("  {tag:<34} {count:>10}");
        }
    }
}

/// Bytes of the embedded log's file and of its write-ahead log.
fn file_bytes(config: &Config) -> Option<[u64; 2]> {
    let [file, wal, _] = embedded::file_bytes(&config.data.join(LOG_FILE));
    config.log.is_embedded().then_some([file, wal])
}
