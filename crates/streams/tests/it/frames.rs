//! What holds for frames, in one process and on NATS.

use std::time::Duration;

use bytes::Bytes;
use events::{RoomId, UserId};
use streams::frames::{FrameFormat, LIVE_FRAMES_MAX, Partition, StreamStatus, UPLOADS_MAX};
use streams::testing::NatsServer;
use streams::{FrameBatch, Frames, FramesError, StreamId, StreamKey};

use crate::place::{DEADLINE, connect};

/// Where frames under test lie; processes share them.
enum Between {
    OneProcess(Frames),
    Processes(Box<NatsServer>),
}

impl Between {
    /// The buffer as another process sees it, or the same again where there is only one.
    async fn process(&self) -> Frames {
        match self {
            Self::OneProcess(frames) => frames.clone(),
            Self::Processes(server) => worker(server, Partition::ALL).await,
        }
    }
}

async fn worker(server: &NatsServer, partition: Partition) -> Frames {
    streams::frames::over_nats(&connect(server).await, partition).await.unwrap()
}

macro_rules! both_ways {
    ($($scenario:ident),* $(,)?) => {
        mod local {
            $(#[tokio::test]
            async fn $scenario() {
                super::$scenario(super::Between::OneProcess(streams::frames::local())).await;
            })*
        }
        mod nats {
            $(#[tokio::test]
            async fn $scenario() {
                let test = concat!("streams frames::nats::", stringify!($scenario));
                if let Some(server) = super::NatsServer::for_test(test).await.unwrap() {
                    super::$scenario(super::Between::Processes(Box::new(server))).await;
                }
            })*
        }
    };
}

both_ways! {
    batches_come_in_order_and_done_frees_them,
    repeats_change_nothing_and_gaps_are_refused,
    a_sender_too_far_ahead_is_held_back,
    uploads_are_whole_and_bounded,
    uploads_at_the_same_time_are_bounded_too,
    discarded_frames_do_not_come,
    a_flush_follows_its_frames,
    a_forgotten_stream_begins_where_its_sender_goes_on,
}

fn key(room: u64, user: u64, stream: &str) -> StreamKey {
    let stream = StreamId::new(stream).unwrap();
    StreamKey { room: RoomId::new(room), user: UserId::new(user), stream }
}

fn batch(key: &StreamKey, first_seq: u64, count: u32) -> FrameBatch {
    FrameBatch {
        key: key.clone(),
        first_seq,
        count,
        format: FrameFormat::Landmarks,
        payload: Bytes::from(format!("{key:?} from {first_seq}")),
        flush: count == 0,
        received_us: 1_700_000_000_000_000,
        model: Some("asl-basic".to_owned()),
        language: Some("ase".to_owned()),
    }
}

fn upload(key: &StreamKey, bytes: usize) -> FrameBatch {
    let payload = (0..bytes).map(|n| (n / 7) as u8).collect::<Vec<_>>().into();
    FrameBatch { format: FrameFormat::Pose, flush: true, payload, ..batch(key, 0, 100) }
}

async fn next(frames: &Frames) -> FrameBatch {
    tokio::time::timeout(DEADLINE, frames.next()).await.expect("a batch comes").unwrap()
}

