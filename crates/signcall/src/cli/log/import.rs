//! `signcall log import`: a log out of the lines that `export` wrote.

use std::fs::File;
use std::io::{BufRead, BufReader, stdin};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use events::Head;
use streams::log::transfer::Import;

use super::bar;
use super::place::Place;
use crate::config::Options;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file that `export` made; `-` is standard input
    file: PathBuf,
    #[command(flatten)]
    options: Options,
}

impl Args {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let config = self.options.resolve()?;
        let lines: Box<dyn BufRead + Send> = if self.file == Path::new("-") {
            Box::new(BufReader::new(stdin()))
        } else {
            let file = File::open(&self.file);
            let file = file.with_context(|| format!("cannot read {}", self.file.display()))?;
            Box::new(BufReader::new(file))
        };
        let import = Import::begin(lines)?;
        let place = Place::Named(config.log.clone());
        let log = place.create(&config, import.log()).await?;
        let bar = bar("importing", 0)?;
        let mut step = |head: Head| bar.set_position(head.position.get());
        let imported = import.into_log(&log, &mut step).await;
        bar.finish_and_clear();
        let head = imported?;
        place.settle(&config).await?;
        println!(
            "log {} is there up to block {}, position {}",
            head.log, head.block, head.position
        );
        Ok(ExitCode::SUCCESS)
    }
}
