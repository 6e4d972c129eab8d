//! One room's feed, read once for all who listen to it in this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use events::RoomId;
use tokio::sync::{Notify, broadcast};
use tokio_util::sync::CancellationToken;

use super::message::{Entry, Out};
use crate::error::ApiError;
use crate::state::App;

/// Messages that a listener may be behind before it is cut off.
const BEHIND_MAX: usize = 128;
/// Entries read at once.
pub(crate) const READ_MAX: u32 = 100;
/// When a commit was seen but no hint came that the tables have it, they are looked at anyway.
const HINT_WITHIN: Duration = Duration::from_secs(2);

/// The feed of one room. It lives as long as anybody listens.
pub(crate) struct RoomFeed {
    messages: broadcast::Sender<Arc<Out>>,
    wake: Notify,
    expects_more: AtomicBool,
    stopped: CancellationToken,
}

impl RoomFeed {
    /// Begins to read.
    pub(crate) fn start(app: App, room: RoomId) -> Arc<Self> {
        let feed = Arc::new(Self {
            messages: broadcast::Sender::new(BEHIND_MAX),
            wake: Notify::new(),
            expects_more: AtomicBool::new(false),
            stopped: CancellationToken::new(),
        });
        tokio::spawn(read(app, room, Arc::clone(&feed)));
        feed
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<Out>> {
        self.messages.subscribe()
    }

    /// Sends to all who listen; that nobody does is no fault.
    pub(crate) fn send(&self, out: Out) {
        drop(self.messages.send(Arc::new(out)));
    }

    /// The tables have more.
    pub(crate) fn read_on(&self) {
        self.wake.notify_one();
    }

    /// The log has more, and the tables will.
    pub(crate) fn expect_more(&self) {
        self.expects_more.store(true, Ordering::Relaxed);
    }

    /// Ends the reading.
    pub(crate) fn stop(&self) {
        self.stopped.cancel();
    }
}

async fn read(app: App, room: RoomId, feed: Arc<RoomFeed>) {
    let mut sent = None;
    loop {
        let at = match sent {
            Some(seq) => pass_on(&app, room, &feed, seq).await,
            None => app.store.feed_seq(room).await.map_err(ApiError::from),
        };
        match at {
            Ok(seq) => {
                if sent.is_none() {
                    // Who came before this was known may be behind it.
                    feed.send(Out::Head(seq));
                }
                sent = Some(seq);
            }
            Err(error) => {
                tracing::warn!(%room, %error, "a room's feed can't be read");
                feed.expect_more();
            }
        }
        loop {
            tokio::select! {
                () = feed.stopped.cancelled() => return,
                () = feed.wake.notified() => break,
                () = tokio::time::sleep(HINT_WITHIN) => {
                    if feed.expects_more.swap(false, Ordering::Relaxed) {
                        break;
                    }
                }
            }
        }
    }
}

/// Sends everything after `seq`; says up to where.
async fn pass_on(app: &App, room: RoomId, feed: &RoomFeed, seq: u64) -> Result<u64, ApiError> {
    let mut seq = seq;
    loop {
        let found = app.store.feed(room, seq, READ_MAX).await?;
        for entry in &found.rows {
            seq = entry.seq;
            feed.send(Out::Entry(Entry::new(entry)));
        }
        if !found.has_more {
            return Ok(seq);
        }
    }
}
