//! The outbox: what receivers have to be told, and what became of it. Its rows and its mark in the
//! log move in one transaction; the numbers of deliveries follow from the log, so two reactors, or
//! one that was killed, put nothing in twice.
//!
//! The table holds no text: what is sent is read from the log.

use std::time::Duration;

use events::{BlockNumber, LogId, Position, RoomId, Timestamp, WebhookId};
use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};

use crate::courier::OF_WEBHOOK_MAX;
use crate::webhooks::{Context, Delivery};

/// How long to wait for the database to answer, or for another process to finish writing.
const PATIENCE: Duration = Duration::from_secs(5);
/// Connections of one reactor.
const CONNECTIONS_MAX: u32 = 2;
/// Deliveries of one webhook that wait; more are given up at once.
pub const WAITING_MAX: i64 = 10_000;
/// What has ended is kept this long, in microseconds, to be looked at and retried.
const KEPT_US: i64 = 7 * 86_400 * 1_000_000;
/// Characters of a failure that are kept.
const ERROR_MAX: usize = 300;
/// Why deliveries of a disabled webhook are given up.
pub(crate) const DISABLED: &str = "the webhook is disabled";

/// The outbox's tables, in the database of the read models, which made them.
#[derive(Clone)]
pub enum Outbox {
    /// In a file.
    Sqlite(SqlitePool),
    /// On a server.
    Postgres(PgPool),
}

/// Why the outbox can't be used.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// The database.
    #[error("the outbox's database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// Neither of the two.
    #[error("the outbox lies in sqlite:FILE or postgres://…")]
    Url,
    /// A row holds what this binary never writes.
    #[error("delivery {0} in the outbox can't be read; delete its row")]
    Row(i64),
}

/// What a stretch of the log means for the outbox.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) new: Vec<New>,
    /// To be made once more.
    pub(crate) retries: Vec<(Position, WebhookId, u64)>,
    /// Webhooks that are disabled: what waited up to there is given up.
    pub(crate) disabled: Vec<(Position, WebhookId)>,
    /// Webhooks that are gone.
    pub(crate) gone: Vec<WebhookId>,
}

/// A delivery, and where in the log to read what it says.
#[derive(Debug)]
pub(crate) struct New {
    pub(crate) delivery: Delivery,
    pub(crate) at: Timestamp,
    pub(crate) block: BlockNumber,
    pub(crate) position: Position,
}

impl Changes {
    pub(crate) fn is_empty(&self) -> bool {
        self.new.is_empty()
            && self.retries.is_empty()
            && self.disabled.is_empty()
            && self.gone.is_empty()
    }

    /// Drops what another reactor has put in already.
    pub(crate) fn after(&mut self, mark: Position) {
        self.new.retain(|new| new.position > mark);
        self.retries.retain(|(position, ..)| *position > mark);
        self.disabled.retain(|(position, _)| *position > mark);
    }
}

/// A delivery that is due.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    pub(crate) webhook: WebhookId,
    pub(crate) n: i64,
    pub(crate) room: RoomId,
    pub(crate) event: String,
    pub(crate) kind: String,
    pub(crate) attempts: i64,
    pub(crate) block: BlockNumber,
    pub(crate) position: Position,
    pub(crate) place: i64,
    pub(crate) context: Context,
}

/// How an attempt ended.
#[derive(Debug)]
pub(crate) enum Ended {
    Delivered,
    /// Again at this time.
    Again(Timestamp),
    /// Given up.
    Dead,
}

/// Runs the same expression on whichever pool there is.
macro_rules! on_pool {
    ($outbox:expr, $pool:ident => $run:expr) => {
        match $outbox {
            Outbox::Sqlite($pool) => $run,
            Outbox::Postgres($pool) => $run,
        }
    };
}

type Row = (i64, i64, i64, String, String, i64, i64, i64, i64, String);

const READ_MARK: &str = "SELECT log_id, position FROM outbox_checkpoint WHERE name = 'webhooks'";
const BEGIN: &str = "INSERT INTO outbox_checkpoint (name, log_id, position) \
     VALUES ('webhooks', $1, 0) ON CONFLICT (name) DO UPDATE SET log_id = excluded.log_id, \
     position = 0 WHERE outbox_checkpoint.log_id <> excluded.log_id";
const MOVE_MARK: &str =
    "UPDATE outbox_checkpoint SET position = $1 WHERE name = 'webhooks' AND position = $2";
const INSERT: &str = "INSERT INTO webhook_delivery (webhook_id, n, room_id, event_id, kind, state, \
     attempts, next_at, created_at, ended_at, last_error, block, position, place, context) \
     VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING";
