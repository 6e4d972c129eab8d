//! The engine with a model of a few lines and a clock of its own: what a stream says depends on its
//! frames alone, bounds hold, and nothing is lost that must not be.

use super::*;
use crate::decode::Caption;
use crate::features::{FEATURES, HAND, HAND_PRESENT};
use crate::model::StreamState;
use clips::{Frame, Point};
use proptest::prelude::*;
use std::cell::Cell;

/// Says `coffee` while it sees a right hand, `tea` for a left one. How sure it is depends on all it
/// saw since the start, so a state that is mixed up or not reset shows.
pub(crate) struct Toy {
    spec: ModelSpec,
    fails: bool,
}

pub(crate) fn toy(hop_frames: usize) -> Box<Toy> {
    let spec = serde_json::json!({
        "name": "toy", "version": "1", "input": "landmarks", "hop_frames": hop_frames,
        "architecture": {
            "hand": 1, "body": 1, "width": 1, "expand": 1, "kernel": 1, "dilations": [],
        },
        "vocabulary": [{"text": "coffee", "kind": "word"}, {"text": "tea", "kind": "word"}],
        "emission": crate::decode::EmissionSettings::default(), "temperature": 1.0,
        "normalization": {"mean": [], "scale": []}, "data_hash": "",
    });
    Box::new(Toy { spec: serde_json::from_value(spec).expect("a description"), fails: false })
}

impl Model for Toy {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn new_state(&self) -> StreamState {
        StreamState(vec![0.0], None)
    }

    fn step(&mut self, hops: &mut [Hop<'_>]) -> Result<(), ModelError> {
        if self.fails {
            return Err(ModelError::Mismatch("broken".into()));
        }
        for hop in hops {
            for frame in hop.features.chunks_exact(FEATURES) {
                hop.state.0[0] = hop.state.0[0] * 0.9 + frame.iter().sum::<f32>().abs().fract();
                let sure = 0.8 + 0.1 * hop.state.0[0].fract();
                let (right, left) = (frame[HAND_PRESENT] > 0.5, frame[HAND + HAND_PRESENT] > 0.5);
                let class = if right { 1 } else { usize::from(left) * 2 };
                let rest = (1.0 - sure) / 2.0;
                hop.log_probs
                    .extend((0..3).map(|c| if c == class { sure.ln() } else { rest.ln() }));
            }
        }
        Ok(())
    }
}

/// A stretch of frames at 15 frames/s: which hand is seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Shows {
    Nothing,
    Right,
    Left,
}

/// Frames of those stretches, each so many frames long, with moving hands.
pub(crate) fn frames(script: &[(Shows, usize)]) -> Vec<Frame> {
    let stretches = script.iter().flat_map(|(shows, n)| std::iter::repeat_n(*shows, *n));
    let frame = |(i, shows): (usize, Shows)| {
        let swing = (i % 20) as f32 * 9.0;
        let point = |k: usize| Point {
            x: 200.0 + swing + k as f32 * 3.0,
            y: 200.0 - swing / 2.0 + k as f32 * 2.0,
            z: 0.0,
            confidence: 1.0,
        };
        let hand = Some(std::array::from_fn(point));
        let empty = Frame::empty(i as u64 * FRAME_US, 640.0, 480.0);
        match shows {
            Shows::Nothing => empty,
            Shows::Right => Frame { right: hand, ..empty },
            Shows::Left => Frame { left: hand, ..empty },
        }
    };
    stretches.enumerate().map(frame).collect()
}

/// An engine under a clock that stands where it is put.
struct Rig {
    engine: Engine,
    now: Cell<u64>,
    out: Vec<Output>,
}

impl Rig {
    fn new(model: Box<Toy>, limits: Limits) -> Self {
        Self { engine: Engine::new(model, limits), now: Cell::new(0), out: Vec::new() }
    }

    fn open(&mut self, pace: Pace) -> StreamRef {
        self.engine.open(1, pace, self.now.get()).expect("a slot")
    }

    fn push(&mut self, stream: StreamRef, seq: usize, frame: &Frame) -> Result<(), Overload> {
        let (seq, sight, arrived_us) = (seq as u64, frame.clone().into(), self.now.get());
        self.engine.push(stream, Arrival { seq, sight, arrived_us, keep: false })
    }

    /// Steps until nobody is ready.
    fn run(&mut self) {
        let now = &self.now;
        while self.engine.step(&|| now.get(), &mut self.out).expect("the toy never fails") > 0 {}
    }

    /// What was said of a stream, latency aside.
    fn said(&self, of: StreamRef) -> Vec<Said> {
        let told = self.out.iter().filter_map(|output| match output {
            Output::Caption { stream, utterance_seq, caption, .. } if *stream == of => {
                Some((*utterance_seq, caption.clone()))
            }
            Output::Caption { .. }
            | Output::Done { .. }
            | Output::Flushed { .. }
            | Output::Idle { .. } => None,
        });
        told.collect()
    }

    fn done(&self) -> Vec<u64> {
        let seq = |output: &Output| match output {
            Output::Done { next_seq, .. } => Some(*next_seq),
            Output::Caption { .. } | Output::Flushed { .. } | Output::Idle { .. } => None,
        };
        self.out.iter().filter_map(seq).collect()
    }
}

