//! What a confidence promises: of the tokens told with 0.9, nine of ten are right. The mean
//! probability of a run's frames promises more than that on people the model never saw, so it is
//! brought there by a line in log-odds (Platt, "Probabilistic outputs for support vector machines",
//! 1999), fitted on people who were left out of training.

use serde::{Deserialize, Serialize};

/// Probabilities are kept this far from 0 and 1, where log-odds end.
const EDGE: f32 = 1e-4;
/// Fewer tokens say too little to fit anything to.
pub const MIN_TOKENS: usize = 100;
/// Steps of Newton's method; it takes five or six.
const STEPS: usize = 50;
/// The line is drawn towards doing nothing, as if this many tokens had said so.
const PRIOR: f64 = 1.0;
/// Slopes that are believed: a confidence that says nothing, or less than nothing, is not corrected.
const SLOPES: std::ops::RangeInclusive<f64> = 0.05..=20.0;
/// The furthest a line may lie from the middle, nats.
const BIAS_MAX: f64 = 20.0;

/// Confidence = 1 / (1 + e^−(`slope` · ln(p / (1 − p)) + `bias`)), p being the mean probability.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Below 1 where the model is surer than it should be.
    pub slope: f32,
    /// Nats.
    pub bias: f32,
}

/// Tokens of nearly the same confidence.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Reliability {
    /// Their mean confidence, 0 to 1.
    pub confidence: f64,
    /// The share of them that is right, 0 to 1.
    pub right: f64,
    /// How many they are.
    pub tokens: usize,
}

impl Default for Calibration {
    fn default() -> Self {
        Self { slope: 1.0, bias: 0.0 }
    }
}

