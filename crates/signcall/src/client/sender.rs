//! A careful sender of frames: at the pace of the clip, and what the server might have lost it
//! sends again.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clips::{Frame, live_wire};
use tokio::time::{Instant, sleep, sleep_until};

use super::{Client, Problem};

/// Frames in a batch: a fifth of a second of a camera.
const BATCH: usize = 5;
/// For how long a server may be away before the sender gives up.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two tries, where the server does not say when to come back.
const PAUSE: Duration = Duration::from_millis(200);

/// How fast frames are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Pace {
    /// As they were captured.
    Real,
    /// As fast as the server takes them.
    Fast,
}

/// Sends `frames` as the stream `stream`, ends it, and waits until all its captions are kept.
/// After each batch `progress` hears how many frames were sent.
pub(crate) async fn send(
    client: &Client,
    room: &str,
    stream: &str,
    frames: &[Frame],
    pace: Pace,
    mut progress: impl FnMut(usize),
) -> Result<()> {
    let total = frames.len();
    let begun = Instant::now();
    let (mut next, mut done) = (0, 0);
    // When the server last did something for us.
    let mut moved = begun;
    while done < total {
        let end = total.min(next + BATCH);
        let tried = if next < total {
            if pace == Pace::Real {
                let elapsed = frames[end - 1].time_us - frames[0].time_us;
                sleep_until(begun + Duration::from_micros(elapsed)).await;
            }
            let first = u32::try_from(next).context("too many frames for one stream")?;
            client.frames(room, stream, live_wire::encode(&frames[next..end], first)).await
        } else {
            sleep(PAUSE).await;
            client.end_frames(room, stream).await
        };
        match tried {
            Ok(accepted) => {
                let before = (next, done);
                next = end;
                done = usize::try_from(accepted.done_seq)?.clamp(done, total);
                if before != (next, done) {
                    moved = Instant::now();
                }
                ensure!(
                    moved.elapsed() < PATIENCE,
                    "captions of frames from {done} on do not come"
                );
                progress(next);
            }
            Err(error) if moved.elapsed() > PATIENCE => return Err(error),
            Err(error) => match again(&error) {
                Some(Again::From(seq)) => next = usize::try_from(seq)?.min(total),
                // What is not done may be lost with the server that took it.
                Some(Again::AfterLoss) => {
                    next = done;
                    sleep(PAUSE).await;
                }
                Some(Again::Later(wait)) => sleep(wait).await,
                None => return Err(error),
            },
        }
    }
    Ok(())
}

enum Again {
    From(u64),
    AfterLoss,
    Later(Duration),
}

/// What to do about an error, if it is one that passes.
fn again(error: &anyhow::Error) -> Option<Again> {
    let Some(problem) = error.downcast_ref::<Problem>() else { return Some(Again::AfterLoss) };
    match problem.status {
        429 => Some(Again::Later(problem.retry_after.unwrap_or(PAUSE))),
        500..=599 => Some(Again::AfterLoss),
        _ => problem.expected_seq.map(Again::From),
    }
}