/// A caption and the first frame of its utterance.
type Said = (u64, Caption);

/// What is said of these frames from `first` on, in one stream alone.
fn alone(all: &[Frame], first: usize, hop: usize) -> (Vec<Said>, Vec<u64>) {
    let mut rig = Rig::new(toy(hop), Limits::default());
    let stream = rig.open(Pace::Upload);
    for (seq, frame) in all.iter().enumerate().skip(first) {
        rig.push(stream, seq, frame).expect("room");
    }
    rig.engine.flush(stream, 99, 0).expect("open");
    rig.run();
    (rig.said(stream), rig.done())
}

fn finals(said: &[Said]) -> Vec<&str> {
    said.iter().filter(|(_, c)| c.is_final).map(|(_, c)| c.text.as_str()).collect()
}

const DIALOGUE: [(Shows, usize); 8] = [
    (Shows::Nothing, 10),
    (Shows::Right, 14),
    (Shows::Nothing, 40),
    (Shows::Left, 14),
    (Shows::Nothing, 8),
    (Shows::Right, 14),
    (Shows::Nothing, 30),
    (Shows::Left, 10),
];

#[test]
fn utterances_are_cut_and_everything_is_told() {
    let (said, done) = alone(&frames(&DIALOGUE), 0, 4);
    assert_eq!(finals(&said), ["coffee", "tea", "coffee", "tea"]);
    assert_eq!(done.last(), Some(&140));
    let firsts: std::collections::BTreeSet<u64> = said.iter().map(|(seq, _)| *seq).collect();
    assert!(firsts.len() >= 3, "{firsts:?}");
}

#[test]
fn a_gap_in_time_or_a_clock_that_starts_anew_ends_the_utterance() {
    let mut all = frames(&[(Shows::Right, 30)]);
    all.iter_mut().skip(12).for_each(|frame| frame.time_us += 1_000_000);
    all.iter_mut().skip(22).for_each(|frame| frame.time_us -= 1_900_000);
    let (said, done) = alone(&all, 0, 4);
    assert_eq!(finals(&said), ["coffee", "coffee", "coffee"]);
    assert_eq!(done, [12, 22, 30]);
}

#[test]
fn a_closed_stream_is_never_its_successor() {
    let mut rig = Rig::new(toy(2), Limits::default());
    let first = rig.open(Pace::Live);
    rig.engine.close(first);
    let second = rig.open(Pace::Live);
    assert_eq!((first.slot, second.generation), (second.slot, first.generation + 1));
    let frame = &frames(&[(Shows::Right, 1)])[0];
    assert_eq!(rig.push(first, 0, frame), Err(Overload::Closed));
    rig.engine.close(first);
    assert_eq!(rig.push(second, 0, frame), Ok(()));
}

#[test]
fn a_stream_that_gets_nothing_is_finished() {
    let mut rig = Rig::new(toy(4), Limits::default());
    let stream = rig.open(Pace::Live);
    for (seq, frame) in frames(&[(Shows::Right, 11)]).iter().enumerate() {
        rig.push(stream, seq, frame).expect("open");
    }
    rig.run();
    assert!(finals(&rig.said(stream)).is_empty());
    rig.now.set(Limits::default().idle_us);
    rig.run();
    assert_eq!(finals(&rig.said(stream)), ["coffee"]);
    assert_eq!(
        rig.out[rig.out.len() - 2..],
        [Output::Done { stream, next_seq: 11 }, Output::Idle { stream }]
    );
    let told = rig.out.len();
    rig.now.set(Limits::default().idle_us + 1);
    rig.run();
    assert_eq!(rig.out.len(), told, "said once");
}

#[test]
fn a_full_live_stream_loses_its_oldest_frames_and_an_upload_none() {
    let limits = Limits { live_frames: 8, upload_frames: 8, ..Limits::default() };
    let mut rig = Rig::new(toy(4), limits);
    let (live, upload) = (rig.open(Pace::Live), rig.open(Pace::Upload));
    let all = frames(&[(Shows::Right, 12)]);
    for (seq, frame) in all.iter().enumerate() {
        rig.push(live, seq, frame).expect("a live stream takes all");
        let taken = rig.push(upload, seq, frame);
        assert_eq!(taken.is_ok(), seq < 8, "{taken:?}");
    }
    assert_eq!(rig.engine.stats().dropped_full, 4);
    rig.engine.flush(live, 12, 0).expect("open");
    rig.run();
    assert_eq!(rig.said(live).last().map(|(first, _)| *first), Some(4));
}

