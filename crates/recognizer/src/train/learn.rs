//! The updates: sequences in, weights out. With teachers, nets that differ by their seed alone are
//! trained first, and what they say together is most of what the net is compared with: one
//! training's luck counts for less.

use std::path::Path;
use std::time::Instant;

use candle_core::{D, Device, Tensor};

use super::best::Best;
use super::data::Clip;
use super::fit::{Look, measure};
use super::material::{Material, Source};
use super::optimizer::Optimizer;
use super::random::Dice;
use super::splice::{MAX_FRAMES, Sequence};
use super::{Loss, Progress, TrainError, TrainOptions, ctc, loss};
use crate::model::ModelSpec;
use crate::model::net::Net;
use crate::model::trunk::Named;

/// A block's contribution is left out this often in training.
const DROP_PATH: f32 = 0.1;
/// Updates between two looks at the validation clips, and two checkpoints.
const CHECK_EVERY: usize = 100;
const CHECKPOINT: &str = "checkpoint.safetensors";
const BEST: &str = "best.safetensors";
/// Where the teachers' checkpoints lie, within the model's folder.
const TEACHERS: &str = "teachers";

/// What all nets of a training learn from.
pub(super) struct Lessons<'a, T: Material> {
    pub(super) options: &'a TrainOptions,
    pub(super) spec: &'a ModelSpec,
    pub(super) corpus: &'a T::Corpus,
    pub(super) validation: &'a [Clip<T>],
}

/// What the updates came to.
pub(super) struct Learned {
    pub(super) best: Best,
    pub(super) updates: usize,
    pub(super) curve: Vec<Look>,
    /// Wall time of all updates, the teachers' too.
    pub(super) seconds: f64,
}

