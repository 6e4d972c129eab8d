//! `signcall compact`: files without the remains of what was deleted.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use serde_json::json;
use streams::log::embedded;

use crate::config::{Config, Options};
use crate::server::{Books, LOG_FILE, open_store};

/// Somebody kept a file from being compacted.
const EXIT_HELD: u8 = 1;

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
        let config = self.options.resolve()?;
        let books = Books::open_existing(&config).await?;
        let store = open_store(&config).await?;
        let files = files(&config);
        let before = files.iter().map(|file| bytes(file)).sum::<u64>();
        let log = config.data.join(LOG_FILE);
        let log_done = !config.log.is_embedded() || embedded::compact(&log).await?;
        let vault_done = books.vault.compact().await;
        let vault_done = vault_done.context("cannot compact the vault; is it in use?")?;
        let tables_done =
            store.compact().await.context("cannot compact the tables; are they in use?")?;
        let done = [
            (log_done, Some(log)),
            (vault_done, config.vault.sqlite_file()),
            (tables_done, config.database.sqlite_file()),
        ];
        let held = done.into_iter().filter(|(done, _)| !done).filter_map(|(_, file)| file);
        let held: Vec<PathBuf> = held.collect();
        let after = files.iter().map(|file| bytes(file)).sum::<u64>();
        let in_files =
            config.database.sqlite_file().is_some() && config.vault.sqlite_file().is_some();
        if self.json {
            println!(
                "{}",
                json!({
                    "bytes_before": before,
                    "bytes_after": after,
                    "complete": in_files && held.is_empty(),
                    "held": held,
                })
            );
        } else {
            println!("{before} bytes of files became {after}");
        }
        if !in_files {
            eprintln!(
                "PostgreSQL keeps what was deleted in its write-ahead log until it is recycled, and \
                 in archives and backups of it: those are out of reach here"
            );
        }
        for file in &held {
            eprintln!(
                "{0} is not compacted: somebody reads an older state of it all the time, so what was \
                 deleted may still lie in it and in {0}-wal; end that (a replay, a copy, a database \
                 shell, or else the server) and run `signcall compact` again",
                file.display()
            );
        }
        Ok(if held.is_empty() { ExitCode::SUCCESS } else { EXIT_HELD.into() })
    }
}

/// The SQLite files of an installation.
fn files(config: &Config) -> Vec<PathBuf> {
    let log = config.log.is_embedded().then(|| config.data.join(LOG_FILE));
    [log, config.vault.sqlite_file(), config.database.sqlite_file()].into_iter().flatten().collect()
}

/// Bytes of a file and its write-ahead log.
fn bytes(file: &Path) -> u64 {
    let wal = PathBuf::from(format!("{}-wal", file.display()));
    [file, wal.as_path()]
        .iter()
        .map(|file| std::fs::metadata(file).map_or(0, |found| found.len()))
        .sum()
}
