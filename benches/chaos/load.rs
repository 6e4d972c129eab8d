//! The load: chat messages, each sent under a key of its own until it is acknowledged, at one API
//! process or another.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use events::{MessageId, RoomId};
use hyper::header::HeaderValue;
use hyper::{Method, StatusCode};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::world::{PEOPLE, World};
use crate::http::{Connection, request};

/// A sender who gets no answer in this time asks again.
const PATIENCE: Duration = Duration::from_secs(2);
/// Pause before it does.
const PAUSE: Duration = Duration::from_millis(5);
/// After a kill and a restart, service is back by then.
pub(super) const SERVED_WITHIN: Duration = Duration::from_secs(60);

/// How hard is sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Who sends at once.
    senders: usize,
    /// What each waits after an answer.
    rest: Duration,
    /// Characters that each text has besides.
    padding: usize,
}

impl Pace {
    /// As fast as it goes.
    pub(super) const HARD: Self = Self { senders: 32, rest: Duration::ZERO, padding: 0 };
    /// The same with long texts.
    pub(super) const LONG: Self = Self { padding: 3500, ..Self::HARD };
    /// Some hundred commands a second, for faults that last.
    pub(super) const STEADY: Self =
        Self { senders: 8, rest: Duration::from_millis(25), padding: 0 };
}

/// A command that was acknowledged.
#[derive(Debug, Clone)]
pub(super) struct Acked {
    pub(super) id: MessageId,
    pub(super) room: RoomId,
    pub(super) text: String,
}

/// Senders at work.
pub(super) struct Load {
    shared: Arc<Shared>,
    senders: JoinSet<anyhow::Result<()>>,
    count: watch::Receiver<usize>,
}

struct Shared {
    addresses: Vec<SocketAddr>,
    /// Path, token and room of each user.
    users: Vec<(String, String, RoomId)>,
    next: AtomicUsize,
    end: AtomicUsize,
    pace: Pace,
    acked: Mutex<Vec<Acked>>,
    count: watch::Sender<usize>,
}

/// A sender's connection, and at which of the addresses.
#[derive(Default)]
struct Line {
    open: Option<Connection>,
    at: usize,
}

impl Load {
    /// Sends `commands` messages, numbered from `first` on.
    pub(super) fn start(world: &World, first: usize, commands: usize, pace: Pace) -> Self {
        let rooms = &world.population.rooms;
        let users = rooms.iter().flat_map(|room| {
            let path = format!("/rooms/{}/messages", room.code);
            let members = room.members.iter().filter(|n| **n < PEOPLE);
            let people = members.map(|n| &world.population.people[*n]);
            people.map(move |person| (path.clone(), person.token.clone(), room.id))
        });
        let (sender, count) = watch::channel(0);
        let shared = Arc::new(Shared {
            addresses: world.addresses.clone(),
            users: users.collect(),
            next: AtomicUsize::new(first),
            end: AtomicUsize::new(first.saturating_add(commands)),
            pace,
            acked: Mutex::default(),
            count: sender,
        });
        let mut senders = JoinSet::new();
        for at in 0..pace.senders {
            let line = Line { open: None, at: at % world.addresses.len() };
            senders.spawn(Arc::clone(&shared).send_on(line));
        }
        Self { shared, senders, count }
    }

    /// Waits until `count` are acknowledged.
    pub(super) async fn acknowledged(&self, count: usize) -> anyhow::Result<()> {
        let mut known = self.count.clone();
        let reached = known.wait_for(|known| *known >= count);
        timeout(SERVED_WITHIN, reached).await.context("the load gets no answers")??;
        Ok(())
    }

    /// Sends one more at this API process alone, and waits until the tables hold it: how long the
    /// first acknowledgement took, and the tables.
    pub(super) async fn probe(&self, address: SocketAddr) -> anyhow::Result<(Duration, Duration)> {
        let begun = Instant::now();
        let number = self.shared.next.fetch_add(1, Ordering::Relaxed);
        let one = [address];
        let mut line = Line::default();
        let (acked, position) = self.shared.send(number, &mut line, &one).await?;
        let served = begun.elapsed();
        self.shared.acked.lock().push(acked);
        self.shared.count.send_modify(|count| *count += 1);
        let (path, token, _) = &self.shared.users[number % self.shared.users.len()];
        let until = begun + SERVED_WITHIN;
        loop {
            match shown(address, path, token, &position).await {
                Ok(true) => return Ok((served, begun.elapsed())),
                Ok(false) | Err(_) if Instant::now() < until => sleep(PAUSE).await,
                Ok(false) => {
                    bail!("the tables do not come to {position:?} within {SERVED_WITHIN:?}")
                }
                Err(error) => return Err(error.context("the tables can't be read")),
            }
        }
    }

