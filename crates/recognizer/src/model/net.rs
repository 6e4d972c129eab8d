//! A whole net: a front for what the model looks at, and the trunk. The same code trains (state
//! zero) and serves (state carried), so streamed and offline can't drift apart.

use std::collections::BTreeMap;

use candle_core::{D, Device, Result, Tensor};
use serde::{Deserialize, Serialize};

use super::trunk::{Named, Past, Shape, Trunk, Weights};
use super::{Hop, Input, Model, ModelError, ModelSpec, Normalization, StreamState};
use super::{landmarks, pixels};

/// The sizes of a net, by what it looks at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Architecture {
    /// Landmarks.
    Landmarks(landmarks::Architecture),
    /// Pictures.
    Pixels(pixels::Architecture),
}

impl Architecture {
    /// The sizes with which models for that input are trained.
    pub fn of(input: Input) -> Self {
        match input {
            Input::Landmarks => Self::Landmarks(landmarks::Architecture::default()),
            Input::Images => Self::Pixels(pixels::Architecture::default()),
        }
    }

    /// What such a net looks at.
    pub fn input(&self) -> Input {
        match self {
            Self::Landmarks(_) => Input::Landmarks,
            Self::Pixels(_) => Input::Images,
        }
    }

    /// The sizes of its trunk.
    pub fn shape(&self) -> Shape {
        match self {
            Self::Landmarks(architecture) => architecture.shape(),
            Self::Pixels(architecture) => architecture.shape(),
        }
    }

    /// Multiplications that one frame takes.
    pub fn multiplications(&self, classes: usize) -> usize {
        let times = |name: &str| match self {
            Self::Landmarks(_) if name.starts_with("hand.") => 2,
            Self::Pixels(sizes) => sizes.places(name),
            Self::Landmarks(_) => 1,
        };
        let weights = self.weights(classes).into_iter().filter(|(_, shape, _)| shape.len() == 2);
        weights.map(|(name, shape, _)| times(&name) * shape.iter().product::<usize>()).sum()
    }

    /// Every weight: name, shape, start.
    pub fn weights(&self, classes: usize) -> Weights {
        let mut all = Vec::new();
        match self {
            Self::Landmarks(architecture) => architecture.weights(&mut all),
            Self::Pixels(architecture) => architecture.weights(&mut all),
        }
        self.shape().weights(classes, &mut all);
        all
    }
}

enum Front {
    Landmarks(landmarks::Encoder),
    Pixels(pixels::Encoder),
}

/// The net: features in, logits out.
pub struct Net {
    front: Front,
    trunk: Trunk,
    frame: usize,
}

impl Net {
    /// Puts the net together from named weights; they may be variables, and stay connected.
    pub fn new(
        architecture: &Architecture,
        normalization: &Normalization,
        weights: &BTreeMap<String, Tensor>,
        device: &Device,
    ) -> std::result::Result<Self, ModelError> {
        let front = match architecture {
            Architecture::Landmarks(_) => {
                Front::Landmarks(landmarks::Encoder::new(normalization, weights, device)?)
            }
            Architecture::Pixels(sizes) => Front::Pixels(pixels::Encoder::new(sizes, weights)?),
        };
        let frame = architecture.input().frame_len();
        Ok(Self { front, trunk: Trunk::new(architecture.shape(), weights)?, frame })
    }

    /// x `[b, t, numbers of a frame]` and each block's past `[b, context, inner]` → logits
    /// `[b, t, classes]` and each block's new past. `drop` scales each block's contribution, one
    /// factor a sequence `[b, 1, 1]` (training only).
    pub fn forward(
        &self,
        x: &Tensor,
        past: &[Tensor],
        drop: Option<&[Tensor]>,
    ) -> Result<(Tensor, Vec<Tensor>)> {
        self.trunk.forward(&self.front(x)?, x.dim(0)?, past, drop)
    }

    /// The same with the past wherever `past` keeps it.
    pub(crate) fn run(&self, x: &Tensor, past: &mut dyn Past) -> Result<Tensor> {
        self.trunk.run(&self.front(x)?, x.dim(0)?, past, None)
    }

