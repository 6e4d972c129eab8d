//! How long after an append the tables hold it, while somebody appends steadily, never waiting.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use events::{Block, LogId};
use projector::{Projector, Store};
use streams::live;
use streams::log::embedded;
use tokio::sync::oneshot;
use vault::{Secrets, Vault};

use crate::history::History;

/// Events in one append, and how often one comes: 2,000 events a second.
const EVENTS: usize = 20;
const EVERY: Duration = Duration::from_millis(10);
/// The share of that rate below which the log itself was too slow for the figure to mean anything.
const RATE_MIN: f64 = 0.95;

/// The lag behind the append's acknowledgement that 99 of 100 events do not exceed, with tables at
/// `url` and a log in `folder`. `None` when the log could not be written at that rate.
pub async fn p99(folder: &Path, url: &str, time: Duration) -> anyhow::Result<Option<Duration>> {
    let secrets = Secrets::init(&folder.join("secrets"))?;
    let vault = format!("sqlite:{}", folder.join("vault.db").display());
    let vault = Vault::open(&vault, &secrets).await?;
    let id = LogId::from_uuid(uuid::Uuid::from_u128(9));
    let log = embedded::create(&folder.join("log.db"), id).await?;
    let mut history = History::default();
    history.write(&log, &vault, 2000).await?;
    let appends = usize::try_from(time.as_millis() / EVERY.as_millis())?;
    let lines = history.lines(&vault, appends * EVENTS).await?;

    let store = Store::open(url).await?;
    let projector = Projector::new(store.clone(), log.clone(), vault, live::local());
    projector.catch_up().await?;
    let mut positions = store.positions();
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(projector.run(async {
        // A stopper that is gone stops it too.
        let _ = stopped.await;
    }));
    let watching = tokio::spawn(async move {
        let mut reached = Vec::new();
        while positions.changed().await.is_ok() {
            reached.push((positions.borrow_and_update().get(), Instant::now()));
        }
        reached
    });
    let mut due = tokio::time::interval(EVERY);
    let mut appended = Vec::with_capacity(appends);
    let mut head = log.head().await?;
    let start = Instant::now();
    for lines in lines.chunks(EVENTS) {
        due.tick().await;
        let block = Block::build(&head, lines);
        head = block.head();
        log.append(Arc::new(block)).await?;
        appended.push((head.position.get(), Instant::now()));
    }
    let kept_up = time.as_secs_f64() / start.elapsed().as_secs_f64();
    let last = log.head().await?.position;
    anyhow::ensure!(store.wait_for(last, Duration::from_secs(60)).await?, "the tables stay behind");
    let _ = stop.send(());
    running.await??;
    store.close().await;
    drop(store);
    let reached = watching.await?;
    let mut lags: Vec<Duration> = appended
        .iter()
        .map(|(position, at)| {
            let by = reached.partition_point(|(reached, _)| reached < position);
            reached.get(by).map_or(time, |(_, when)| when.saturating_duration_since(*at))
        })
        .collect();
    lags.sort_unstable();
    let p99 = lags.get(lags.len() * 99 / 100).copied();
    Ok(p99.filter(|_| kept_up > RATE_MIN))
}
