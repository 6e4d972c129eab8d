//! Callers who each wait for their answer before they ask again: the load of the log's benchmark,
//! and the way to a log full of history.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use decider::Writer;
use events::{Envelope, Head};
use futures::future::join_all;
use parking_lot::Mutex;
use streams::{Commands, Log, commands};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use vault::{Secrets, Vault};

use crate::fixtures::Town;

/// Commands that may be on their way at once while history is written.
const AT_ONCE: usize = 4096;

/// A decider on a log, with a town in it.
pub struct Decider {
    /// The keys of what was written.
    pub vault: Vault,
    town: Town,
    commands: Commands,
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
}

impl Decider {
    /// Starts a writer whose files lie in `folder`, and builds the town.
    pub async fn start(log: Log, folder: &Path) -> anyhow::Result<Self> {
        let secrets = Secrets::init(&folder.join("secrets"))?;
        let url = format!("sqlite:{}", folder.join("vault.db").display());
        let vault = Vault::open(&url, &secrets).await?;
        let mut town = Town::new();
        let now = town.scenario.now();
        // The town's clock stands still, so that ids in the log are those the fixture computed.
        let writer = Writer::open(log, vault.clone(), Arc::new(move || now)).await?;
        let (commands, queue) = commands::local();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(writer.run(queue, async {
            // A stopper that is gone stops it too.
            let _ = stopped.await;
        }));
        let history = std::mem::take(&mut town.history);
        let sent = history.into_iter().map(|one| town.envelope(one)).collect();
        let decider = Self { vault, town, commands, stop, running };
        decider.submit(sent).await?;
        Ok(decider)
    }

    /// Writes this many chat messages.
    pub async fn chat(&mut self, messages: usize) -> anyhow::Result<()> {
        for start in (0..messages).step_by(AT_ONCE) {
            let count = AT_ONCE.min(messages - start);
            let sent = (0..count).map(|_| {
                let chat = self.town.chat();
                self.town.envelope(chat)
            });
            let sent = sent.collect();
            self.submit(sent).await?;
        }
        Ok(())
    }

    /// Sends them in order: each is polled, and so queued, in its turn.
    async fn submit(&self, sent: Vec<Envelope>) -> anyhow::Result<()> {
        for outcome in join_all(sent.into_iter().map(|one| self.commands.submit(one))).await {
            outcome??;
        }
        Ok(())
    }

    /// Ends the writer.
    pub async fn stop(self) -> anyhow::Result<()> {
        // It may have stopped by itself.
        let _ = self.stop.send(());
        Ok(self.running.await?)
    }
}

/// What a run measured.
pub struct Measured {
    /// Where the log ended before the measured time.
    pub before: Head,
    took: Duration,
    latencies: Vec<Duration>,
}

impl Measured {
    /// Accepted commands a second.
    pub fn per_s(&self) -> f64 {
        self.latencies.len() as f64 / self.took.as_secs_f64()
    }

    /// The latency that this share of the callers' waits did not exceed.
    pub fn percentile(&self, share: f64) -> Duration {
        let place = (self.latencies.len() as f64 * share) as usize;
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get(place.min(last)).copied().unwrap_or_default()
    }
}

/// Lets `callers` chat for `time` on `log`, each one command after the other.
pub async fn run(
    log: Log,
    folder: &Path,
    callers: usize,
    time: Duration,
) -> anyhow::Result<Measured> {
    let mut decider = Decider::start(log.clone(), folder).await?;
    let before = log.head().await?;
    let town = Arc::new(Mutex::new(std::mem::take(&mut decider.town)));
    let start = Instant::now();
    let chatting = (0..callers)
        .map(|_| tokio::spawn(chat(decider.commands.clone(), town.clone(), start + time)));
    let mut latencies = Vec::new();
    for caller in join_all(chatting).await {
        latencies.extend(caller??);
    }
    let took = start.elapsed();
    latencies.sort_unstable();
    decider.stop().await?;
    Ok(Measured { before, took, latencies })
}

async fn chat(
    commands: Commands,
    town: Arc<Mutex<Town>>,
    until: Instant,
) -> anyhow::Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    while Instant::now() < until {
        let envelope = {
            let mut town = town.lock();
            let chat = town.chat();
            town.envelope(chat)
        };
        let asked = Instant::now();
        commands.submit(envelope).await??;
        latencies.push(asked.elapsed());
    }
    Ok(latencies)
}