#[test]
fn frames_that_take_long_to_read_leave_room_for_fewer_streams() {
    let mut rig = Rig::new(toy(4), Limits::default());
    rig.open(Pace::Live);
    // Four frames a hop are 120 ms to read; between hops are 267 ms, of which 187 may be used.
    rig.engine.note_reading(10, 300_000);
    let refused = rig.engine.open(2, Pace::Live, 0);
    assert_eq!(refused, Err(Overload::Time { step_us: 240_000, hop_us: 4 * FRAME_US }));
    rig.engine.limits.reading = 0.5;
    assert!(rig.engine.open(2, Pace::Live, 0).is_ok(), "other cores read half of it");
    // Time between steps is the engine's own: 15 ms a frame more, for three streams of four frames.
    rig.engine.note_pushing(10, 150_000);
    let refused = rig.engine.open(3, Pace::Live, 0);
    assert_eq!(refused, Err(Overload::Time { step_us: 360_000, hop_us: 4 * FRAME_US }));
}

#[test]
fn stale_frames_are_dropped_unless_they_must_be_kept() {
    for (keep, pace, expected) in
        [(false, Pace::Live, 10), (true, Pace::Live, 0), (false, Pace::Upload, 0)]
    {
        let mut rig = Rig::new(toy(4), Limits::default());
        let stream = rig.open(pace);
        for (seq, frame) in frames(&[(Shows::Right, 10)]).into_iter().enumerate() {
            let arrival = Arrival { seq: seq as u64, sight: frame.into(), arrived_us: 0, keep };
            rig.engine.push(stream, arrival).expect("open");
        }
        rig.now.set(Limits::default().stale_us + 1);
        rig.run();
        assert_eq!(rig.engine.stats().dropped_stale, expected, "{keep} {pace:?}");
    }
}

#[test]
fn too_many_streams_are_refused() {
    let mut rig = Rig::new(toy(2), Limits { slots: 2, ..Limits::default() });
    rig.open(Pace::Live);
    rig.open(Pace::Live);
    assert_eq!(rig.engine.open(1, Pace::Live, 0), Err(Overload::Slots { slots: 2 }));

    // With 133 ms between the two-frame hops of a stream, the clock goes on by 60 ms at each look:
    // a stream's features, its model and its telling take as long each.
    let mut rig = Rig::new(toy(2), Limits::default());
    let stream = rig.open(Pace::Live);
    for (seq, frame) in frames(&[(Shows::Right, 40)]).iter().enumerate() {
        rig.push(stream, seq, frame).expect("open");
    }
    let now = &rig.now;
    let slow = || now.replace(now.get() + 60_000);
    while rig.engine.step(&slow, &mut rig.out).expect("a step") > 0 {}
    let refused = rig.engine.open(1, Pace::Live, 0);
    assert_eq!(refused, Err(Overload::Time { step_us: 360_000, hop_us: 133_334 }));
    assert!(rig.engine.open(1, Pace::Upload, 0).is_ok(), "uploads wait their turn");
    assert_eq!(rig.engine.stats().refused, 1);
}

#[test]
fn a_broken_model_is_an_error() {
    let mut model = toy(1);
    model.fails = true;
    let mut engine = Engine::new(model, Limits::default());
    let stream = engine.open(1, Pace::Live, 0).expect("a slot");
    let frame = frames(&[(Shows::Right, 1)]).remove(0);
    engine
        .push(stream, Arrival { seq: 0, sight: frame.into(), arrived_us: 0, keep: false })
        .expect("open");
    engine.step(&|| 0, &mut Vec::new()).expect_err("broken");
}

fn script() -> impl Strategy<Value = Vec<(Shows, usize)>> {
    let shows = prop_oneof![Just(Shows::Nothing), Just(Shows::Right), Just(Shows::Left)];
    proptest::collection::vec((shows, 1usize..40), 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However frames are grouped into pushes, hops and batches: the same is said, to the bit.
    #[test]
    fn what_is_said_depends_on_the_frames_alone(
        scripts in proptest::collection::vec(script(), 1..5),
        hop in 1usize..9, batch in 1usize..5, chunk in 1usize..50,
    ) {
        let clips: Vec<Vec<Frame>> = scripts.iter().map(|script| frames(script)).collect();
        let mut rig = Rig::new(toy(hop), Limits { batch, ..Limits::default() });
        let streams: Vec<StreamRef> = clips.iter().map(|_| rig.open(Pace::Live)).collect();
        let longest = clips.iter().map(Vec::len).max().unwrap_or(0);
        for start in (0..longest).step_by(chunk) {
            for (clip, stream) in clips.iter().zip(&streams) {
                for (seq, frame) in clip.iter().enumerate().skip(start).take(chunk) {
                    rig.push(*stream, seq, frame).expect("room");
                }
            }
            rig.run();
        }
        rig.engine.flush_all(0);
        rig.run();
        for (clip, stream) in clips.iter().zip(&streams) {
            prop_assert_eq!(rig.said(*stream), alone(clip, 0, 3).0);
        }
    }

    /// Played again from the start of any utterance, the rest is said again, under the same numbers.
    #[test]
    fn a_replay_says_the_same(script in script(), hop in 1usize..9, pick in any::<usize>()) {
        let clip = frames(&script);
        let (said, done) = alone(&clip, 0, hop);
        let first = if done.is_empty() { 0 } else { done[pick % done.len()] };
        let (again, _) = alone(&clip, first as usize, 2);
        let rest: Vec<Said> = said.into_iter().filter(|(seq, _)| *seq >= first).collect();
        prop_assert_eq!(again, rest);
    }
}
