//! The fresh tables beside the live ones: a second SQLite file, or a second schema in PostgreSQL;
//! and the swap, which is one transaction on the live database.
//!
//! On SQLite the rows are copied into the live file rather than the file renamed: other processes
//! have it open and would go on with the old one. Into empty tables of the same shape SQLite
//! copies whole pages, indexes included.

use std::fs::File;
use std::path::Path;

use events::{Head, LogId};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use super::{aside, maker};
use crate::checkpoint::Checkpoint;
use crate::db::{Db, Lease, Purpose, SHADOW_SCHEMA, Session};
use crate::error::{ProjectorError, StoreError};
use crate::projections::TABLES;
use crate::store::Store;
use crate::value::Value;

/// What the second file's name has more than the live one's.
const SUFFIX: &str = ".rebuild";
/// Where FTS5 keeps its index: ordinary tables, copied like the others. Whoever has the file open
/// sees by its change counter that what they remember of the index is out of date.
const SEARCH_TABLES: [&str; 2] = ["transcript_search_data", "transcript_search_idx"];
/// Names the lock that one replay at a time holds in PostgreSQL.
const ADVISORY_LOCK: i64 = 0x7369_676e_6361_6c6c;
/// How long the swap waits in PostgreSQL for readers to finish, while others wait for it.
const LOCK_TIMEOUT: &str = "5s";

/// Fresh tables, and the lock that keeps another replay away from them.
pub(super) struct Shadow {
    db: Db,
    lock: Lock,
}

enum Lock {
    File { path: String, held: File },
    Advisory(Lease),
}

impl Shadow {
    /// Makes fresh tables, or takes those of a replay that broke off, if this binary made them and
    /// the machine has not been started anew since: what a crash of the machine leaves is not trusted.
    pub(super) async fn create(store: &Store) -> Result<Self, ProjectorError> {
        match store.db() {
            Db::Sqlite { place, .. } => Self::file(format!("{place}{SUFFIX}")).await,
            Db::Postgres { .. } => Self::schema(store).await,
        }
    }

    async fn file(path: String) -> Result<Self, ProjectorError> {
        let held = lock_file(&format!("{path}.lock"))?;
        let url = format!("sqlite:{path}");
        if Path::new(&path).exists() {
            if let Ok(db) = Db::open(&url, Purpose::Shadow).await {
                if maker::is_this(&db).await {
                    return Ok(Self { db, lock: Lock::File { path, held } });
                }
                db.close().await;
            }
            remove_files(&path)?;
        }
        let db = Db::open(&url, Purpose::Shadow).await?;
        if let Db::Sqlite { write, .. } = &db {
            let mut connection = write.acquire().await.map_err(StoreError::from)?;
            aside::put_off_sqlite(&mut connection).await?;
        }
        maker::sign(&db).await?;
        Ok(Self { db, lock: Lock::File { path, held } })
    }

    async fn schema(store: &Store) -> Result<Self, ProjectorError> {
        let mut lease = store.db().lease().await?;
        // A replay that is cancelled lets go of the lock.
        lease.never_lend_again();
        let mut session = lease.session();
        let sql = format!("SELECT 1 WHERE pg_try_advisory_lock({ADVISORY_LOCK})");
        if session.execute(&sql, vec![]).await? == 0 {
            return Err(ProjectorError::ReplayRuns);
        }
        let left =
            format!("SELECT 1 WHERE to_regclass('{SHADOW_SCHEMA}.rebuild_maker') IS NOT NULL");
        if session.execute(&left, vec![]).await? == 1
            && let Ok(db) = Db::open(store.url(), Purpose::Shadow).await
        {
            if maker::is_this(&db).await {
                return Ok(Self { db, lock: Lock::Advisory(lease) });
            }
            db.close().await;
        }
        drop_schema(&mut session).await?;
        session.execute(&format!("CREATE SCHEMA {SHADOW_SCHEMA}"), vec![]).await?;
        let db = Db::open(store.url(), Purpose::Shadow).await?;
        aside::put_off_postgres(&mut session).await?;
        maker::sign(&db).await?;
        Ok(Self { db, lock: Lock::Advisory(lease) })
    }

    pub(super) fn db(&self) -> &Db {
        &self.db
    }

    /// The checkpoint of tables into which nothing was projected yet.
    pub(super) async fn begin(&self, log: LogId) -> Result<Checkpoint, StoreError> {
        let mut tx = self.db.begin().await?;
        let now = Checkpoint::read_or_begin(&mut tx.session(), log).await?;
        tx.commit().await?;
        Ok(now)
    }

    /// Checks and watches, from now on, what was put off until the bulk of the rows is in.
    pub(super) async fn finish(&mut self) -> Result<(), StoreError> {
        match (&mut self.lock, &self.db) {
            (Lock::Advisory(lease), _) => aside::bring_back_postgres(&mut lease.session()).await,
            (Lock::File { .. }, Db::Sqlite { write, .. }) => {
                aside::bring_back_sqlite(&mut *write.acquire().await?).await
            }
            (Lock::File { .. }, Db::Postgres { .. }) => Ok(()),
        }
    }

