//! `cargo xtask bench load`: how many streams of real signing, 15 frames a second each, one engine
//! serves until the frames get old; and what happens at twice that.
//!
//! The engine runs on this thread, at real time. Frames come when they are due, whether the engine
//! keeps up or not.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::ensure;
use benches::clipset::{Clip, Clipset, FRAME_US};
use benches::latency::Latencies;
use benches::report;
use recognizer::engine::{Arrival, Engine, FrameAge, Limits, Overload, Pace, Stats, StreamRef};
use recognizer::model::built_in;
use serde_json::{Map, Value, json};

/// Older frames than this, at the 99th percentile, are too old.
const AGE_MAX_MS: f64 = 200.0;
/// Streams that share a room.
const PER_ROOM: u64 = 5;
/// The search ends when the step is this share of the streams.
const FINEST: usize = 32;
/// No engine is asked to serve more.
const STREAMS_MAX: usize = 8192;
/// After an overload, what counts as recovered: nothing as old for so long.
const CALM: Duration = Duration::from_secs(1);
const MODELS: [&str; 2] = ["asl-basic", "asl-digits"];

fn main() -> ExitCode {
    let quick = std::env::args().any(|arg| arg == "--quick");
    let time = Duration::from_millis(if quick { 700 } else { 6000 });
    match figures(time) {
        Ok(figures) => report::print("load", &figures),
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn figures(time: Duration) -> anyhow::Result<Map<String, Value>> {
    let clips = Clipset::read()?;
    let mut figures = Map::new();
    for name in MODELS {
        if built_in(name).is_none() {
            let why = format!("the model {name} does not ship yet");
            figures.insert(name.to_owned(), json!({ "streams_per_core": null, "why": why }));
            continue;
        }
        if name == "asl-digits" {
            let why = "the load is of landmarks; image frames are not played yet";
            figures.insert(name.to_owned(), json!({ "streams_per_core": null, "why": why }));
            continue;
        }
        let passing = search(name, &clips, time)?;
        let overload = overload(name, &clips, passing.streams, time)?;
        figures.insert("overload_recovery_s".to_owned(), json!(overload.recovery_s));
        figures.insert("overload".to_owned(), overload.told());
        figures.insert(name.to_owned(), passing.told());
    }
    let shape = format!(
        "asl_words, {PER_ROOM} streams a room, words and idle clips in turn, {time:?} a trial, \
         begun at even distances; frames are given to the engine on its own thread"
    );
    figures.insert("load".to_owned(), json!(shape));
    Ok(figures)
}

/// What a trial came to.
struct Trial {
    streams: usize,
    hop: usize,
    ages: Vec<FrameAge>,
    stats: Stats,
}

impl Trial {
    fn percentile(&self, share: f64, of: impl Fn(&FrameAge) -> u64) -> f64 {
        let waits = self.ages.iter().map(|age| Duration::from_micros(of(age)));
        Latencies::new(waits.collect()).percentile_ms(share)
    }

    fn mean_ms(&self, of: impl Fn(&FrameAge) -> u64) -> f64 {
        let sum: u64 = self.ages.iter().map(of).sum();
        let mean_us = sum as f64 / self.ages.len().max(1) as f64;
        mean_us.round() / 1000.0
    }

    fn dropped(&self) -> u64 {
        self.stats.dropped_full + self.stats.dropped_stale
    }

    fn passes(&self) -> bool {
        self.percentile(0.99, age_us) <= AGE_MAX_MS && self.dropped() == 0
    }

    fn told(&self) -> Value {
        json!({
            "hop": self.hop,
            "hop_wait_ms": self.mean_ms(|age| age.newest_us - age.oldest_us),
            "streams_per_core": self.streams,
            "frame_age_p50_ms": self.percentile(0.5, age_us),
            "frame_age_p99_ms": self.percentile(0.99, age_us),
            "dropped": self.dropped(),
            "queue_ms": self.mean_ms(|age| age.begun_us - age.newest_us),
            "compute_ms": self.mean_ms(|age| age.computed_us - age.begun_us),
            "output_ms": self.mean_ms(|age| age.told_us - age.computed_us),
            "frame_age_mean_ms": self.mean_ms(age_us),
        })
    }
}

/// From the capture of the step's newest frame to all that it says.
fn age_us(age: &FrameAge) -> u64 {
    age.told_us - age.newest_us
}

/// The most streams that pass; an engine that admits everybody, so that it is not its own
/// prediction that ends the search.
fn search(name: &str, clips: &Clipset, time: Duration) -> anyhow::Result<Trial> {
    let trial = |streams| -> anyhow::Result<Trial> {
        let mut rig = Rig::start(name, clips, &all_admitted())?;
        ensure!(rig.open(streams)? == streams, "a stream was refused");
        rig.play(time)?;
        let trial = rig.finish();
        let (p99, dropped) = (trial.percentile(0.99, age_us), trial.dropped());
        eprintln!("{name}: {streams} streams, frame age p99 {p99} ms, {dropped} dropped");
        Ok(trial)
    };
    let mut best = trial(1)?;
    ensure!(best.passes(), "not even one stream is served in time");
    let mut failing: Option<usize> = None;
    let mut streams = 8;
    while failing.is_none_or(|failing| failing - best.streams > (failing / FINEST).max(1)) {
        let tried = trial(streams)?;
        if tried.passes() {
            best = tried
        } else {
            failing = Some(streams)
        }
        streams = match failing {
            None if streams >= STREAMS_MAX => break,
            None => streams * 2,
            Some(failing) => best.streams.midpoint(failing),
        };
    }
    Ok(best)
}

fn all_admitted() -> Limits {
    Limits { slots: 2 * STREAMS_MAX, load: f64::INFINITY, ..Limits::default() }
}

/// What twice the passing load did.
struct Overloaded {
    offered: usize,
    accepted: usize,
    refusal: Option<Overload>,
    accepted_p99_ms: f64,
    dropped: u64,
    overloaded_p99_ms: f64,
    recovery_s: f64,
}

impl Overloaded {
    fn told(&self) -> Value {
        json!({
            "offered": self.offered,
            "accepted": self.accepted,
            "refusal": self.refusal.as_ref().map(ToString::to_string),
            "accepted_age_p99_ms": self.accepted_p99_ms,
            "dropped_when_all_are_admitted": self.dropped,
            "age_p99_ms_when_all_are_admitted": self.overloaded_p99_ms,
        })
    }
}

/// Twice the load: as shipped, streams are refused and the others are served as ever. With nobody
/// refused, the oldest frames go; half of the streams end, and the rest recovers.
fn overload(
    name: &str,
    clips: &Clipset,
    passing: usize,
    time: Duration,
) -> anyhow::Result<Overloaded> {
    let offered = passing * 2;
    let mut shipped = Rig::start(name, clips, &Limits::default())?;
    let accepted = shipped.open(offered)?;
    shipped.play(time)?;
    let refusal = shipped.refusal.take();
    let shipped = shipped.finish();

    let mut rig = Rig::start(name, clips, &all_admitted())?;
    rig.open(offered)?;
    rig.play(time)?;
    let under = Trial { ages: std::mem::take(&mut rig.ages), ..rig.look() };
    rig.close(offered / 2);
    let ended = rig.now_us();
    rig.play(time.max(CALM * 4))?;
    let late = rig.ages.iter().filter(|age| age_us(age) as f64 / 1e3 > AGE_MAX_MS);
    let last_late = late.map(|age| age.told_us).max().unwrap_or(ended);
    Ok(Overloaded {
        offered,
        accepted,
        refusal,
        accepted_p99_ms: shipped.percentile(0.99, age_us),
        dropped: rig.look().dropped(),
        overloaded_p99_ms: under.percentile(0.99, age_us),
        recovery_s: last_late.saturating_sub(ended) as f64 / 1e6,
    })
}

/// An engine, and the streams that are played into it.
struct Rig<'c> {
    engine: Engine,
    clips: &'c Clipset,
    begun: Instant,
    streams: Vec<Playing<'c>>,
    ages: Vec<FrameAge>,
    refusal: Option<Overload>,
}

struct Playing<'c> {
    name: StreamRef,
    clips: Vec<&'c Clip>,
    clip: usize,
    frame: usize,
    seq: u64,
    /// When the first frame was due, µs.
    first_us: u64,
}

