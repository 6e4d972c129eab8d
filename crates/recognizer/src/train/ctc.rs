//! Connectionist temporal classification: the loss for sequences of which only the order of the
//! signs is known. Forward and backward sums give how likely each frame belongs to each class, and
//! a cross-entropy against those shares has exactly the loss's gradient.

use candle_core::{D, Result, Tensor};

use crate::model::BLANK;

/// −ln of the sum over all alignments, and how likely each frame is of each class.
pub(crate) struct Alignment {
    /// −ln of the probability of the signs, in nats.
    pub(crate) cost: f64,
    /// `[frames · classes]`; each frame's add up to 1.
    pub(crate) shares: Vec<f64>,
}

/// Aligns `signs` (classes, none of them blank) to `log_probs` (`frames · classes` natural
/// logarithms). `None` where there are too few frames to say them all.
pub(crate) fn align(log_probs: &[f64], classes: usize, signs: &[u32]) -> Option<Alignment> {
    let frames = log_probs.len() / classes;
    // Blank, sign, blank, sign, …, blank.
    let states = 2 * signs.len() + 1;
    let class = |state: usize| {
        if state.is_multiple_of(2) { BLANK } else { signs[state / 2] as usize }
    };
    let skips =
        |state: usize| state >= 2 && !state.is_multiple_of(2) && class(state) != class(state - 2);
    let at = |time: usize, state: usize| log_probs[time * classes + class(state)];
    let mut ahead = vec![f64::NEG_INFINITY; frames * states];
    for (state, begun) in ahead.iter_mut().enumerate().take(states.min(2)) {
        *begun = at(0, state);
    }
    for time in 1..frames {
        let (done, row) = ahead[(time - 1) * states..].split_at_mut(states);
        for state in 0..states {
            let stay = done[state];
            let step = if state > 0 { done[state - 1] } else { f64::NEG_INFINITY };
            let skip = if skips(state) { done[state - 2] } else { f64::NEG_INFINITY };
            row[state] = add(add(stay, step), skip) + at(time, state);
        }
    }
    let last = &ahead[(frames.checked_sub(1)?) * states..];
    let total = last[states.saturating_sub(2)..].iter().copied().fold(f64::NEG_INFINITY, add);
    if total == f64::NEG_INFINITY {
        return None;
    }
    let mut shares = vec![0.0; frames * classes];
    // What follows a frame, its own probability left out.
    let mut behind = vec![f64::NEG_INFINITY; states];
    behind[states.saturating_sub(2)..].fill(0.0);
    for time in (0..frames).rev() {
        for state in 0..states {
            let share = (ahead[time * states + state] + behind[state] - total).exp();
            shares[time * classes + class(state)] += share;
        }
        let said: Vec<f64> = (0..states).map(|state| behind[state] + at(time, state)).collect();
        for state in 0..states {
            let step = said.get(state + 1).copied().unwrap_or(f64::NEG_INFINITY);
            let skip = if state + 2 < states && skips(state + 2) {
                said[state + 2]
            } else {
                f64::NEG_INFINITY
            };
            behind[state] = add(add(said[state], step), skip);
        }
    }
    Some(Alignment { cost: -total, shares })
}

/// ln(eᵃ + eᵇ).
fn add(a: f64, b: f64) -> f64 {
    let top = a.max(b);
    if top == f64::NEG_INFINITY { top } else { top + ((a - top).exp() + (b - top).exp()).ln() }
}