const RETRY: &str = "UPDATE webhook_delivery SET state = 'pending', attempts = 0, next_at = 0, \
     ended_at = NULL WHERE webhook_id = $1 AND n = $2 AND state <> 'pending'";
const WAITING: &str =
    "SELECT COUNT(*) FROM webhook_delivery WHERE webhook_id = $1 AND state = 'pending'";
const FORGET: &str = "DELETE FROM webhook_delivery WHERE webhook_id = $1";
const GIVE_UP: &str = "UPDATE webhook_delivery SET state = 'dead', ended_at = $1, last_error = $2 \
     WHERE webhook_id = $3 AND state = 'pending' AND position <= $4";
const CLAIM: &str = "UPDATE webhook_delivery SET attempts = attempts + 1, next_at = $1 \
     WHERE webhook_id = $2 AND n = $3 AND state = 'pending' AND attempts = $4";
const SETTLE: &str = "UPDATE webhook_delivery SET state = $1, next_at = $2, ended_at = $3, \
     last_status = $4, last_error = $5 WHERE webhook_id = $6 AND n = $7 AND state = 'pending'";

impl Outbox {
    /// Opens the database in which the read models lie.
    pub async fn open(url: &str) -> Result<Self, OutboxError> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            let options = SqliteConnectOptions::new()
                .filename(path.trim_start_matches("//"))
                .busy_timeout(PATIENCE);
            let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS_MAX);
            return Ok(Self::Sqlite(pool.acquire_timeout(PATIENCE).connect_with(options).await?));
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let options = url.parse::<PgConnectOptions>()?.application_name("signcall-outbox");
            let pool = PgPoolOptions::new().max_connections(CONNECTIONS_MAX);
            return Ok(Self::Postgres(pool.acquire_timeout(PATIENCE).connect_with(options).await?));
        }
        Err(OutboxError::Url)
    }

    /// Up to where in this log all is put in; what was for another log goes.
    pub(crate) async fn mark(&self, log: LogId) -> Result<Position, OutboxError> {
        let found: Option<(String, i64)> =
            on_pool!(self, pool => sqlx::query_as(READ_MARK).fetch_optional(pool).await?);
        if let Some((of, position)) = found
            && of == log.to_string()
        {
            return Ok(Position::new(position.unsigned_abs()));
        }
        on_pool!(self, pool => {
            let mut tx = pool.begin().await?;
            let begun = sqlx::query(BEGIN).bind(log.to_string()).execute(&mut *tx).await?;
            // Another reactor may have begun in the meantime.
            if begun.rows_affected() > 0 {
                sqlx::query("DELETE FROM webhook_delivery").execute(&mut *tx).await?;
            }
            tx.commit().await?;
            let (_, position): (String, i64) = sqlx::query_as(READ_MARK).fetch_one(pool).await?;
            Ok(Position::new(position.unsigned_abs()))
        })
    }

    /// Puts in what a stretch of the log means and moves the mark, both or nothing. False when the
    /// mark is not `from`: another reactor was faster.
    pub(crate) async fn put(
        &self,
        changes: &Changes,
        from: Position,
        to: Position,
        now: Timestamp,
    ) -> Result<bool, OutboxError> {
        on_pool!(self, pool => {
            let mut tx = pool.begin().await?;
            let moved = sqlx::query(MOVE_MARK).bind(signed(to.get())).bind(signed(from.get()));
            if moved.execute(&mut *tx).await?.rows_affected() == 0 {
                return Ok(false);
            }
            for webhook in &changes.gone {
                sqlx::query(FORGET).bind(signed(webhook.get())).execute(&mut *tx).await?;
            }
            for new in &changes.new {
                let Delivery { webhook, n, room, event, kind, place, context } = &new.delivery;
                let webhook = signed(webhook.get());
                let waiting: i64 =
                    sqlx::query_scalar(WAITING).bind(webhook).fetch_one(&mut *tx).await?;
                let full = waiting >= WAITING_MAX;
                let at = new.at.micros();
                sqlx::query(INSERT)
                    .bind(webhook)
                    .bind(signed(*n))
                    .bind(signed(room.get()))
                    .bind(event.to_string())
                    .bind(*kind)
                    .bind(if full { "dead" } else { "pending" })
                    .bind(at)
                    .bind(full.then_some(at))
                    .bind(full.then_some("too many deliveries were waiting"))
                    .bind(signed(new.block.get()))
                    .bind(signed(new.position.get()))
                    .bind(i64::from(*place))
                    .bind(serde_json::to_string(context).unwrap_or_default())
                    .execute(&mut *tx)
                    .await?;
            }
            for (position, webhook) in &changes.disabled {
                let query = sqlx::query(GIVE_UP).bind(now.micros()).bind(DISABLED);
                let query = query.bind(signed(webhook.get())).bind(signed(position.get()));
                query.execute(&mut *tx).await?;
            }
            // Last: what is asked for once more is older than what ended it.
            for (_, webhook, n) in &changes.retries {
                let query = sqlx::query(RETRY).bind(signed(webhook.get())).bind(signed(*n));
                query.execute(&mut *tx).await?;
            }
            tx.commit().await?;
        });
        Ok(true)
    }

    /// What may be sent now: in each room of a webhook the first that waits, none of those that
    /// are `full`; of the webhooks each in turn, from the one behind `last` on.
    pub(crate) async fn due(
        &self,
        now: Timestamp,
        full: &[WebhookId],
        last: WebhookId,
        limit: usize,
    ) -> Result<Vec<Pending>, OutboxError> {
        let sql = due(full);
        let rows: Vec<Row> = on_pool!(self, pool => {
            let query = sqlx::query_as(AssertSqlSafe(sql)).persistent(false).bind(now.micros());
            query.bind(signed(last.get())).bind(limit as i64).fetch_all(pool).await?
        });
        rows.into_iter().map(read).collect()
    }

    /// Takes a delivery until `until`; false when another reactor has it.
    pub(crate) async fn claim(
        &self,
        pending: &Pending,
        until: Timestamp,
    ) -> Result<bool, OutboxError> {
        let changed = on_pool!(self, pool => {
            let query = sqlx::query(CLAIM).bind(until.micros()).bind(signed(pending.webhook.get()));
            query.bind(pending.n).bind(pending.attempts).execute(pool).await?.rows_affected()
        });
        Ok(changed > 0)
    }

    /// Notes how an attempt ended.
    pub(crate) async fn settle(
        &self,
        pending: &Pending,
        ended: &Ended,
        now: Timestamp,
        status: Option<u16>,
        error: Option<&str>,
    ) -> Result<(), OutboxError> {
        let now = now.micros();
        let (state, next, ended) = match ended {
            Ended::Delivered => ("delivered", now, Some(now)),
            Ended::Again(at) => ("pending", at.micros(), None),
            Ended::Dead => ("dead", now, Some(now)),
        };
        let error = error.map(|error| error.chars().take(ERROR_MAX).collect::<String>());
        on_pool!(self, pool => {
            let query = sqlx::query(SETTLE).bind(state).bind(next).bind(ended);
            let query = query.bind(status.map(i64::from)).bind(error);
            query.bind(signed(pending.webhook.get())).bind(pending.n).execute(pool).await?;
        });
        Ok(())
    }

    /// Drops what has ended long ago.
    pub(crate) async fn sweep(&self, now: Timestamp) -> Result<(), OutboxError> {
        const SWEEP: &str = "DELETE FROM webhook_delivery WHERE ended_at < $1";
        let before = now.micros() - KEPT_US;
        on_pool!(self, pool => {
            sqlx::query(SWEEP).bind(before).execute(pool).await?;
        });
        Ok(())
    }
}

