//! Ephemeral messages within one process.

use std::sync::Arc;

use tokio::sync::broadcast;

use super::{LIVE_WAITING_MAX, Live, LiveBus, LiveMessage};

struct LocalLive(broadcast::Sender<Arc<LiveMessage>>);

/// A bus for this process.
pub fn local() -> Live {
    Live::new(LocalLive(broadcast::Sender::new(LIVE_WAITING_MAX)))
}

impl LiveBus for LocalLive {
    fn publish(&self, message: LiveMessage) {
        // An error means that nobody listens.
        let _ = self.0.send(Arc::new(message));
    }

    fn subscribe(&self) -> broadcast::Receiver<Arc<LiveMessage>> {
        self.0.subscribe()
    }
}
