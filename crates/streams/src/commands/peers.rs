//! Which decider wrote last, as the deciders tell each other: the others leave their commands to
//! it, so that they do not lose races against it all the time.
//!
//! Only a decider that follows nobody says what it wrote, and another follows it only if that lies
//! beyond what it wrote itself. So no two ever follow each other. A decider that says nothing any
//! more is followed for [`FOLLOWED_FOR`] and no longer. None of this is needed for being right:
//! every append is on the condition that the log ends where its writer believes.

use std::time::{Duration, Instant};

use async_nats::{Client, Subscriber};
use events::BlockNumber;
use futures::StreamExt as _;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use uuid::Uuid;

use crate::log::LogError;
use crate::nats::Nats;

/// How long a decider is followed after it last said that it writes.
const FOLLOWED_FOR: Duration = Duration::from_secs(2);
/// How often a decider says that it writes, at most.
const TOLD_EVERY: Duration = Duration::from_millis(250);

/// What a decider knows of the others.
pub(super) struct Peers {
    me: String,
    wrote: watch::Sender<BlockNumber>,
    followed: Mutex<Option<Followed>>,
}

struct Followed {
    decider: String,
    block: BlockNumber,
    until: Instant,
}

/// What a decider tells the others.
#[derive(Debug, Serialize, Deserialize)]
struct Wrote {
    decider: String,
    block: BlockNumber,
}

impl Peers {
    pub(super) fn new(wrote: watch::Sender<BlockNumber>) -> Self {
        Self { me: Uuid::new_v4().simple().to_string(), wrote, followed: Mutex::default() }
    }

    /// This decider's name.
    pub(super) fn me(&self) -> &str {
        &self.me
    }

    /// The decider to leave commands to, if not this one.
    pub(super) fn followed(&self) -> Option<String> {
        let mut followed = self.followed.lock();
        if followed.as_ref().is_some_and(|followed| followed.until < Instant::now()) {
            *followed = None;
        }
        followed.as_ref().map(|followed| followed.decider.clone())
    }

    /// It can't be reached: this one decides itself again.
    pub(super) fn leave(&self, decider: &str) {
        self.followed.lock().take_if(|followed| followed.decider == decider);
    }

    fn hear(&self, told: Wrote) {
        if told.decider == self.me {
            return;
        }
        let mut followed = self.followed.lock();
        let (known, same) = match &*followed {
            Some(followed) => (followed.block, followed.decider == told.decider),
            None => (BlockNumber::new(0), false),
        };
        if same || told.block > known.max(*self.wrote.borrow()) {
            let until = Instant::now() + FOLLOWED_FOR;
            *followed = Some(Followed { decider: told.decider, block: told.block, until });
        }
    }
}

/// Tells the others what this decider writes, and hears what they do, until its queue is gone.
pub(super) async fn confer(
    nats: Nats,
    peers: std::sync::Arc<Peers>,
    gone: impl Future<Output = ()>,
) -> Result<impl Future<Output = ()>, LogError> {
    let subject = nats.subjects.commands_wrote();
    let told = nats.subscribe(subject.clone()).await?;
    let telling = tell(nats.client.clone(), subject, std::sync::Arc::clone(&peers));
    Ok(async move {
        tokio::select! {
            () = gone => {}
            () = hear(told, &peers) => {}
            () = telling => {}
        }
    })
}

async fn hear(mut told: Subscriber, peers: &Peers) {
    while let Some(message) = told.next().await {
        match serde_json::from_slice(&message.payload) {
            Ok(wrote) => peers.hear(wrote),
            Err(error) => tracing::debug!(%error, "what a decider told can't be read"),
        }
    }
}

async fn tell(client: Client, subject: String, peers: std::sync::Arc<Peers>) {
    let mut wrote = peers.wrote.subscribe();
    while wrote.changed().await.is_ok() {
        let block = *wrote.borrow_and_update();
        if peers.followed().is_none() {
            let wrote = Wrote { decider: peers.me.clone(), block };
            let payload = serde_json::to_vec(&wrote).unwrap_or_default();
            if let Err(error) = client.publish(subject.clone(), payload.into()).await {
                tracing::debug!(%error, "the other deciders can't be told");
            }
        }
        tokio::time::sleep(TOLD_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers(block: u64) -> Peers {
        Peers::new(watch::Sender::new(BlockNumber::new(block)))
    }

    fn wrote(decider: &str, block: u64) -> Wrote {
        Wrote { decider: decider.to_owned(), block: BlockNumber::new(block) }
    }

    #[test]
    fn the_one_that_wrote_last_is_followed_until_it_is_left() {
        let peers = peers(5);
        peers.hear(wrote("a", 5));
        assert_eq!(peers.followed(), None, "this one wrote as late");
        peers.hear(wrote("a", 6));
        assert_eq!(peers.followed().as_deref(), Some("a"));
        peers.hear(wrote("b", 6));
        assert_eq!(peers.followed().as_deref(), Some("a"), "the other wrote no later");
        peers.hear(wrote("b", 7));
        assert_eq!(peers.followed().as_deref(), Some("b"));
        peers.leave("a");
        assert_eq!(peers.followed().as_deref(), Some("b"));
        peers.leave("b");
        assert_eq!(peers.followed(), None);
        peers.hear(wrote(&peers.me.clone(), 99));
        assert_eq!(peers.followed(), None);
    }

    #[test]
    fn two_never_follow_each_other() {
        let (a, b) = (peers(10), peers(11));
        a.hear(wrote(&b.me, 11));
        b.hear(wrote(&a.me, 10));
        assert_eq!((a.followed(), b.followed()), (Some(b.me.clone()), None));
    }
}
