//! `cargo xtask bench load`: how many streams of real signing, 15 frames a second each, one engine
//! serves until the frames get old; and what happens at twice that.
//!
//! The engine runs on this thread, at real time. Frames come when they are due, whether the engine
//! keeps up or not.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use benches::clipset::FRAME_US;
use benches::latency::Latencies;
use benches::loads::{Load, Place};
use benches::report;
use benches::server::memory_mb;
use recognizer::engine::{Arrival, Engine, FrameAge, Limits, Overload, Pace, Stats, StreamRef};
use recognizer::model::{BUILT_IN, built_in};
use serde_json::{Map, Value, json};

/// Older frames than this, at the 99th percentile, are too old.
const AGE_MAX_MS: f64 = 200.0;
/// Streams that share a room.
const PER_ROOM: u64 = 5;
/// The search begins with so many streams.
const FIRST_TRIED: usize = 64;
/// The search ends when the step is this share of the streams.
const FINEST: usize = 32;
/// No engine is asked to serve more.
const STREAMS_MAX: usize = 8192;
/// After an overload, what counts as recovered: nothing as old for so long.
const CALM: Duration = Duration::from_secs(1);

pub(crate) fn main() -> ExitCode {
    let quick = std::env::args().any(|arg| arg == "--quick");
    let time = Duration::from_millis(if quick { 700 } else { 3000 });
    report::end("load", figures(time))
}

fn figures(time: Duration) -> anyhow::Result<Map<String, Value>> {
    let mut figures = Map::new();
    let mut recovery_s: f64 = 0.0;
    let mut overloads = Map::new();
    for name in BUILT_IN {
        let model = built_in(name).with_context(|| format!("there is no model {name}"))??;
        let load = Load::of(model.spec().input)?;
        let passing = search(name, &load, time)?;
        let overload = overload(name, &load, &passing, time)?;
        recovery_s = recovery_s.max(overload.recovery_s);
        overloads.insert((*name).to_owned(), overload.told());
        figures.insert((*name).to_owned(), passing.told());
    }
    figures.insert("overload_recovery_s".to_owned(), json!(recovery_s));
    figures.insert("overload".to_owned(), Value::Object(overloads));
    let shape = format!(
        "{PER_ROOM} streams a room, 15 frames a second each, begun at even distances, {time:?} a \
         trial; asl-basic: asl_words, words and idle clips in turn; asl-digits: photographs of \
         digits, a second each, decoded when they are due; frames are given to the engine, and \
         pictures decoded, on its own thread, so on the one core that is measured"
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

    /// By which share the parts' means differ from the mean of the whole.
    fn split_off_by(&self) -> f64 {
        let parts = self.mean_ms(|age| age.begun_us - age.newest_us)
            + self.mean_ms(|age| age.computed_us - age.begun_us)
            + self.mean_ms(|age| age.told_us - age.computed_us);
        let whole = self.mean_ms(age_us);
        ((parts - whole).abs() / whole * 1e4).round() / 1e4
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
            "split_off_by": self.split_off_by(),
        })
    }
}

/// From the capture of the step's newest frame to all that it says.
fn age_us(age: &FrameAge) -> u64 {
    age.told_us - age.newest_us
}