/// The loss a frame, over sequences of `(frames, signs)`; `logits` is
/// `[sequences · most frames, classes]`, and what lies behind a sequence's frames does not count.
/// Sequences too short for their signs count nothing.
pub(crate) fn ctc(logits: &Tensor, sequences: &[(usize, &[u32])]) -> Result<Tensor> {
    let (rows, classes) = logits.dims2()?;
    let most = rows / sequences.len().max(1);
    let log_probs = candle_nn::ops::log_softmax(logits, D::Minus1)?;
    let values = log_probs.flatten_all()?.to_vec1::<f32>()?;
    let mut target = vec![0.0f32; rows * classes];
    let (mut cost, mut counted) = (0.0, 0);
    for (index, &(frames, signs)) in sequences.iter().enumerate() {
        let part = index * most * classes..(index * most + frames) * classes;
        let own: Vec<f64> = values[part.clone()].iter().map(|&value| f64::from(value)).collect();
        let Some(alignment) = align(&own, classes, signs) else { continue };
        cost += alignment.cost;
        counted += frames;
        for (target, share) in target[part].iter_mut().zip(alignment.shares) {
            *target = share as f32;
        }
    }
    let counted = counted.max(1) as f64;
    let target = Tensor::from_vec(target, (rows, classes), logits.device())?;
    let loss = ((target * log_probs)?.sum_all()?.neg()? / counted)?;
    // The cross-entropy has the gradient; what is told is the cost itself.
    let told = f64::from(loss.to_scalar::<f32>()?);
    loss.affine(1.0, cost / counted - told)
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};
    use proptest::prelude::*;

    use super::*;

    const CLASSES: usize = 3;

    /// What an alignment says: repeats are one, blanks are none.
    fn said(path: &[usize]) -> Vec<u32> {
        let mut signs = Vec::new();
        let mut before = BLANK;
        for &class in path {
            if class != before && class != BLANK {
                signs.push(class as u32);
            }
            before = class;
        }
        signs
    }

    /// The same by going through every alignment there is.
    fn enumerate(log_probs: &[f64], signs: &[u32]) -> Option<Alignment> {
        let frames = log_probs.len() / CLASSES;
        let mut total = 0.0;
        let mut shares = vec![0.0; log_probs.len()];
        for number in 0..CLASSES.pow(frames as u32) {
            let path: Vec<usize> =
                (0..frames).map(|time| number / CLASSES.pow(time as u32) % CLASSES).collect();
            if said(&path) != signs {
                continue;
            }
            let places = path.iter().enumerate().map(|(time, class)| time * CLASSES + class);
            let probability = places.clone().map(|place| log_probs[place]).sum::<f64>().exp();
            total += probability;
            places.for_each(|place| shares[place] += probability);
        }
        for share in &mut shares {
            *share /= total;
        }
        (total > 0.0).then(|| Alignment { cost: -total.ln(), shares })
    }

    fn log_softmax(logits: &[f64]) -> Vec<f64> {
        let rows = logits.chunks(CLASSES).flat_map(|row| {
            let sum: f64 = row.iter().map(|v| v.exp()).sum();
            row.iter().map(move |v| v - sum.ln())
        });
        rows.collect()
    }

    proptest! {
        /// Forward and backward sums are the sums over all alignments.
        #[test]
        fn sums_are_those_over_every_alignment(
            logits in (1usize..6).prop_flat_map(|frames| {
                proptest::collection::vec(-4.0..4.0f64, frames * CLASSES)
            }),
            signs in proptest::collection::vec(1u32..CLASSES as u32, 0..4),
        ) {
            let log_probs = log_softmax(&logits);
            let found = align(&log_probs, CLASSES, &signs);
            let expected = enumerate(&log_probs, &signs);
            prop_assert_eq!(found.is_some(), expected.is_some());
            if let (Some(found), Some(expected)) = (found, expected) {
                prop_assert!((found.cost - expected.cost).abs() < 1e-9);
                for (found, expected) in found.shares.iter().zip(&expected.shares) {
                    prop_assert!((found - expected).abs() < 1e-9);
                }
            }
        }

        /// The gradient is the slope, and padding counts nothing.
        #[test]
        fn the_gradient_is_the_slope(
            logits in proptest::collection::vec(-3.0..3.0f64, 10 * CLASSES),
        ) {
            let frames = [5, 3];
            let signs: [&[u32]; 2] = [&[1, 1], &[2, 1]];
            let cost = |logits: &[f64]| {
                let own = |index: usize| {
                    let start = index * 5 * CLASSES;
                    let log_probs = log_softmax(&logits[start..start + frames[index] * CLASSES]);
                    align(&log_probs, CLASSES, signs[index]).unwrap().cost
                };
                (own(0) + own(1)) / 8.0
            };
            let numbers: Vec<f32> = logits.iter().map(|&v| v as f32).collect();
            let var = Var::from_vec(numbers, (10, CLASSES), &Device::Cpu).unwrap();
            let pairs = [(frames[0], signs[0]), (frames[1], signs[1])];
            let loss = ctc(var.as_tensor(), &pairs).unwrap();
            prop_assert!((f64::from(loss.to_scalar::<f32>().unwrap()) - cost(&logits)).abs() < 1e-4);
            let gradients = loss.backward().unwrap();
            let gradient = gradients.get(&var).unwrap().flatten_all().unwrap();
            for (element, found) in gradient.to_vec1::<f32>().unwrap().into_iter().enumerate() {
                let at = |step: f64| {
                    let mut moved = logits.clone();
                    moved[element] += step;
                    cost(&moved)
                };
                let slope = (at(1e-4) - at(-1e-4)) / 2e-4;
                prop_assert!((slope - f64::from(found)).abs() < 1e-5, "element {element}");
            }
        }
    }
}
