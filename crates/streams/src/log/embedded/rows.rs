//! Blocks out of the file: checked against the chain, their neighbours and the file's own end.

use events::{Block, BlockNumber, Head};
use futures::TryStreamExt as _;
use sqlx::Row as _;

use super::{EmbeddedLog, stored_hash};
use crate::log::{LogError, check};

/// The block that the reader has, without its bytes, and those that follow.
const READ: &str = "
    SELECT number, hash, CASE number WHEN ?1 THEN x'' ELSE bytes END AS bytes
    FROM block WHERE number >= ?1 ORDER BY number";

impl EmbeddedLog {
    /// The blocks after `after`. What looks like the end is compared with the end: a damaged file
    /// may break off a walk through it and still hold what follows.
    pub(super) async fn read_rows(
        &self,
        after: Head,
        max_bytes: usize,
    ) -> Result<Vec<Block>, LogError> {
        let read = self.walk(after, max_bytes).await?;
        if !read.is_empty() || self.end().await?.block <= after.block {
            return Ok(read);
        }
        // Appended in between, or lost on the way.
        let read = self.walk(after, max_bytes).await?;
        if read.is_empty() {
            let (found, expected) = ("not found on the way".to_owned(), "there".to_owned());
            let block = after.block.next();
            return Err(check::wrong(&self.place, block, "its row", found, expected));
        }
        Ok(read)
    }

    async fn walk(&self, after: Head, max_bytes: usize) -> Result<Vec<Block>, LogError> {
        let place = &self.place;
        if after.log != self.id {
            check::reader_against_end(place, &after, &Head::empty(self.id))?;
        }
        let (mut head, mut bytes, mut read) = (after, 0, Vec::new());
        let mut met_reader = after.block.get() == 0;
        let readers = self.readers();
        let mut rows = sqlx::query(READ).bind(after.block.get() as i64).fetch(&readers);
        loop {
            let unreadable = |source| self.unreadable(head.block.next(), source);
            let Some(row) = rows.try_next().await.map_err(unreadable)? else { break };
            let number: i64 = row.try_get("number").map_err(unreadable)?;
            let hash = stored_hash(&row).map_err(unreadable)?;
            if !met_reader && number.unsigned_abs() == after.block.get() {
                check::same(place, after.block, "the hash", &hash, &after.hash)?;
                met_reader = true;
                continue;
            }
            let row_bytes: Vec<u8> = row.try_get("bytes").map_err(unreadable)?;
            bytes += row_bytes.len();
            if bytes > max_bytes && !read.is_empty() {
                break;
            }
            let block = Block::parse(&head, row_bytes).map_err(|e| check::damaged(place, e))?;
            check::same(place, block.header.block, "the hash", &block.hash, &hash)?;
            head = block.head();
            read.push(block);
        }
        drop(rows);
        if !met_reader {
            check::reader_against_end(place, &after, &self.end().await?)?;
            let (found, expected) = ("missing".to_owned(), after.hash.to_string());
            return Err(check::wrong(place, after.block, "the hash", found, expected));
        }
        Ok(read)
    }

    /// One block: its bytes against its hash, and its number against its place.
    pub(super) async fn one(&self, number: BlockNumber) -> Result<Option<Block>, LogError> {
        let Some((bytes, hash)) = self.row(number).await? else { return Ok(None) };
        let block = Block::alone(bytes).map_err(|error| check::damaged(&self.place, error))?;
        check::same(&self.place, number, "the block number", &block.header.block, &number)?;
        check::same(&self.place, number, "the log id", &block.header.log, &self.id)?;
        check::same(&self.place, number, "the hash", &block.hash, &hash)?;
        Ok(Some(block))
    }
}
