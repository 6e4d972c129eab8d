//! `signcall migrate`: brings everything that an older binary left up to date, or says why this
//! binary can't. A start does the same; this does it ahead of one.

use std::process::ExitCode;

use anyhow::{Context, Result};
use events::Head;

use super::log::bar;
use crate::config::Options;
use crate::server::{Books, open_store};

/// Bytes of blocks read at once.
const READ_BYTES: usize = 4 * 1024 * 1024;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    options: Options,
}

impl Args {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let config = self.options.resolve()?;
        let books = Books::open_existing(&config).await?;
        let end = books.log.head().await?;
        let bar = bar("reading the log", end.position.get())?;
        let mut head = Head::empty(end.log);
        loop {
            let blocks = books.log.read(head, READ_BYTES).await?;
            let Some(last) = blocks.last() else { break };
            for block in &blocks {
                block.commits().context("this binary can't read the log")?;
            }
            head = last.head();
            bar.set_position(head.position.get());
        }
        bar.finish_and_clear();
        println!("the log at {} can be read up to position {}", config.log, head.position);
        println!("the vault at {} is up to date", config.vault);
        let store = open_store(&config).await?;
        let position = store.position().await?;
        store.close().await;
        println!("the tables at {} are up to date; they hold position {position}", config.database);
        Ok(ExitCode::SUCCESS)
    }
}
