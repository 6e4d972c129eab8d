//! Random choices of training, all from one seed; every step has its own, so that a resumed
//! training goes on exactly as if it had never stopped.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// A seeded source of the few kinds of chance that training needs.
pub struct Dice(StdRng);

impl Dice {
    /// The dice of part `part` of the training with this seed.
    pub(crate) fn new(seed: u64, part: u64) -> Self {
        Self(StdRng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(part)))
    }

    /// Even between `from` and `to`.
    pub(crate) fn even(&mut self, from: f32, to: f32) -> f32 {
        from + (to - from) * self.0.random::<f32>()
    }

    /// Normal with that standard deviation (Box–Muller).
    pub(crate) fn normal(&mut self, deviation: f32) -> f32 {
        let radius = (-2.0 * (1.0 - self.0.random::<f32>()).ln()).sqrt();
        deviation * radius * (std::f32::consts::TAU * self.0.random::<f32>()).cos()
    }

    /// True with that probability.
    pub(crate) fn chance(&mut self, probability: f32) -> bool {
        self.0.random::<f32>() < probability
    }

    /// A number below `count`, which is not 0.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        self.0.random_range(0..count)
    }
}
