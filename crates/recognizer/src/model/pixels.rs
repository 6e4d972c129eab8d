//! The front of the net for pictures: 3×3 convolutions, each halving the picture, then all that is
//! left in one dense layer. Patches times a matrix: Candle's own convolutions are many times slower.

use candle_core::{Result, Tensor};
use serde::{Deserialize, Serialize};

use super::ModelError;
use super::layers::{patches, silu};
use super::trunk::{Dense, Named, Shape, Weights, dense};
use crate::features::picture::{CHANNELS, EDGE};

/// Pixels that an output of a convolution looks at: three by three.
const WINDOW: usize = 9;

/// The sizes of the net.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// Channels after each convolution; each halves the picture.
    pub channels: Vec<usize>,
    /// Width of the trunk.
    pub width: usize,
    /// A block's inner width is this times `width`.
    pub expand: usize,
    /// Taps of each causal convolution over time.
    pub kernel: usize,
    /// One block each; the distance between taps, in frames.
    pub dilations: Vec<usize>,
}

impl Default for Architecture {
    fn default() -> Self {
        Self {
            channels: vec![16, 32, 48, 64, 96],
            width: 96,
            expand: 1,
            kernel: 3,
            dilations: vec![1, 2],
        }
    }
}

impl Architecture {
    pub(super) fn shape(&self) -> Shape {
        let dilations = self.dilations.clone();
        Shape { width: self.width, expand: self.expand, kernel: self.kernel, dilations }
    }

    /// How often a weight is used in one picture.
    pub(super) fn places(&self, name: &str) -> usize {
        let (mut edge, mut index) = (EDGE, 0);
        while index < self.channels.len() {
            edge = edge.div_ceil(2);
            if name == format!("conv.{index}.weight") {
                return edge * edge;
            }
            index += 1;
        }
        1
    }

    pub(super) fn weights(&self, all: &mut Weights) {
        let (mut inputs, mut edge) = (CHANNELS, EDGE);
        for (index, &channels) in self.channels.iter().enumerate() {
            dense(all, &format!("conv.{index}"), WINDOW * inputs, channels, 1.6);
            (inputs, edge) = (channels, edge.div_ceil(2));
        }
        dense(all, "join", edge * edge * inputs, self.width, 1.4);
    }
}

pub(super) struct Encoder {
    convolutions: Vec<Dense>,
    join: Dense,
}

impl Encoder {
    pub(super) fn new(
        architecture: &Architecture,
        weights: &Named,
    ) -> std::result::Result<Self, ModelError> {
        let convolution = |index| Dense::new(weights, &format!("conv.{index}"));
        let convolutions = (0..architecture.channels.len()).map(convolution);
        let convolutions = convolutions.collect::<std::result::Result<_, ModelError>>()?;
        Ok(Self { convolutions, join: Dense::new(weights, "join")? })
    }

    /// `[n, EDGE · EDGE · CHANNELS]`, channels innermost → `[n, width]`.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let rows = x.dim(0)?;
        let mut x = x.reshape((rows, EDGE, EDGE, CHANNELS))?;
        for convolution in &self.convolutions {
            let seen = patches(&x)?;
            let (_, high, wide, window) = seen.dims4()?;
            let out = silu(&convolution.forward(&seen.reshape((rows * high * wide, window))?)?)?;
            x = out.reshape((rows, high, wide, ()))?;
        }
        silu(&self.join.forward(&x.reshape((rows, ()))?)?)
    }
}
