//! What every net here ends with: causal blocks that carry the past as plain state, and a head.
//! Landmarks and pixels differ only in what comes before.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Result, Tensor};

use super::ModelError;
use super::layers::{depthwise, linear, rms_norm, silu};

/// How a weight begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Start {
    /// Normal, with this standard deviation.
    Normal(f64),
    /// All the same.
    Constant(f64),
}

/// Every weight of a net, or of a part of it: name, shape, start.
pub type Weights = Vec<(String, Vec<usize>, Start)>;

/// Adds a dense layer's weights; `gain` scales its start.
pub(super) fn dense(all: &mut Weights, name: &str, inputs: usize, outputs: usize, gain: f64) {
    let spread = gain / (inputs as f64).sqrt();
    all.push((format!("{name}.weight"), vec![inputs, outputs], Start::Normal(spread)));
    all.push((format!("{name}.bias"), vec![outputs], Start::Constant(0.0)));
}

/// The sizes of the blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Width of the trunk.
    pub width: usize,
    /// A block's inner width is this times `width`.
    pub expand: usize,
    /// Taps of each causal convolution.
    pub kernel: usize,
    /// One block each; the distance between taps, in frames.
    pub dilations: Vec<usize>,
}

impl Shape {
    /// A block's inner width.
    pub fn inner(&self) -> usize {
        self.width * self.expand
    }

    /// Frames of the past that block `index` keeps.
    pub fn context(&self, index: usize) -> usize {
        (self.kernel - 1) * self.dilations[index]
    }

    /// Numbers a stream's state holds.
    pub fn state_len(&self) -> usize {
        (0..self.dilations.len()).map(|index| self.context(index) * self.inner()).sum()
    }

    /// Adds the weights of blocks and head.
    pub(super) fn weights(&self, classes: usize, all: &mut Weights) {
        for index in 0..self.dilations.len() {
            dense(all, &format!("block.{index}.in"), self.width, self.inner(), 1.0);
            dense(all, &format!("block.{index}.out"), self.inner(), self.width, 0.7);
        }
        dense(all, "head", self.width, classes, 0.5);
        for index in 0..self.dilations.len() {
            let shape = vec![self.kernel, self.inner()];
            let spread = 1.4 / (self.kernel as f64).sqrt();
            all.push((format!("block.{index}.taps"), shape, Start::Normal(spread)));
            let norm = format!("block.{index}.norm");
            all.push((norm, vec![self.width], Start::Constant(1.0)));
        }
        all.push(("norm".to_owned(), vec![self.width], Start::Constant(1.0)));
    }
}

/// Named weights; they may be variables, and stay connected.
pub type Named = BTreeMap<String, Tensor>;

/// The weight of that name.
pub(super) fn take(weights: &Named, name: &str) -> std::result::Result<Tensor, ModelError> {
    let missing = || ModelError::Mismatch(format!("the weight {name} is missing"));
    weights.get(name).cloned().ok_or_else(missing)
}

/// `x · weight + bias`.
pub(super) struct Dense {
    weight: Tensor,
    bias: Tensor,
}

impl Dense {
    pub(super) fn new(weights: &Named, name: &str) -> std::result::Result<Self, ModelError> {
        let weight = take(weights, &format!("{name}.weight"))?;
        Ok(Self { weight, bias: take(weights, &format!("{name}.bias"))? })
    }

    /// In the weights' own precision, whatever x comes in.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        linear(&x.to_dtype(self.weight.dtype())?, &self.weight, &self.bias)
    }
}

/// What the blocks' convolutions take the past from, and leave the new past in.
pub(crate) trait Past {
    /// One block's causal convolution: inner `[b, t, inner]`, taps `[k, inner]` → `[b, t, inner]`
    /// after its SiLU.
    fn mix(
        &mut self,
        block: usize,
        inner: Tensor,
        taps: &Tensor,
        dilation: usize,
    ) -> Result<Tensor>;
}

/// Past that comes and goes as tensors, one `[b, context, inner]` a block.
struct Carried<'a> {
    before: &'a [Tensor],
    after: Vec<Tensor>,
}

