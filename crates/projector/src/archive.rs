//! A copy of the log's blocks beside the tables, written in the rows' own transaction. A server
//! that holds the log can lose an acknowledged tail (a power failure before its sync); this copy
//! does not depend on it, and the tables never hold more than the copy does. Personal fields are
//! sealed here as they are there.

use events::{Block, BlockNumber, Head};
use streams::Log;

use crate::db::Session;
use crate::error::{ProjectorError, StoreError};
use crate::store::Store;
use crate::value::{Record as _, Value, record};

/// Blocks read at once, at most.
const BLOCKS: i64 = 64;
/// Bytes of blocks copied at once from a log that was not kept from its beginning, about.
const FILL_BYTES: usize = 4 << 20;

record! {
    /// A row of `event_archive`.
    ArchivedRow of "event_archive", key 1 {
        /// Its number.
        block: u64,
        /// As in the log.
        bytes: String,
    }
}

/// Keeps these blocks.
pub(crate) async fn keep(session: &mut Session<'_>, blocks: &[Block]) -> Result<(), StoreError> {
    let row = |block: &Block| ArchivedRow {
        block: block.header.block.get(),
        bytes: String::from_utf8_lossy(&block.bytes).into_owned(),
    };
    let rows = blocks.iter().map(row).map(ArchivedRow::into_values).collect();
    session.upsert(ArchivedRow::TABLE, rows).await
}

/// Copies what is missing up to where the tables stand: the copy may have been switched on late.
pub(crate) async fn fill(store: &Store, log: &Log, to: &Head) -> Result<(), ProjectorError> {
    let mut after = Head::empty(log.id());
    let upto = "WHERE block <= $1 ORDER BY block DESC LIMIT 1";
    let args = vec![Value::Int(to.block.get() as i64)];
    let newest: Option<ArchivedRow> = store.find(upto, args).await?;
    let first: Option<ArchivedRow> = store.find("WHERE block = 1", vec![]).await?;
    // It has no gaps: it is begun at block 1 and goes on in the tables' own transactions.
    if first.is_some() && newest.is_some_and(|row| row.block == to.block.get()) {
        return Ok(());
    }
    while after.block < to.block {
        let mut blocks = log.read(after, FILL_BYTES).await?;
        blocks.retain(|block| block.header.block <= to.block);
        let Some(last) = blocks.last() else { break };
        after = last.head();
        let mut tx = store.db().begin().await?;
        keep(&mut tx.session(), &blocks).await?;
        tx.commit().await?;
    }
    Ok(())
}

impl Store {
    /// The kept blocks that follow `after`, oldest first, some at a time, their chain checked; none
    /// when nothing more is kept.
    pub async fn archived(&self, after: Head) -> Result<Vec<Block>, ProjectorError> {
        let tail = "WHERE block > $1 ORDER BY block LIMIT $2";
        let args = vec![Value::Int(after.block.get() as i64), Value::Int(BLOCKS)];
        let rows: Vec<ArchivedRow> = self.list(tail, args).await?;
        let mut head = after;
        let mut blocks = Vec::with_capacity(rows.len());
        for row in rows {
            let block = Block::parse(&head, row.bytes.into_bytes())?;
            head = block.head();
            blocks.push(block);
        }
        Ok(blocks)
    }

    /// The newest block that is kept; `None` when none is.
    pub async fn archived_upto(&self) -> Result<Option<BlockNumber>, StoreError> {
        let newest: Option<ArchivedRow> = self.find("ORDER BY block DESC LIMIT 1", vec![]).await?;
        Ok(newest.map(|row| BlockNumber::new(row.block)))
    }
}
