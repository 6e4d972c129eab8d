//! `cargo xtask bench rebuild`: how fast the tables are made again from a long log, on both
//! databases, beside the same final rows written by the fastest bare means; how the time grows
//! with the log; and how far the projector lags behind a steady writer.
//!
//! Each rebuild runs in a process of its own, this program once more, so that its memory is known.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use benches::history::History;
use benches::{lag, report, server};
use events::LogId;
use projector::testing::PrivatePostgres;
use projector::{Phase, Progress, Store, replay};
use serde_json::{Map, Value, json};
use streams::Log;
use streams::log::embedded;
use uuid::Uuid;
use vault::{Secrets, Vault};

const LOG: LogId = LogId::from_uuid(Uuid::from_u128(7));
/// Events of the shorter log, of the one that the rate is told of, and of the longer one.
const SIZES: [usize; 3] = [500_000, 1_000_000, 5_000_000];
const QUICK_SIZES: [usize; 3] = [2000, 5000, 10_000];
const LAG: Duration = Duration::from_secs(20);
const QUICK_LAG: Duration = Duration::from_secs(1);

#[tokio::main]
pub(crate) async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(2).collect();
    let result = match args.as_slice() {
        [child, folder, url] if child == "--child" => rebuild(Path::new(folder), url).await,
        _ => figures(&args).await.map(|figures| report::print("rebuild", &figures)),
    };
    if let Err(error) = result {
        eprintln!("error: {error:#}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// A new log and its vault.
async fn create(folder: &Path) -> anyhow::Result<(Log, Vault)> {
    let secrets = Secrets::init(&folder.join("secrets"))?;
    let vault = format!("sqlite:{}", folder.join("vault.db").display());
    let vault = Vault::open(&vault, &secrets).await?;
    Ok((embedded::create(&folder.join("log.db"), LOG).await?, vault))
}

/// In a process of its own: one rebuild into empty tables; prints what it measured.
async fn rebuild(folder: &Path, url: &str) -> anyhow::Result<()> {
    let secrets = Secrets::open(&folder.join("secrets"))?;
    let vault = format!("sqlite:{}", folder.join("vault.db").display());
    let vault = Vault::open(&vault, &secrets).await?;
    let log = embedded::open(&folder.join("log.db")).await?;
    let store = Store::open(url).await?;
    let start = Instant::now();
    let mut phases: Vec<(Phase, Instant)> = Vec::new();
    let mut tell = |progress: Progress| {
        if phases.last().is_none_or(|(phase, _)| *phase != progress.phase) {
            phases.push((progress.phase, Instant::now()));
        }
    };
    let report = replay(&store, &log, &vault, false, &mut tell).await?;
    let whole = start.elapsed();
    let began = |wanted| phases.iter().find(|(phase, _)| *phase == wanted).map(|(_, at)| *at);
    let at = |phase| began(phase).context("a phase of the rebuild is missing");
    let (rows, rest) = (at(Phase::Rebuilding)?, at(Phase::Comparing)?);
    let figures = json!({
        "events": report.events,
        "seconds": (rest - rows).as_secs_f64(),
        "indexing_s": (rest - at(Phase::Indexing)?).as_secs_f64(),
        "whole_s": whole.as_secs_f64(),
        "rss_mb": server::memory_mb(std::process::id(), "VmHWM")?,
    });
    println!("{figures}");
    Ok(())
}

/// Where tables are made.
enum Place {
    Sqlite(PathBuf, u32),
    Postgres(Box<PrivatePostgres>),
}

impl Place {
    async fn url(&mut self) -> anyhow::Result<String> {
        Ok(match self {
            Self::Sqlite(folder, made) => {
                *made += 1;
                format!("sqlite:{}", folder.join(format!("tables{made}.db")).display())
            }
            Self::Postgres(server) => server.database().await?,
        })
    }
}

async fn figures(args: &[String]) -> anyhow::Result<Map<String, Value>> {
    let quick = args.iter().any(|arg| arg == "--quick");
    let only = |name: &str| {
        !args.iter().any(|arg| arg.starts_with("--only="))
            || args.contains(&format!("--only={name}"))
    };
    let (mut sizes, lag_for) = if quick { (QUICK_SIZES, QUICK_LAG) } else { (SIZES, LAG) };
    if let Some(given) = args.iter().find_map(|arg| arg.strip_prefix("--events=")) {
        // The whole run at another size: shorter, and less to be compared with.
        let events: usize = given.parse()?;
        sizes = [events / 2, events, events * 2];
    }
    let folder = tempfile::tempdir()?;
    let (log, vault) = create(folder.path()).await?;
    let mut places = Vec::new();
    if only("sqlite") {
        places.push(("sqlite", Place::Sqlite(folder.path().to_owned(), 0)));
    }
    let mut figures = Map::new();
    match projector::testing::find_postgres().filter(|_| only("postgres")) {
        Some(programs) => {
            let server = PrivatePostgres::start(programs).await?;
            places.push(("postgres", Place::Postgres(Box::new(server))));
        }
        None => {
            let why = "PostgreSQL is not installed; cargo xtask test installs it";
            figures.insert("postgres".to_owned(), json!({ "events": null, "why": why }));
        }
    }
    let mut history = History::default();
    let mut runs: Vec<Vec<Value>> = places.iter().map(|_| Vec::new()).collect();
    let mut written = 0;
    for (n, size) in sizes.into_iter().enumerate() {
        history.write(&log, &vault, size - written).await?;
        written = size;
        for ((name, place), runs) in places.iter_mut().zip(&mut runs) {
            let url = place.url().await?;
            let mut run = child(folder.path(), &url).await?;
            if n == 1 {
                let store = Store::open(&url).await?;
                let bare = projector::testing::write_bare(&store).await?;
                run["bare_s"] = json!(bare.as_secs_f64());
                store.close().await;
            }
            eprintln!("{name}: {run}");
            runs.push(run);
        }
    }
    let mut lags = Vec::new();
    for ((name, place), runs) in places.iter_mut().zip(&runs) {
        figures.insert((*name).to_owned(), row(runs));
        let folder = tempfile::tempdir()?;
        let url = place.url().await?;
        lags.push(lag::p99(folder.path(), &url, lag_for).await?);
    }
    match lags.into_iter().collect::<Option<Vec<Duration>>>() {
        Some(lags) => {
            let worst = lags.into_iter().max().map(report::milliseconds);
            figures.insert("lag_p99_ms".to_owned(), json!(worst));
        }
        None => {
            let why = "the log itself could not be written at 2,000 events a second here";
            figures.insert("lag_p99_ms".to_owned(), Value::Null);
            figures.insert("lag_p99_ms_why".to_owned(), json!(why));
        }
    }
    Ok(figures)
}

async fn child(folder: &Path, url: &str) -> anyhow::Result<Value> {
    let program = std::env::current_exe()?;
    let mut command = tokio::process::Command::new(program);
    command
        .arg("rebuild")
        .arg("--child")
        .arg(folder)
        .arg(url)
        .stderr(std::process::Stdio::inherit());
    let output = command.output().await?;
    anyhow::ensure!(output.status.success(), "the rebuild into {url} failed");
    let text = String::from_utf8(output.stdout)?;
    serde_json::from_str(&text).context("the rebuild told no figures")
}

fn row(runs: &[Value]) -> Value {
    let number = |run: &Value, key: &str| run[key].as_f64().unwrap_or(f64::NAN);
    let per_event = |run: &Value| number(run, "seconds") / number(run, "events");
    let [short, main, long] = runs else { return Value::Null };
    let two = |ratio: f64| (ratio * 100.0).round() / 100.0;
    json!({
        "events": main["events"],
        "events_per_s": (1.0 / per_event(main)).round(),
        "bare_ratio": two(number(main, "bare_s") / number(main, "seconds")),
        "rss_mb": main["rss_mb"],
        "rss_mb_long": long["rss_mb"],
        "per_event_growth": two(per_event(long) / per_event(short)),
        "indexing_s": two(number(main, "indexing_s")),
        "whole_s": two(number(main, "whole_s")),
    })
}
