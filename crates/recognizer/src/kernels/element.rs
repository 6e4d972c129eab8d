//! What is done to single numbers: activation, norm, the convolution over time, probabilities.

use super::isa::{Isa, Kind, for_each_isa};

/// Keeps the root mean square away from zero, as in training.
const NORM_EPSILON: f32 = 1e-5;

/// a · b + c, in one instruction where there is one: elsewhere that would be a call.
#[inline]
fn fused<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// e to the x, to about 2e-7 of itself, by splitting off powers of two; made to be vectorized.
#[inline(always)]
pub(crate) fn exp<const FUSED: bool>(x: f32) -> f32 {
    // Adding and taking away this number rounds to a whole one.
    const ROUND: f32 = 12_582_912.0;
    const LN_2: (f32, f32) = (0.693_359_4, -2.121_944_4e-4);
    const TAIL: [f32; 3] = [0.041_665_795, 0.166_666_65, 0.5];
    let x = x.clamp(-87.0, 88.0);
    let whole = fused::<FUSED>(x, std::f32::consts::LOG2_E, ROUND);
    let n = whole - ROUND;
    let rest = fused::<FUSED>(n, -LN_2.1, fused::<FUSED>(n, -LN_2.0, x));
    let first = fused::<FUSED>(rest, 0.001_398_2, 0.008_333_452);
    let tail = TAIL.into_iter().fold(first, |sum, next| fused::<FUSED>(rest, sum, next));
    let value = fused::<FUSED>(rest * rest, tail, 1.0 + rest);
    let exponent = (whole.to_bits() << 23).wrapping_add(127 << 23);
    value * f32::from_bits(exponent)
}

/// x times the logistic function of x, to about 3e-7. A division would take longer than all the rest:
/// the reciprocal is guessed from the bits and made better three times (Newton).
#[inline(always)]
fn silu<const FUSED: bool>(x: f32) -> f32 {
    const GUESS: u32 = 0x7ef3_11c7;
    // Beyond this the sum has no reciprocal that is a normal number, and the result is 0 anyway.
    let sum = 1.0 + exp::<FUSED>((-x).min(87.0));
    let mut reciprocal = f32::from_bits(GUESS.wrapping_sub(sum.to_bits()));
    for _ in 0..3 {
        reciprocal *= fused::<FUSED>(-sum, reciprocal, 2.0);
    }
    x * reciprocal
}

for_each_isa! {
    /// A tile of products becomes rows of output, which begin at `places`: times the row's scale,
    /// plus bias, through the activation, stored or added to what is there.
    fn finish(
        tile: &[f32],
        tile_width: usize,
        then: &Then<'_>,
        out: &mut [f32],
        places: &[usize],
    ) {
        let Then { finish, bias, scales } = *then;
        let width = bias.len();
        for (row, (products, place)) in tile.chunks_exact(tile_width).zip(places).enumerate() {
            let scale = scales.map_or(1.0, |scales| scales[row]);
            let out = &mut out[*place..*place + width];
            let products = &products[..width];
            match finish {
                Finish::Store => {
                    for ((out, product), bias) in out.iter_mut().zip(products).zip(bias) {
                        *out = fused::<FUSED>(*product, scale, *bias);
                    }
                }
                Finish::Add => {
                    for ((out, product), bias) in out.iter_mut().zip(products).zip(bias) {
                        *out += fused::<FUSED>(*product, scale, *bias);
                    }
                }
                Finish::Silu => {
                    for ((out, product), bias) in out.iter_mut().zip(products).zip(bias) {
                        *out = silu::<FUSED>(fused::<FUSED>(*product, scale, *bias));
                    }
                }
            }
        }
    }
}

/// What is done to a tile.
pub(super) struct Then<'a> {
    pub(super) finish: Finish,
    /// One for each column.
    pub(super) bias: &'a [f32],
    /// One for each row; all 1 where there are none.
    pub(super) scales: Option<&'a [f32]>,
}

/// What becomes of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finish {
    /// It is stored.
    Store,
    /// It is added to what is there.
    Add,
    /// SiLU of it is stored.
    Silu,
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
                    *sum = fused::<FUSED>(*v, *v, *sum);
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
                    *sum = fused::<FUSED>(*x, *w, *sum);
                }
            }
            for (out, sum) in out.iter_mut().zip(sums) {
                *out = silu::<FUSED>(sum);
            }
        }
        for (at, out) in (whole..).zip(rest) {
            let pairs = rows.iter().zip(weights.chunks_exact(width));
            let sum: f32 = pairs.map(|(row, weight)| row[at] * weight[at]).sum();
            *out = silu::<FUSED>(sum);
        }
    }
}

for_each_isa! {
    /// Each row of logits becomes natural logarithms of probabilities.
    fn log_softmax(rows: &mut [f32], classes: usize) {
        for row in rows.chunks_exact_mut(classes) {
            let top = row.iter().copied().fold(f32::MIN, f32::max);
            let sum: f32 = row.iter().map(|v| exp::<FUSED>(v - top)).sum();
            let log = top + sum.ln();
            for v in row.iter_mut() {
                *v -= log;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{exp, silu};

    fn numbers() -> impl Iterator<Item = f32> {
        (-8_600..8_700).map(|i| i as f32 / 100.0 + 0.003)
    }

    #[test]
    fn powers_of_e_are_near_the_library_s() {
        for x in numbers() {
            for power in [exp::<true>(x), exp::<false>(x)] {
                let error = (power / x.exp() - 1.0).abs();
                assert!(error < 1e-6, "e to the {x} is off by {error}");
            }
        }
        assert!(exp::<false>(-1e9) > 0.0 && exp::<false>(1e9).is_finite());
    }

    #[test]
    fn the_activation_is_near_what_doubles_give() {
        for x in numbers() {
            let wide = f64::from(x);
            let right = wide / (1.0 + (-wide).exp());
            for value in [silu::<true>(x), silu::<false>(x)] {
                // What is next to nothing may be off by as much.
                let error = (f64::from(value) - right).abs() / (1e-24 + right.abs());
                assert!(error < 2e-6, "of {x} it is off by {error}");
            }
        }
        let far = [-1e9, -200.0, 200.0, 1e9].map(silu::<true>);
        assert!(far[..2].iter().all(|y| y.abs() < 1e-20) && far[3] > 9e8, "{far:?}");
        assert!(silu::<true>(f32::MIN).abs() < 10.0 && silu::<true>(f32::NAN).is_nan());
    }
}