/// The most streams that pass; an engine that admits everybody, so that it is not its own
/// prediction that ends the search.
fn search(name: &str, load: &Load, time: Duration) -> anyhow::Result<Trial> {
    let trial = |streams| -> anyhow::Result<Trial> {
        let mut rig = Rig::start(name, load, &all_admitted())?;
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
    let mut streams = FIRST_TRIED;
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
    alone_p99_ms: f64,
    accepted_p99_ms: f64,
    dropped: u64,
    overloaded_p99_ms: f64,
    memory_mb: [f64; 2],
    recovery_s: f64,
}

impl Overloaded {
    fn told(&self) -> Value {
        json!({
            "offered": self.offered,
            "accepted": self.accepted,
            "refusal": self.refusal.as_ref().map(ToString::to_string),
            "age_p99_ms_of_so_many_alone": self.alone_p99_ms,
            "accepted_age_p99_ms": self.accepted_p99_ms,
            "dropped_when_all_are_admitted": self.dropped,
            "age_p99_ms_when_all_are_admitted": self.overloaded_p99_ms,
            "memory_mb_soon_after_its_begin_and_at_its_end": self.memory_mb,
            "recovery_s": self.recovery_s,
        })
    }
}

/// Twice the load: as shipped, streams are refused and the others are served as ever. With nobody
/// refused, the oldest frames go; the load ends but for half of what passed, and that recovers.
fn overload(
    name: &str,
    load: &Load,
    passing: &Trial,
    time: Duration,
) -> anyhow::Result<Overloaded> {
    let offered = passing.streams * 2;
    let limits = Limits { slots: 2 * STREAMS_MAX, ..Limits::default() };
    let mut shipped = Rig::start(name, load, &limits)?;
    // Streams come over a while, as people do, so that the engine knows how long its steps take.
    let accepted = shipped.open_over(offered, time)?;
    shipped.ages.clear();
    // Who was refused tries again while the others are measured.
    let accepted = shipped.open_over(offered - accepted, time)?;
    let refusal = shipped.refusal.take();
    let shipped = shipped.finish();
    let mut alone = Rig::start(name, load, &all_admitted())?;
    alone.open_over(accepted, time)?;
    alone.ages.clear();
    alone.play(time)?;
    let alone = alone.finish();

    // Frames wait for as long as the oldest may, so that they are seen to be dropped.
    let stale_us = time.as_micros() as u64 / 4;
    let mut rig = Rig::start(name, load, &Limits { stale_us, ..all_admitted() })?;
    rig.open(offered)?;
    rig.play(time)?;
    let soon = memory_mb(std::process::id(), "VmRSS")?;
    rig.play(time)?;
    let later = memory_mb(std::process::id(), "VmRSS")?;
    let under = Trial { ages: std::mem::take(&mut rig.ages), ..rig.look() };
    // The load ends: what is left is half of what the engine can do, so it has time to catch up.
    rig.close(offered - passing.streams / 2);
    let ended = rig.now_us();
    rig.play(time.max(CALM * 4))?;
    let late = rig.ages.iter().filter(|age| age_us(age) as f64 / 1e3 > AGE_MAX_MS);
    let last_late = late.map(|age| age.told_us).max().unwrap_or(ended);
    Ok(Overloaded {
        offered,
        accepted,
        refusal,
        alone_p99_ms: alone.percentile(0.99, age_us),
        accepted_p99_ms: shipped.percentile(0.99, age_us),
        dropped: rig.look().dropped(),
        overloaded_p99_ms: under.percentile(0.99, age_us),
        memory_mb: [soon, later],
        recovery_s: last_late.saturating_sub(ended) as f64 / 1e6,
    })
}

/// An engine, and the streams that are played into it.
struct Rig<'c> {
    engine: Engine,
    load: &'c Load,
    begun: Instant,
    streams: Vec<Playing>,
    ages: Vec<FrameAge>,
    refusal: Option<Overload>,
}

struct Playing {
    name: StreamRef,
    number: usize,
    place: Place,
    seq: u64,
    /// When the first frame was due, µs.
    first_us: u64,
}

impl<'c> Rig<'c> {
    fn start(name: &str, load: &'c Load, limits: &Limits) -> anyhow::Result<Self> {
        let Some(model) = built_in(name) else { anyhow::bail!("there is no model {name}") };
        let begun = Instant::now();
        let mut engine = Engine::new(model?, limits.clone());
        engine.warm_up(&|| begun.elapsed().as_micros() as u64)?;
        Ok(Self { engine, load, begun, streams: vec![], ages: vec![], refusal: None })
    }

    fn now_us(&self) -> u64 {
        self.begun.elapsed().as_micros() as u64
    }

    /// Opens so many streams, begun at even distances; how many were accepted.
    fn open(&mut self, streams: usize) -> anyhow::Result<usize> {
        for n in 0..streams {
            self.open_one(n, FRAME_US * n as u64 / streams as u64);
        }
        Ok(self.streams.len())
    }

    /// The same, one after the other within that time, while those that are there are served.
    fn open_over(&mut self, streams: usize, time: Duration) -> anyhow::Result<usize> {
        let each = time / streams.max(1) as u32;
        let begun = Instant::now();
        for n in 0..streams {
            self.open_one(n, FRAME_US * n as u64 / streams as u64);
            let until = begun + each * (n as u32 + 1);
            self.play(until.saturating_duration_since(Instant::now()))?;
        }
        Ok(self.streams.len())
    }

    fn open_one(&mut self, number: usize, after_us: u64) {
        let now_us = self.now_us();
        match self.engine.open(number as u64 / PER_ROOM, Pace::Live, now_us) {
            Ok(name) => {
                let (place, first_us) = (Place::default(), now_us + after_us);
                self.streams.push(Playing { name, number, place, seq: 0, first_us });
            }
            Err(refusal) => self.refusal = Some(refusal),
        }
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
            let mut frames = 0;
            for playing in &mut self.streams {
                while let Some(arrival) = playing.due(self.load, now_us)? {
                    self.engine.push(playing.name, arrival)?;
                    frames += 1;
                }
            }
            if frames > 0 {
                self.engine.note_reading(frames, self.now_us() - now_us);
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

impl Playing {
    /// The next frame, if it is due.
    fn due(&mut self, load: &Load, now_us: u64) -> anyhow::Result<Option<Arrival>> {
        let due_us = self.first_us + FRAME_US * self.seq;
        if due_us > now_us {
            return Ok(None);
        }
        let sight = load.frame(self.number, &mut self.place).sight(FRAME_US * self.seq)?;
        let arrival = Arrival { seq: self.seq, sight, arrived_us: due_us, keep: false };
        self.seq += 1;
        Ok(Some(arrival))
    }
}
