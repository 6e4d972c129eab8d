//! The regression: the row that makes the new sign likely where it is shown and unlikely elsewhere,
//! with the other labels' evidence as it is. Convex, so Newton's method with a step that is halved
//! until it helps finds the one best row.

use super::view::Seen;

/// What a large weight costs, in frames that are wrong.
const PENALTY: f64 = 3.0;
/// Together, the frames that show the sign count as much as this share of the others.
const BALANCE: f64 = 0.35;
/// Newton steps, at most; it takes 8 to 12.
const STEPS: usize = 30;
/// Steps after which a direction is given up.
const HALVINGS: usize = 20;
/// A gain below this is none, share of the loss.
const ENOUGH: f64 = 1e-6;
/// Frames whose curvature is below this hardly bend the loss: they are most, and left out of it.
const FLAT: f64 = 1e-4;

/// A row of the last layer: weights, then the bias.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row(pub(super) Vec<f32>);

impl Row {
    /// The new label's evidence in a frame.
    pub(super) fn of(&self, numbers: &[f32]) -> f32 {
        let bias = self.0.last().copied().unwrap_or(0.0);
        bias + self.0.iter().zip(numbers).map(|(weight, number)| weight * number).sum::<f32>()
    }
}

/// All frames, with the weight of those that show the sign and of the others.
struct Problem<'a> {
    seen: Vec<&'a Seen>,
    /// Numbers of a frame, the 1 for the bias included.
    size: usize,
    weights: [f64; 2],
}

/// Fits a row to all frames; of zeros, where there are none. It begins at `start`, which changes how
/// long it takes, not where it ends.
pub(super) fn fit<'a>(seen: impl Iterator<Item = &'a Seen>, start: Option<&Row>) -> Row {
    let seen: Vec<&Seen> = seen.collect();
    let count = |shown: bool| -> usize {
        seen.iter().map(|seen| seen.shown.iter().filter(|here| **here == shown).count()).sum()
    };
    let (positive, negative) = (count(true) as f64, count(false) as f64);
    let frames = positive + negative;
    let size = seen.iter().map(|seen| seen.numbers.len()).sum::<usize>();
    let size = if frames > 0.0 { size / frames as usize } else { 0 };
    let weights = [1.0, (BALANCE * negative / positive.max(1.0)).max(1.0)];
    let problem = Problem { seen, size, weights };
    let mut row = match start {
        Some(Row(start)) if start.len() == size => start.iter().map(|w| f64::from(*w)).collect(),
        Some(_) | None => vec![0.0f64; size],
    };
    let mut loss = problem.loss(&row);
    for _ in 0..STEPS {
        let (gradient, curvature) = problem.slopes(&row);
        let Some(step) = solve(curvature, gradient) else { break };
        let tried = (0..HALVINGS).find_map(|halving| {
            let share = 0.5f64.powi(halving as i32);
            let next: Vec<f64> = row.iter().zip(&step).map(|(r, s)| r - share * s).collect();
            let found = problem.loss(&next);
            (found < loss).then_some((next, found))
        });
        let Some((next, found)) = tried else { break };
        let gained = (loss - found) / loss.max(f64::MIN_POSITIVE);
        (row, loss) = (next, found);
        if gained < ENOUGH {
            break;
        }
    }
    Row(row.into_iter().map(|weight| weight as f32).collect())
}

