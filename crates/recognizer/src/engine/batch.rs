//! Who is in the next step, and how long a step will take.

use std::collections::HashMap;

/// A stream that has a hop ready.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub(super) slot: usize,
    pub(super) room: u64,
    /// When its hop should be done, µs.
    pub(super) due_us: u64,
}

/// The slots of the next step, most urgent first. A room gets at most its share while others wait;
/// what is left of the step goes to whoever is ready.
pub(super) fn choose(mut ready: Vec<Candidate>, batch: usize, room_share: usize) -> Vec<usize> {
    ready.sort_unstable_by_key(|candidate| (candidate.due_us, candidate.slot));
    let mut taken: HashMap<u64, usize> = HashMap::new();
    let (first, rest): (Vec<_>, Vec<_>) = ready.into_iter().partition(|candidate| {
        let count = taken.entry(candidate.room).or_default();
        *count += 1;
        *count <= room_share
    });
    first.into_iter().chain(rest).map(|candidate| candidate.slot).take(batch).collect()
}

/// Weight of the past at each new measurement.
const MEMORY: f64 = 0.98;

/// Times of past steps: a fixed part and a part for each stream, fitted by least squares in which
/// old steps fade.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct StepTimes {
    weight: f64,
    rows: f64,
    time: f64,
    rows_rows: f64,
    rows_time: f64,
}

impl StepTimes {
    /// A step of that many streams took that long, µs.
    pub(super) fn add(&mut self, rows: usize, time_us: u64) {
        let (x, y) = (rows as f64, time_us as f64);
        self.weight = self.weight * MEMORY + 1.0;
        self.rows = self.rows * MEMORY + x;
        self.time = self.time * MEMORY + y;
        self.rows_rows = self.rows_rows * MEMORY + x * x;
        self.rows_time = self.rows_time * MEMORY + x * y;
    }

    /// The time that one hop of every one of `streams` streams will take, µs; 0 before the first
    /// measurement.
    pub(super) fn predict(&self, streams: usize, batch: usize) -> u64 {
        if self.weight == 0.0 {
            return 0;
        }
        let spread = self.weight * self.rows_rows - self.rows * self.rows;
        // All steps so far were alike: the time is taken to grow with the streams.
        let proportional = self.time / self.rows;
        let slope = if spread > f64::EPSILON * self.rows_rows * self.weight {
            ((self.weight * self.rows_time - self.rows * self.time) / spread)
                .clamp(0.0, proportional)
        } else {
            proportional
        };
        let fixed = (self.time - slope * self.rows) / self.weight;
        let steps = streams.div_ceil(batch.max(1)) as f64;
        (fixed * steps + slope * streams as f64).round() as u64
    }
}

/// What a frame costs outside the model, by what is done with it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FrameCosts {
    /// To read it: to decode a picture, say.
    pub(super) reading: FrameTime,
    /// To queue it.
    pub(super) pushing: FrameTime,
    /// To find it among the streams and take its features.
    pub(super) sensing: FrameTime,
    /// To decode what the model says of it, and to tell that.
    pub(super) telling: FrameTime,
}

impl FrameCosts {
    /// The time that so many frames will take of the engine's, µs, where that share of the time
    /// they take to read is.
    pub(super) fn predict(&self, frames: usize, reading_share: f64) -> u64 {
        let own = self.pushing.each() + self.sensing.each() + self.telling.each();
        (frames as f64 * (self.reading.each() * reading_share + own)).round() as u64
    }
}

/// How long one frame takes. Old frames fade.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FrameTime {
    frames: f64,
    time: f64,
}

impl FrameTime {
    /// So many frames took that long, µs.
    pub(super) fn add(&mut self, frames: usize, time_us: u64) {
        self.frames = self.frames * MEMORY + frames as f64;
        self.time = self.time * MEMORY + time_us as f64;
    }

    /// Time of one frame, µs; 0 before the first measurement.
    fn each(&self) -> f64 {
        if self.frames > 0.0 { self.time / self.frames } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_costs_are_means_that_fade() {
        let mut costs = FrameCosts::default();
        assert_eq!(costs.predict(10, 1.0), 0);
        costs.reading.add(4, 400);
        assert_eq!(costs.predict(10, 1.0), 1_000);
        assert_eq!(costs.predict(10, 0.25), 250);
        for _ in 0..500 {
            costs.reading.add(2, 20);
        }
        let later = costs.predict(10, 1.0);
        assert!((99..=101).contains(&later), "{later}");
        costs.pushing.add(10, 20);
        costs.sensing.add(10, 300);
        costs.telling.add(10, 4_000);
        assert_eq!(costs.predict(10, 0.0), 4_320, "all that is done with a frame counts");
    }

    fn ready(list: &[(usize, u64, u64)]) -> Vec<Candidate> {
        let candidate =
            |&(slot, room, due_us): &(usize, u64, u64)| Candidate { slot, room, due_us };
        list.iter().map(candidate).collect()
    }

    #[test]
    fn the_most_urgent_come_first_and_no_room_takes_all() {
        let list = [(0, 7, 50), (1, 7, 10), (2, 7, 20), (3, 8, 90), (4, 9, 40)];
        assert_eq!(choose(ready(&list), 3, 1), [1, 4, 3]);
        assert_eq!(choose(ready(&list), 3, 2), [1, 2, 4]);
        assert_eq!(choose(ready(&list), 9, 1), [1, 4, 3, 2, 0], "nothing is left unused");
    }

    #[test]
    fn step_times_are_fitted() {
        let mut times = StepTimes::default();
        assert_eq!(times.predict(10, 64), 0);
        times.add(4, 400);
        assert_eq!(times.predict(8, 64), 800);
        for rows in [1, 2, 8, 16, 32].repeat(20) {
            times.add(rows, 500 + 20 * rows as u64);
        }
        let (near, far) = (times.predict(10, 64), times.predict(128, 64));
        assert!((695..=705).contains(&near), "{near}");
        assert!((3_550..=3_570).contains(&far), "{far}");
    }
}