impl Past for Carried<'_> {
    fn mix(
        &mut self,
        block: usize,
        inner: Tensor,
        taps: &Tensor,
        dilation: usize,
    ) -> Result<Tensor> {
        let before = &self.before[block];
        let frames = inner.dim(1)?;
        let all = Tensor::cat(&[before, &inner], 1)?;
        self.after.push(all.narrow(1, frames, before.dim(1)?)?);
        silu(&depthwise(&all, taps, dilation)?)
    }
}

struct Block {
    norm: Tensor,
    inward: Dense,
    taps: Tensor,
    outward: Dense,
    dilation: usize,
}

/// Blocks and head.
pub(super) struct Trunk {
    shape: Shape,
    blocks: Vec<Block>,
    norm: Tensor,
    head: Dense,
}

impl Trunk {
    pub(super) fn new(shape: Shape, weights: &Named) -> std::result::Result<Self, ModelError> {
        let block = |(index, &dilation): (usize, &usize)| {
            Ok(Block {
                norm: take(weights, &format!("block.{index}.norm"))?,
                inward: Dense::new(weights, &format!("block.{index}.in"))?,
                taps: take(weights, &format!("block.{index}.taps"))?,
                outward: Dense::new(weights, &format!("block.{index}.out"))?,
                dilation,
            })
        };
        let blocks = shape.dilations.iter().enumerate().map(block);
        let blocks = blocks.collect::<std::result::Result<_, ModelError>>()?;
        Ok(Self { blocks, norm: take(weights, "norm")?, head: Dense::new(weights, "head")?, shape })
    }

    pub(super) fn shape(&self) -> &Shape {
        &self.shape
    }

    /// x `[b · t, width]` and each block's past `[b, context, inner]` → logits `[b, t, classes]`
    /// and each block's new past. `drop` scales each block's contribution, one factor a sequence
    /// `[b, 1, 1]` (training only).
    pub(super) fn forward(
        &self,
        x: &Tensor,
        batch: usize,
        past: &[Tensor],
        drop: Option<&[Tensor]>,
    ) -> Result<(Tensor, Vec<Tensor>)> {
        let mut carried = Carried { before: past, after: Vec::with_capacity(past.len()) };
        let logits = self.run(x, batch, &mut carried, drop)?;
        Ok((logits, carried.after))
    }

    /// The same with the past wherever `past` keeps it. Between the blocks numbers stay in f32,
    /// in the blocks they have the weights' precision.
    pub(super) fn run(
        &self,
        x: &Tensor,
        batch: usize,
        past: &mut dyn Past,
        drop: Option<&[Tensor]>,
    ) -> Result<Tensor> {
        let mut x = x.to_dtype(DType::F32)?;
        let (rows, width, inner_width) = (x.dim(0)?, self.shape.width, self.shape.inner());
        let frames = rows / batch;
        for (index, block) in self.blocks.iter().enumerate() {
            let inner = silu(&block.inward.forward(&rms_norm(&x, &block.norm)?)?)?;
            let inner = inner.reshape((batch, frames, inner_width))?;
            let mixed = past.mix(index, inner, &block.taps, block.dilation)?;
            let out = block.outward.forward(&mixed.reshape((rows, inner_width))?)?;
            let mut out = out.to_dtype(DType::F32)?;
            if let Some(drop) = drop {
                let shaped = out.reshape((batch, frames, width))?.broadcast_mul(&drop[index])?;
                out = shaped.reshape((rows, width))?;
            }
            x = (x + out)?;
        }
        let logits = self.head.forward(&rms_norm(&x, &self.norm)?)?;
        logits.reshape((batch, frames, ()))
    }

    /// The past of `batch` streams in which nothing has happened.
    pub(super) fn no_past(&self, batch: usize, device: &Device) -> Result<Vec<Tensor>> {
        let zeros = |index| {
            let shape = (batch, self.shape.context(index), self.shape.inner());
            Tensor::zeros(shape, DType::F32, device)
        };
        (0..self.shape.dilations.len()).map(zeros).collect()
    }
}