impl<'c> Rig<'c> {
    fn start(name: &str, clips: &'c Clipset, limits: &Limits) -> anyhow::Result<Self> {
        let Some(model) = built_in(name) else { anyhow::bail!("there is no model {name}") };
        let begun = Instant::now();
        let mut engine = Engine::new(model?, limits.clone());
        engine.warm_up(&|| begun.elapsed().as_micros() as u64)?;
        Ok(Self { engine, clips, begun, streams: vec![], ages: vec![], refusal: None })
    }

    fn now_us(&self) -> u64 {
        self.begun.elapsed().as_micros() as u64
    }

    /// Opens so many streams, begun at even distances; how many were accepted.
    fn open(&mut self, streams: usize) -> anyhow::Result<usize> {
        let now_us = self.now_us();
        for n in 0..streams {
            let room = n as u64 / PER_ROOM;
            let name = match self.engine.open(room, Pace::Live, now_us) {
                Ok(name) => name,
                Err(refusal) => {
                    self.refusal = Some(refusal);
                    continue;
                }
            };
            let words = self.clips.words.iter().cycle().skip(n * 7);
            let idle = self.clips.idle.iter().cycle().skip(n);
            let both = words.zip(idle).take(self.clips.words.len());
            self.streams.push(Playing {
                name,
                clips: both.flat_map(|(word, idle)| [word, idle]).collect(),
                clip: 0,
                frame: 0,
                seq: 0,
                first_us: now_us + FRAME_US * n as u64 / streams as u64,
            });
        }
        Ok(self.streams.len())
    }

