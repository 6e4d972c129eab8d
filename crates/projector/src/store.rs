//! The store: the tables in one database, for reading; the projector alone writes them.

use std::sync::Arc;
use std::time::Duration;

use events::Position;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::checkpoint::Checkpoint;
use crate::db::{Db, Dialect, Purpose};
use crate::error::StoreError;
use crate::search;

/// How often a wait looks at the checkpoint when another process projects.
const POLL: Duration = Duration::from_millis(15);

/// The tables. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    db: Db,
    url: String,
    /// The highest position that was seen in the checkpoint.
    position: watch::Sender<Position>,
}

impl Store {
    /// Opens `sqlite:PATH` or `postgres://…`, and brings the tables up to date. A database that
    /// can't be reached is told within 5 seconds.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let db = Db::open(url, Purpose::Live).await?;
        search::fill(&db).await?;
        let store = Self(Arc::new(Inner {
            db,
            url: url.to_owned(),
            position: watch::Sender::new(Position::new(0)),
        }));
        store.position().await?;
        Ok(store)
    }

    pub(crate) fn db(&self) -> &Db {
        &self.0.db
    }

    pub(crate) fn url(&self) -> &str {
        &self.0.url
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.0.db.dialect()
    }

    /// Tells everyone who waits in this process that the tables have come this far.
    pub(crate) fn reached(&self, position: Position) {
        self.0.position.send_if_modified(|known| {
            let further = position > *known;
            *known = position.max(*known);
            further
        });
    }

    /// Where the tables stand; `None` when nothing was ever projected.
    pub async fn checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        let mut lease = self.db().lease().await?;
        Checkpoint::read(&mut lease.session()).await
    }

    /// Up to which position the tables hold, as the database says.
    pub async fn position(&self) -> Result<Position, StoreError> {
        let position = self.checkpoint().await?.map_or(Position::new(0), |c| c.head.position);
        self.reached(position);
        Ok(position)
    }

    /// The highest position that this process has seen, now and as it rises. Where the projector
    /// runs in this process, this is every step; elsewhere [`Self::wait_for`] moves it.
    pub fn positions(&self) -> watch::Receiver<Position> {
        self.0.position.subscribe()
    }

    /// Waits until the tables hold this position; false when they don't within `limit`.
    pub async fn wait_for(&self, position: Position, limit: Duration) -> Result<bool, StoreError> {
        let deadline = Instant::now() + limit;
        let mut seen = self.positions();
        loop {
            if *seen.borrow_and_update() >= position || self.position().await? >= position {
                return Ok(true);
            }
            let poll = (Instant::now() + POLL).min(deadline);
            // The sender lives as long as `self`: only the time can run out.
            let _poll_is_due = tokio::time::timeout_at(poll, seen.changed()).await;
            if Instant::now() >= deadline {
                return Ok(self.position().await? >= position);
            }
        }
    }

    /// Waits for what is under way and closes the database.
    pub async fn close(&self) {
        self.0.db.close().await;
    }
}
