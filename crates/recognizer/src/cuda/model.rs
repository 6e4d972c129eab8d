//! The model that serves on a device.

use std::collections::BTreeMap;

use candle_core::{D, DType, Device, Result, Tensor};

use super::arena::Arena;
use super::batch::{Batch, size_for, sizes};
#[cfg(feature = "cuda")]
use super::graphs::Graphs;
use super::{Place, Precision};
use crate::model::net::{Net, check};
use crate::model::trunk::Named;
use crate::model::{Hop, Model, ModelError, ModelSpec, StreamState};

/// How a model serves on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where.
    pub place: Place,
    /// With which numbers.
    pub precision: Precision,
    /// Streams at once.
    pub rows: usize,
    /// Streams in the largest step.
    pub batch: usize,
    /// Whether steps are recorded and played (CUDA graphs), or every kernel launched anew.
    pub graphs: bool,
}

impl Settings {
    /// What a worker uses there.
    pub fn of(place: Place) -> Self {
        Self { place, precision: Precision::default(), rows: 8_192, batch: 4_096, graphs: true }
    }
}

/// A model on a device. Whoever steps it must be one thread; another may have made it.
pub struct DeviceModel {
    pub(super) spec: ModelSpec,
    core: Core,
    sizes: Vec<usize>,
    batch: Batch,
    #[cfg(feature = "cuda")]
    graphs: Option<Graphs>,
}

/// What a step computes with.
pub(super) struct Core {
    net: Net,
    arena: Arena,
    pub(super) device: Device,
    temperature: f64,
}

impl Core {
    #[cfg(feature = "cuda")]
    pub(super) fn scratch(&self) -> u32 {
        self.arena.scratch()
    }

    /// x `[b, t, numbers of a frame]` (f32), rows and keep `[b]` → `[b, t, classes]`, natural
    /// logarithms of probabilities (f32); the arena's rows go on.
    pub(super) fn log_probs(&self, x: &Tensor, rows: &Tensor, keep: &Tensor) -> Result<Tensor> {
        let logits = self.net.run(x, &mut self.arena.of(rows, keep))?;
        let logits = (logits.to_dtype(DType::F32)? / self.temperature)?;
        candle_nn::ops::log_softmax(&logits, D::Minus1)
    }

    /// One step, kernel by kernel.
    fn step(&self, batch: &Batch, frame: usize) -> Result<Vec<f32>> {
        let size = batch.rows.len();
        let x = Tensor::from_slice(&batch.features, (size, batch.frames, frame), &self.device)?;
        let rows = Tensor::from_slice(&batch.rows, size, &self.device)?;
        let keep = Tensor::from_slice(&batch.keep, size, &self.device)?;
        self.log_probs(&x, &rows, &keep)?.flatten_all()?.to_vec1()
    }
}

/// The weights on the device: what the blocks multiply with in their precision, all others in f32.
fn placed(weights: &Named, precision: Precision, device: &Device) -> Result<Named> {
    let place = |(name, weight): (&String, &Tensor)| {
        let dense = name.rsplit_once('.').is_some_and(|(_, of)| of == "weight" || of == "bias");
        let in_block = dense && name.starts_with("block.");
        let dtype = if in_block { precision.dtype() } else { DType::F32 };
        Ok((name.clone(), weight.to_device(device)?.to_dtype(dtype)?))
    };
    weights.iter().map(place).collect()
}

impl DeviceModel {
    /// Brings description and weights to the device.
    ///
    /// # Errors
    /// They don't fit each other, there is no such device, or its memory is too small.
    pub fn new(
        spec: ModelSpec,
        weights: &Named,
        settings: &Settings,
    ) -> std::result::Result<Self, ModelError> {
        check(&spec, weights)?;
        let device = settings.place.open()?;
        let weights = placed(weights, settings.precision, &device)?;
        let net = Net::new(&spec.architecture, &spec.normalization, &weights, &device)?;
        let shape = spec.architecture.shape();
        let arena = Arena::new(&shape, settings.rows, settings.precision.dtype(), &device)?;
        // The thread that steps has a stream of its own: all of this must be done by then.
        device.synchronize()?;
        tracing::info!(
            model = spec.name, place = %settings.place, precision = ?settings.precision,
            state_bytes = arena.bytes(), "the model is on the device"
        );
        let temperature = f64::from(spec.temperature);
        Ok(Self {
            #[cfg(feature = "cuda")]
            graphs: (settings.graphs && device.is_cuda()).then(Graphs::default),
            core: Core { net, arena, device, temperature },
            sizes: sizes(settings.batch),
            batch: Batch::default(),
            spec,
        })
    }

