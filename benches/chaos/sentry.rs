//! Somebody logs out in the middle of a fault: from then on nobody may be served with that token, by
//! any API process, however cut off that is.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use hyper::{Method, StatusCode};
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::load::SERVED_WITHIN;
use crate::http::{Connection, request};

/// A process that could not hear of it refuses everybody after 3 s; and a little for the request's way.
const KNOWN_WITHIN: Duration = Duration::from_millis(3500);
/// Between two tries.
const EVERY: Duration = Duration::from_millis(100);
/// Between two looks at whether one was served.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How long one try may take.
const PATIENCE: Duration = Duration::from_secs(8);

/// Tries at work.
pub(super) struct Sentry {
    shared: Arc<Shared>,
    tries: JoinSet<()>,
}

struct Shared {
    token: String,
    /// When the log-out was acknowledged.
    revoked: Mutex<Option<Instant>>,
    served_before: AtomicBool,
    refused_after: AtomicU64,
    over: AtomicBool,
    findings: Mutex<Vec<String>>,
}

/// What the sentry saw.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Requests refused after it.
    pub(super) refused_after: u64,
    /// Requests served that should have been refused.
    pub(super) findings: Vec<String>,
}

impl Sentry {
    /// Begins to ask with this token, and logs out a while after it was first served, without which the
    /// rest means nothing: the fault comes later, and may keep everybody from being served.
    pub(super) async fn start(
        addresses: &[SocketAddr],
        token: &str,
        log_out_after: Duration,
    ) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared {
            token: token.to_owned(),
            revoked: Mutex::default(),
            served_before: AtomicBool::new(false),
            refused_after: AtomicU64::new(0),
            over: AtomicBool::new(false),
            findings: Mutex::default(),
        });
        let mut tries = JoinSet::new();
        for address in addresses {
            tries.spawn(Arc::clone(&shared).ask_on(*address));
        }
        let served = async {
            while !shared.served_before.load(Ordering::Relaxed) {
                sleep(LOOK_EVERY).await;
            }
        };
        timeout(PATIENCE, served).await.context("nobody is served before the fault")?;
        tries.spawn(Arc::clone(&shared).log_out(addresses.to_vec(), log_out_after));
        Ok(Self { shared, tries })
    }

    /// Ends when the log-out was acknowledged and every process refuses.
    pub(super) async fn end(mut self) -> anyhow::Result<Seen> {
        self.shared.over.store(true, Ordering::Relaxed);
        let ended = async { while self.tries.join_next().await.is_some() {} };
        timeout(SERVED_WITHIN, ended).await.context("a log-out is not known everywhere in time")?;
        let Shared { refused_after, findings, .. } = &*self.shared;
        Ok(Seen {
            refused_after: refused_after.load(Ordering::Relaxed),
            findings: std::mem::take(&mut findings.lock()),
        })
    }
}

impl Shared {
    async fn ask_on(self: Arc<Self>, address: SocketAddr) {
        loop {
            let asked = Instant::now();
            let status = self.ask(Method::GET, "/users/me", address).await.ok();
            let revoked = *self.revoked.lock();
            let after = revoked.map(|revoked| asked.saturating_duration_since(revoked));
            match (status, after) {
                (Some(status), None) if status.is_success() => {
                    self.served_before.store(true, Ordering::Relaxed);
                }
                (Some(status), Some(after)) if status.is_success() && after > KNOWN_WITHIN => {
                    let what = format!("{address} served a token {after:?} after its log-out");
                    self.findings.lock().push(what);
                }
                (Some(StatusCode::UNAUTHORIZED), Some(_)) => {
                    self.refused_after.fetch_add(1, Ordering::Relaxed);
                    if self.over.load(Ordering::Relaxed) {
                        return;
                    }
                }
                (Some(StatusCode::UNAUTHORIZED), None) | (Some(_) | None, _) => {}
            }
            sleep(EVERY).await;
        }
    }

    /// At one process after the other, until one has taken it.
    async fn log_out(self: Arc<Self>, addresses: Vec<SocketAddr>, after: Duration) {
        sleep(after).await;
        for address in addresses.iter().cycle() {
            let status = self.ask(Method::DELETE, "/tokens/current", *address).await;
            // A second try after an answer that did not come finds no such token.
            if matches!(status, Ok(StatusCode::NO_CONTENT | StatusCode::UNAUTHORIZED)) {
                *self.revoked.lock() = Some(Instant::now());
                return;
            }
            sleep(EVERY).await;
        }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        address: SocketAddr,
    ) -> anyhow::Result<StatusCode> {
        let asking = request(method, path, &self.token, None);
        let asked = async { Connection::open(address).await?.send_within(asking, PATIENCE).await };
        Ok(timeout(PATIENCE, asked).await??.0)
    }
}
