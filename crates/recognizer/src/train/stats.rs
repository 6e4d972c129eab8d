//! Mean and spread of the features over the training clips, absent parts left out.

use super::data::Clip;
use super::splice::extract;
use crate::features::{BODY, BODY_PRESENT, FEATURES, HAND, HAND_PRESENT};
use crate::model::Normalization;

/// A feature that varies less than this is left as it is.
const MIN_SPREAD: f64 = 1e-3;

#[derive(Default)]
struct Sums {
    count: f64,
    sum: Vec<f64>,
    square: Vec<f64>,
}

impl Sums {
    fn add(&mut self, values: &[f32]) {
        self.sum.resize(values.len(), 0.0);
        self.square.resize(values.len(), 0.0);
        self.count += 1.0;
        for (index, &value) in values.iter().enumerate() {
            self.sum[index] += f64::from(value);
            self.square[index] += f64::from(value) * f64::from(value);
        }
    }

    fn finish(mut self, len: usize) -> (Vec<f32>, Vec<f32>) {
        self.sum.resize(len, 0.0);
        self.square.resize(len, 0.0);
        let count = self.count.max(1.0);
        let pair = |(sum, square): (&f64, &f64)| {
            let mean = sum / count;
            let spread = (square / count - mean * mean).max(0.0).sqrt();
            if spread < MIN_SPREAD { (0.0, 1.0) } else { (mean as f32, (1.0 / spread) as f32) }
        };
        self.sum.iter().zip(&self.square).map(pair).unzip()
    }
}

/// Both hands share one mean and scale, as they share one encoder.
pub(crate) fn normalization(clips: &[Clip]) -> Normalization {
    let (mut hand, mut body) = (Sums::default(), Sums::default());
    for clip in clips.iter().filter(|clip| !clip.stills) {
        for row in extract(&clip.frames).chunks_exact(FEATURES) {
            for part in [&row[..HAND], &row[HAND..2 * HAND]] {
                if part[HAND_PRESENT] > 0.0 {
                    hand.add(part);
                }
            }
            if row[2 * HAND + BODY_PRESENT] > 0.0 {
                body.add(&row[2 * HAND..]);
            }
        }
    }
    let (hand, body) = (hand.finish(HAND), body.finish(BODY));
    Normalization {
        mean: [&hand.0[..], &hand.0, &body.0].concat(),
        scale: [&hand.1[..], &hand.1, &body.1].concat(),
    }
}