    /// Streams in a step, as the device gets them: smaller ones are filled up.
    pub fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// How many kinds of steps are recorded; the others are launched kernel by kernel.
    pub fn recorded(&self) -> usize {
        #[cfg(feature = "cuda")]
        if let Some(graphs) = &self.graphs {
            return graphs.len();
        }
        0
    }

    /// One step of streams that all bring `frames` frames, no more than the largest size.
    fn step_equal(
        &mut self,
        hops: &mut [&mut Hop<'_>],
        frames: usize,
    ) -> std::result::Result<(), ModelError> {
        let size = size_for(&self.sizes, hops.len());
        self.batch.fill(hops, frames, size, self.core.arena.scratch())?;
        let log_probs = self.compute()?;
        let len = frames * self.spec.classes();
        for (hop, log_probs) in hops.iter_mut().zip(log_probs.chunks_exact(len)) {
            hop.log_probs.extend_from_slice(log_probs);
            hop.state.0.fill(1.0);
        }
        Ok(())
    }

    /// Records a step that was made; where that fails, nothing is recorded any more.
    #[cfg(feature = "cuda")]
    fn record(&mut self, size: usize, frames: usize) {
        if let Some(graphs) = &mut self.graphs
            && let Err(error) =
                graphs.record(&self.core, (size, frames), self.spec.input.frame_len())
        {
            metrics::counter!("signcall_recognizer_graph_fallbacks_total").increment(1);
            tracing::warn!(%error, "steps can't be recorded here; every kernel is launched anew");
            self.graphs = None;
        }
    }

    fn compute(&mut self) -> std::result::Result<Vec<f32>, ModelError> {
        let frame = self.spec.input.frame_len();
        #[cfg(feature = "cuda")]
        if let Some(graphs) = &mut self.graphs
            && let Some(played) = graphs.play(&self.batch)
        {
            return Ok(played?);
        }
        Ok(self.core.step(&self.batch, frame)?)
    }
}

impl Model for DeviceModel {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn new_state(&self) -> StreamState {
        StreamState(vec![0.0], self.core.arena.take())
    }

    fn step(&mut self, hops: &mut [Hop<'_>]) -> std::result::Result<(), ModelError> {
        let frame = self.spec.input.frame_len();
        let most = self.sizes.last().copied().unwrap_or(1);
        let mut by_length: BTreeMap<usize, Vec<&mut Hop<'_>>> = BTreeMap::new();
        for hop in hops {
            let found = hop.features.len();
            if !found.is_multiple_of(frame) {
                return Err(ModelError::Features { found, frame });
            }
            by_length.entry(found / frame).or_default().push(hop);
        }
        by_length.remove(&0);
        for (frames, mut equal) in by_length {
            for part in equal.chunks_mut(most) {
                self.step_equal(part, frames)?;
            }
        }
        Ok(())
    }

    /// Makes a step of every size, the largest first, and records it. A size that the device has no
    /// memory for is given up, and the next smaller one is the largest.
    fn warm_up(&mut self) -> std::result::Result<(), ModelError> {
        let (frames, frame) = (self.spec.hop_frames.max(1), self.spec.input.frame_len());
        for size in self.sizes.clone().into_iter().rev() {
            self.batch.fill(&[], frames, size, self.core.arena.scratch())?;
            self.batch.features.resize(size * frames * frame, 0.0);
            if let Err(error) = self.core.step(&self.batch, frame) {
                if size == 1 || !error.to_string().contains("OUT_OF_MEMORY") {
                    return Err(error.into());
                }
                tracing::warn!(size, %error, "the device has no memory for steps of this size; smaller ones serve");
                self.sizes.retain(|smaller| *smaller < size);
            }
            #[cfg(feature = "cuda")]
            if self.sizes.contains(&size) {
                self.record(size, frames);
            }
        }
        Ok(())
    }
}
