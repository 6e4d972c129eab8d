//! Where the log ends, or ended: by the bytes of a block, not by what stands beside them.

use events::{BlockHash, BlockNumber, Head};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{EmbeddedLog, stored_hash};
use crate::log::{LogError, check};

/// The last block; without its bytes when it is the one that was checked already.
const END: &str =
    "SELECT number, hash, CASE WHEN number = ?1 AND hash = ?2 THEN NULL ELSE bytes END
    AS bytes FROM block ORDER BY number DESC LIMIT 1";

/// One block, and the last one's number, as they are at the same moment.
const ROW: &str = "SELECT hash, bytes, (SELECT max(number) FROM block) AS last
    FROM (SELECT 1) LEFT JOIN block ON number = ?";

impl EmbeddedLog {
    pub(super) async fn end(&self) -> Result<Head, LogError> {
        let checked = *self.checked.lock();
        let query =
            sqlx::query(END).bind(checked.block.get() as i64).bind(&checked.hash.bytes()[..]);
        let row = query.fetch_optional(&self.readers()).await;
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
        let Some((bytes, hash)) = self.row(block).await? else { return Ok(None) };
        let head = check::head_of(&self.place, self.id, block, &bytes)?;
        check::same(&self.place, block, "the hash", &head.hash, &hash)?;
        Ok(Some(head))
    }

    /// The bytes of a block and the hash beside them; nothing beyond the end.
    pub(super) async fn row(
        &self,
        block: BlockNumber,
    ) -> Result<Option<(Vec<u8>, BlockHash)>, LogError> {
        let unreadable = |source| self.unreadable(block, source);
        let number = i64::try_from(block.get()).unwrap_or(i64::MAX);
        let row = sqlx::query(ROW).bind(number).fetch_one(&self.readers()).await;
        let row = row.map_err(unreadable)?;
        let bytes: Option<Vec<u8>> = row.try_get("bytes").map_err(unreadable)?;
        if let Some(bytes) = bytes {
            return Ok(Some((bytes, stored_hash(&row).map_err(unreadable)?)));
        }
        let last: Option<i64> = row.try_get("last").map_err(unreadable)?;
        if block.get() == 0 || last.unwrap_or_default() < number {
            return Ok(None);
        }
        let (found, expected) = ("missing".to_owned(), "there".to_owned());
        Err(check::wrong(&self.place, block, "its row", found, expected))
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