impl Problem<'_> {
    /// Calls `each` with a frame's numbers, the evidence against the sign, and whether it is shown.
    fn frames(&self, row: &[f64], mut each: impl FnMut(&[f32], f64, bool)) {
        for seen in &self.seen {
            let all = seen.numbers.chunks_exact(self.size.max(1));
            for ((numbers, known), shown) in all.zip(&seen.known).zip(&seen.shown) {
                let own: f64 = row.iter().zip(numbers).map(|(r, n)| r * f64::from(*n)).sum();
                each(numbers, f64::from(*known) - own, *shown);
            }
        }
    }

    fn penalty<'r>(&self, row: &'r [f64]) -> &'r [f64] {
        &row[..self.size.saturating_sub(1)]
    }

    fn loss(&self, row: &[f64]) -> f64 {
        let mut loss = PENALTY / 2.0 * self.penalty(row).iter().map(|r| r * r).sum::<f64>();
        self.frames(row, |_, against, shown| {
            // ln(1 + e^x), without overflow.
            let x = if shown { against } else { -against };
            loss += self.weights[usize::from(shown)] * (x.max(0.0) + (-x.abs()).exp().ln_1p());
        });
        loss
    }

    /// The gradient, and the lower half of the matrix of second derivatives, row by row.
    fn slopes(&self, row: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let size = self.size;
        let (mut gradient, mut curvature) = (vec![0.0f64; size], vec![0.0f64; size * size]);
        self.frames(row, |numbers, against, shown| {
            let likely = 1.0 / (1.0 + against.exp());
            let weight = self.weights[usize::from(shown)];
            let slope = weight * (likely - f64::from(u8::from(shown)));
            let bend = weight * likely * (1.0 - likely);
            for (index, number) in numbers.iter().enumerate() {
                gradient[index] += slope * f64::from(*number);
                if bend > FLAT {
                    let factor = bend * f64::from(*number);
                    let line = &mut curvature[index * size..=index * size + index];
                    for (entry, other) in line.iter_mut().zip(numbers) {
                        *entry += factor * f64::from(*other);
                    }
                }
            }
        });
        for index in 0..size {
            let (bias, cost) = (index + 1 == size, PENALTY);
            gradient[index] += if bias { 0.0 } else { cost * row[index] };
            // A little for the bias too, so that there is always one answer.
            curvature[index * size + index] += if bias { 1e-6 } else { cost };
        }
        (gradient, curvature)
    }
}

/// Solves `matrix · x = right` for a symmetric positive matrix given by its lower half (Cholesky);
/// nothing, where it is not positive.
fn solve(mut matrix: Vec<f64>, mut right: Vec<f64>) -> Option<Vec<f64>> {
    let size = right.len();
    for column in 0..size {
        for row in column..size {
            let (a, b) = (row * size, column * size);
            let dot: f64 = (0..column).map(|k| matrix[a + k] * matrix[b + k]).sum();
            let rest = matrix[a + column] - dot;
            if row > column {
                matrix[a + column] = rest / matrix[b + column];
            } else if rest > 0.0 {
                matrix[a + column] = rest.sqrt();
            } else {
                return None;
            }
        }
    }
    for row in 0..size {
        let dot: f64 = (0..row).map(|k| matrix[row * size + k] * right[k]).sum();
        right[row] = (right[row] - dot) / matrix[row * size + row];
    }
    for row in (0..size).rev() {
        let dot: f64 = (row + 1..size).map(|k| matrix[k * size + row] * right[k]).sum();
        right[row] = (right[row] - dot) / matrix[row * size + row];
    }
    Some(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_is_solved() {
        let matrix = vec![4.0, 0.0, 0.0, 2.0, 5.0, 0.0, 1.0, 3.0, 6.0];
        let found = solve(matrix, vec![11.0, 21.0, 25.0]).unwrap();
        let expected = [1.0, 2.0, 3.0];
        // (4 2 1; 2 5 3; 1 3 6) · (1 2 3) = (11 21 25)
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{found:?}");
        assert_eq!(solve(vec![-1.0], vec![1.0]), None);
    }

    #[test]
    fn a_row_tells_what_is_shown() {
        let mut seen = Seen::default();
        for index in 0..200 {
            let shown = index % 4 == 0;
            let side = if shown { 1.0 } else { -1.0 };
            seen.numbers.extend([side + (index % 7) as f32 * 0.01, (index % 5) as f32, 1.0]);
            seen.known.push(0.3);
            seen.shown.push(shown);
        }
        let row = fit(std::iter::once(&seen), None);
        assert!(row.of(&[1.0, 2.0]) > 1.3 && row.of(&[-1.0, 2.0]) < -0.7, "{row:?}");
    }
}