    /// x `[b, t, numbers of a frame]` → `[b · t, width]`.
    fn front(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, frames, _) = x.dims3()?;
        let x = x.reshape((batch * frames, self.frame))?;
        match &self.front {
            Front::Landmarks(encoder) => encoder.forward(&x),
            Front::Pixels(encoder) => encoder.forward(&x),
        }
    }

    /// The past of `batch` streams in which nothing has happened.
    pub fn no_past(&self, batch: usize, device: &Device) -> Result<Vec<Tensor>> {
        self.trunk.no_past(batch, device)
    }
}

/// A model that serves, on Candle.
pub struct CandleModel {
    spec: ModelSpec,
    net: Net,
    device: Device,
}

impl CandleModel {
    /// Checks that description and weights fit each other and this program.
    pub fn new(
        spec: ModelSpec,
        weights: &Named,
        device: Device,
    ) -> std::result::Result<Self, ModelError> {
        check(&spec, weights)?;
        let net = Net::new(&spec.architecture, &spec.normalization, weights, &device)?;
        Ok(Self { spec, net, device })
    }

    /// One step of streams that all bring `frames` frames.
    fn step_equal(
        &self,
        hops: &mut [&mut Hop<'_>],
        frames: usize,
    ) -> std::result::Result<(), ModelError> {
        let shape = self.net.trunk.shape();
        let batch = hops.len();
        let x: Vec<f32> = hops.iter().flat_map(|hop| hop.features.iter().copied()).collect();
        let x = Tensor::from_vec(x, (batch, frames, self.net.frame), &self.device)?;
        let mut past = Vec::with_capacity(shape.dilations.len());
        let mut at = 0;
        for index in 0..shape.dilations.len() {
            let (context, inner) = (shape.context(index), shape.inner());
            let end = at + context * inner;
            let rows = hops.iter().flat_map(|hop| hop.state.0[at..end].iter().copied());
            past.push(Tensor::from_iter(rows, &self.device)?.reshape((batch, context, inner))?);
            at = end;
        }
        let (logits, carried) = self.net.forward(&x, &past, None)?;
        let logits = (logits / f64::from(self.spec.temperature))?;
        let log_probs = candle_nn::ops::log_softmax(&logits, D::Minus1)?.flatten_all()?;
        let log_probs = log_probs.to_vec1::<f32>()?;
        let carried = carried
            .iter()
            .map(|past| past.contiguous()?.flatten_all()?.to_vec1::<f32>())
            .collect::<Result<Vec<_>>>()?;
        for (row, hop) in hops.iter_mut().enumerate() {
            let len = frames * self.spec.classes();
            hop.log_probs.extend_from_slice(&log_probs[row * len..(row + 1) * len]);
            let mut at = 0;
            for past in &carried {
                let len = past.len() / batch;
                hop.state.0[at..at + len].copy_from_slice(&past[row * len..(row + 1) * len]);
                at += len;
            }
        }
        Ok(())
    }
}

/// Whether description and weights fit each other.
pub(crate) fn check(spec: &ModelSpec, weights: &Named) -> std::result::Result<(), ModelError> {
    if spec.architecture.input() != spec.input {
        return Err(ModelError::Mismatch(format!(
            "its input is {:?}, its architecture is for {:?}",
            spec.input,
            spec.architecture.input()
        )));
    }
    for (name, shape, _) in spec.architecture.weights(spec.classes()) {
        let found = weights.get(&name).map(Tensor::dims);
        if found != Some(shape.as_slice()) {
            return Err(ModelError::Mismatch(format!(
                "the weight {name} should have the shape {shape:?} and has {found:?}"
            )));
        }
    }
    Ok(())
}

impl Model for CandleModel {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn new_state(&self) -> StreamState {
        StreamState(vec![0.0; self.net.trunk.shape().state_len()], None)
    }

    fn step(&mut self, hops: &mut [Hop<'_>]) -> std::result::Result<(), ModelError> {
        let (frame, expected) = (self.net.frame, self.net.trunk.shape().state_len());
        let mut by_length: BTreeMap<usize, Vec<&mut Hop<'_>>> = BTreeMap::new();
        for hop in hops {
            let (found, state) = (hop.features.len(), hop.state.0.len());
            if !found.is_multiple_of(frame) {
                return Err(ModelError::Features { found, frame });
            }
            if state != expected {
                return Err(ModelError::State { found: state, expected });
            }
            by_length.entry(found / frame).or_default().push(hop);
        }
        for (frames, mut equal) in by_length {
            if frames > 0 {
                self.step_equal(&mut equal, frames)?;
            }
        }
        Ok(())
    }
}
