//! The log in one SQLite file: durable against power loss, one row a block, and open to other
//! processes of the machine, such as a command-line tool beside a running server.

mod compact;
mod ends;
mod patient;
mod prepare;
mod rows;
mod watch_file;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use events::{Block, BlockHash, BlockNumber, Head, LogId};
use futures::future::BoxFuture;
use sqlx::query::Query;
use sqlx::sqlite::{
    Sqlite, SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePool,
    SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{Connection as _, Row as _, SqliteConnection};
use tokio::sync::{Mutex, watch};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::{AppendError, Backend, Log, LogError, check};
pub use compact::{compact, cut_wal};
pub use patient::open_patiently;
use prepare::prepare;
use watch_file::{glance, watch_file};

/// Bytes of one block at most, well below SQLite's own limit of a row.
pub const EMBEDDED_BLOCK_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long another process may hold the file's write lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections that read at the same time.
const READERS_MAX: u32 = 4;
/// Rows that SQLite's thread may read ahead of us.
const ROWS_AHEAD: usize = 8;
/// Pages of 4 KiB in the write-ahead log before they are moved into the file (2 MiB). Appends wait
/// meanwhile: at 8 MiB twice as long at p99, for a tenth more of them a second.
const CHECKPOINT_PAGES: &str = "512";
/// Bytes to which the write-ahead log shrinks again after a burst.
const WAL_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// One statement, so one transaction: it takes the write lock, looks at the end, and inserts or not.
const APPEND: &str = "
    INSERT INTO block (number, first, count, hash, bytes)
    SELECT ?1, ?2, ?3, ?4, ?5
    WHERE ?1 = 1 + coalesce((SELECT max(number) FROM block), 0)
      AND (?1 = 1 OR (SELECT hash FROM block WHERE number = ?1 - 1) = ?6)";

struct EmbeddedLog {
    place: String,
    id: LogId,
    /// Exchanged for fresh ones where they find damage.
    readers: parking_lot::Mutex<SqlitePool>,
    /// One connection, so one append at a time.
    writer: Mutex<SqliteConnection>,
    /// The last block whose bytes were checked when the end was looked at.
    checked: parking_lot::Mutex<Head>,
    appended: watch::Sender<BlockNumber>,
    _watcher: AbortOnDropHandle<()>,
}

/// Opens the log in a file; makes an empty one, with a new id, if the file is not there.
pub async fn open(path: &Path) -> Result<Log, LogError> {
    open_as(path, Some(LogId::from_uuid(Uuid::new_v4()))).await
}

/// As [`open`], but makes none: [`LogError::Missing`] where the file is not there or is empty.
pub async fn open_existing(path: &Path) -> Result<Log, LogError> {
    if !path.exists() {
        return Err(LogError::Missing { place: path.display().to_string() });
    }
    open_as(path, None).await
}

/// As [`open`], for a log whose id is known, such as the copy of another: fails with
/// [`LogError::Replaced`] if the file holds another log.
pub async fn create(path: &Path, id: LogId) -> Result<Log, LogError> {
    let log = open_as(path, Some(id)).await?;
    if log.id() == id {
        return Ok(log);
    }
    let place = path.display().to_string();
    Err(LogError::Replaced { place, found: log.id(), expected: id })
}

async fn open_as(path: &Path, id_if_new: Option<LogId>) -> Result<Log, LogError> {
    EmbeddedLog::open(path, id_if_new).await.map(Log::new)
}

/// Bytes of a log's file, of its write-ahead log, and of that one's index; 0 what is not there.
pub fn file_bytes(path: &Path) -> [u64; 3] {
    ["", "-wal", "-shm"].map(|suffix| {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        std::fs::metadata(file).map_or(0, |found| found.len())
    })
}

impl EmbeddedLog {
    async fn open(path: &Path, id_if_new: Option<LogId>) -> Result<Self, LogError> {
        let place = path.display().to_string();
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(id_if_new.is_some())
            .busy_timeout(BUSY_TIMEOUT)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
            .pragma("journal_size_limit", WAL_BYTES_MAX.to_string())
            .row_buffer_size(ROWS_AHEAD);
        let unopened = |source: sqlx::Error| unreadable(&place, BlockNumber::new(0), source);
        let connect = || SqliteConnection::connect_with(&options);
        let mut writer = open_patiently(BUSY_TIMEOUT, connect).await.map_err(unopened)?;
        let id = prepare(&mut writer, id_if_new, &place).await?;
        let mut watching = SqliteConnection::connect_with(&options).await.map_err(unopened)?;
        let (version, last) = glance(&mut watching).await.map_err(unopened)?;
        let appended = watch::Sender::new(last);
        let watcher = tokio::spawn(watch_file(watching, version, appended.clone(), path.into()));
        let readers = readers(options.pragma("query_only", "ON"));
        Ok(Self {
            place,
            id,
            readers: parking_lot::Mutex::new(readers),
            writer: Mutex::new(writer),
            checked: parking_lot::Mutex::new(Head::empty(id)),
            appended,
            _watcher: AbortOnDropHandle::new(watcher),
        })
    }
}

/// Connections that read; made when they are needed.
fn readers(options: SqliteConnectOptions) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(READERS_MAX)
        .test_before_acquire(false)
        .connect_lazy_with(options)
}