fn log_odds(p: f64) -> f64 {
    let p = p.clamp(EDGE.into(), 1.0 - f64::from(EDGE));
    (p / (1.0 - p)).ln()
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// −ln likelihood of a line, with the prior's.
fn surprise(seen: &[Reliability], slope: f64, bias: f64) -> f64 {
    let bin = |bin: &Reliability| {
        let x = slope * log_odds(bin.confidence) + bias;
        // −ln of the logistic function, both ways.
        let (right, wrong) = ((-x).exp().ln_1p(), x.exp().ln_1p());
        bin.tokens as f64 * (bin.right * right + (1.0 - bin.right) * wrong)
    };
    let prior = PRIOR * ((slope - 1.0).powi(2) + bias.powi(2)) / 2.0;
    seen.iter().map(bin).sum::<f64>() + prior
}

impl Calibration {
    /// Whether it changes nothing.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it is a rising line that can be calculated with.
    pub fn is_sound(&self) -> bool {
        SLOPES.contains(&self.slope.into()) && f64::from(self.bias).abs() <= BIAS_MAX
    }

    /// The confidence that goes with a mean probability; both 0 to 1.
    pub fn apply(&self, p: f32) -> f32 {
        if self.is_none() {
            return p;
        }
        logistic(f64::from(self.slope) * log_odds(p.into()) + f64::from(self.bias)) as f32
    }

    /// The likeliest line for what was seen; `None` where that is too little, or where being surer
    /// did not mean being right more often.
    pub fn fit(seen: &[Reliability]) -> Option<Self> {
        if seen.iter().map(|bin| bin.tokens).sum::<usize>() < MIN_TOKENS {
            return None;
        }
        let (mut slope, mut bias) = (1.0f64, 0.0f64);
        for _ in 0..STEPS {
            // Gradient and curvature of −ln likelihood, with the prior's.
            let (mut g, mut h) = ([PRIOR * (slope - 1.0), PRIOR * bias], [PRIOR, 0.0, PRIOR]);
            for bin in seen {
                let (x, n) = (log_odds(bin.confidence), bin.tokens as f64);
                let q = logistic(slope * x + bias);
                let (off, weight) = (n * (q - bin.right), n * q * (1.0 - q));
                g = [g[0] + off * x, g[1] + off];
                h = [h[0] + weight * x * x, h[1] + weight * x, h[2] + weight];
            }
            let determinant = h[0] * h[2] - h[1] * h[1];
            let step = [h[2] * g[0] - h[1] * g[1], h[0] * g[1] - h[1] * g[0]];
            let [mut down, mut aside] = step.map(|part| part / determinant);
            // A step that goes too far is halved.
            let now = surprise(seen, slope, bias);
            while surprise(seen, slope - down, bias - aside) > now && down.abs() > 1e-9 {
                (down, aside) = (down / 2.0, aside / 2.0);
            }
            (slope, bias) = (slope - down, bias - aside);
            if down.abs().max(aside.abs()) < 1e-9 {
                break;
            }
        }
        let line = Self { slope: slope as f32, bias: bias as f32 };
        line.is_sound().then_some(line)
    }

    /// This one where confidences were already told by `before`.
    #[must_use]
    pub fn after(&self, before: &Self) -> Self {
        Self { slope: self.slope * before.slope, bias: self.slope * before.bias + self.bias }
    }

    /// How far its confidences lie from the share that is right, token by token: 0 to 1.
    pub fn error(&self, seen: &[Reliability]) -> f64 {
        let tokens: usize = seen.iter().map(|bin| bin.tokens).sum();
        let off = |bin: &Reliability| {
            let told = f64::from(self.apply(bin.confidence as f32));
            bin.tokens as f64 * (told - bin.right).abs()
        };
        seen.iter().map(off).sum::<f64>() / tokens.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tokens told with these confidences, of which that share is right.
    fn seen(tokens: &[(f64, f64, usize)]) -> Vec<Reliability> {
        let bin = |&(confidence, right, tokens): &_| Reliability { confidence, right, tokens };
        tokens.iter().map(bin).collect()
    }

    #[test]
    fn a_model_that_is_surer_than_right_is_brought_down() {
        let sure = seen(&[(0.6, 0.5, 200), (0.8, 0.62, 200), (0.9, 0.7, 200), (0.99, 0.85, 400)]);
        let line = Calibration::fit(&sure).unwrap();
        assert!(line.slope < 1.0, "{line:?}");
        assert!(line.error(&sure) < 0.02, "{line:?} is off by {}", line.error(&sure));
        assert!(Calibration::default().error(&sure) > 0.1);
        // Who was surer stays surer.
        let told: Vec<f32> = [0.0, 0.3, 0.6, 0.9, 1.0].map(|p| line.apply(p)).into();
        assert!(told.is_sorted() && told[0] >= 0.0 && told[4] <= 1.0, "{told:?}");
    }

    #[test]
    fn what_is_right_already_stays() {
        let right = seen(&[(0.3, 0.3, 500), (0.5, 0.5, 500), (0.9, 0.9, 500)]);
        let line = Calibration::fit(&right).unwrap();
        assert!((line.slope - 1.0).abs() < 0.01 && line.bias.abs() < 0.01, "{line:?}");
    }

    #[test]
    fn too_little_or_senseless_evidence_fits_nothing() {
        assert_eq!(Calibration::fit(&[]), None);
        assert_eq!(Calibration::fit(&seen(&[(0.9, 0.5, MIN_TOKENS - 1)])), None);
        // The surer, the less often right.
        assert_eq!(Calibration::fit(&seen(&[(0.5, 0.9, 5000), (0.9, 0.2, 5000)])), None);
        // Extremes stay numbers.
        let line = Calibration::fit(&seen(&[(0.0, 0.0, 500), (1.0, 1.0, 500)])).unwrap();
        assert!(line.is_sound() && line.apply(1.0) > 0.99, "{line:?}");
    }

    #[test]
    fn a_second_calibration_goes_on_from_the_first() {
        let (first, second) =
            (Calibration { slope: 0.5, bias: -0.3 }, Calibration { slope: 1.5, bias: 0.2 });
        let both = second.after(&first);
        for p in [0.2, 0.5, 0.95] {
            let (once, twice) = (both.apply(p), second.apply(first.apply(p)));
            assert!((once - twice).abs() < 1e-5, "{once} {twice}");
        }
    }
}
