//! Callers who each wait for their answer before they ask again: the load of the log's benchmark,
//! and the way to a log full of history.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use decider::Writer;
use events::{Actor, Command, CommandId, Envelope, Head};
use futures::StreamExt as _;
use futures::future::join_all;
use futures::stream::FuturesUnordered;
use streams::{Commands, Log, commands};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use uuid::Uuid;
use vault::{Secrets, Vault};

use crate::fixtures::Town;
use crate::latency::Latencies;

/// Different messages that are said again and again, made before the measured time.
const MESSAGES: usize = 8192;
/// Tasks that share the callers of a measurement.
const TASKS: usize = 4;
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

    /// Lets everybody say something, so that the keys of this day are there, and makes what is said
    /// afterwards.
    pub async fn get_talking(&mut self) -> anyhow::Result<Vec<(Actor, Command)>> {
        let hello: Vec<Envelope> = self.town.everybody_says_hello();
        self.submit(hello).await?;
        Ok((0..MESSAGES).map(|_| self.town.chat()).collect())
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
    waits: Latencies,
}

impl Measured {
    /// Accepted commands a second.
    pub fn per_s(&self) -> f64 {
        self.waits.count() as f64 / self.took.as_secs_f64()
    }

    /// How long the callers waited.
    pub fn waits(&self) -> &Latencies {
        &self.waits
    }
}

/// Lets `callers` chat for `time` on `log`, each one command after the other.
///
/// The callers are a few tasks that keep as many commands on their way: what is measured is the
/// writer, on the same few cores, and not the making of texts or the switching between tasks.
pub async fn run(
    log: Log,
    folder: &Path,
    callers: usize,
    time: Duration,
) -> anyhow::Result<Measured> {
    let mut decider = Decider::start(log.clone(), folder).await?;
    let messages = decider.get_talking().await?;
    let before = log.head().await?;
    let tasks = callers.min(TASKS);
    let chatting = (0..tasks).map(|task| {
        let (commands, messages) = (decider.commands.clone(), messages.clone());
        let first = 1 + ((task as u128) << 64);
        tokio::spawn(chat(commands, messages, first, callers / tasks, time))
    });
    let (mut took, mut waits) = (Duration::ZERO, Vec::new());
    for ended in join_all(chatting).await {
        let (its, more) = ended??;
        took = took.max(its);
        waits.extend(more);
    }
    decider.stop().await?;
    Ok(Measured { before, took, waits: Latencies::new(waits) })
}

/// Keeps `callers` commands on their way to the decider for `time`; the commands' ids are numbers
/// from `first` on. Returns how long it took, and each wait.
pub async fn chat(
    commands: Commands,
    messages: Vec<(Actor, Command)>,
    first: u128,
    callers: usize,
    time: Duration,
) -> anyhow::Result<(Duration, Vec<Duration>)> {
    let start = Instant::now();
    let mut said = messages.iter().cycle().zip(first..);
    let mut say = || {
        let ((actor, command), number) = said.next()?;
        let id = CommandId::from_uuid(Uuid::from_u128(number));
        let (correlation, causation, body) = (None, None, None);
        let command = command.clone();
        let envelope = Envelope { id, actor: *actor, correlation, causation, body, command };
        let asked = Instant::now();
        let answer = commands.submit(envelope);
        Some(async move { (asked, answer.await) })
    };
    let mut outstanding: FuturesUnordered<_> = (0..callers).filter_map(|_| say()).collect();
    let mut waits = Vec::new();
    while let Some((asked, outcome)) = outstanding.next().await {
        outcome??;
        let now = Instant::now();
        waits.push(now - asked);
        if now - start < time {
            outstanding.extend(say());
        }
    }
    Ok((start.elapsed(), waits))
}