impl EmbeddedLog {
    fn readers(&self) -> SqlitePool {
        self.readers.lock().clone()
    }

    /// Looks, and where that finds damage, once more through fresh connections: after a single call
    /// on the file that failed, SQLite may take its own pages for damaged ones. What is damaged is so
    /// for whoever looks.
    async fn surely<T, F>(&self, look: impl Fn() -> F) -> Result<T, LogError>
    where
        F: Future<Output = Result<T, LogError>>,
    {
        match look().await {
            Err(LogError::Damaged { .. }) => {
                let options = self.readers().connect_options();
                *self.readers.lock() = readers((*options).clone());
                look().await
            }
            looked => looked,
        }
    }

    /// All in one transaction, so that a copy does not wait for the disk block by block.
    async fn append_rows(&self, blocks: &[Arc<Block>]) -> Result<(), AppendError> {
        let Some(last) = blocks.last() else { return Ok(()) };
        let mut writer = self.writer.lock().await;
        let failed = |source| self.not_appended(last.header.block, source);
        let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        for block in blocks {
            let done = insert(block)?.execute(&mut *transaction).await.map_err(failed)?;
            if done.rows_affected() == 0 {
                drop(transaction);
                drop(writer);
                return self.settle(block).await;
            }
        }
        transaction.commit().await.map_err(failed)?;
        drop(writer);
        super::tell(&self.appended, last.header.block);
        Ok(())
    }

    async fn append_row(&self, block: Arc<Block>) -> Result<(), AppendError> {
        let number = block.header.block;
        let query = insert(&block)?;
        let mut writer = self.writer.lock().await;
        let done = query.execute(&mut *writer).await;
        let done = done.map_err(|source| self.not_appended(number, source))?;
        drop(writer);
        if done.rows_affected() == 0 {
            return self.settle(&block).await;
        }
        *self.checked.lock() = block.head();
        super::tell(&self.appended, number);
        Ok(())
    }

    fn not_appended(&self, block: BlockNumber, source: sqlx::Error) -> AppendError {
        match kind(&source) {
            Kind::Full => AppendError::Full(source.into()),
            Kind::Corrupt | Kind::Other => AppendError::Log(self.unreadable(block, source)),
        }
    }

    /// The log did not end where the block expects: is it because the block is there already?
    async fn settle(&self, block: &Block) -> Result<(), AppendError> {
        if self.surely(|| self.end()).await? == block.head() {
            return Ok(());
        }
        let expected = BlockNumber::new(block.header.block.get().saturating_sub(1));
        Err(AppendError::Conflict { expected })
    }

    fn unreadable(&self, block: BlockNumber, source: sqlx::Error) -> LogError {
        unreadable(&self.place, block, source)
    }
}

/// SQLite's own findings, with the block that was to be read; 0 is the file as a whole.
fn unreadable(place: &str, block: BlockNumber, source: sqlx::Error) -> LogError {
    match kind(&source) {
        Kind::Corrupt => {
            let (found, expected) = (format!("unreadable ({source})"), "a row".to_owned());
            check::wrong(place, block, "what the file holds", found, expected)
        }
        Kind::Full => {
            let full = format!("its disk is full: free some space ({source})");
            LogError::Unreachable { place: place.to_owned(), source: full.into() }
        }
        Kind::Other => LogError::Unreachable { place: place.to_owned(), source: source.into() },
    }
}