/// The statement for what is due. The first of each room comes from the index over what is pending.
fn due(full: &[WebhookId]) -> String {
    // No webhook has the id 0; an empty list is none in PostgreSQL.
    let full = full.iter().map(|id| id.get());
    let full: Vec<String> = std::iter::once(0).chain(full).map(|id| id.to_string()).collect();
    let full = full.join(", ");
    format!(
        "SELECT webhook_id, n, room_id, event_id, kind, attempts, block, position, place, context \
         FROM (SELECT d.*, ROW_NUMBER() OVER (PARTITION BY d.webhook_id ORDER BY d.n) AS turn \
         FROM (SELECT webhook_id, MIN(n) AS n FROM webhook_delivery WHERE state = 'pending' \
         AND webhook_id NOT IN ({full}) GROUP BY webhook_id, room_id) f \
         JOIN webhook_delivery d ON d.webhook_id = f.webhook_id AND d.n = f.n \
         WHERE d.next_at <= $1) ordered WHERE turn <= {OF_WEBHOOK_MAX} \
         ORDER BY turn, webhook_id <= $2, webhook_id LIMIT $3"
    )
}

fn read(row: Row) -> Result<Pending, OutboxError> {
    let (webhook, n, room, event, kind, attempts, block, position, place, context) = row;
    Ok(Pending {
        webhook: WebhookId::new(webhook.unsigned_abs()),
        n,
        room: RoomId::new(room.unsigned_abs()),
        event,
        kind,
        attempts,
        block: BlockNumber::new(block.unsigned_abs()),
        position: Position::new(position.unsigned_abs()),
        place,
        context: serde_json::from_str(&context).map_err(|_| OutboxError::Row(n))?,
    })
}

/// Ids and positions are below 2^53.
fn signed(id: u64) -> i64 {
    id.cast_signed()
}
