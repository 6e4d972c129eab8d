//! The arithmetic of the measures.

use super::Percentiles;
use crate::decode::Reliability;
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

/// What it takes to turn one text into another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edits {
    /// All of them.
    pub total: usize,
    /// Substitutions.
    pub substitutions: usize,
    /// Deletions.
    pub deletions: usize,
    /// Insertions.
    pub insertions: usize,
}

/// The fewest edits from `reference` to `found`, each of cost 1; among equals, the fewest
/// substitutions.
pub fn align<T: PartialEq>(reference: &[T], found: &[T]) -> Edits {
    let mut row: Vec<Edits> = (0..=found.len())
        .map(|insertions| Edits { total: insertions, insertions, ..Edits::default() })
        .collect();
    for (index, expected) in reference.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = Edits { total: index + 1, deletions: index + 1, ..Edits::default() };
        for (column, got) in found.iter().enumerate() {
            let wrong = usize::from(expected != got);
            let (up, left) = (row[column + 1], row[column]);
            let choices = [
                Edits {
                    total: diagonal.total + wrong,
                    substitutions: diagonal.substitutions + wrong,
                    ..diagonal
                },
                Edits { total: up.total + 1, deletions: up.deletions + 1, ..up },
                Edits { total: left.total + 1, insertions: left.insertions + 1, ..left },
            ];
            diagonal = up;
            row[column + 1] = choices.into_iter().min().unwrap_or_default();
        }
    }
    row.last().copied().unwrap_or_default()
}

/// Levenshtein distance over characters.
pub fn edit_distance(reference: &str, found: &str) -> usize {
    let characters = |text: &str| text.chars().collect::<Vec<_>>();
    align(&characters(reference), &characters(found)).total
}

/// Nearest-rank percentiles; `None` of nothing.
pub(super) fn percentiles(mut values: Vec<f64>) -> Option<Percentiles> {
    values.sort_by(f64::total_cmp);
    let rank = |share: f64| {
        let index = (share * values.len() as f64).ceil() as usize;
        values.get(index.saturating_sub(1)).copied()
    };
    Some(Percentiles { p50: rank(0.50)?, p95: rank(0.95)?, p99: rank(0.99)? })
}

/// How far confidence is from the share that is right, over 15 bins of confidence (the expected
/// calibration error); `None` of nothing.
pub(super) fn calibration_error(tokens: &[(f32, bool)]) -> Option<f64> {
    const BINS: usize = 15;
    let mut bins = [(0usize, 0.0f64, 0usize); BINS];
    for &(confidence, right) in tokens {
        let bin = &mut bins[((confidence * BINS as f32) as usize).min(BINS - 1)];
        bin.0 += 1;
        bin.1 += f64::from(confidence);
        bin.2 += usize::from(right);
    }
    let gaps = bins.iter().map(|&(_, sure, right)| (sure - right as f64).abs());
    (!tokens.is_empty()).then(|| gaps.sum::<f64>() / tokens.len() as f64)
}

/// The tokens in groups of equal size, the least sure first: a curve that says what confidence is
/// worth, and what it is corrected by.
pub(super) fn reliability(mut tokens: Vec<(f32, bool)>) -> Vec<Reliability> {
    const GROUPS: usize = 20;
    tokens.sort_by(|a, b| a.0.total_cmp(&b.0));
    let size = tokens.len().div_ceil(GROUPS).max(1);
    let group = |group: &[(f32, bool)]| {
        let n = group.len() as f64;
        let confidence = group.iter().map(|&(confidence, _)| f64::from(confidence)).sum::<f64>();
        let right = group.iter().filter(|&&(_, right)| right).count() as f64;
        Reliability { confidence: confidence / n, right: right / n, tokens: group.len() }
    };
    tokens.chunks(size).map(group).collect()
}

/// `part / whole`; `None` of nothing.
pub(super) fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
