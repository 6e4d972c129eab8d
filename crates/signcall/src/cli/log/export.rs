//! `signcall log export`: the log as lines of JSON.

use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use events::{BlockNumber, Head};
use streams::log::transfer;

use super::bar;
use crate::config::Options;
use crate::server::open_existing_log;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file to make, instead of standard output
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Leave out the blocks up to this one
    #[arg(long, value_name = "BLOCK", default_value = "0")]
    after: BlockNumber,
    #[command(flatten)]
    options: Options,
}

impl Args {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let config = self.options.resolve()?;
        let log = open_existing_log(&config).await?;
        let after = log.head_at(self.after).await?;
        let after = after.with_context(|| format!("the log has no block {}", self.after))?;
        let mut into: Box<dyn Write + Send> = match &self.to {
            Some(path) => {
                let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
                let file = file.with_context(|| format!("cannot make {}", path.display()))?;
                Box::new(BufWriter::new(file))
            }
            None => Box::new(BufWriter::new(std::io::stdout())),
        };
        let end = log.head().await?;
        let bar = bar("exporting", end.position.get())?;
        let mut step = |head: Head| bar.set_position(head.position.get());
        let exported = transfer::export(&log, after, end, &mut into, &mut step).await;
        bar.finish_and_clear();
        let head = exported?;
        eprintln!(
            "exported log {} up to block {}, position {}",
            head.log, head.block, head.position
        );
        Ok(ExitCode::SUCCESS)
    }
}
