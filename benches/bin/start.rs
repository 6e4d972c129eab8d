//! `cargo xtask bench start`: how long a decider and a Follower take to start on a long log, folding
//! all of it, and from a snapshot with as much after it as there ever is. `--commits N` says how
//! long the log is; 10,000,000 is what the project promises 5 seconds for.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use benches::history::History;
use benches::report;
use decider::{Follower, Snapshots, Writer, system_clock};
use serde_json::{Map, Value, json};
use streams::Log;
use streams::log::embedded;
use vault::{Secrets, Vault};

const COMMITS: usize = 10_000_000;
const COMMITS_QUICK: usize = 20_000;
/// A snapshot is made anew when this part of the log lies after it.
const TAIL: usize = 20;

#[tokio::main]
pub(crate) async fn main() -> ExitCode {
    report::end("start", figures().await)
}

fn commits() -> anyhow::Result<usize> {
    let args: Vec<String> = std::env::args().collect();
    let given = args.iter().position(|arg| arg == "--commits").and_then(|at| args.get(at + 1));
    let quick = args.iter().any(|arg| arg == "--quick");
    Ok(match given {
        Some(given) => given.parse()?,
        None if quick => COMMITS_QUICK,
        None => COMMITS,
    })
}

async fn figures() -> anyhow::Result<Map<String, Value>> {
    let commits = commits()?;
    let folder = tempfile::tempdir()?;
    let secrets = Secrets::init(&folder.path().join("secrets"))?;
    let url = format!("sqlite:{}", folder.path().join("vault.db").display());
    let vault = Vault::open(&url, &secrets).await?;
    let log = embedded::open(&folder.path().join("log.db")).await?;
    vault.bind(log.id()).await?;
    let mut history = History::default();
    history.write(&log, &vault, commits - commits / TAIL).await?;
    let snapshots = Snapshots::in_folder(folder.path());
    snapshots.renew(&log, &vault).await?;
    history.write(&log, &vault, commits / TAIL).await?;
    let mut figures = Map::new();
    figures.insert("commits".to_owned(), json!(commits));
    figures.insert("commits_after_snapshot".to_owned(), json!(commits / TAIL));
    let bytes = std::fs::metadata(folder.path().join("decider.snapshot"))?.len();
    figures.insert("snapshot_mb".to_owned(), json!(bytes / 1_000_000));
    let from_snapshot = start(&log, &vault, &snapshots).await?;
    let whole = start(&log, &vault, &Snapshots::in_folder(Path::new("nowhere"))).await?;
    for (name, (writer, follower)) in [("from_snapshot", from_snapshot), ("whole", whole)] {
        let seconds = |took: Duration| (took.as_secs_f64() * 100.0).round() / 100.0;
        let both = seconds(writer + follower);
        let (writer_s, follower_s) = (seconds(writer), seconds(follower));
        figures.insert(
            name.to_owned(),
            json!({ "writer_s": writer_s, "follower_s": follower_s, "both_s": both }),
        );
    }
    Ok(figures)
}

/// One after the other, as a process that has both does it.
async fn start(
    log: &Log,
    vault: &Vault,
    snapshots: &Snapshots,
) -> anyhow::Result<(Duration, Duration)> {
    let begun = Instant::now();
    let (kept, clock) = (snapshots.clone(), system_clock());
    let writer = Writer::resume(log.clone(), vault.clone(), clock, kept).await?;
    let writer_took = begun.elapsed();
    let begun = Instant::now();
    let follower = Follower::resume(log.clone(), vault.clone(), snapshots).await?;
    let follower_took = begun.elapsed();
    anyhow::ensure!(follower.head() == log.head().await?, "the Follower is not at the end");
    drop(writer);
    Ok((writer_took, follower_took))
}
