//! Where the log ends, or ended: by the bytes of a block, not by what stands beside them.

use events::{Block, BlockNumber, Head};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{EmbeddedLog, stored_hash};
use crate::log::{LogError, check};

/// The last block; without its bytes when it is the one that was checked already.
const END: &str =
    "SELECT number, hash, CASE WHEN number = ?1 AND hash = ?2 THEN NULL ELSE bytes END
    AS bytes FROM block ORDER BY number DESC LIMIT 1";

const HEAD_AT: &str = "SELECT number, hash, bytes FROM block WHERE number = ?";

impl EmbeddedLog {
    pub(super) async fn end(&self) -> Result<Head, LogError> {
        let checked = *self.checked.lock();
        let query =
            sqlx::query(END).bind(checked.block.get() as i64).bind(&checked.hash.bytes()[..]);
        let row = query.fetch_optional(&self.readers).await;
        let unreadable = |source| self.unreadable(checked.block, source);
        let Some(row) = row.map_err(unreadable)? else { return Ok(Head::empty(self.id)) };
        let head = self.stored_head(&row)?.unwrap_or(checked);
        *self.checked.lock() = head;
        Ok(head)
    }

    pub(super) async fn head_of(&self, block: BlockNumber) -> Result<Option<Head>, LogError> {
        if block.get() == 0 {
            return Ok(Some(Head::empty(self.id)));
        }
        let number = i64::try_from(block.get()).unwrap_or(i64::MAX);
        let row = sqlx::query(HEAD_AT).bind(number).fetch_optional(&self.readers).await;
        match row.map_err(|source| self.unreadable(block, source))? {
            Some(row) => self.stored_head(&row),
            None => Ok(None),
        }
    }

    pub(super) async fn one(&self, number: BlockNumber) -> Result<Option<Block>, LogError> {
        let query = sqlx::query_scalar("SELECT bytes FROM block WHERE number = ?1");
        let row = query.bind(number.get() as i64).fetch_optional(&self.readers).await;
        let bytes: Option<Vec<u8>> = row.map_err(|source| self.unreadable(number, source))?;
        bytes.map(Block::alone).transpose().map_err(|error| check::damaged(&self.place, error))
    }

    /// By a row with its bytes; nothing by one without.
    fn stored_head(&self, row: &SqliteRow) -> Result<Option<Head>, LogError> {
        let number: i64 =
            row.try_get("number").map_err(|source| self.unreadable(BlockNumber::new(0), source))?;
        let block = BlockNumber::new(number.unsigned_abs());
        let unreadable = |source| self.unreadable(block, source);
        let hash = stored_hash(row).map_err(unreadable)?;
        let bytes: Option<Vec<u8>> = row.try_get("bytes").map_err(unreadable)?;
        let Some(bytes) = bytes else { return Ok(None) };
        let head = check::head_of(&self.place, self.id, block, &bytes)?;
        check::same(&self.place, block, "the hash", &head.hash, &hash)?;
        Ok(Some(head))
    }
}
