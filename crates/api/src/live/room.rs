//! One room's feed, read once for all who listen to it in this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use events::{Position, RoomId};
use tokio::sync::{Notify, broadcast};
use tokio_util::sync::CancellationToken;

use super::message::{Entry, Out};
use crate::error::ApiError;
use crate::state::App;

/// Messages that a listener may be behind before it is cut off.
const BEHIND_MAX: usize = 128;
/// Entries read at once.
pub(crate) const READ_MAX: u32 = 100;
/// When a commit was seen but no hint came that the tables have it, they are looked at anyway, again
/// and again until they hold it: whoever writes them may be killed before the hint is out.
const HINT_WITHIN: Duration = Duration::from_secs(2);

/// The feed of one room. It lives as long as anybody listens.
pub(crate) struct RoomFeed {
    messages: broadcast::Sender<Arc<Out>>,
    wake: Notify,
    /// The position of the newest commit about the room.
    expected: AtomicU64,
    stopped: CancellationToken,
}

impl RoomFeed {
    /// Begins to read.
    pub(crate) fn start(app: App, room: RoomId) -> Arc<Self> {
        // Commits of before the first listener came are in the log, and maybe not in the tables yet.
        let expected = AtomicU64::new(app.follower.position().get());
        let feed = Arc::new(Self {
            messages: broadcast::Sender::new(BEHIND_MAX),
            wake: Notify::new(),
            expected,
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

    /// The log has more at that position, and the tables will.
    pub(crate) fn expect_more(&self, position: Position) {
        self.expected.fetch_max(position.get(), Ordering::Relaxed);
    }

    /// Ends the reading.
    pub(crate) fn stop(&self) {
        self.stopped.cancel();
    }
}

async fn read(app: App, room: RoomId, feed: Arc<RoomFeed>) {
    // Up to where the feed is known to be read.
    let (mut sent, mut settled, mut late) = (None, 0, false);
    loop {
        let expected = feed.expected.load(Ordering::Relaxed);
        // What the tables hold by now is in what is read of them next.
        let there = late && app.store.position().await.is_ok_and(|at| at.get() >= expected);
        let at = match sent {
            Some(seq) => pass_on(&app, room, &feed, seq).await,
            None => app.store.feed_seq(room).await.map_err(ApiError::from),
        };
        let failed = at.is_err();
        match at {
            Ok(seq) => {
                if sent.is_none() {
                    // Who came before this was known may be behind it.
                    feed.send(Out::Head(seq));
                }
                sent = Some(seq);
                if there {
                    settled = expected;
                }
            }
            Err(error) => tracing::warn!(%room, %error, "a room's feed can't be read"),
        }
        late = loop {
            tokio::select! {
                () = feed.stopped.cancelled() => return,
                () = feed.wake.notified() => break false,
                () = tokio::time::sleep(HINT_WITHIN) => {
                    if failed || feed.expected.load(Ordering::Relaxed) > settled {
                        break true;
                    }
                }
            }
        };
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
