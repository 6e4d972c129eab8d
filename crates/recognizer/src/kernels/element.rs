//! What is done to single numbers: activation, norm, the convolution over time, probabilities.

use super::isa::{Isa, Kind, for_each_isa};

/// Keeps the root mean square away from zero, as in training.
const NORM_EPSILON: f32 = 1e-5;

/// e to the x, to about 2e-7 of itself, by splitting off powers of two; made to be vectorized.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // Adding and taking away this number rounds to a whole one.
    const ROUND: f32 = 12_582_912.0;
    const LN_2: (f32, f32) = (0.693_359_4, -2.121_944_4e-4);
    let x = x.clamp(-87.0, 88.0);
    let whole = x * std::f32::consts::LOG2_E + ROUND;
    let n = whole - ROUND;
    let rest = x - n * LN_2.0 - n * LN_2.1;
    let tail = 0.166_666_65 + rest * (0.041_665_795 + rest * (0.008_333_452 + rest * 0.001_398_2));
    let value = 1.0 + rest + rest * rest * (0.5 + rest * tail);
    let exponent = (whole.to_bits() << 23).wrapping_add(127 << 23);
    value * f32::from_bits(exponent)
}

/// x / (1 + e to the −x).
#[expect(clippy::inline_always, reason = "it becomes part of functions for other instructions")]
#[inline(always)]
pub(crate) fn silu(x: f32) -> f32 {
    x / (1.0 + exp(-x))
}

for_each_isa! {
    /// For each row of x the factor of its root-mean-square norm; weights are folded into what
    /// follows.
    fn norms(x: &[f32], width: usize, scales: &mut [f32]) {
        const LANES: usize = 16;
        for (row, scale) in x.chunks_exact(width).zip(scales) {
            let mut sums = [0.0f32; LANES];
            let parts = row.chunks_exact(LANES);
            let rest: f32 = parts.remainder().iter().map(|v| v * v).sum();
            for part in parts {
                for (sum, v) in sums.iter_mut().zip(part) {
                    *sum += v * v;
                }
            }
            let square = rest + sums.iter().sum::<f32>();
            *scale = 1.0 / (square / width as f32 + NORM_EPSILON).sqrt();
        }
    }
}

for_each_isa! {
    /// One frame's convolution over time, each channel for itself: the sum over the taps of
    /// `weights[tap] · rows[tap]`, then SiLU.
    fn mix(rows: &[&[f32]], weights: &[f32], out: &mut [f32]) {
        const LANES: usize = 16;
        let width = out.len();
        let whole = width - width % LANES;
        let (lanes, rest) = out.split_at_mut(whole);
        for (part, out) in lanes.chunks_exact_mut(LANES).enumerate() {
            let at = part * LANES;
            let mut sums = [0.0f32; LANES];
            for (row, weight) in rows.iter().zip(weights.chunks_exact(width)) {
                let pairs = row[at..at + LANES].iter().zip(&weight[at..at + LANES]);
                for (sum, (x, w)) in sums.iter_mut().zip(pairs) {
                    *sum += x * w;
                }
            }
            for (out, sum) in out.iter_mut().zip(sums) {
                *out = silu(sum);
            }
        }
        for (at, out) in (whole..).zip(rest) {
            let pairs = rows.iter().zip(weights.chunks_exact(width));
            let sum: f32 = pairs.map(|(row, weight)| row[at] * weight[at]).sum();
            *out = silu(sum);
        }
    }
}

for_each_isa! {
    /// Each row of logits becomes natural logarithms of probabilities.
    fn log_softmax(rows: &mut [f32], classes: usize) {
        for row in rows.chunks_exact_mut(classes) {
            let top = row.iter().copied().fold(f32::MIN, f32::max);
            let sum: f32 = row.iter().map(|v| exp(v - top)).sum();
            let log = top + sum.ln();
            for v in row.iter_mut() {
                *v -= log;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::exp;

    #[test]
    fn powers_of_e_are_near_the_library_s() {
        for i in -8_600..8_700 {
            let x = i as f32 / 100.0 + 0.003;
            let error = (exp(x) / x.exp() - 1.0).abs();
            assert!(error < 1e-6, "e to the {x} is off by {error}");
        }
        assert!(exp(-1e9) > 0.0 && exp(1e9).is_finite());
    }
}
