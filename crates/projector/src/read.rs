//! How lists are read: pages by the key of the last row that was seen, in either direction.

use crate::error::StoreError;
use crate::store::Store;
use crate::value::{Record, Value};
use crate::work::ints;

/// Which rows of a list to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page<Id> {
    /// From where.
    pub cursor: Cursor<Id>,
    /// How many at most.
    pub limit: u32,
}

/// A place in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cursor<Id> {
    /// Its beginning.
    Start,
    /// The rows that come after this one in the list's order.
    After(Id),
    /// The rows that come before this one in the list's order.
    Before(Id),
}

/// Rows in the list's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<R> {
    /// The rows.
    pub rows: Vec<R>,
    /// Whether there are more in the direction of the cursor.
    pub has_more: bool,
}

/// In which order a list is; ids rise in the order of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    OldestFirst,
    NewestFirst,
}

/// An id that lists are ordered by.
pub(crate) trait Id: Copy {
    fn number(self) -> u64;
}

macro_rules! ids {
    ($($id:ident),*) => {$(
        impl Id for events::$id {
            fn number(self) -> u64 {
                self.get()
            }
        }
    )*};
}

ids!(UserId, RoomId, ParticipantId, MessageId, TranscriptId);

/// The pattern of texts that contain this one, its own wildcards taken literally.
pub(crate) fn pattern(q: &str) -> String {
    format!("%{}%", q.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"))
}

impl Store {
    /// The rows of a table for which `tail` holds.
    pub(crate) async fn list<R: Record>(
        &self,
        tail: &str,
        args: Vec<Value>,
    ) -> Result<Vec<R>, StoreError> {
        let rows = self.db().rows(R::TABLE, tail, args).await?;
        rows.into_iter().map(R::from_values).collect()
    }

    /// The one row for which `tail` holds.
    pub(crate) async fn find<R: Record>(
        &self,
        tail: &str,
        args: Vec<Value>,
    ) -> Result<Option<R>, StoreError> {
        Ok(self.list(tail, args).await?.pop())
    }

    /// The rows whose column is one of these ids.
    pub(crate) async fn find_all<R: Record>(
        &self,
        column: &str,
        ids: impl IntoIterator<Item = u64>,
    ) -> Result<Vec<R>, StoreError> {
        let ids: Vec<u64> = ids.into_iter().collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let tail = format!("WHERE {}", self.dialect().any(column, 1));
        self.list(&tail, vec![ints(ids)]).await
    }

    /// A page of the rows for which `clause` holds, by their ids.
    pub(crate) async fn page<R: Record>(
        &self,
        clause: &str,
        mut args: Vec<Value>,
        order: Order,
        page: Page<impl Id>,
    ) -> Result<Listing<R>, StoreError> {
        let (bound, backwards) = match page.cursor {
            Cursor::Start => (None, false),
            Cursor::After(id) => (Some(id), false),
            Cursor::Before(id) => (Some(id), true),
        };
        let rising = (order == Order::OldestFirst) != backwards;
        let (compare, direction) = if rising { (">", "ASC") } else { ("<", "DESC") };
        let mut tail = format!("WHERE {clause}");
        if let Some(id) = bound {
            args.push(Value::Int(id.number() as i64));
            tail = format!("{tail} AND id {compare} ${}", args.len());
        }
        // Written out: SQLite plans a statement anew each time its bound limit is set.
        tail = format!("{tail} ORDER BY id {direction} LIMIT {}", page.limit.saturating_add(1));
        let mut rows: Vec<R> = self.list(&tail, args).await?;
        let has_more = rows.len() > page.limit as usize;
        rows.truncate(page.limit as usize);
        if backwards {
            rows.reverse();
        }
        Ok(Listing { rows, has_more })
    }
}
