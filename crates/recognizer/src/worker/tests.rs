//! The worker against a buffer and a decider in memory: everything signed is written down once,
//! whoever is killed; frames go only when their captions are in the log.

use super::*;
use crate::engine::Health;
use crate::engine::tests::{Shows, frames};
use crate::model::Model;
use bytes::Bytes;
use clips::live_wire;
use clips::pose::{self, Clip, Version};
use events::room::RoomCommand;
use events::{Command, Position, Rejection, RoomId, SegmentId, Timestamp, UserId};
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use streams::frames::{FrameBuffer, FrameFormat, StreamId, StreamKey, StreamStatus};
use streams::live::LiveMessage;
use streams::{Accepted, Outcome, SubmitError};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

mod models;

const WAIT: Duration = Duration::from_secs(30);

fn key(user: u64) -> StreamKey {
    let stream = StreamId::new("camera").unwrap();
    StreamKey { room: RoomId::new(7), user: UserId::new(user), stream }
}

/// A stream of frames as batches of `size`, the last one with a flush mark if that is wanted.
fn batches(user: u64, script: &[(Shows, usize)], size: usize, flush: bool) -> Vec<FrameBatch> {
    let all = frames(script);
    let count = all.len().div_ceil(size);
    let batch = |(i, chunk): (usize, &[clips::Frame])| FrameBatch {
        key: key(user),
        first_seq: (i * size) as u64,
        count: chunk.len() as u32,
        format: FrameFormat::Landmarks,
        payload: Bytes::from(live_wire::encode(chunk, (i * size) as u32)),
        flush: flush && i + 1 == count,
        received_us: wall_us(),
        model: None,
        language: None,
    };
    all.chunks(size).enumerate().map(batch).collect()
}

/// A buffer that plays what is not done again to each new worker.
#[derive(Clone, Default)]
struct Replay(Arc<Mutex<Store>>, Arc<Notify>);

#[derive(Default)]
struct Store {
    batches: Vec<FrameBatch>,
    done: HashMap<StreamKey, u64>,
}

/// One worker's view of it.
struct View {
    replay: Replay,
    given: Mutex<usize>,
}

impl Replay {
    fn push(&self, batches: impl IntoIterator<Item = FrameBatch>) {
        self.0.lock().batches.extend(batches);
        self.1.notify_waiters();
    }

    fn frames(&self) -> Frames {
        Frames::new(View { replay: self.clone(), given: Mutex::new(0) })
    }

    fn done(&self, user: u64) -> u64 {
        self.0.lock().done.get(&key(user)).copied().unwrap_or(0)
    }
}

impl FrameBuffer for View {
    fn push(&self, batch: FrameBatch) -> BoxFuture<'_, Result<StreamStatus, FramesError>> {
        self.replay.push([batch]);
        Box::pin(async { Ok(StreamStatus::default()) })
    }

    fn status<'a>(&'a self, key: &'a StreamKey) -> BoxFuture<'a, StreamStatus> {
        let done_seq = self.replay.0.lock().done.get(key).copied().unwrap_or(0);
        Box::pin(async move { StreamStatus { done_seq, ..StreamStatus::default() } })
    }

    fn discard(&self, _: RoomId, _: UserId) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    fn next(&self) -> BoxFuture<'_, Result<FrameBatch, FramesError>> {
        Box::pin(async move {
            loop {
                let more = self.replay.1.notified();
                {
                    let store = self.replay.0.lock();
                    let mut given = self.given.lock();
                    while let Some(batch) = store.batches.get(*given) {
                        *given += 1;
                        if batch.end() > store.done.get(&batch.key).copied().unwrap_or(0) {
                            return Ok(batch.clone());
                        }
                    }
                }
                let _ = tokio::time::timeout(Duration::from_millis(20), more).await;
            }
        })
    }

    fn done<'a>(
        &'a self,
        key: &'a StreamKey,
        done_seq: u64,
    ) -> BoxFuture<'a, Result<(), FramesError>> {
        let mut store = self.replay.0.lock();
        let done = store.done.entry(key.clone()).or_default();
        *done = done_seq.max(*done);
        Box::pin(async { Ok(()) })
    }
}

/// What a decider wrote down: by segment, the text, and how often it was asked.
type Written = Arc<Mutex<BTreeMap<(u64, SegmentId), (String, usize)>>>;

/// A decider that answers each command as `answer` says.
fn decider(
    answer: impl Fn(usize) -> Result<Outcome, SubmitError> + Send + 'static,
) -> (Commands, Written) {
    let (commands, mut queue) = streams::commands::local();
    let written = Written::default();
    let notes = written.clone();
    tokio::spawn(async move {
        let (mut taken, mut asked) = (Vec::new(), 0);
        while queue.recv_many(&mut taken, 1).await > 0 {
            for submitted in taken.drain(..) {
                let Command::Room(RoomCommand::RecordTranscript(record)) =
                    submitted.envelope.command
                else {
                    panic!("not a transcript")
                };
                let outcome = answer(asked);
                asked += 1;
                if matches!(outcome, Ok(Ok(_))) {
                    let text = record.text.expose().to_owned();
                    let place = (record.user.get(), record.segment);
                    notes.lock().entry(place).or_insert((text, 0)).1 += 1;
                }
                let _ = submitted.reply.send(outcome);
            }
        }
    });
    (commands, written)
}