    /// Ends the last so many streams.
    fn close(&mut self, streams: usize) {
        let left = self.streams.len().saturating_sub(streams);
        for gone in self.streams.drain(left..) {
            self.engine.close(gone.name);
        }
    }

    fn play(&mut self, time: Duration) -> anyhow::Result<()> {
        let begun = self.begun;
        let clock = move || begun.elapsed().as_micros() as u64;
        let until = Instant::now() + time;
        let mut out = Vec::new();
        while Instant::now() < until {
            let now_us = self.now_us();
            for playing in &mut self.streams {
                while let Some(arrival) = playing.due(now_us) {
                    self.engine.push(playing.name, arrival)?;
                }
            }
            let served = self.engine.step(&clock, &mut out)?;
            out.clear();
            self.ages.extend_from_slice(self.engine.ages());
            if served == 0 {
                std::thread::sleep(Duration::from_micros(200));
            }
        }
        Ok(())
    }

    fn look(&mut self) -> Trial {
        Trial {
            streams: self.streams.len(),
            hop: self.engine.spec().hop_frames,
            ages: Vec::new(),
            stats: self.engine.stats(),
        }
    }

    fn finish(mut self) -> Trial {
        let looked = self.look();
        Trial { ages: self.ages, ..looked }
    }
}

impl Playing<'_> {
    /// The next frame, if it is due.
    fn due(&mut self, now_us: u64) -> Option<Arrival> {
        let due_us = self.first_us + FRAME_US * self.seq;
        if due_us > now_us {
            return None;
        }
        let frames = &self.clips[self.clip].frames;
        let mut frame = frames[self.frame].clone();
        frame.time_us = FRAME_US * self.seq;
        let arrival =
            Arrival { seq: self.seq, sight: frame.into(), arrived_us: due_us, keep: false };
        (self.frame, self.seq) = (self.frame + 1, self.seq + 1);
        if self.frame == frames.len() {
            (self.frame, self.clip) = (0, (self.clip + 1) % self.clips.len());
        }
        Some(arrival)
    }
}