/// The statement that appends a block.
fn insert(block: &Block) -> Result<Query<'_, Sqlite, SqliteArguments>, AppendError> {
    let bytes = block.bytes.len();
    if bytes > EMBEDDED_BLOCK_BYTES_MAX {
        return Err(AppendError::TooLarge { bytes, max: EMBEDDED_BLOCK_BYTES_MAX });
    }
    let header = &block.header;
    Ok(sqlx::query(APPEND)
        .bind(header.block.get() as i64)
        .bind(header.first.get() as i64)
        .bind(i64::from(header.count))
        .bind(&block.hash.bytes()[..])
        .bind(&block.bytes[..])
        .bind(&header.previous.bytes()[..]))
}

fn stored_hash(row: &SqliteRow) -> Result<BlockHash, sqlx::Error> {
    let bytes: &[u8] = row.try_get("hash")?;
    // A hash of another length equals none, which is what its reader then finds.
    Ok(bytes.try_into().map_or(BlockHash::ZERO, BlockHash::from_bytes))
}

enum Kind {
    Full,
    Corrupt,
    Other,
}

/// Sorts errors by SQLite's result codes.
fn kind(error: &sqlx::Error) -> Kind {
    /// No such table or column: the statements are fixed, so the tables are not the log's.
    const SQLITE_ERROR: u32 = 1;
    const SQLITE_CORRUPT: u32 = 11;
    const SQLITE_FULL: u32 = 13;
    const SQLITE_TOOBIG: u32 = 18;
    const SQLITE_NOTADB: u32 = 26;
    /// The write-ahead log's index can't grow: SQLite has no other name for a full disk there.
    const SQLITE_IOERR_SHMSIZE: u32 = 4874;
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
    // A column that is not what it was made.
    let not_a_row = matches!(error, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_));
    if code == Some(SQLITE_IOERR_SHMSIZE) {
        return Kind::Full;
    }
    match code.map(|extended| extended & 0xff) {
        Some(SQLITE_FULL) => Kind::Full,
        Some(SQLITE_ERROR | SQLITE_CORRUPT | SQLITE_TOOBIG | SQLITE_NOTADB) => Kind::Corrupt,
        None if not_a_row => Kind::Corrupt,
        Some(_) | None => Kind::Other,
    }
}

impl Backend for EmbeddedLog {
    fn kind(&self) -> &'static str {
        "embedded"
    }

    fn id(&self) -> LogId {
        self.id
    }

    fn head(&self) -> BoxFuture<'_, Result<Head, LogError>> {
        Box::pin(self.surely(|| self.end()))
    }

    fn append(&self, block: Arc<Block>) -> BoxFuture<'_, Result<(), AppendError>> {
        Box::pin(self.append_row(block))
    }

    fn read(&self, after: Head, max_bytes: usize) -> BoxFuture<'_, Result<Vec<Block>, LogError>> {
        Box::pin(self.surely(move || self.read_rows(after, max_bytes)))
    }

    fn block(&self, number: BlockNumber) -> BoxFuture<'_, Result<Option<Block>, LogError>> {
        Box::pin(self.surely(move || self.one(number)))
    }

    fn head_at(&self, block: BlockNumber) -> BoxFuture<'_, Result<Option<Head>, LogError>> {
        Box::pin(self.surely(move || self.head_of(block)))
    }

    fn append_all(&self, blocks: Vec<Arc<Block>>) -> BoxFuture<'_, Result<(), AppendError>> {
        Box::pin(async move { self.append_rows(&blocks).await })
    }

    fn appended(&self) -> watch::Receiver<BlockNumber> {
        self.appended.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_disk_is_told_and_reads_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let id = LogId::from_uuid(Uuid::nil());
        let log = EmbeddedLog::open(&folder.path().join("log.db"), Some(id)).await.unwrap();
        let first = Arc::new(Block::build(&Head::empty(id), &["{}".to_owned()]));
        log.append(first.clone()).await.unwrap();
        let limit = async |pragma: &'static str| {
            sqlx::query(pragma).execute(&mut *log.writer.lock().await).await.unwrap();
        };
        limit("PRAGMA max_page_count = 1").await;
        let next = Arc::new(Block::build(&first.head(), &["x".repeat(100_000)]));
        let error = log.append(next.clone()).await.unwrap_err();
        assert!(matches!(error, AppendError::Full(_)), "{error}");
        assert_eq!(log.read(Head::empty(id), 1000).await.unwrap(), [(*first).clone()]);
        limit("PRAGMA max_page_count = 1000000").await;
        log.append(next).await.unwrap();
    }
}