#[expect(clippy::unnecessary_wraps, reason = "one of the answers a decider may give")]
fn accept(_: usize) -> Result<Outcome, SubmitError> {
    let (position, time) = (Position::new(1), Timestamp::default());
    Ok(Ok(Accepted { position, time, created: None, repeated: false }))
}

struct Running {
    stop: oneshot::Sender<()>,
    worker: JoinHandle<Result<(), WorkerError>>,
    live: tokio::sync::broadcast::Receiver<Arc<LiveMessage>>,
    monitor: Monitor,
}

fn run(replay: &Replay, commands: Commands, limits: &Limits) -> Running {
    serve(vec![toy(4), toy(4)], replay, commands, limits)
}

fn serve(
    models: Vec<Box<dyn Model>>,
    replay: &Replay,
    commands: Commands,
    limits: &Limits,
) -> Running {
    let live = streams::live::local();
    let listening = live.subscribe();
    let connections = Connections { frames: replay.frames(), commands, live };
    let models = models.into_iter().map(Offer::from).collect();
    let worker = Worker::start(models, limits, connections).expect("a worker");
    let monitor = worker.monitor();
    let (stop, stopped) = oneshot::channel();
    let worker = tokio::spawn(worker.run(async {
        let _ = stopped.await;
    }));
    Running { stop, worker, live: listening, monitor }
}

