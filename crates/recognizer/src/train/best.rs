//! The newest weights that were not clearly worse on the validation clips than the best: they are
//! what a training gives, and when nothing newer comes for long enough it ends. The very best would
//! be a matter of luck, for the clips are of signers the net knows: nearly all are told apart long
//! before the net has learned all it can of strangers.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::{Device, Error, Result, Tensor};

/// Updates of clearly worse looks after which there is nothing more to wait for.
const PATIENCE: usize = 400;
/// A look is clearly worse when its loss is so many times the least, and
const WORSE: f32 = 1.5;
/// so much more.
const WORSE_BY: f32 = 0.02;

/// The look to keep so far. The same updates in the same order give the same one.
#[derive(Default)]
pub(crate) struct Best {
    /// After how many updates; 0 before the first look.
    pub(crate) step: usize,
    /// The least [`Measured::loss`](super::fit::Measured) of all looks.
    least: f32,
    /// The averaged weights of that look.
    pub(crate) weights: BTreeMap<String, Tensor>,
}

impl Best {
    /// Keeps these weights unless they did clearly worse than others before; where there is nothing
    /// to look at, the newest.
    pub(crate) fn look(
        &mut self,
        step: usize,
        loss: Option<f32>,
        weights: BTreeMap<String, Tensor>,
    ) {
        let least = if self.step == 0 { f32::INFINITY } else { self.least };
        let loss = loss.unwrap_or(least);
        if loss <= (least * WORSE).max(least + WORSE_BY) {
            *self = Self { step, least: least.min(loss), weights };
        }
    }

    /// Whether the look to keep lies so far back that training may end.
    pub(crate) fn is_stale(&self, step: usize) -> bool {
        self.step > 0 && step >= self.step + PATIENCE
    }

    /// Writes everything to a file.
    ///
    /// # Errors
    /// The file can't be written.
    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        let mut all: HashMap<String, Tensor> =
            self.weights.iter().map(|(name, weight)| (name.clone(), weight.clone())).collect();
        let stamp = [self.step as f32, self.least];
        all.insert(STAMP.to_owned(), Tensor::new(&stamp, &Device::Cpu)?);
        candle_core::safetensors::save(&all, path)
    }

    /// What [`Best::save`] wrote.
    ///
    /// # Errors
    /// The file is missing or not of this form.
    pub(crate) fn restore(path: &Path) -> Result<Self> {
        let mut all = candle_core::safetensors::load(path, &Device::Cpu)?;
        let stamp = all.remove(STAMP).map(|stamp| stamp.to_vec1::<f32>()).transpose()?;
        let Some([step, least]) = stamp.as_deref() else {
            return Err(Error::Msg(format!("{} tells no best look", path.display())));
        };
        Ok(Self { step: *step as usize, least: *least, weights: all.into_iter().collect() })
    }
}

/// Under which name step and loss lie beside the weights.
const STAMP: &str = "best";

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(value: f32) -> BTreeMap<String, Tensor> {
        [("w".to_owned(), Tensor::new(&[value], &Device::Cpu).unwrap())].into()
    }

    #[test]
    fn what_is_clearly_worse_is_not_kept_and_ends_a_training() {
        let mut best = Best::default();
        assert!(!best.is_stale(10_000), "nothing was looked at yet");
        best.look(100, Some(0.5), weights(1.0));
        best.look(200, Some(0.25), weights(2.0));
        best.look(300, Some(0.3), weights(3.0));
        best.look(400, Some(0.38), weights(4.0));
        assert_eq!(best.step, 300, "a little worse is as good; half as much again is not");
        assert_eq!(best.weights["w"].to_vec1::<f32>().unwrap(), [3.0]);
        assert!(!best.is_stale(699) && best.is_stale(700));
        best.look(500, Some(0.25), weights(5.0));
        assert_eq!(best.step, 500);
    }

    #[test]
    fn next_to_nothing_is_as_good_as_nothing() {
        let mut best = Best::default();
        best.look(100, Some(0.0), weights(1.0));
        best.look(200, Some(0.019), weights(2.0));
        assert_eq!(best.step, 200);
    }

    #[test]
    fn without_clips_to_look_at_the_newest_weights_stay() {
        let mut best = Best::default();
        for step in [100, 200, 900] {
            best.look(step, None, weights(step as f32));
            assert_eq!(best.step, step);
            assert!(!best.is_stale(step));
        }
    }

    #[test]
    fn it_comes_back_from_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("best.safetensors");
        assert!(Best::restore(&path).is_err(), "there is none yet");
        let mut best = Best::default();
        best.look(1_100, Some(0.125), weights(2.5));
        best.save(&path).unwrap();
        let back = Best::restore(&path).unwrap();
        assert_eq!((back.step, back.least), (1_100, 0.125));
        assert_eq!(back.weights["w"].to_vec1::<f32>().unwrap(), [2.5]);
    }
}
