//! Landmarks of people who gave the second consent, on their way into the vault: noted when their
//! frames are taken, written together a moment later. Keeping is best effort and never delays a
//! caption; what does not fit is counted.

use std::collections::HashSet;
use std::time::Duration;

use events::room::Consent;
use events::{RoomId, UserId};
use parking_lot::Mutex;
use streams::frames::FrameFormat;
use streams::{FrameBatch, StreamKey};
use vault::{Kept, VaultError};

use crate::state::App;

/// Bytes that wait to be written; past it, batches are not kept.
const WAITING_BYTES_MAX: usize = 64 << 20;
/// How often they are written.
const EVERY: Duration = Duration::from_millis(500);
/// What is past its time goes in every so many rounds: four times an hour.
const EXPIRE_ROUNDS: u32 = 1_800;

/// What waits.
#[derive(Default)]
pub(crate) struct Keeper(Mutex<Vec<Kept>>);

/// Notes a batch that was taken, if its signer wants it kept.
pub(crate) fn note(app: &App, batch: &FrameBatch) {
    let StreamKey { room, user, stream } = &batch.key;
    let pose = match batch.format {
        FrameFormat::Landmarks => false,
        FrameFormat::Pose => true,
        FrameFormat::Images => return,
    };
    if batch.count == 0 || stance(app, *room, *user) != Some(Consent::CaptionsAndKeeping) {
        return;
    }
    let day = app.now().day();
    let days =
        app.look(|state| state.rooms.get(*room).and_then(|room| room.settings.retention_days));
    let mut waiting = app.keeper.0.lock();
    let bytes: usize = waiting.iter().map(|kept| kept.bytes.len()).sum();
    if bytes + batch.payload.len() > WAITING_BYTES_MAX {
        left_out(1);
        return;
    }
    waiting.push(Kept {
        room: *room,
        user: *user,
        stream: stream.as_str().to_owned(),
        first_seq: batch.first_seq,
        received_us: batch.received_us,
        day,
        until: days.and_then(|days| Kept::until(day, days)),
        pose,
        bytes: batch.payload.to_vec(),
    });
}

/// What a participant allows; nothing is known of those who are not in the room. Who left it, or
/// was sent back to its lobby, has taken nothing back.
fn stance(app: &App, room: RoomId, user: UserId) -> Option<Consent> {
    app.look(|state| {
        let room = state.rooms.get(room).filter(|room| room.admits(user))?;
        room.participants.get(&user).map(|participant| participant.consent)
    })
}

fn left_out(batches: u64) {
    metrics::counter!("signcall_kept_left_out_total").increment(batches);
}

/// Writes what waits until the server stops, and once more then.
pub(crate) async fn keep_keeping(app: App) {
    let (mut round, mut lately) = (0, HashSet::new());
    loop {
        let stopping = tokio::time::timeout(EVERY, app.stopping.cancelled()).await.is_ok();
        if let Err(error) = write(&app, &mut lately).await {
            tracing::warn!(%error, "landmarks were not kept");
        }
        if round % EXPIRE_ROUNDS == 0
            && let Err(error) = app.vault.expire_kept(app.now().day()).await
        {
            tracing::warn!(%error, "kept landmarks past their time are not gone yet");
        }
        round += 1;
        if stopping {
            return;
        }
    }
}

/// Writes what waits. Whoever took the consent back meanwhile, or while the last round was written,
/// has nothing kept.
async fn write(app: &App, lately: &mut HashSet<(RoomId, UserId)>) -> Result<(), VaultError> {
    let taken_back = |room, user| {
        stance(app, room, user).is_some_and(|consent| consent != Consent::CaptionsAndKeeping)
    };
    for (room, user) in lately.drain() {
        if taken_back(room, user) {
            app.vault.drop_kept(room, user).await?;
        }
    }
    let mut waiting = std::mem::take(&mut *app.keeper.0.lock());
    waiting.retain(|kept| !taken_back(kept.room, kept.user));
    if waiting.is_empty() {
        return Ok(());
    }
    lately.extend(waiting.iter().map(|kept| (kept.room, kept.user)));
    let kept = app.vault.keep(&waiting).await;
    let not = kept.as_ref().map_or(waiting.len(), |left_out| *left_out) as u64;
    if not > 0 {
        left_out(not);
    }
    metrics::counter!("signcall_kept_batches_total").increment(waiting.len() as u64 - not);
    kept.map(drop)
}
