//! AdamW with a cosine schedule and a running average of the weights; everything it remembers can
//! be saved, so that a resumed training goes on exactly where it stopped.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::{Device, Result, Tensor, Var, backprop::GradStore};

use super::random::Dice;
use crate::model::trunk::Start;

const BETA: (f64, f64) = (0.9, 0.98);
const EPSILON: f64 = 1e-8;
const PEAK_RATE: f64 = 3e-3;
/// The rate ends at this share of its peak.
const LAST_RATE: f64 = 0.01;
const WEIGHT_DECAY: f64 = 0.05;
const WARM_UP_STEPS: usize = 60;
/// Gradients longer than this are shortened to it.
const MAX_NORM: f64 = 1.0;
const AVERAGE: f64 = 0.995;

/// One weight and what the optimizer knows of it.
struct Slot {
    var: Var,
    first: Tensor,
    second: Tensor,
    average: Tensor,
}

/// All weights in training.
pub(crate) struct Optimizer {
    slots: BTreeMap<String, Slot>,
    /// Updates made.
    pub(crate) step: usize,
    steps: usize,
    seed: u64,
}

impl Optimizer {
    /// Weights at their start, by chance.
    pub(crate) fn new(
        weights: &[(String, Vec<usize>, Start)],
        steps: usize,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        let mut dice = Dice::new(seed, 0);
        let mut slots = BTreeMap::new();
        for (name, shape, start) in weights {
            let count = shape.iter().product();
            let values: Vec<f32> = match *start {
                Start::Normal(deviation) => {
                    (0..count).map(|_| dice.normal(deviation as f32)).collect()
                }
                Start::Constant(value) => vec![value as f32; count],
            };
            let value = Tensor::from_vec(values, shape.as_slice(), device)?;
            let zeros = value.zeros_like()?;
            let slot = Slot {
                average: value.copy()?,
                var: Var::from_tensor(&value)?,
                first: zeros.clone(),
                second: zeros,
            };
            slots.insert(name.clone(), slot);
        }
        Ok(Self { slots, step: 0, steps, seed })
    }

    /// The weights being trained; gradients flow to them.
    pub(crate) fn weights(&self) -> BTreeMap<String, Tensor> {
        self.slots.iter().map(|(name, slot)| (name.clone(), slot.var.as_tensor().clone())).collect()
    }

    /// The running average of the weights: what is evaluated and shipped.
    pub(crate) fn averages(&self) -> BTreeMap<String, Tensor> {
        self.slots.iter().map(|(name, slot)| (name.clone(), slot.average.clone())).collect()
    }

    /// The learning rate of the next step.
    fn rate(&self) -> f64 {
        let warm = (self.step + 1) as f64 / WARM_UP_STEPS as f64;
        let done = self.step as f64 / self.steps.max(1) as f64;
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * done.min(1.0)).cos());
        PEAK_RATE * warm.min(1.0) * (LAST_RATE + (1.0 - LAST_RATE) * cosine)
    }

    /// One update; a step whose gradients are not finite is left out.
    pub(crate) fn update(&mut self, gradients: &GradStore) -> Result<()> {
        let mut square = 0.0;
        for slot in self.slots.values() {
            if let Some(gradient) = gradients.get(&slot.var) {
                square += f64::from(gradient.sqr()?.sum_all()?.to_scalar::<f32>()?);
            }
        }
        let rate = self.rate();
        self.step += 1;
        if !square.is_finite() {
            return Ok(());
        }
        let shorten = (MAX_NORM / square.sqrt().max(1e-12)).min(1.0);
        let (first_bias, second_bias) =
            (1.0 - BETA.0.powi(self.step as i32), 1.0 - BETA.1.powi(self.step as i32));
        let average = AVERAGE.min((1.0 + self.step as f64) / (10.0 + self.step as f64));
        for slot in self.slots.values_mut() {
            let Some(gradient) = gradients.get(&slot.var) else { continue };
            let gradient = (gradient * shorten)?.detach();
            slot.first = ((&slot.first * BETA.0)? + (&gradient * (1.0 - BETA.0))?)?;
            slot.second = ((&slot.second * BETA.1)? + (gradient.sqr()? * (1.0 - BETA.1))?)?;
            let spread = ((&slot.second / second_bias)?.sqrt()? + EPSILON)?;
            let direction = ((&slot.first / first_bias)? / spread)?;
            let value = slot.var.as_tensor().detach();
            let decay = if value.rank() == 2 { rate * WEIGHT_DECAY } else { 0.0 };
            let value = ((value * (1.0 - decay))? - (direction * rate)?)?;
            slot.average = ((&slot.average * average)? + (&value * (1.0 - average))?)?;
            slot.var.set(&value)?;
        }
        Ok(())
    }

    /// Writes everything to a file.
    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        let mut all = HashMap::new();
        for (name, slot) in &self.slots {
            all.insert(format!("weight/{name}"), slot.var.as_tensor().clone());
            all.insert(format!("first/{name}"), slot.first.clone());
            all.insert(format!("second/{name}"), slot.second.clone());
            all.insert(format!("average/{name}"), slot.average.clone());
        }
        let device = Device::Cpu;
        let stamp = [self.step as u32, self.steps as u32, self.seed as u32];
        all.insert("step".to_owned(), Tensor::new(&stamp, &device)?);
        candle_core::safetensors::save(&all, path)
    }

    /// Goes back to what `save` wrote; an error if it is of a net of another shape.
    pub(crate) fn restore(&mut self, path: &Path) -> Result<()> {
        let all = candle_core::safetensors::load(path, &Device::Cpu)?;
        let take = |name: String| {
            let missing = || candle_core::Error::Msg(format!("the checkpoint lacks {name}"));
            all.get(&name).cloned().ok_or_else(missing)
        };
        let step = take("step".to_owned())?.to_vec1::<u32>()?;
        if step.get(1..) != Some(&[self.steps as u32, self.seed as u32]) {
            let (steps, seed) = (self.steps, self.seed);
            let text =
                format!("the checkpoint is not of a training of {steps} steps with seed {seed}");
            return Err(candle_core::Error::Msg(text));
        }
        for (name, slot) in &mut self.slots {
            slot.var.set(&take(format!("weight/{name}"))?)?;
            slot.first = take(format!("first/{name}"))?;
            slot.second = take(format!("second/{name}"))?;
            slot.average = take(format!("average/{name}"))?;
        }
        self.step = step[0] as usize;
        Ok(())
    }
}
