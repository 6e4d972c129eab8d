//! The arithmetic of the measures.

use crate::model::BLANK;

/// Forced choice over a whole clip: classes (never blank), best first, with the sum over the
/// frames of their probability.
pub fn forced_scores<'a>(log_probs: impl Iterator<Item = &'a [f32]>) -> Vec<(usize, f32)> {
    let mut sums: Vec<(usize, f32)> = Vec::new();
    for frame in log_probs {
        if sums.is_empty() {
            sums = (0..frame.len()).map(|class| (class, 0.0)).collect();
        }
        for (class, value) in frame.iter().enumerate() {
            sums[class].1 += value.exp();
        }
    }
    sums.retain(|&(class, _)| class != BLANK);
    sums.sort_by(|a, b| b.1.total_cmp(&a.1));
    sums
}
