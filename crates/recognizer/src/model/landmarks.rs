//! The net for landmarks: one encoder shared by both hands, one for the body, then causal blocks
//! that carry the past as plain state. The same code trains (state zero) and serves (state
//! carried), so streamed and offline can't drift apart.

use std::collections::BTreeMap;

use candle_core::{D, Device, Result, Tensor};
use serde::{Deserialize, Serialize};

use super::layers::{depthwise, linear, rms_norm};
use super::{Hop, Model, ModelError, ModelSpec, Normalization, StreamState};
use crate::features::{BODY, BODY_PRESENT, FEATURES, HAND, HAND_PRESENT};

/// The sizes of the net.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// Width of the hand encoder.
    pub hand: usize,
    /// Width of the body encoder.
    pub body: usize,
    /// Width of the trunk.
    pub width: usize,
    /// A block's inner width is this times `width`.
    pub expand: usize,
    /// Taps of each causal convolution.
    pub kernel: usize,
    /// One block each; the distance between taps, in frames.
    pub dilations: Vec<usize>,
}

impl Default for Architecture {
    fn default() -> Self {
        Self { hand: 64, body: 32, width: 128, expand: 2, kernel: 5, dilations: vec![1, 2, 4, 8] }
    }
}

/// How a weight begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Start {
    /// Normal, with this standard deviation.
    Normal(f64),
    /// All the same.
    Constant(f64),
}

impl Architecture {
    fn inner(&self) -> usize {
        self.width * self.expand
    }

    /// Frames of the past that block `index` keeps.
    fn context(&self, index: usize) -> usize {
        (self.kernel - 1) * self.dilations[index]
    }

    /// Numbers a stream's state holds.
    pub fn state_len(&self) -> usize {
        (0..self.dilations.len()).map(|index| self.context(index) * self.inner()).sum()
    }

    /// Every weight: name, shape, start.
    pub fn weights(&self, classes: usize) -> Vec<(String, Vec<usize>, Start)> {
        let mut all = Vec::new();
        let mut dense = |name: &str, inputs: usize, outputs: usize, gain: f64| {
            let spread = gain / (inputs as f64).sqrt();
            all.push((format!("{name}.weight"), vec![inputs, outputs], Start::Normal(spread)));
            all.push((format!("{name}.bias"), vec![outputs], Start::Constant(0.0)));
        };
        dense("hand.0", HAND, self.hand, 1.0);
        dense("hand.1", self.hand, self.hand, 1.4);
        dense("body.0", BODY, self.body, 1.0);
        dense("body.1", self.body, self.body, 1.4);
        dense("join", 2 * self.hand + self.body, self.width, 1.4);
        for index in 0..self.dilations.len() {
            dense(&format!("block.{index}.in"), self.width, self.inner(), 1.0);
            dense(&format!("block.{index}.out"), self.inner(), self.width, 0.7);
        }
        dense("head", self.width, classes, 0.5);
        for index in 0..self.dilations.len() {
            let shape = vec![self.kernel, self.inner()];
            let spread = 1.4 / (self.kernel as f64).sqrt();
            all.push((format!("block.{index}.taps"), shape, Start::Normal(spread)));
            let norm = format!("block.{index}.norm");
            all.push((norm, vec![self.width], Start::Constant(1.0)));
        }
        all.push(("norm".to_owned(), vec![self.width], Start::Constant(1.0)));
        all
    }
}

struct Dense {
    weight: Tensor,
    bias: Tensor,
}

impl Dense {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        linear(x, &self.weight, &self.bias)
    }
}

struct Block {
    norm: Tensor,
    inward: Dense,
    taps: Tensor,
    outward: Dense,
    dilation: usize,
}

/// The net: features in, logits out.
pub struct Net {
    architecture: Architecture,
    mean: Tensor,
    scale: Tensor,
    hand: [Dense; 2],
    body: [Dense; 2],
    join: Dense,
    blocks: Vec<Block>,
    norm: Tensor,
    head: Dense,
}

