//! The last moments of a few points, to be asked "where was it so many milliseconds ago".

use std::collections::VecDeque;

/// Two samples further apart than this are two different movements, microseconds.
const GAP_US: u64 = 400_000;
/// Samples kept; at one a tick more than any lag asked for.
const SAMPLES: usize = 16;

/// Positions of `N` numbers over time.
#[derive(Clone, Debug)]
pub(super) struct History<const N: usize> {
    samples: VecDeque<(u64, [f32; N])>,
}

impl<const N: usize> Default for History<N> {
    fn default() -> Self {
        Self { samples: VecDeque::with_capacity(SAMPLES + 1) }
    }
}

impl<const N: usize> History<N> {
    /// Remembers where the points are at `time_us`.
    pub(super) fn push(&mut self, time_us: u64, now: [f32; N]) {
        if self.samples.back().is_some_and(|(last, _)| time_us.saturating_sub(*last) > GAP_US) {
            self.samples.clear();
        }
        self.samples.push_back((time_us, now));
        if self.samples.len() > SAMPLES {
            self.samples.pop_front();
        }
    }

    /// How far the points moved in the `lag_us` before the newest sample, between samples on a
    /// straight line; since the first sample where there is nothing older.
    pub(super) fn moved(&self, lag_us: u64) -> [f32; N] {
        let Some((now, position)) = self.samples.back() else { return [0.0; N] };
        let then = now.saturating_sub(lag_us);
        let mut later = (*now, position);
        for (time, sample) in self.samples.iter().rev() {
            if *time <= then {
                let span = (later.0 - time).max(1) as f32;
                let share = (then - time) as f32 / span;
                return std::array::from_fn(|i| {
                    position[i] - (sample[i] + (later.1[i] - sample[i]) * share)
                });
            }
            later = (*time, sample);
        }
        std::array::from_fn(|i| position[i] - later.1[i])
    }
}