    /// Sends nothing new any more, and waits until all are acknowledged: these, and the number that
    /// the next load begins with.
    pub(super) async fn wind_up(self) -> anyhow::Result<(Vec<Acked>, usize)> {
        self.shared.end.store(0, Ordering::Relaxed);
        let shared = Arc::clone(&self.shared);
        let acked = self.finish().await?;
        Ok((acked, shared.next.load(Ordering::Relaxed)))
    }

    /// Waits until all are acknowledged.
    pub(super) async fn finish(mut self) -> anyhow::Result<Vec<Acked>> {
        while let Some(ended) = self.senders.join_next().await {
            ended??;
        }
        Ok(std::mem::take(&mut self.shared.acked.lock()))
    }

    /// Stops, whatever is acknowledged by now.
    pub(super) async fn stop(mut self) -> Vec<Acked> {
        self.senders.shutdown().await;
        std::mem::take(&mut self.shared.acked.lock())
    }
}

/// Whether the tables hold this position, as a reader there sees it.
async fn shown(
    address: SocketAddr,
    path: &str,
    token: &str,
    position: &HeaderValue,
) -> anyhow::Result<bool> {
    let mut asking = request(Method::GET, &format!("{path}?limit=1"), token, None);
    asking.headers_mut().insert("min-position", position.clone());
    let (status, body) = Connection::open(address).await?.send(asking).await?;
    if status.is_success() || status.is_server_error() {
        return Ok(status.is_success());
    }
    bail!("a read was answered {status} {}", String::from_utf8_lossy(&body))
}

impl Shared {
    async fn send_on(self: Arc<Self>, mut line: Line) -> anyhow::Result<()> {
        loop {
            if self.next.load(Ordering::Relaxed) >= self.end.load(Ordering::Relaxed) {
                return Ok(());
            }
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.end.load(Ordering::Relaxed) {
                return Ok(());
            }
            let (acked, _) = self.send(number, &mut line, &self.addresses).await?;
            self.acked.lock().push(acked);
            self.count.send_modify(|count| *count += 1);
            if !self.pace.rest.is_zero() {
                sleep(self.pace.rest).await;
            }
        }
    }

    /// Sends one until it is acknowledged; with it the position that it has in the log.
    async fn send(
        &self,
        number: usize,
        line: &mut Line,
        addresses: &[SocketAddr],
    ) -> anyhow::Result<(Acked, HeaderValue)> {
        let (path, token, room) = &self.users[number % self.users.len()];
        let key = HeaderValue::from_str(&format!("message {number}"))?;
        let text = format!("message {number}{}", "x".repeat(self.pace.padding));
        let until = Instant::now() + SERVED_WITHIN;
        let mut last;
        loop {
            match try_send(path, token, &text, &key, line, addresses).await {
                Ok((StatusCode::CREATED, position, row)) => {
                    let id = row["id"].as_u64().context("the answer has no id")?;
                    let acked = Acked { id: MessageId::new(id), room: *room, text };
                    return Ok((acked, position.context("the answer has no position")?));
                }
                // Up, and not whole yet: perhaps the next one is.
                Ok((status, _, answer)) if status.is_server_error() => {
                    last = format!("{status} {answer}");
                    *line = Line { open: None, at: line.at + 1 };
                }
                Ok((status, _, answer)) => bail!("{text:?} was answered {status} {answer}"),
                Err(error) => {
                    last = format!("{error:#}");
                    *line = Line { open: None, at: line.at + 1 };
                }
            }
            if Instant::now() > until {
                bail!("{text:?} is not acknowledged within {SERVED_WITHIN:?}: {last}");
            }
            sleep(PAUSE).await;
        }
    }
}

async fn try_send(
    path: &str,
    token: &str,
    text: &str,
    key: &HeaderValue,
    line: &mut Line,
    addresses: &[SocketAddr],
) -> anyhow::Result<(StatusCode, Option<HeaderValue>, Value)> {
    let open = match &mut line.open {
        Some(open) => open,
        None => {
            let opening = Connection::open(addresses[line.at % addresses.len()]);
            line.open.insert(timeout(PATIENCE, opening).await.context("no connection in time")??)
        }
    };
    let mut asking = request(Method::POST, path, token, Some(&json!({ "msg_content": text })));
    asking.headers_mut().insert("idempotency-key", key.clone());
    let (parts, body) = open.ask(asking, PATIENCE).await?.into_parts();
    let position = parts.headers.get("log-position").cloned();
    Ok((parts.status, position, serde_json::from_slice(&body).unwrap_or(Value::Null)))
}
