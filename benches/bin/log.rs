//! `cargo xtask bench log`: durable commits a second of the whole writer (decide, seal, chain,
//! append, answer), for 1 to 4096 callers, beside the bare engine appending the same blocks.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use benches::bare::{self, Bare};
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
/// How long three servers may take to agree on a leader.
const ELECTION_MAX: Duration = Duration::from_mins(1);
const LOG: LogId = LogId::from_uuid(Uuid::from_u128(7));

#[tokio::main]
pub(crate) async fn main() -> ExitCode {
    let quick = std::env::args().any(|arg| arg == "--quick");
    let seconds = Duration::from_millis(if quick { 300 } else { 4000 });
    report::end("log", figures(seconds).await)
}

async fn figures(time: Duration) -> anyhow::Result<Map<String, Value>> {
    let mut figures = Map::new();
    figures.insert("decide_per_s".to_owned(), json!(decide_per_s(time).round()));
    figures.insert("embedded".to_owned(), on_embedded(time).await?);
    figures.insert("nats".to_owned(), on_nats(time, false, 1).await?);
    figures.insert("nats_always".to_owned(), on_nats(time, true, 1).await?);
    figures.insert("nats_r3_always".to_owned(), on_nats(time, true, 3).await?);
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
        rows.insert(callers.to_string(), row(&measured, blocks.len(), &bare));
    }
    Ok(json!({ "callers": rows }))
}

/// A server, or as many as there are replicas.
async fn on_nats(time: Duration, durable: bool, replicas: usize) -> anyhow::Result<Value> {
    let Some(program) = find_nats_server() else {
        let why = "nats-server is not installed; cargo xtask test fetches it";
        return Ok(json!({ "callers": null, "why": why }));
    };
    let mut rows = Map::new();
    for callers in CALLERS {
        let folder = tempfile::tempdir()?;
        let always = "jetstream { store_dir: $STORE, sync_interval: always }";
        let sync = if durable { always } else { "" };
        let servers = NatsServer::cluster(&program, replicas, sync).await?;
        let url = servers.iter().map(NatsServer::url).collect::<Vec<_>>().join(",");
        let log = open(&NatsConfig { replicas, ..NatsConfig::new(url.clone()) }).await?;
        let measured = callers::run(log.clone(), folder.path(), callers, time).await?;
        let blocks = blocks(&log, &measured).await?;
        let bare = bare::jetstream(&url, replicas, &blocks).await?;
        rows.insert(callers.to_string(), row(&measured, blocks.len(), &bare));
    }
    Ok(json!({ "callers": rows }))
}

/// Replicas elect a leader before they can hold a log.
async fn open(config: &NatsConfig) -> anyhow::Result<Log> {
    let connection = connect(config).await?;
    let deadline = Instant::now() + ELECTION_MAX;
    loop {
        match nats::create(&connection, LOG).await {
            Ok(log) => return Ok(log),
            Err(error) if Instant::now() > deadline => return Err(error.into()),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
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

fn row(measured: &Measured, blocks: usize, bare: &Bare) -> Value {
    let ratio = |ours: f64, theirs: f64| (ours / theirs * 100.0).round() / 100.0;
    let waits = measured.waits();
    let (p50, bare_p50) = (waits.percentile_ms(0.50), bare.waits.percentile_ms(0.50));
    json!({
        "commits_per_s": measured.per_s().round(),
        "p50_ms": p50,
        "p99_ms": waits.percentile_ms(0.99),
        "bare_ratio": ratio(measured.per_s(), bare.per_s),
        "bare_p50_ms": bare_p50,
        "commits_per_block": (waits.count() as f64 / blocks as f64).round(),
    })
}
