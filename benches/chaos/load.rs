//! The load: chat messages, each sent under a key of its own until it is acknowledged.

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

use super::world::World;
use crate::http::{Connection, request};

/// Who sends at once.
const SENDERS: usize = 32;
/// A sender who gets no answer in this time asks again.
const PATIENCE: Duration = Duration::from_secs(2);
/// Pause before it does.
const PAUSE: Duration = Duration::from_millis(5);
/// After a kill and a restart, service is back by then.
const SERVED_WITHIN: Duration = Duration::from_secs(60);

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
    address: SocketAddr,
    /// Path, token and room of each user.
    users: Vec<(String, String, RoomId)>,
    next: AtomicUsize,
    end: usize,
    acked: Mutex<Vec<Acked>>,
    count: watch::Sender<usize>,
}

impl Load {
    /// Sends `commands` messages, numbered from `first` on.
    pub(super) fn start(world: &World, first: usize, commands: usize) -> Self {
        let rooms = &world.population.rooms;
        let users = rooms.iter().flat_map(|room| {
            let path = format!("/rooms/{}/messages", room.code);
            let people = room.members.iter().map(|n| &world.population.people[*n]);
            people.map(move |person| (path.clone(), person.token.clone(), room.id))
        });
        let (sender, count) = watch::channel(0);
        let shared = Arc::new(Shared {
            address: world.address,
            users: users.collect(),
            next: AtomicUsize::new(first),
            end: first + commands,
            acked: Mutex::default(),
            count: sender,
        });
        let mut senders = JoinSet::new();
        for _ in 0..SENDERS {
            senders.spawn(Arc::clone(&shared).send_on());
        }
        Self { shared, senders, count }
    }

    /// Waits until so many are acknowledged.
    pub(super) async fn acknowledged(&self, count: usize) -> anyhow::Result<()> {
        let mut known = self.count.clone();
        let reached = known.wait_for(|known| *known >= count);
        timeout(SERVED_WITHIN, reached).await.context("the load gets no answers")??;
        Ok(())
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

impl Shared {
    async fn send_on(self: Arc<Self>) -> anyhow::Result<()> {
        let mut connection = None;
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.end {
                return Ok(());
            }
            let acked = self.send(number, &mut connection).await?;
            self.acked.lock().push(acked);
            self.count.send_modify(|count| *count += 1);
        }
    }

    async fn send(
        &self,
        number: usize,
        connection: &mut Option<Connection>,
    ) -> anyhow::Result<Acked> {
        let (path, token, room) = &self.users[number % self.users.len()];
        let text = format!("message {number}");
        let until = Instant::now() + SERVED_WITHIN;
        loop {
            match self.try_send(path, token, &text, connection).await {
                Ok((StatusCode::CREATED, row)) => {
                    let id = row["id"].as_u64().context("the answer has no id")?;
                    return Ok(Acked { id: MessageId::new(id), room: *room, text });
                }
                // Up, and not whole yet.
                Ok((status, _)) if status.is_server_error() => {}
                Ok((status, answer)) => bail!("{text:?} was answered {status} {answer}"),
                Err(_) => *connection = None,
            }
            if Instant::now() > until {
                bail!("{text:?} is not acknowledged within {SERVED_WITHIN:?}");
            }
            sleep(PAUSE).await;
        }
    }

    async fn try_send(
        &self,
        path: &str,
        token: &str,
        text: &str,
        connection: &mut Option<Connection>,
    ) -> anyhow::Result<(StatusCode, Value)> {
        let open = match connection {
            Some(open) => open,
            None => connection.insert(Connection::open(self.address).await?),
        };
        let mut asking = request(Method::POST, path, token, Some(&json!({ "msg_content": text })));
        asking.headers_mut().insert("idempotency-key", HeaderValue::from_str(text)?);
        let (status, body) = open.send_within(asking, PATIENCE).await?;
        Ok((status, serde_json::from_slice(&body)?))
    }
}