    /// Puts these tables, which stand at `head`, in the place of the live ones. When the live
    /// ones have come further in the meantime, nothing happens, and the answer is how far.
    pub(super) async fn swap(
        &self,
        store: &Store,
        head: &Head,
        same_log: bool,
    ) -> Result<Option<Head>, ProjectorError> {
        let ahead = |live: &Checkpoint| same_log && live.head.position > head.position;
        match (&self.lock, store.db()) {
            (Lock::File { path, .. }, Db::Sqlite { place, .. }) => {
                let mut live = attached(place, path).await?;
                let mut tx = live.begin_with("BEGIN IMMEDIATE").await?;
                let mut session = Session::Sqlite(&mut tx);
                let now = Checkpoint::read_or_begin(&mut session, head.log).await?;
                if ahead(&now) {
                    return Ok(Some(now.head));
                }
                let triggers = aside::take(&mut tx, "main", "trigger").await?;
                let mut session = Session::Sqlite(&mut tx);
                let names: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
                for name in names.iter().chain(&SEARCH_TABLES).rev() {
                    session.execute(&format!("DELETE FROM main.\"{name}\""), vec![]).await?;
                }
                for name in names.iter().chain(&SEARCH_TABLES) {
                    let sql =
                        format!("INSERT INTO main.\"{name}\" SELECT * FROM rebuilt.\"{name}\"");
                    session.execute(&sql, vec![]).await?;
                }
                for trigger in triggers {
                    session.execute(&trigger, vec![]).await?;
                }
                settle(&mut session, same_log).await?;
                next_generation(&now, head).put(&mut session).await?;
                tx.commit().await?;
                live.close().await?;
            }
            (_, db) => {
                let mut tx = db.begin().await?;
                let mut session = tx.session();
                Checkpoint::read_or_begin(&mut session, head.log).await?;
                session.execute("SELECT 1 FROM projection_checkpoint FOR UPDATE", vec![]).await?;
                let now = Checkpoint::read_or_begin(&mut session, head.log).await?;
                if ahead(&now) {
                    return Ok(Some(now.head));
                }
                self.db.close().await;
                session.execute(&move_tables(), vec![]).await?;
                settle(&mut session, same_log).await?;
                next_generation(&now, head).put(&mut session).await?;
                tx.commit().await?;
            }
        }
        store.position().await?;
        Ok(None)
    }

    /// Lets go of the tables as they are, for the next replay to go on with.
    pub(super) async fn leave(self) {
        self.db.close().await;
        if let Lock::Advisory(mut lease) = self.lock {
            let sql = format!("SELECT pg_advisory_unlock({ADVISORY_LOCK})");
            // It goes with the connection at the latest.
            let _unlocked = lease.session().execute(&sql, vec![]).await;
        }
    }

    /// Takes the tables away, if they have not become the live ones, and lets go of the lock.
    pub(super) async fn remove(self) -> Result<(), ProjectorError> {
        self.db.close().await;
        match self.lock {
            Lock::File { path, held } => {
                remove_files(&path)?;
                drop(held);
                remove_file(&format!("{path}.lock"))
            }
            Lock::Advisory(mut lease) => {
                let mut session = lease.session();
                drop_schema(&mut session).await?;
                let sql = format!("SELECT pg_advisory_unlock({ADVISORY_LOCK})");
                session.execute(&sql, vec![]).await?;
                Ok(())
            }
        }
    }
}

fn next_generation(live: &Checkpoint, head: &Head) -> Checkpoint {
    Checkpoint { generation: live.generation + 1, head: *head }
}

/// What was parked is in the rebuilt tables. What is kept of another log's blocks is of no use.
async fn settle(session: &mut Session<'_>, same_log: bool) -> Result<(), StoreError> {
    session.execute("DELETE FROM parked_event WHERE NOT released", vec![]).await?;
    if !same_log {
        session.execute("DELETE FROM event_archive", vec![]).await?;
    }
    Ok(())
}

async fn drop_schema(session: &mut Session<'_>) -> Result<(), StoreError> {
    session.execute(&format!("DROP SCHEMA IF EXISTS {SHADOW_SCHEMA} CASCADE"), vec![]).await?;
    Ok(())
}

/// Live tables go, rebuilt ones come, in whatever schema the live ones are. All of them are locked
/// first, in the order in which readers take them, so that no reader and this wait for each other.
fn move_tables() -> String {
    let quoted = |quote: char| {
        let names = TABLES.iter().map(|table| format!("{quote}{}{quote}", table.name));
        names.collect::<Vec<_>>().join(", ")
    };
    format!(
        "DO $$ DECLARE name text; BEGIN \
           SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'; \
           LOCK TABLE {} IN ACCESS EXCLUSIVE MODE; \
           FOREACH name IN ARRAY ARRAY[{}] LOOP \
             EXECUTE format('DROP TABLE %I.%I CASCADE', current_schema(), name); \
             EXECUTE format('ALTER TABLE {SHADOW_SCHEMA}.%I SET SCHEMA %I', name, current_schema()); \
           END LOOP; END $$",
        quoted('"'),
        quoted('\''),
    )
}

/// A connection of its own to the live file, with the rebuilt one beside it.
async fn attached(live: &str, rebuilt: &str) -> Result<SqliteConnection, StoreError> {
    let options = SqliteConnectOptions::new().filename(live).foreign_keys(false);
    let mut connection = options.connect().await?;
    let sql = "ATTACH DATABASE $1 AS rebuilt";
    Session::Sqlite(&mut connection).execute(sql, vec![Value::Text(rebuilt.to_owned())]).await?;
    Ok(connection)
}

fn lock_file(path: &str) -> Result<File, ProjectorError> {
    let failed = |source| ProjectorError::File { path: path.to_owned(), source };
    let file = File::options().create(true).append(true).open(path).map_err(failed)?;
    file.try_lock().map_err(|_| ProjectorError::ReplayRuns)?;
    Ok(file)
}

fn remove_files(path: &str) -> Result<(), ProjectorError> {
    ["", "-wal", "-shm"].iter().try_for_each(|end| remove_file(&format!("{path}{end}")))
}

fn remove_file(path: &str) -> Result<(), ProjectorError> {
    match std::fs::remove_file(Path::new(path)) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(ProjectorError::File { path: path.to_owned(), source })
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
