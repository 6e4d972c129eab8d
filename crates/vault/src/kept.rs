//! Landmarks that a participant allowed to be kept: batches of frames, sealed under the
//! participant's own key, beside the keys and outside the log. They go with that key; and the rows
//! go when the room goes, when its texts expire, and when the participant takes the consent back.

use chrono::NaiveDate;
use events::{KeyScope, RoomId, UserId};

use crate::database::{KeptRow, LookKept};
use crate::error::VaultError;
use crate::vault::Vault;

/// Bytes that are kept of one participant in one room; past it, nothing more is.
pub const KEPT_BYTES_MAX: u64 = 512 << 20;

/// A batch of frames to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Where it was signed.
    pub room: RoomId,
    /// Who signed it.
    pub user: UserId,
    /// The sender's name for the stream.
    pub stream: String,
    /// Number of the first frame in the stream.
    pub first_seq: u64,
    /// When the API took it, microseconds since 1970.
    pub received_us: i64,
    /// The UTC day on which it came.
    pub day: NaiveDate,
    /// The first day on which it is not kept any more, if the room's retention says so.
    pub until: Option<NaiveDate>,
    /// Whether the bytes are a `.pose` file; else they are of the live wire.
    pub pose: bool,
    /// The frames.
    pub bytes: Vec<u8>,
}

impl Kept {
    /// The first day on which what came on `day` is not kept any more.
    pub fn until(day: NaiveDate, days: u32) -> Option<NaiveDate> {
        day.checked_add_days(chrono::Days::new(u64::from(days)))
    }
}

/// The seal holds a batch to its place.
fn label(kept: &LookKept<'_>) -> String {
    let LookKept { room, user, stream, first_seq } = kept;
    format!("kept/{room}/{user}/{stream}/{first_seq}")
}

impl Vault {
    /// Keeps batches, all in one durable transaction; one that is there already is not kept twice.
    /// Those of users whose key is gone, and those past [`KEPT_BYTES_MAX`], are left out. Returns how
    /// many were left out.
    pub async fn keep(&self, batches: &[Kept]) -> Result<usize, VaultError> {
        let scopes: Vec<KeyScope> = batches.iter().map(|kept| KeyScope::User(kept.user)).collect();
        let keys = self.keys(&scopes).await?;
        let mut rows = Vec::with_capacity(batches.len());
        for kept in batches {
            let Kept { room, user, stream, first_seq, .. } = kept;
            let place = LookKept { room: *room, user: *user, stream, first_seq: *first_seq };
            match keys.seal_bytes(KeyScope::User(kept.user), &label(&place), &kept.bytes) {
                Ok(sealed) => rows.push((kept, sealed)),
                Err(VaultError::Destroyed { .. } | VaultError::KeyMissing { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let gone = batches.len() - rows.len();
        Ok(gone + self.database().keep(&rows, KEPT_BYTES_MAX).await?)
    }

    /// What is kept of a room on `today`, oldest first, one participant and stream after the other;
    /// what can't be opened any more is not in it.
    pub async fn kept(&self, room: RoomId, today: NaiveDate) -> Result<Vec<Kept>, VaultError> {
        let rows = self.database().kept(room, today).await?;
        self.open_kept(room, rows).await
    }

    /// The rooms in which anything is kept of a user.
    pub async fn rooms_with_kept(&self, user: UserId) -> Result<Vec<RoomId>, VaultError> {
        self.database().rooms_with_kept(user).await
    }

    /// What is kept of one user in one room on `today`, one batch at a time, since all may be much:
    /// the one after `after`, or the first.
    pub async fn next_kept(
        &self,
        room: RoomId,
        user: UserId,
        after: Option<&Kept>,
        today: NaiveDate,
    ) -> Result<Option<Kept>, VaultError> {
        let after = after.map(|kept| (kept.stream.as_str(), kept.received_us, kept.first_seq));
        let row = self.database().next_kept((room, user), after, today).await?;
        Ok(self.open_kept(room, Vec::from_iter(row)).await?.pop())
    }

    async fn open_kept(&self, room: RoomId, rows: Vec<KeptRow>) -> Result<Vec<Kept>, VaultError> {
        let scopes: Vec<KeyScope> = rows.iter().map(|row| KeyScope::User(row.user())).collect();
        let keys = self.keys(&scopes).await?;
        let mut all = Vec::with_capacity(rows.len());
        for row in rows {
            let kept = row.read(room)?;
            let place =
                LookKept { room, user: kept.user, stream: &kept.stream, first_seq: kept.first_seq };
            let opened = keys.open_bytes(KeyScope::User(kept.user), &label(&place), &kept.bytes);
            if let Some(bytes) = opened? {
                all.push(Kept { bytes, ..kept });
            }
        }
        Ok(all)
    }

    /// Lets go of all that is kept of a participant in a room.
    pub async fn drop_kept(&self, room: RoomId, user: UserId) -> Result<(), VaultError> {
        self.database().drop_kept(room, user).await
    }

    /// Lets go of what is past its time on `today`. Returns how many batches.
    pub async fn expire_kept(&self, today: NaiveDate) -> Result<u64, VaultError> {
        self.database().expire_kept(today).await
    }
}
