//! `signcall log tail` and `signcall log show`: commits as they lie in the log, personal fields
//! sealed.

use std::io::{Write, stdout};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use events::{Block, Head, Position};
use serde_json::{Value, json};
use streams::Log;

use crate::config::Options;
use crate::server::open_existing_log;

/// Bytes of blocks read at once.
const READ_BYTES: usize = 1024 * 1024;

#[derive(Debug, clap::Args)]
pub(crate) struct Tail {
    /// How many of the last commits
    #[arg(short = 'n', long, default_value_t = 10)]
    lines: u64,
    /// Go on with what is appended
    #[arg(short, long)]
    follow: bool,
    /// Print one JSON object a commit
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    /// The commit's position
    position: Position,
    /// All of its block, header included
    #[arg(long)]
    block: bool,
    /// Print JSON on one line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    options: Options,
}

impl Tail {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let log = open_existing_log(&self.options.clone().resolve()?).await?;
        let mut appended = log.appended();
        let end = log.head().await?;
        let first = Position::new(end.position.get().saturating_sub(self.lines) + 1);
        let mut head = log.before(first).await?.unwrap_or(end);
        loop {
            let blocks = log.read(head, READ_BYTES).await?;
            for block in &blocks {
                self.print(block, first)?;
                head = block.head();
            }
            if blocks.is_empty() || head.block >= end.block && !self.follow {
                if !self.follow {
                    return Ok(ExitCode::SUCCESS);
                }
                appended.wait_for(|last| *last > head.block).await.context("the log is closed")?;
            }
        }
    }

    fn print(&self, block: &Block, first: Position) -> Result<()> {
        let mut out = stdout().lock();
        for (position, line) in block.lines().filter(|(position, _)| *position >= first) {
            let commit: Value = serde_json::from_str(&line)?;
            if self.json {
                let block = block.header.block;
                writeln!(
                    out,
                    "{}",
                    json!({ "position": position, "block": block, "commit": commit })
                )?;
            } else {
                writeln!(out, "{position} {}", summary(&commit))?;
            }
        }
        Ok(())
    }
}

/// Time, subject, actor and what happened, on one line.
fn summary(commit: &Value) -> String {
    let events = commit["events"].as_array().into_iter().flatten();
    let tags: Vec<&str> = events.filter_map(|event| event["type"].as_str()).collect();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let (time, subject) = (text(&commit["time"]), text(&commit["subject"]));
    format!("{time} {subject} by {}: {}", text(&commit["actor"]), tags.join(", "))
}

impl Show {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let log = open_existing_log(&self.options.resolve()?).await?;
        let block = block_of(&log, self.position).await?;
        let mut lines = block.lines();
        let line = lines.find(|(position, _)| *position == self.position);
        let commit: Value = serde_json::from_str(&line.context("the block lacks it")?.1)?;
        let value = if self.block {
            let commits: Result<Vec<Value>, _> =
                block.lines().map(|(_, line)| serde_json::from_str(&line)).collect();
            json!({ "header": block.header, "hash": block.hash, "commits": commits? })
        } else {
            json!({ "position": self.position, "block": block.header.block, "commit": commit })
        };
        let text = if self.json {
            serde_json::to_string(&value)
        } else {
            serde_json::to_string_pretty(&value)
        };
        println!("{}", text.context("cannot print it")?);
        Ok(ExitCode::SUCCESS)
    }
}

/// The block that holds a position.
async fn block_of(log: &Log, position: Position) -> Result<Block> {
    let before: Option<Head> = log.before(position).await?;
    let end = log.head().await?.position;
    let before = before.with_context(|| format!("no commit {position}: the log ends at {end}"))?;
    let block = log.read(before, 1).await?.into_iter().next();
    ensure!(block.is_some(), "the log lost its end while it was read");
    block.context("there is no such block")
}
