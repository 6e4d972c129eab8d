//! What the last layer looks at. The model that serves is given another last layer, which passes on
//! what it gets: a class for each number, and one more that is always 0, so that the numbers can be
//! read from the probabilities.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};

use super::fit::Row;
use crate::features::Senses;
use crate::kernels::{Isa, KernelModel};
use crate::model::{Hop, Kind, Label, Model, ModelError, ModelSpec};
use crate::train::splice::Sequence;
use clips::landmarks::Frame;

/// The model without its last layer, and that layer.
pub(super) struct View {
    model: KernelModel,
    width: usize,
    /// `[width, classes]`, row by row, and `[classes]`; divided by the temperature.
    weight: Vec<f32>,
    bias: Vec<f32>,
}

/// Frames that a row is fitted to.
#[derive(Default)]
pub(super) struct Seen {
    /// `width` numbers and a 1 for each frame.
    pub(super) numbers: Vec<f32>,
    /// For each frame the logarithm of the sum of all known labels' weights.
    pub(super) known: Vec<f32>,
    /// For each frame whether it shows the new sign.
    pub(super) shown: Vec<bool>,
}

impl View {
    pub(super) fn of(
        spec: &ModelSpec,
        weights: &BTreeMap<String, Tensor>,
    ) -> Result<Self, ModelError> {
        let numbers = |name: &str| -> Result<Vec<f32>, ModelError> {
            let missing = || ModelError::Mismatch(format!("the weight {name} is missing"));
            Ok(weights.get(name).ok_or_else(missing)?.flatten_all()?.to_vec1::<f32>()?)
        };
        let scaled = |numbers: Vec<f32>| numbers.iter().map(|n| n / spec.temperature).collect();
        let (weight, bias) = (scaled(numbers("head.weight")?), scaled(numbers("head.bias")?));
        let width = spec.architecture.shape().width;
        let mut plain = vec![0.0f32; width * (width + 1)];
        for (index, row) in plain.chunks_exact_mut(width + 1).enumerate() {
            row[index + 1] = 1.0;
        }
        let mut others = weights.clone();
        let plain = Tensor::from_vec(plain, (width, width + 1), &Device::Cpu)?;
        others.insert("head.weight".to_owned(), plain);
        let zeros = Tensor::from_vec(vec![0.0f32; width + 1], width + 1, &Device::Cpu)?;
        others.insert("head.bias".to_owned(), zeros);
        let label = |index: usize| Label { text: index.to_string(), kind: Kind::Word };
        let vocabulary = (0..width).map(label).collect();
        let spec = ModelSpec { vocabulary, temperature: 1.0, ..spec.clone() };
        Ok(Self { model: KernelModel::new(spec, &others, Isa::best())?, width, weight, bias })
    }

    /// The numbers of each frame, `width` of them.
    fn look(&mut self, features: &[f32]) -> Result<Vec<f32>, ModelError> {
        let (mut state, mut said) = (self.model.new_state(), Vec::new());
        self.model.step(&mut [Hop { state: &mut state, features, log_probs: &mut said }])?;
        let rows = said.chunks_exact(self.width + 1);
        Ok(rows.flat_map(|row| row[1..].iter().map(move |number| number - row[0])).collect())
    }

    /// What the model says of one frame, before it is made probabilities.
    fn logits(&self, numbers: &[f32]) -> Vec<f32> {
        let mut logits = self.bias.clone();
        for (number, weights) in numbers.iter().zip(self.weight.chunks_exact(self.bias.len())) {
            for (logit, weight) in logits.iter_mut().zip(weights) {
                *logit += number * weight;
            }
        }
        logits
    }

    /// Adds a sequence's frames, without those that may show the new sign or may not.
    pub(super) fn see(
        &mut self,
        sequence: &Sequence,
        new: u32,
        seen: &mut Seen,
    ) -> Result<(), ModelError> {
        let all = self.look(&sequence.features)?;
        for (numbers, allowed) in all.chunks_exact(self.width).zip(&sequence.allowed) {
            let may = allowed.contains(&new);
            if may && allowed.len() > 1 {
                continue;
            }
            seen.known.push(log_sum(&self.logits(numbers)));
            seen.numbers.extend_from_slice(numbers);
            seen.numbers.push(1.0);
            seen.shown.push(may);
        }
        Ok(())
    }

    /// A clip as the decoder gets it: for each frame that the model sees its time, whether the hands
    /// move, and what the model says, with a row more if there is one.
    pub(super) fn watch(
        &mut self,
        frames: &[Frame],
    ) -> Result<Vec<(u64, bool, Vec<f32>)>, ModelError> {
        let mut senses = Senses::new(self.model.spec().input);
        let (mut features, mut times) = (Vec::new(), Vec::new());
        for frame in frames {
            let (active, numbers) = senses.push(&frame.into());
            if let Some(numbers) = numbers {
                features.extend_from_slice(numbers);
                times.push((frame.time_us, active));
            }
        }
        let all = self.look(&features)?;
        let rows = all.chunks_exact(self.width);
        Ok(times.into_iter().zip(rows).map(|((time, on), row)| (time, on, row.to_vec())).collect())
    }

    /// Natural logarithms of the probabilities of all classes, with a new one at the end if there is
    /// a row for it.
    pub(super) fn said(&self, numbers: &[f32], row: Option<&Row>) -> Vec<f32> {
        let mut logits = self.logits(numbers);
        logits.extend(row.map(|row| row.of(numbers)));
        let sum = log_sum(&logits);
        logits.iter().map(|logit| logit - sum).collect()
    }
}

/// The logarithm of the sum of e to each.
fn log_sum(logits: &[f32]) -> f32 {
    let top = logits.iter().copied().fold(f32::MIN, f32::max);
    top + logits.iter().map(|logit| (logit - top).exp()).sum::<f32>().ln()
}