/// Marks travel: waits until a process has heard of one.
async fn wait_until(frames: &Frames, key: &StreamKey, holds: impl Fn(&StreamStatus) -> bool) {
    let waiting = async {
        while !holds(&frames.status(key).await) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.expect("the status changes");
}

async fn batches_come_in_order_and_done_frees_them(between: Between) {
    let (api, worker) = (between.process().await, between.process().await);
    let (one, two) = (key(1, 2, "cam"), key(1, 3, "cam"));
    assert_eq!(api.status(&one).await, StreamStatus::default());
    for n in 0..10 {
        let status = api.push(batch(&one, n * 5, 5)).await.unwrap();
        assert_eq!((status.next_seq, status.waiting), (n * 5 + 5, n as u32 * 5 + 5));
        api.push(batch(&two, n * 3, 3)).await.unwrap();
    }
    let mut came = (Vec::new(), Vec::new());
    for _ in 0..20 {
        let batch = next(&worker).await;
        if batch.key == one { came.0.push(batch) } else { came.1.push(batch) }
    }
    assert_eq!(came.0, (0..10).map(|n| batch(&one, n * 5, 5)).collect::<Vec<_>>());
    assert_eq!(came.1, (0..10).map(|n| batch(&two, n * 3, 3)).collect::<Vec<_>>());
    worker.done(&one, 27).await.unwrap();
    wait_until(&api, &one, |status| status.done_seq == 27).await;
    assert_eq!(api.status(&one).await.waiting, 23);
    worker.done(&one, 50).await.unwrap();
    wait_until(&api, &one, |status| status.waiting == 0).await;
    assert_eq!(api.push(batch(&one, 50, 5)).await.unwrap().waiting, 5);
    assert_eq!(next(&worker).await.first_seq, 50);
}

async fn repeats_change_nothing_and_gaps_are_refused(between: Between) {
    let (api, other_api, worker) =
        (between.process().await, between.process().await, between.process().await);
    let key = key(1, 2, "cam");
    api.push(batch(&key, 0, 10)).await.unwrap();
    assert_eq!(api.push(batch(&key, 0, 10)).await.unwrap().next_seq, 10);
    assert_eq!(other_api.push(batch(&key, 0, 10)).await.unwrap().next_seq, 10);
    other_api.push(batch(&key, 10, 10)).await.unwrap();
    // The first process has not seen that batch pass.
    api.push(batch(&key, 20, 10)).await.unwrap();
    for (first_seq, count) in [(31, 5), (25, 10), (100, 1)] {
        let refused = other_api.push(batch(&key, first_seq, count)).await;
        let error = FramesError::OutOfOrder { found: first_seq, expected: 30 };
        assert_eq!(refused, Err(error));
    }
    other_api.push(batch(&key, 30, 10)).await.unwrap();
    let came = [next(&worker).await, next(&worker).await, next(&worker).await, next(&worker).await];
    assert_eq!(came.map(|batch| batch.first_seq), [0, 10, 20, 30]);
}

async fn a_sender_too_far_ahead_is_held_back(between: Between) {
    let (api, worker) = (between.process().await, between.process().await);
    let key = key(1, 2, "cam");
    let half = LIVE_FRAMES_MAX / 2;
    api.push(batch(&key, 0, half)).await.unwrap();
    let status = api.push(batch(&key, u64::from(half), half)).await.unwrap();
    assert_eq!((status.waiting, status.waiting_max), (LIVE_FRAMES_MAX, LIVE_FRAMES_MAX));
    let more = batch(&key, u64::from(LIVE_FRAMES_MAX), 1);
    let full = FramesError::Full { waiting: LIVE_FRAMES_MAX, max: LIVE_FRAMES_MAX };
    assert_eq!(api.push(more.clone()).await, Err(full));
    next(&worker).await;
    worker.done(&key, u64::from(half)).await.unwrap();
    wait_until(&api, &key, |status| status.waiting == half).await;
    api.push(more).await.unwrap();
}

async fn uploads_are_whole_and_bounded(between: Between) {
    let (api, worker) = (between.process().await, between.process().await);
    let keys: Vec<_> = (0..=UPLOADS_MAX).map(|n| key(1, 2, &format!("upload-{n}"))).collect();
    for (key, bytes) in keys.iter().zip([3_000_000, 1, 524_288, 524_289]) {
        api.push(upload(key, bytes)).await.unwrap();
    }
    let one_more = upload(&keys[4], 1000);
    let refused = api.push(one_more.clone()).await;
    let error = FramesError::TooManyUploads { waiting: UPLOADS_MAX, max: UPLOADS_MAX };
    assert_eq!(refused, Err(error));
    // The same again is no new one, and another user may.
    assert_eq!(api.push(upload(&keys[0], 3_000_000)).await.unwrap().next_seq, 100);
    api.push(upload(&key(1, 3, "upload"), 10)).await.unwrap();
    let first = next(&worker).await;
    assert_eq!(first, upload(&keys[0], 3_000_000));
    worker.done(&first.key, 100).await.unwrap();
    wait_until(&api, &keys[0], |status| status.done_seq == 100).await;
    api.push(one_more.clone()).await.unwrap();
    for expected in [upload(&keys[1], 1), upload(&keys[2], 524_288), upload(&keys[3], 524_289)] {
        assert_eq!(next(&worker).await, expected);
    }
    assert_eq!(next(&worker).await.key.user, UserId::new(3));
    assert_eq!(next(&worker).await, one_more);
}

async fn uploads_at_the_same_time_are_bounded_too(between: Between) {
    let processes = [between.process().await, between.process().await];
    let pushes = (0..3 * UPLOADS_MAX).map(|n| {
        let upload = upload(&key(1, 2, &format!("at-once-{n}")), 1000);
        processes[n as usize % 2].push(upload)
    });
    let taken = futures::future::join_all(pushes).await;
    let taken = taken.iter().filter(|pushed| pushed.is_ok()).count();
    assert!(taken <= UPLOADS_MAX as usize, "{taken}");
    let worker = between.process().await;
    for _ in 0..taken {
        next(&worker).await;
    }
}

async fn discarded_frames_do_not_come(between: Between) {
    let (api, other_api) = (between.process().await, between.process().await);
    let (gone, kept) = (key(1, 2, "cam"), key(2, 2, "cam"));
    api.push(batch(&gone, 0, 10)).await.unwrap();
    api.push(upload(&key(1, 2, "file"), 10)).await.unwrap();
    api.push(batch(&kept, 0, 10)).await.unwrap();
    other_api.discard(gone.room, gone.user).await;
    assert_eq!(other_api.status(&gone).await, StreamStatus::default());
    // With consent given again, the sender goes on.
    api.push(batch(&gone, 10, 10)).await.unwrap();
    let worker = between.process().await;
    let mut came = [next(&worker).await, next(&worker).await];
    came.sort_by_key(|batch| batch.key.room);
    assert_eq!(came, [batch(&gone, 10, 10), batch(&kept, 0, 10)]);
}

async fn a_flush_follows_its_frames(between: Between) {
    let (api, worker) = (between.process().await, between.process().await);
    let key = key(1, 2, "cam");
    let flush = batch(&key, 0, 0);
    assert_eq!(api.push(flush.clone()).await.unwrap(), StreamStatus::default());
    api.push(batch(&key, 0, 10)).await.unwrap();
    for _ in 0..3 {
        assert_eq!(api.push(flush.clone()).await.unwrap().next_seq, 10);
    }
    api.push(batch(&key, 10, 10)).await.unwrap();
    let came = [next(&worker).await, next(&worker).await, next(&worker).await];
    assert_eq!(
        came.map(|b| (b.first_seq, b.count, b.flush)),
        [(0, 10, false), (10, 0, true), (10, 10, false)]
    );
}

async fn a_forgotten_stream_begins_where_its_sender_goes_on(between: Between) {
    let (api, worker) = (between.process().await, between.process().await);
    let key = key(1, 2, "cam");
    let status = api.push(batch(&key, 700, 10)).await.unwrap();
    assert_eq!((status.next_seq, status.waiting), (710, 10));
    assert_eq!(next(&worker).await.first_seq, 700);
}

async fn server(test: &str) -> Option<NatsServer> {
    NatsServer::for_test(&format!("streams frames::{test}")).await.unwrap()
}

#[tokio::test]
async fn a_restarted_worker_gets_what_is_not_done() {
    let Some(server) = server("a_restarted_worker_gets_what_is_not_done").await else { return };
    let api = worker(&server, Partition::ALL).await;
    let (one, two) = (key(1, 2, "cam"), key(5, 6, "cam"));
    for n in 0..6 {
        api.push(batch(&one, n * 10, 10)).await.unwrap();
    }
    api.push(batch(&two, 0, 10)).await.unwrap();
    let first = worker(&server, Partition::ALL).await;
    for _ in 0..7 {
        next(&first).await;
    }
    first.done(&one, 30).await.unwrap();
    first.done(&two, 10).await.unwrap();
    drop(first);
    let second = worker(&server, Partition::ALL).await;
    let start = std::time::Instant::now();
    let came = [next(&second).await, next(&second).await, next(&second).await];
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!(came.map(|b| (b.key, b.first_seq)), [30, 40, 50].map(|seq| (one.clone(), seq)));
    // An API process that begins now knows where the streams stand.
    let late_api = worker(&server, Partition::ALL).await;
    let status = late_api.status(&one).await;
    assert_eq!((status.next_seq, status.done_seq, status.waiting), (60, 30, 30));
    assert_eq!(late_api.status(&two).await.done_seq, 10);
    late_api.push(batch(&two, 10, 10)).await.unwrap();
    assert_eq!(next(&second).await, batch(&two, 10, 10));
}

#[tokio::test]
async fn workers_share_the_rooms() {
    let Some(server) = server("workers_share_the_rooms").await else { return };
    let api = worker(&server, Partition::ALL).await;
    let parts = [0, 1].map(|index| Partition::new(index, 2).unwrap());
    let workers = [worker(&server, parts[0]).await, worker(&server, parts[1]).await];
    let rooms = (1..=20).map(|n| RoomId::new((1_700_000_000 + n) << 12));
    for room in rooms.clone() {
        api.push(batch(&key(room.get(), 1, "cam"), 0, 10)).await.unwrap();
    }
    for (worker, part) in workers.iter().zip(parts) {
        for room in rooms.clone().filter(|room| part.covers(*room)) {
            assert_eq!(next(worker).await.key.room, room);
        }
    }
}

#[tokio::test]
async fn frames_survive_a_killed_server() {
    let Some(mut server) = server("frames_survive_a_killed_server").await else { return };
    let (api, worker) =
        (worker(&server, Partition::ALL).await, worker(&server, Partition::ALL).await);
    let key = key(1, 2, "cam");
    api.push(batch(&key, 0, 10)).await.unwrap();
    assert_eq!(next(&worker).await.first_seq, 0);
    worker.done(&key, 5).await.unwrap();
    server.kill();
    assert!(matches!(api.push(batch(&key, 10, 10)).await, Err(FramesError::Unavailable(_))));
    server.restart().await.unwrap();
    let pushing = async {
        // A batch that is sent again until it is taken is taken once.
        while api.push(batch(&key, 10, 10)).await.is_err() {}
    };
    tokio::time::timeout(DEADLINE, pushing).await.expect("the server is back");
    api.push(batch(&key, 20, 10)).await.unwrap();
    assert_eq!([next(&worker).await.first_seq, next(&worker).await.first_seq], [10, 20]);
    wait_until(&api, &key, |status| status.done_seq == 5).await;
}
