//! Landmarks that were kept, read once more by another model, through the serving engine: what it
//! says, when in the call, and how that compares with what was written down.

use crate::decode::Caption;
use crate::engine::{Arrival, Engine, Limits, Output, Overload, Pace};
use crate::evaluate::{Edits, align};
use crate::features::Sight;
use crate::model::{Model, ModelError};

/// A caption and a segment belong together if they overlap, or are no further apart than this, ms.
const NEAR_MS: u64 = 400;
/// Frames that are given to the engine between two steps.
const AHEAD: usize = 64;

/// Frames of one stream, in order, with their numbers.
#[derive(Debug, Clone, Default)]
pub struct Stream {
    /// The number of each, and what is seen.
    pub frames: Vec<(u64, Sight)>,
    /// What to add to a capture time for the time in the call, µs.
    pub offset_us: i64,
}

/// What a model reads.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The text.
    pub text: String,
    /// First frame, ms in the call.
    pub start_ms: u64,
    /// Last frame, ms in the call.
    pub end_ms: u64,
}

/// Why frames can't be read again.
#[derive(Debug, thiserror::Error)]
pub enum RereadError {
    /// The model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The engine refused what it should have taken.
    #[error("the engine refused a stream that it has room for: {0}")]
    Engine(#[from] Overload),
}

/// Reads streams, one after the other.
pub fn read(model: Box<dyn Model>, streams: &[Stream]) -> Result<Vec<Vec<Reading>>, RereadError> {
    let limits = Limits { load: f64::INFINITY, ..Limits::default() };
    let mut engine = Engine::new(model, limits);
    let mut all = Vec::with_capacity(streams.len());
    for stream in streams {
        let name = engine.open(0, Pace::Upload, 0)?;
        let (mut out, mut said) = (Vec::new(), Vec::new());
        for part in stream.frames.chunks(AHEAD) {
            for (seq, sight) in part {
                let arrived_us = sight.time_us();
                let arrival = Arrival { seq: *seq, sight: sight.clone(), arrived_us, keep: true };
                engine.push(name, arrival)?;
            }
            while engine.step(&|| 0, &mut out)? > 0 {}
        }
        let last = stream.frames.last().map_or(0, |(seq, _)| seq + 1);
        engine.flush(name, last, 0)?;
        while engine.step(&|| 0, &mut out)? > 0 {}
        engine.close(name);
        for output in out {
            match output {
                Output::Caption { caption, .. } if caption.is_final => {
                    said.push(reading(&caption, stream.offset_us));
                }
                Output::Caption { .. }
                | Output::Done { .. }
                | Output::Flushed { .. }
                | Output::Idle { .. } => {}
            }
        }
        all.push(said);
    }
    Ok(all)
}

fn reading(caption: &Caption, offset_us: i64) -> Reading {
    let in_call = |capture_ms: u64| {
        let capture_us = i64::try_from(capture_ms.saturating_mul(1_000)).unwrap_or(i64::MAX);
        u64::try_from(capture_us.saturating_add(offset_us) / 1_000).unwrap_or(0)
    };
    Reading {
        text: caption.text.clone(),
        start_ms: in_call(caption.start_ms()),
        end_ms: in_call(caption.end_ms()),
    }
}

/// For each of `segments` (start and end, ms in the call) the readings that belong to it, in order;
/// and those that belong to none. A reading belongs to the segment that it overlaps most.
pub fn assign(segments: &[(u64, u64)], readings: &[Reading]) -> (Vec<Vec<usize>>, Vec<usize>) {
    let mut of = vec![Vec::new(); segments.len()];
    let mut none = Vec::new();
    for (index, reading) in readings.iter().enumerate() {
        let shared = |(start, end): (u64, u64)| -> i64 {
            reading.end_ms.min(end) as i64 - reading.start_ms.max(start) as i64
        };
        let best = (0..segments.len()).max_by_key(|segment| shared(segments[*segment]));
        match best.filter(|segment| shared(segments[*segment]) >= -(NEAR_MS as i64)) {
            Some(segment) => of[segment].push(index),
            None => none.push(index),
        }
    }
    (of, none)
}

/// How many words of the old text it takes to change for the new one, and how many there were.
pub fn compare(old: &str, new: &str) -> (Edits, usize) {
    let words =
        |text: &str| -> Vec<String> { text.split_whitespace().map(str::to_owned).collect() };
    let (old, new) = (words(old), words(new));
    (align(&old, &new), old.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests::{Shows, frames, toy};

    #[test]
    fn a_stream_is_read_with_its_times_in_the_call() {
        let script = [(Shows::Right, 14), (Shows::Nothing, 5), (Shows::Left, 12)];
        let frames = (100..).zip(frames(&script).into_iter().map(Sight::from)).collect();
        let streams = [Stream { frames, offset_us: 5_000_000 }, Stream::default()];
        let said = read(toy(4), &streams).unwrap();
        let texts: Vec<&str> = said[0].iter().map(|reading| reading.text.as_str()).collect();
        assert_eq!(texts, ["coffee", "tea"]);
        assert!((5_000..5_200).contains(&said[0][0].start_ms), "{said:?}");
        assert!(said[0][1].end_ms > said[0][0].end_ms && said[1].is_empty());
    }

    #[test]
    fn readings_go_to_the_segments_they_lie_in() {
        let reading =
            |text: &str, start_ms, end_ms| Reading { text: text.into(), start_ms, end_ms };
        let readings =
            [reading("a", 0, 900), reading("b", 1_000, 1_900), reading("c", 9_000, 9_500)];
        let (of, none) = assign(&[(100, 1_050), (1_040, 2_000)], &readings);
        assert_eq!((of, none), (vec![vec![0], vec![1]], vec![2]));
        let (edits, words) = compare("tea please", "coffee please now");
        assert_eq!((edits.substitutions, edits.insertions, words), (1, 1, 2));
    }
}
