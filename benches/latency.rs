//! Latencies of a run, and loads at a fixed rate: an open loop, in which a slow answer delays no
//! other request and is counted from the moment at which its request was due.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::report;

/// Waits, sorted.
#[derive(Debug, Clone, Default)]
pub struct Latencies(Vec<Duration>);

impl Latencies {
    /// Sorts them.
    pub fn new(mut waits: Vec<Duration>) -> Self {
        waits.sort_unstable();
        Self(waits)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The wait that this share of them did not exceed, in ms; zero where there are none.
    pub fn percentile_ms(&self, share: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        let place = ((self.0.len() as f64 * share) as usize).min(last);
        report::milliseconds(self.0.get(place).copied().unwrap_or_default())
    }
}

/// Someone who sends the `n`th request of a load and waits for its answer.
pub trait Sender: Send + 'static {
    /// Sends one that is due now, or was due a while ago, and checks the answer.
    fn send(&mut self, n: u64, due: Instant) -> impl Future<Output = anyhow::Result<()>> + Send;
}

/// Sends `per_s` requests a second for `time`; a request that is due goes to the next free sender.
pub async fn open_loop(
    senders: Vec<impl Sender>,
    per_s: f64,
    time: Duration,
) -> anyhow::Result<Latencies> {
    let total = (per_s * time.as_secs_f64()) as u64;
    let next = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let mut running = JoinSet::new();
    for mut sender in senders {
        let next = Arc::clone(&next);
        running.spawn(async move {
            let mut waits = Vec::new();
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= total {
                    return anyhow::Ok(waits);
                }
                let due = start + Duration::from_secs_f64(n as f64 / per_s);
                sleep_until(due).await;
                sender.send(n, due).await?;
                waits.push(due.elapsed());
            }
        });
    }
    let mut all = Vec::new();
    while let Some(ended) = running.join_next().await {
        all.extend(ended??);
    }
    Ok(Latencies::new(all))
}

/// Every sender sends as soon as it has its last answer, for `time`: answers a second.
pub async fn closed_loop(senders: Vec<impl Sender>, time: Duration) -> anyhow::Result<f64> {
    let next = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let mut running = JoinSet::new();
    for mut sender in senders {
        let next = Arc::clone(&next);
        running.spawn(async move {
            let mut sent = 0_u64;
            while start.elapsed() < time {
                sender.send(next.fetch_add(1, Ordering::Relaxed), Instant::now()).await?;
                sent += 1;
            }
            anyhow::Ok(sent)
        });
    }
    let mut sent = 0;
    while let Some(ended) = running.join_next().await {
        sent += ended??;
    }
    Ok(sent as f64 / start.elapsed().as_secs_f64())
}