impl Net {
    /// Puts the net together from named weights; they may be variables, and stay connected.
    pub fn new(
        architecture: &Architecture,
        normalization: &Normalization,
        weights: &BTreeMap<String, Tensor>,
        device: &Device,
    ) -> std::result::Result<Self, ModelError> {
        let take = |name: &str| {
            let missing = || ModelError::Mismatch(format!("the weight {name} is missing"));
            weights.get(name).cloned().ok_or_else(missing)
        };
        let dense = |name: &str| {
            let (weight, bias) = (take(&format!("{name}.weight"))?, take(&format!("{name}.bias"))?);
            Ok::<_, ModelError>(Dense { weight, bias })
        };
        let blocks = architecture.dilations.iter().enumerate().map(|(index, &dilation)| {
            Ok(Block {
                norm: take(&format!("block.{index}.norm"))?,
                inward: dense(&format!("block.{index}.in"))?,
                taps: take(&format!("block.{index}.taps"))?,
                outward: dense(&format!("block.{index}.out"))?,
                dilation,
            })
        });
        Ok(Self {
            mean: Tensor::from_slice(&normalization.mean, (1, FEATURES), device)?,
            scale: Tensor::from_slice(&normalization.scale, (1, FEATURES), device)?,
            hand: [dense("hand.0")?, dense("hand.1")?],
            body: [dense("body.0")?, dense("body.1")?],
            join: dense("join")?,
            blocks: blocks.collect::<std::result::Result<_, ModelError>>()?,
            norm: take("norm")?,
            head: dense("head")?,
            architecture: architecture.clone(),
        })
    }

    /// x `[b, t, FEATURES]` and each block's past `[b, context, inner]` → logits
    /// `[b, t, classes]` and each block's new past. `drop` scales each block's contribution, one
    /// factor a sequence `[b, 1, 1]` (training only).
    pub fn forward(
        &self,
        x: &Tensor,
        past: &[Tensor],
        drop: Option<&[Tensor]>,
    ) -> Result<(Tensor, Vec<Tensor>)> {
        let (batch, frames, _) = x.dims3()?;
        let width = self.architecture.width;
        let mut x = self.encode(&x.reshape((batch * frames, FEATURES))?)?;
        let mut carried = Vec::with_capacity(past.len());
        for (index, (block, past)) in self.blocks.iter().zip(past).enumerate() {
            let inner = block.inward.forward(&rms_norm(&x, &block.norm)?)?.silu()?;
            let inner = inner.reshape((batch, frames, self.architecture.inner()))?;
            let inner = Tensor::cat(&[past, &inner], 1)?;
            carried.push(inner.narrow(1, frames, self.architecture.context(index))?);
            let mixed = depthwise(&inner, &block.taps, block.dilation)?.silu()?;
            let mixed = mixed.reshape((batch * frames, self.architecture.inner()))?;
            let mut out = block.outward.forward(&mixed)?;
            if let Some(drop) = drop {
                let shaped = out.reshape((batch, frames, width))?.broadcast_mul(&drop[index])?;
                out = shaped.reshape((batch * frames, width))?;
            }
            x = (x + out)?;
        }
        let logits = self.head.forward(&rms_norm(&x, &self.norm)?)?;
        Ok((logits.reshape((batch, frames, ()))?, carried))
    }