fn toy(hop: usize) -> Box<dyn Model> {
    crate::engine::tests::toy(hop)
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < WAIT, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn texts(written: &Written, user: u64) -> Vec<String> {
    let written = written.lock();
    let mut texts: Vec<_> = written
        .iter()
        .filter(|((u, _), _)| *u == user)
        .map(|(_, (text, _))| text.clone())
        .collect();
    texts.sort();
    texts
}

const DIALOGUE: [(Shows, usize); 6] = [
    (Shows::Right, 14),
    (Shows::Nothing, 30),
    (Shows::Left, 14),
    (Shows::Nothing, 6),
    (Shows::Right, 14),
    (Shows::Nothing, 2),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_signed_is_told_as_it_grows_written_down_and_let_go() {
    let replay = Replay::default();
    let (commands, written) = decider(accept);
    let mut running = run(&replay, commands, &Limits::default());
    replay.push(batches(1, &DIALOGUE, 7, true));
    replay.push(batches(2, &DIALOGUE[2..3], 5, true));
    until("all is done", || replay.done(1) == 80 && replay.done(2) == 14).await;
    assert_eq!(texts(&written, 1), ["coffee", "coffee", "tea"]);
    assert_eq!(texts(&written, 2), ["tea"]);
    assert!(written.lock().values().all(|(_, asked)| *asked == 1));

    let told: Vec<Arc<LiveMessage>> = std::iter::from_fn(|| running.live.try_recv().ok()).collect();
    let segment = told.iter().find_map(|message| {
        let LiveMessage::Partial { user, segment, .. } = &**message else { return None };
        (user.get() == 2).then(|| segment.clone())
    });
    let segment = segment.expect("an open caption");
    let (_, id) = *written.lock().keys().find(|(user, _)| *user == 2).unwrap();
    assert_eq!(segment["segment_id"], id.to_string());
    assert_eq!(segment["is_final"], false);
    assert_eq!(segment["text"], "tea");
    assert_eq!(segment["model"], "toy 1");
    assert_eq!(segment["tokens"][0]["text"], "tea");
    assert!(segment["start_ms"].as_u64() <= segment["end_ms"].as_u64());
    assert_eq!(running.monitor.health(), Health::Ready);
    running.stop.send(()).expect("still there");
    running.worker.await.expect("no panic").expect("a clean end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_worker_costs_no_caption_and_doubles_none() {
    let whole = Replay::default();
    let (commands, expected) = decider(accept);
    let running = run(&whole, commands.clone(), &Limits::default());
    whole.push(batches(1, &DIALOGUE, 7, true));
    until("all is done", || whole.done(1) == 80).await;
    running.worker.abort();

    // Killed when the first utterance is done and the second one is under way.
    let replay = Replay::default();
    let (commands, written) = decider(accept);
    let mut all = batches(1, &DIALOGUE, 7, true);
    let rest = all.split_off(9);
    let first = run(&replay, commands.clone(), &Limits::default());
    replay.push(all);
    until("the first utterance is done", || replay.done(1) > 0).await;
    first.worker.abort();
    assert!(first.worker.await.is_err());
    assert!(replay.done(1) < 63);
    let second = run(&replay, commands, &Limits::default());
    replay.push(rest);
    until("all is done", || replay.done(1) == 80).await;
    let ids = |written: &Written| -> Vec<(SegmentId, String)> {
        written.lock().iter().map(|((_, id), (text, _))| (*id, text.clone())).collect()
    };
    assert_eq!(ids(&written), ids(&expected));
    second.worker.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_wait_for_a_place_and_are_read_to_their_end() {
    let replay = Replay::default();
    let (commands, written) = decider(accept);
    let running = run(&replay, commands, &Limits { slots: 1, ..Limits::default() });
    for user in 1..=5 {
        let frames = frames(&[(Shows::Nothing, 5), (Shows::Left, 12)]);
        let count = frames.len() as u32;
        let clip = Clip { width: 640, height: 480, fps: 15.0, frames };
        replay.push([FrameBatch {
            key: key(user),
            first_seq: 0,
            count,
            format: FrameFormat::Pose,
            payload: Bytes::from(pose::write(&clip, Version::V0_2)),
            flush: false,
            received_us: wall_us(),
            model: None,
            language: None,
        }]);
    }
    until("all are done", || (1..=5).all(|user| replay.done(user) == 17)).await;
    assert!((1..=5).all(|user| texts(&written, user) == ["tea"]));
    running.worker.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_stream_without_a_place_is_told_and_served_when_one_is_free() {
    let replay = Replay::default();
    let (commands, written) = decider(accept);
    let limits = Limits { slots: 1, ..Limits::default() };
    let mut running = run(&replay, commands, &limits);
    for user in 1..=3 {
        replay.push(batches(user, &DIALOGUE[2..3], 14, false));
    }
    // Two engines of one place each: one of the three waits.
    let LiveMessage::Degraded { user, reason, .. } = (*loop {
        let message = running.live.recv().await.expect("a message");
        if matches!(*message, LiveMessage::Degraded { .. }) {
            break message;
        }
    })
    .clone() else {
        panic!("not degraded")
    };
    assert!(reason.contains("no more fit"), "{reason}");
    // Pictures close the stream of one that is served, and so free its place.
    let served = (1..=3).find(|other| *other != user.get()).unwrap();
    let mut broken = batches(served, &DIALOGUE[..1], 14, true).remove(0);
    broken.first_seq = 14;
    broken.format = FrameFormat::Images;
    broken.payload = Bytes::from(live_wire::encode_images(&[], 0));
    replay.push([broken]);
    let mut flush = batches(user.get(), &DIALOGUE[..1], 14, true).remove(0);
    (flush.first_seq, flush.count, flush.payload) = (14, 0, Bytes::new());
    replay.push([flush]);
    until("the parked one is done", || replay.done(user.get()) == 14).await;
    assert_eq!(texts(&written, user.get()), ["tea"]);
    running.worker.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decider_that_is_away_is_waited_for() {
    let replay = Replay::default();
    let away = |asked| if asked < 3 { Err(SubmitError::Unavailable) } else { accept(asked) };
    let (commands, written) = decider(away);
    let running = run(&replay, commands, &Limits::default());
    replay.push(batches(1, &DIALOGUE, 20, true));
    until("all is done", || replay.done(1) == 80).await;
    assert_eq!(texts(&written, 1), ["coffee", "coffee", "tea"]);
    running.worker.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_nobody_consented_to_is_dropped() {
    let replay = Replay::default();
    let (commands, written) =
        decider(|asked| if asked == 0 { Ok(Err(Rejection::NoConsent)) } else { accept(asked) });
    let running = run(&replay, commands, &Limits::default());
    replay.push(batches(1, &DIALOGUE, 80, true));
    until("it is let go", || replay.done(1) == 80).await;
    assert!(written.lock().is_empty());
    until("its place is free", || running.monitor.stats().iter().all(|s| s.streams == 0)).await;
    running.worker.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pictures_are_let_go_with_a_word_and_a_shutdown_hands_in_what_is_open() {
    let replay = Replay::default();
    let (commands, written) = decider(accept);
    let mut running = run(&replay, commands, &Limits::default());
    let mut picture = batches(3, &[(Shows::Nothing, 1)], 1, false).remove(0);
    picture.format = FrameFormat::Images;
    picture.payload = Bytes::from(live_wire::encode_images(&[], 0));
    replay.push([picture]);
    until("it is let go", || replay.done(3) == 1).await;
    let told = running.live.recv().await.expect("a message");
    assert!(matches!(&*told, LiveMessage::Degraded { reason, .. } if reason.contains("pictures")));

    replay.push(batches(1, &DIALOGUE[..1], 14, false));
    let waits = |monitor: &Monitor| monitor.stats().iter().map(|s| s.frames_out).sum::<u64>() >= 12;
    until("the frames are read", || waits(&running.monitor)).await;
    running.stop.send(()).expect("still there");
    running.worker.await.expect("no panic").expect("a clean end");
    assert_eq!(texts(&written, 1), ["coffee"]);
    assert_eq!(replay.done(1), 14);
}
