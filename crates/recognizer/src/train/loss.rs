//! Framewise cross-entropy where several classes may be right: −log of the sum of their
//! probabilities. Its gradient is that of a cross-entropy against the probabilities within the
//! allowed set, so that is how it is computed.

use candle_core::{D, Result, Tensor};

/// Share of the target that is spread over all classes.
pub(crate) const SMOOTHING: f32 = 0.06;
/// Share of the target that is what the teachers say, where there are any.
pub(crate) const OPINION: f32 = 0.6;

/// Mean loss over the frames that have allowed classes (frames of padding have none).
/// `logits` is `[n, classes]`, `allowed` has `n` entries, `opinion` `n · classes` (the teachers'
/// probabilities) or none.
pub(crate) fn framewise(logits: &Tensor, allowed: &[&[u32]], opinion: &[f32]) -> Result<Tensor> {
    let (rows, classes) = logits.dims2()?;
    let log_probs = candle_nn::ops::log_softmax(logits, D::Minus1)?;
    let values = log_probs.flatten_all()?.to_vec1::<f32>()?;
    let counted = allowed.iter().filter(|set| !set.is_empty()).count().max(1) as f32;
    let mut target = vec![0.0f32; rows * classes];
    let own = if opinion.is_empty() { 1.0 } else { 1.0 - OPINION };
    for (row, set) in allowed.iter().enumerate().filter(|(_, set)| !set.is_empty()) {
        let values = &values[row * classes..(row + 1) * classes];
        let target = &mut target[row * classes..(row + 1) * classes];
        target.fill(own * SMOOTHING / classes as f32 / counted);
        let top = set.iter().map(|&class| values[class as usize]).fold(f32::MIN, f32::max);
        let sum: f32 = set.iter().map(|&class| (values[class as usize] - top).exp()).sum();
        for &class in *set {
            let share = (values[class as usize] - top).exp() / sum;
            target[class as usize] += own * (1.0 - SMOOTHING) * share / counted;
        }
        for (target, said) in target.iter_mut().zip(opinion.iter().skip(row * classes)) {
            *target += OPINION * said / counted;
        }
    }
    let target = Tensor::from_vec(target, (rows, classes), logits.device())?;
    (target * log_probs)?.sum_all()?.neg()
}
