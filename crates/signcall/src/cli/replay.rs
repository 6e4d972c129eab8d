//! `signcall replay`: the tables, rebuilt from the log, and compared with the live ones.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use projector::{Phase, Progress, ReplayReport, replay};
use serde_json::json;

use crate::config::{Config, Options};
use crate::server::{Books, open_store};
use crate::{shutdown, telemetry};

/// How often to say how far it is when there is no terminal for a bar.
const TELL_EVERY: Duration = Duration::from_secs(5);
/// The live tables are not what the log says.
const EXIT_DIFFERENT: u8 = 1;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only compare: say which rows of the live tables are not what the log says
    #[arg(long)]
    verify: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    options: Options,
}

impl Args {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let config = self.options.resolve()?;
        telemetry::start(&config)?;
        let stop = shutdown::on_signal()?;
        let report = tokio::select! {
            report = run(&config, self.verify) => report?,
            () = stop.cancelled() => {
                bail!("stopped: the live tables are as they were; run it again to go on from here")
            }
        };
        if self.json {
            print_json(&report)?;
        } else {
            print(&report);
        }
        Ok(if report.differing_rows == 0 { ExitCode::SUCCESS } else { EXIT_DIFFERENT.into() })
    }
}

/// Rebuilds the tables beside the live ones and compares; swaps them, unless told to verify only.
pub(super) async fn run(config: &Config, verify: bool) -> Result<ReplayReport> {
    let books = Books::open_existing(config).await?;
    let store = open_store(config).await?;
    let bar = ProgressBar::no_length();
    let style = "{msg} {bar:40} {pos}/{len}, {per_sec}, {eta} left";
    bar.set_style(ProgressStyle::with_template(style)?);
    let mut phase = None;
    let mut told = Instant::now();
    let mut show = |progress: Progress| {
        if phase != Some(progress.phase) {
            phase = Some(progress.phase);
            bar.reset();
            bar.set_message(name(progress.phase));
            // What an earlier run did tells nothing of this one's rate.
            bar.set_position(progress.done);
            bar.reset_eta();
        }
        bar.set_length(progress.total);
        bar.set_position(progress.done);
        if bar.is_hidden() && told.elapsed() > TELL_EVERY {
            told = Instant::now();
            let (rate, left) = (bar.per_sec(), bar.eta().as_secs());
            let Progress { phase, done, total } = progress;
            eprintln!("{}: {done} of {total}, {rate:.0} a second, {left} s left", name(phase));
        }
    };
    let report = replay(&store, &books.log, &books.vault, verify, &mut show).await;
    bar.finish_and_clear();
    store.close().await;
    Ok(report?)
}

fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::CatchingUp => "catching up",
        Phase::Rebuilding => "rebuilding",
        Phase::Indexing => "indexing",
        Phase::Comparing => "comparing",
        Phase::Swapping => "swapping",
    }
}

fn print(report: &ReplayReport) {
    println!("replayed {} events to position {}", report.events, report.position);
    for table in &report.tables {
        println!("  {:<24} {:>9} rows  {}", table.table, table.rows, table.hash);
    }
    for found in &report.differences {
        println!(
            "different: {} {} {}: live {}, log {}",
            found.table, found.key, found.column, found.live, found.rebuilt
        );
    }
    let rows = report.differing_rows;
    match (report.compared, rows) {
        (false, _) => println!("the live tables were another log's: nothing to compare with"),
        (true, 0) => println!("equal: the live tables are what the log says"),
        (true, _) => {
            println!("different: {rows} rows of the live tables are not what the log says");
        }
    }
    if report.swapped {
        println!("the rebuilt tables are the live ones now");
    }
}

fn print_json(report: &ReplayReport) -> Result<()> {
    let tables = report
        .tables
        .iter()
        .map(|table| json!({ "table": table.table, "rows": table.rows, "hash": table.hash }));
    let differences = report.differences.iter().map(|found| {
        json!({ "table": found.table, "key": found.key, "column": found.column,
            "live": found.live, "rebuilt": found.rebuilt })
    });
    let object = json!({
        "position": report.position,
        "events": report.events,
        "compared": report.compared,
        "equal": report.compared && report.differing_rows == 0,
        "differing_rows": report.differing_rows,
        "differences": differences.collect::<Vec<_>>(),
        "tables": tables.collect::<Vec<_>>(),
        "swapped": report.swapped,
    });
    println!("{}", serde_json::to_string(&object).context("cannot print the report")?);
    Ok(())
}
