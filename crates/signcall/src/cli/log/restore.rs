//! `signcall log restore`: a log that lost its tail, made whole from the copy beside the tables, or
//! gone on with as it is.

use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use events::Head;
use projector::Store;
use streams::Log;

use super::bar;
use super::place::Place;
use crate::config::{Config, Options};
use crate::server::{Lock, open_existing_log, open_store, open_vault};

/// Bytes of blocks read at once.
const READ_BYTES: usize = 4 * 1024 * 1024;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Append what the tables keep of the log beyond its end (its `event_archive`)
    #[arg(long, conflicts_with = "accept_loss", required_unless_present = "accept_loss")]
    from_archive: bool,
    /// Go on with what is left, and forget that there was more
    #[arg(long)]
    accept_loss: bool,
    #[command(flatten)]
    options: Options,
}

impl Args {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let config = self.options.resolve()?;
        if self.from_archive {
            let store = open_store(&config).await?;
            let restored = from_archive(&config, &store).await;
            store.close().await;
            restored?;
        } else {
            accept_loss(&config).await?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Appends the archived blocks that follow the log's end. The same blocks, so the same log.
async fn from_archive(config: &Config, store: &Store) -> Result<()> {
    let kept = store.archived_upto().await?.with_context(|| {
        format!(
            "the tables at {} keep no copy of the log: only those of a log on NATS do, with \
             event_archive on; `signcall restore` brings back a backup",
            config.database
        )
    })?;
    let checkpoint = store.checkpoint().await?.context("the tables do not say which log's")?;
    let place = Place::Named(config.log.clone());
    let log = place.create(config, checkpoint.head.log).await?;
    let before = log.head().await?;
    if kept <= before.block {
        log.check_anchor(&checkpoint.head).await?;
        println!("nothing is missing: the log ends at block {}, the copy at {kept}", before.block);
        return Ok(());
    }
    let bar = bar("restoring", 0)?;
    let mut head = before;
    loop {
        let blocks = store.archived(head).await.with_context(|| {
            format!(
                "what is kept does not follow block {} of the log: it went on without its tail, \
                 or is damaged",
                head.block
            )
        })?;
        let Some(last) = blocks.last() else { break };
        head = last.head();
        log.append_all(blocks.into_iter().map(Into::into).collect()).await?;
        bar.set_position(head.position.get() - before.position.get());
    }
    bar.finish_and_clear();
    ensure!(head.block == kept, "the copy breaks off at block {}, before {kept}", head.block);
    place.settle(config).await?;
    println!(
        "{} blocks are back: the log ends at block {}, position {}",
        head.block.get() - before.block.get(),
        head.block,
        head.position
    );
    Ok(())
}

/// Moves the vault's anchor back to where the log ends, once the log is known to be whole till there.
async fn accept_loss(config: &Config) -> Result<()> {
    let _lock = if config.log.is_embedded() { Some(Lock::take(&config.data)?) } else { None };
    let log = open_existing_log(config).await?;
    let vault = open_vault(config, &config.open_secrets()?).await?;
    vault.bind(log.id()).await?;
    let end = whole(&log).await?;
    match vault.anchor().await? {
        Some(anchor) if log.check_anchor(&anchor).await.is_err() => {
            vault.move_back(end).await?;
            let lost = anchor.position.get().saturating_sub(end.position.get());
            println!(
                "the log goes on at block {}, position {}: at least {lost} commits are given up",
                end.block, end.position
            );
            println!("next: signcall replay, since the tables may hold what is given up");
        }
        Some(_) | None => println!("nothing is missing that the vault remembers"),
    }
    vault.close().await;
    Ok(())
}

/// Reads all of the log; where it ends.
async fn whole(log: &Log) -> Result<Head> {
    let mut head = Head::empty(log.id());
    loop {
        let read = log.read(head, READ_BYTES).await;
        let blocks = match read {
            Ok(blocks) => blocks,
            Err(error) => bail!(
                "what is left is not whole: {error}; move it away and bring back a backup \
                 (`signcall restore`)"
            ),
        };
        let Some(last) = blocks.last() else { return Ok(head) };
        head = last.head();
    }
}
