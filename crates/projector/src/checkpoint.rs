//! Up to where in which log the tables hold: one row, moved in the rows' own transaction, on the
//! condition that nobody else moved it. So two projectors are harmless.

use events::{BlockHash, BlockNumber, Head, LogId, Position};

use crate::db::Session;
use crate::error::StoreError;
use crate::value::{Record as _, Value, record};

/// The one set of tables.
const NAME: &str = "tables";

record! {
    /// The row of `projection_checkpoint`.
    pub(crate) CheckpointRow of "projection_checkpoint", key 1 {
        /// The set of tables.
        name: String,
        /// Counts rebuilds.
        generation: u64,
        /// The log.
        log_id: String,
        /// The last block projected.
        block: u64,
        /// The last commit projected.
        position: Position,
        /// That block's hash.
        hash: String,
    }
}

/// Where the tables stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// Counts rebuilds: rows that were written for another generation don't count.
    pub generation: u64,
    /// The end of the log as the tables know it.
    pub head: Head,
}

impl Checkpoint {
    /// Reads it; `None` when nothing was ever projected.
    pub(crate) async fn read(session: &mut Session<'_>) -> Result<Option<Self>, StoreError> {
        let args = vec![Value::Text(NAME.to_owned())];
        let rows = session.select(CheckpointRow::TABLE, "WHERE name = $1", args).await?;
        rows.into_iter().next().map(Self::from_values).transpose()
    }

    fn from_values(values: Vec<Value>) -> Result<Self, StoreError> {
        let row = CheckpointRow::from_values(values)?;
        let unreadable = |column| StoreError::Row { table: CheckpointRow::TABLE.name, column };
        let log = row.log_id.parse().map(LogId::from_uuid);
        let hash: Result<BlockHash, _> = row.hash.parse();
        Ok(Self {
            generation: row.generation,
            head: Head {
                log: log.map_err(|_| unreadable("log_id"))?,
                block: BlockNumber::new(row.block),
                position: row.position,
                hash: hash.map_err(|_| unreadable("hash"))?,
            },
        })
    }

    /// Reads it, or begins at the beginning of this log when nothing was ever projected.
    pub(crate) async fn read_or_begin(
        session: &mut Session<'_>,
        log: LogId,
    ) -> Result<Self, StoreError> {
        const SQL: &str = "INSERT INTO projection_checkpoint \
            (name, generation, log_id, block, position, hash) VALUES ($1, 1, $2, 0, 0, $3) \
            ON CONFLICT (name) DO NOTHING";
        if let Some(found) = Self::read(session).await? {
            return Ok(found);
        }
        let head = Head::empty(log);
        let args = [NAME.to_owned(), log.to_string(), head.hash.to_string()];
        session.execute(SQL, args.map(Value::Text).into()).await?;
        Ok(Self::read(session).await?.unwrap_or(Self { generation: 1, head }))
    }

    /// Writes it as it is, whatever was there.
    pub(crate) async fn put(&self, session: &mut Session<'_>) -> Result<(), StoreError> {
        let row = CheckpointRow {
            name: NAME.to_owned(),
            generation: self.generation,
            log_id: self.head.log.to_string(),
            block: self.head.block.get(),
            position: self.head.position,
            hash: self.head.hash.to_string(),
        };
        session.upsert(CheckpointRow::TABLE, vec![row.into_values()]).await
    }

    /// Keeps every projector from moving it until the transaction ends. On SQLite a transaction
    /// that writes is the only one.
    pub(crate) async fn lock(session: &mut Session<'_>) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE projection_checkpoint SET name = name WHERE name = $1";
        session.execute(SQL, vec![Value::Text(NAME.to_owned())]).await?;
        Ok(())
    }

    /// Moves it to `to`, if it still is what it was. Locks the row until the transaction ends.
    pub(crate) async fn advance(
        &self,
        session: &mut Session<'_>,
        to: &Head,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "UPDATE projection_checkpoint SET block = $1, position = $2, hash = $3 \
            WHERE name = $4 AND generation = $5 AND log_id = $6 AND block = $7 AND hash = $8";
        let args = vec![
            Value::Int(to.block.get() as i64),
            Value::Int(to.position.get() as i64),
            Value::Text(to.hash.to_string()),
            Value::Text(NAME.to_owned()),
            Value::Int(self.generation as i64),
            Value::Text(self.head.log.to_string()),
            Value::Int(self.head.block.get() as i64),
            Value::Text(self.head.hash.to_string()),
        ];
        Ok(session.execute(SQL, args).await? == 1)
    }
}