    /// Hands and body apart, what is absent silenced, then joined: `[n, FEATURES]` → `[n, width]`.
    fn encode(&self, raw: &Tensor) -> Result<Tensor> {
        let rows = raw.dim(0)?;
        let x = raw.broadcast_sub(&self.mean)?.broadcast_mul(&self.scale)?;
        let hands = Tensor::cat(&[x.narrow(1, 0, HAND)?, x.narrow(1, HAND, HAND)?], 0)?;
        let here = [HAND_PRESENT, HAND + HAND_PRESENT].map(|at| raw.narrow(1, at, 1));
        let [right, left] = here;
        let hands = self.hand[0].forward(&hands)?.silu()?;
        let hands = self.hand[1].forward(&hands)?.silu()?;
        let hands = hands.broadcast_mul(&Tensor::cat(&[right?, left?], 0)?)?;
        let body = self.body[0].forward(&x.narrow(1, 2 * HAND, BODY)?.contiguous()?)?.silu()?;
        let body = self.body[1].forward(&body)?.silu()?;
        let body = body.broadcast_mul(&raw.narrow(1, 2 * HAND + BODY_PRESENT, 1)?)?;
        let (right, left) = (hands.narrow(0, 0, rows)?, hands.narrow(0, rows, rows)?);
        self.join.forward(&Tensor::cat(&[right, left, body], 1)?)?.silu()
    }

    /// The past of `batch` streams in which nothing has happened.
    pub fn no_past(&self, batch: usize, device: &Device) -> Result<Vec<Tensor>> {
        let a = &self.architecture;
        (0..a.dilations.len())
            .map(|i| {
                Tensor::zeros((batch, a.context(i), a.inner()), candle_core::DType::F32, device)
            })
            .collect()
    }
}

/// A landmark model that serves, on Candle.
pub struct LandmarkModel {
    spec: ModelSpec,
    net: Net,
    device: Device,
}

impl LandmarkModel {
    /// Checks that description and weights fit each other and this program.
    pub fn new(
        spec: ModelSpec,
        weights: &BTreeMap<String, Tensor>,
        device: Device,
    ) -> std::result::Result<Self, ModelError> {
        let n = &spec.normalization;
        if n.mean.len() != FEATURES || n.scale.len() != FEATURES {
            return Err(ModelError::Mismatch(format!(
                "it was trained on {} features a frame, this program makes {FEATURES}",
                n.mean.len()
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
        let net = Net::new(&spec.architecture, &spec.normalization, weights, &device)?;
        Ok(Self { spec, net, device })
    }

    /// One step of streams that all bring `frames` frames.
    fn step_equal(
        &self,
        hops: &mut [&mut Hop<'_>],
        frames: usize,
    ) -> std::result::Result<(), ModelError> {
        let a = &self.spec.architecture;
        let batch = hops.len();
        let x: Vec<f32> = hops.iter().flat_map(|hop| hop.features.iter().copied()).collect();
        let x = Tensor::from_vec(x, (batch, frames, FEATURES), &self.device)?;
        let mut past = Vec::with_capacity(a.dilations.len());
        let mut at = 0;
        for index in 0..a.dilations.len() {
            let len = a.context(index) * a.inner();
            let rows: Vec<f32> =
                hops.iter().flat_map(|hop| hop.state.0[at..at + len].iter().copied()).collect();
            past.push(Tensor::from_vec(rows, (batch, a.context(index), a.inner()), &self.device)?);
            at += len;
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

impl Model for LandmarkModel {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn new_state(&self) -> StreamState {
        StreamState(vec![0.0; self.spec.architecture.state_len()])
    }

    fn step(&mut self, hops: &mut [Hop<'_>]) -> std::result::Result<(), ModelError> {
        let expected = self.spec.architecture.state_len();
        let mut by_length: BTreeMap<usize, Vec<&mut Hop<'_>>> = BTreeMap::new();
        for hop in hops {
            let (found, state) = (hop.features.len(), hop.state.0.len());
            if !found.is_multiple_of(FEATURES) {
                return Err(ModelError::Features { found, frame: FEATURES });
            }
            if state != expected {
                return Err(ModelError::State { found: state, expected });
            }
            by_length.entry(found / FEATURES).or_default().push(hop);
        }
        for (frames, mut equal) in by_length {
            if frames > 0 {
                self.step_equal(&mut equal, frames)?;
            }
        }
        Ok(())
    }
}
