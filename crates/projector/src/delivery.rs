//! Reading table `webhook_delivery`: what the reactor has to tell receivers, and what became of it.
//! The reactor alone writes it, beside its own mark in the log; replays leave it alone.

use events::{RoomId, WebhookId};

use crate::error::StoreError;
use crate::read::Listing;
use crate::store::Store;
use crate::value::{Value, record};

record! {
    /// A row of `webhook_delivery`. Times are microseconds since 1970.
    pub DeliveryRow of "webhook_delivery", key 2 {
        /// Whose.
        webhook_id: WebhookId,
        /// Its number among the webhook's deliveries: rises with the log.
        n: u64,
        /// The room that it is about.
        room_id: RoomId,
        /// What receivers know it by.
        event_id: String,
        /// What it tells, such as `message.sent`.
        kind: String,
        /// `pending`, `delivered` or `dead`.
        state: String,
        /// How often it was tried.
        attempts: u32,
        /// When it is tried next, while it is pending.
        next_at: i64,
        /// When it happened.
        created_at: i64,
        /// When it was delivered or given up.
        ended_at: Option<i64>,
        /// The status of the last answer.
        last_status: Option<u32>,
        /// Why the last attempt failed.
        last_error: Option<String>,
    }
}

impl Store {
    /// Deliveries of a webhook in front of number `below`, newest first.
    pub async fn deliveries(
        &self,
        webhook: WebhookId,
        below: u64,
        limit: u32,
    ) -> Result<Listing<DeliveryRow>, StoreError> {
        let args = vec![
            Value::Int(webhook.get() as i64),
            Value::Int(i64::try_from(below).unwrap_or(i64::MAX)),
            Value::Int(i64::from(limit) + 1),
        ];
        let tail = "WHERE webhook_id = $1 AND n < $2 ORDER BY n DESC LIMIT $3";
        let mut rows: Vec<DeliveryRow> = self.list(tail, args).await?;
        let has_more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        Ok(Listing { rows, has_more })
    }

    /// One delivery of a webhook.
    pub async fn delivery(
        &self,
        webhook: WebhookId,
        n: u64,
    ) -> Result<Option<DeliveryRow>, StoreError> {
        let Ok(n) = i64::try_from(n) else { return Ok(None) };
        let args = vec![Value::Int(webhook.get() as i64), Value::Int(n)];
        self.find("WHERE webhook_id = $1 AND n = $2", args).await
    }
}
