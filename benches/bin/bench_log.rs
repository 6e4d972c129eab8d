//! `cargo xtask bench log`: durable commits a second of the whole writer (decide, seal, chain,
//! append, answer), for 1 to 4096 callers, beside the bare engine appending the same blocks.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use benches::bare;
use benches::callers::{self, Measured};
use benches::fixtures::Town;
use benches::report;
use events::{Block, Head, LogId, Stamp};
use serde_json::{Map, Value, json};
use streams::Log;
use streams::log::{embedded, nats};
use streams::nats::{NatsConfig, connect};
use streams::testing::{NatsServer, find_nats_server};
use uuid::Uuid;

const CALLERS: [usize; 4] = [1, 64, 512, 4096];
const LOG: LogId = LogId::from_uuid(Uuid::from_u128(7));

#[tokio::main]
async fn main() -> ExitCode {
    let quick = std::env::args().any(|arg| arg == "--quick");
    let seconds = Duration::from_millis(if quick { 300 } else { 5000 });
    match figures(seconds).await {
        Ok(figures) => report::print("log", &figures),
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

async fn figures(time: Duration) -> anyhow::Result<Map<String, Value>> {
    let mut figures = Map::new();
    figures.insert("decide_per_s".to_owned(), json!(decide_per_s(time).round()));
    figures.insert("embedded".to_owned(), on_embedded(time).await?);
    figures.insert("nats".to_owned(), on_nats(time, false).await?);
    figures.insert("nats_always".to_owned(), on_nats(time, true).await?);
    let why = "three replicas are not started by this benchmark yet";
    figures.insert("nats_r3_always".to_owned(), json!({ "callers": null, "why": why }));
    Ok(figures)
}

/// The rules alone, on one core: chat commands decided and taken into the state.
fn decide_per_s(time: Duration) -> f64 {
    let mut town = Town::new();
    let commands: Vec<_> = (0..20_000).map(|_| town.chat()).collect();
    let now = town.scenario.now();
    let start = Instant::now();
    let (mut decided, mut last_id) = (0_u64, 1 << 52);
    while start.elapsed() < time {
        let mut state = town.scenario.state().clone();
        for (actor, command) in &commands {
            let mut stamp = Stamp::new(now, last_id);
            if let Ok(decision) = command.decide(&state, *actor, &mut stamp) {
                decision.events.iter().for_each(|event| state.evolve(event, now));
                decided += 1;
            }
            last_id = stamp.last_id();
        }
    }
    decided as f64 / start.elapsed().as_secs_f64()
}

async fn on_embedded(time: Duration) -> anyhow::Result<Value> {
    let mut rows = Map::new();
    for callers in CALLERS {
        let folder = tempfile::tempdir()?;
        let log = embedded::create(&folder.path().join("log.db"), LOG).await?;
        let measured = callers::run(log.clone(), folder.path(), callers, time).await?;
        let blocks = blocks(&log, &measured).await?;
        let bare = bare::sqlite(&folder.path().join("bare.db"), &blocks).await?;
        rows.insert(callers.to_string(), row(&measured, bare));
    }
    Ok(json!({ "callers": rows }))
}

async fn on_nats(time: Duration, always: bool) -> anyhow::Result<Value> {
    let Some(program) = find_nats_server() else {
        let why = "nats-server is not installed; cargo xtask test fetches it";
        return Ok(json!({ "callers": null, "why": why }));
    };
    let mut rows = Map::new();
    for callers in CALLERS {
        let folder = tempfile::tempdir()?;
        let sync = if always { "sync_interval: always" } else { "" };
        let store = folder.path().join("nats").display().to_string();
        let configuration = format!("jetstream {{ store_dir: {store:?}, {sync} }}");
        let server = NatsServer::start(program.clone(), &configuration).await?;
        let connection = connect(&NatsConfig::new(server.url())).await?;
        let log = nats::create(&connection, LOG).await?;
        let measured = callers::run(log.clone(), folder.path(), callers, time).await?;
        let bare = bare::jetstream(&server.url(), &blocks(&log, &measured).await?).await?;
        rows.insert(callers.to_string(), row(&measured, bare));
    }
    Ok(json!({ "callers": rows }))
}

/// The blocks that the measured run appended, to be appended again by the bare engine.
async fn blocks(log: &Log, measured: &Measured) -> anyhow::Result<Vec<Arc<Block>>> {
    let mut head: Head = measured.before;
    let mut blocks = Vec::new();
    loop {
        let more = log.read(head, 8 * 1024 * 1024).await?;
        let Some(last) = more.last() else { return Ok(blocks) };
        head = last.head();
        blocks.extend(more.into_iter().map(Arc::new));
    }
}

fn row(measured: &Measured, bare_commits_per_s: f64) -> Value {
    json!({
        "commits_per_s": measured.per_s().round(),
        "p50_ms": report::milliseconds(measured.percentile(0.50)),
        "p99_ms": report::milliseconds(measured.percentile(0.99)),
        "bare_ratio": (measured.per_s() / bare_commits_per_s * 100.0).round() / 100.0,
    })
}