impl<T: Material> Lessons<'_, T> {
    /// Trains the teachers, if any, and then the net. A training that goes on begins where it was.
    pub(super) fn learn(&self, progress: &mut dyn Progress) -> Result<Learned, TrainError> {
        let begun = Instant::now();
        let mut teachers = Vec::new();
        for number in 1..=self.options.teachers {
            let folder = self.options.out.join(TEACHERS).join(number.to_string());
            let write = |source| TrainError::File { action: "write", path: folder.clone(), source };
            std::fs::create_dir_all(&folder).map_err(write)?;
            let phase = format!("training teacher {number} of {}", self.options.teachers);
            let seed = self.options.seed.wrapping_add(number as u64);
            let taught = self.updates(&phase, (seed, &folder), &[], progress)?;
            teachers.push(self.net(&taught.best.weights)?);
        }
        let own = (self.options.seed, self.options.out.as_path());
        let mut learned = self.updates("training", own, &teachers, progress)?;
        learned.seconds = begun.elapsed().as_secs_f64();
        Ok(learned)
    }

    fn net(&self, weights: &Named) -> Result<Net, TrainError> {
        let (architecture, normalization) = (&self.spec.architecture, &self.spec.normalization);
        Ok(Net::new(architecture, normalization, weights, &Device::Cpu)?)
    }

    /// One net's updates, from the begin or from the checkpoint in `folder`.
    fn updates(
        &self,
        phase: &str,
        (seed, folder): (u64, &Path),
        teachers: &[Net],
        progress: &mut dyn Progress,
    ) -> Result<Learned, TrainError> {
        let options = self.options;
        let weights = self.spec.architecture.weights(self.spec.classes());
        let mut optimizer = Optimizer::new(&weights, options.steps, seed, &Device::Cpu)?;
        let (checkpoint, best_look) = (folder.join(CHECKPOINT), folder.join(BEST));
        let mut best = Best::default();
        let is_first = options.teachers == 0 || seed == options.seed.wrapping_add(1);
        // Broken off at one net, a training has no checkpoint of those that follow.
        if options.resume && (is_first || checkpoint.exists()) {
            let failed = |e: candle_core::Error| TrainError::Resume(e.to_string());
            optimizer.restore(&checkpoint).map_err(failed)?;
            best = Best::restore(&best_look).map_err(failed)?;
        }
        progress.begin(phase, options.steps - optimizer.step);
        let net = self.net(&optimizer.weights())?;
        let (mut curve, mut losses) = (Vec::new(), Vec::new());
        let check_every = CHECK_EVERY.min(options.steps.div_ceil(2)).max(1);
        while optimizer.step < options.steps && !best.is_stale(optimizer.step) {
            let mut dice = Dice::new(seed, 1 + optimizer.step as u64);
            let sequences: Vec<Sequence> =
                (0..options.batch).map(|_| self.corpus.sequence(&mut dice)).collect();
            let loss = self.update((&net, teachers), &mut optimizer, &sequences, &mut dice)?;
            losses.push(loss);
            if optimizer.step.is_multiple_of(check_every) || optimizer.step == options.steps {
                let measured = measure(self.spec, &optimizer.averages(), self.validation)?;
                let loss = (!measured.pairs.is_empty()).then_some(measured.loss);
                best.look(optimizer.step, loss, optimizer.averages());
                best.save(&best_look)?;
                let loss = losses.iter().sum::<f32>() / losses.len() as f32;
                losses.clear();
                curve.push(Look { step: optimizer.step, loss, top1: measured.top1 });
                optimizer.save(&checkpoint)?;
            }
            let last = curve.last().map_or(0.0, |look: &Look| look.top1);
            progress.advance(&format!("loss {loss:.3}, validation top-1 {:.1} %", 100.0 * last));
        }
        Ok(Learned { best, updates: optimizer.step, curve, seconds: 0.0 })
    }

    /// One update on a batch of sequences; the loss before it.
    fn update(
        &self,
        (net, teachers): (&Net, &[Net]),
        optimizer: &mut Optimizer,
        sequences: &[Sequence],
        dice: &mut Dice,
    ) -> Result<f32, TrainError> {
        let (device, spec) = (Device::Cpu, self.spec);
        let batch = sequences.len();
        let frames = sequences.iter().map(|s| s.allowed.len()).max().unwrap_or(1).min(MAX_FRAMES);
        let frame = spec.input.frame_len();
        let mut x = vec![0.0f32; batch * frames * frame];
        let mut allowed: Vec<&[u32]> = vec![&[]; batch * frames];
        for (row, sequence) in sequences.iter().enumerate() {
            let at = row * frames * frame;
            x[at..at + sequence.features.len()].copy_from_slice(&sequence.features);
            for (time, set) in sequence.allowed.iter().enumerate() {
                allowed[row * frames + time] = set;
            }
        }
        let x = Tensor::from_vec(x, (batch, frames, frame), &device)?;
        let drop = |dice: &mut Dice| {
            let keep = |dice: &mut Dice| {
                if dice.chance(DROP_PATH) { 0.0 } else { 1.0 / (1.0 - DROP_PATH) }
            };
            let factors: Vec<f32> = (0..batch).map(|_| keep(dice)).collect();
            Tensor::from_vec(factors, (batch, 1, 1), &device)
        };
        let blocks = spec.architecture.shape().dilations.len();
        let drops = (0..blocks).map(|_| drop(dice)).collect::<Result<Vec<_>, _>>()?;
        let (logits, _) = net.forward(&x, &net.no_past(batch, &device)?, Some(&drops))?;
        let logits = logits.reshape((batch * frames, spec.classes()))?;
        let loss = match self.options.loss {
            Loss::Framewise => loss::framewise(&logits, &allowed, &opinion(teachers, &x)?)?,
            Loss::Ctc => {
                let said: Vec<(usize, &[u32])> =
                    sequences.iter().map(|s| (s.allowed.len(), s.signs.as_slice())).collect();
                ctc::ctc(&logits, &said)?
            }
        };
        optimizer.update(&loss.backward()?)?;
        Ok(loss.to_scalar::<f32>()?)
    }
}

/// What the teachers say of a batch: the mean of their probabilities, frame after frame; empty
/// without teachers.
fn opinion(teachers: &[Net], x: &Tensor) -> Result<Vec<f32>, TrainError> {
    let mut mean: Vec<f32> = Vec::new();
    for teacher in teachers {
        let (logits, _) = teacher.forward(x, &teacher.no_past(x.dim(0)?, x.device())?, None)?;
        let said = candle_nn::ops::softmax(&logits, D::Minus1)?.flatten_all()?.to_vec1::<f32>()?;
        mean.resize(said.len(), 0.0);
        for (mean, said) in mean.iter_mut().zip(said) {
            *mean += said / teachers.len() as f32;
        }
    }
    Ok(mean)
}
