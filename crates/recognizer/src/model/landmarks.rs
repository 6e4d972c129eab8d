//! The front of the net for landmarks: one encoder shared by both hands, one for the body.

use candle_core::{Device, Result, Tensor};
use serde::{Deserialize, Serialize};

use super::layers::silu;
use super::trunk::{Dense, Named, Shape, Weights, dense};
use super::{ModelError, Normalization};
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

impl Architecture {
    pub(super) fn shape(&self) -> Shape {
        let dilations = self.dilations.clone();
        Shape { width: self.width, expand: self.expand, kernel: self.kernel, dilations }
    }

    pub(super) fn weights(&self, all: &mut Weights) {
        dense(all, "hand.0", HAND, self.hand, 1.0);
        dense(all, "hand.1", self.hand, self.hand, 1.4);
        dense(all, "body.0", BODY, self.body, 1.0);
        dense(all, "body.1", self.body, self.body, 1.4);
        dense(all, "join", 2 * self.hand + self.body, self.width, 1.4);
    }
}

pub(super) struct Encoder {
    mean: Tensor,
    scale: Tensor,
    hand: [Dense; 2],
    body: [Dense; 2],
    join: Dense,
}

impl Encoder {
    pub(super) fn new(
        normalization: &Normalization,
        weights: &Named,
        device: &Device,
    ) -> std::result::Result<Self, ModelError> {
        let n = normalization;
        if n.mean.len() != FEATURES || n.scale.len() != FEATURES {
            return Err(ModelError::Mismatch(format!(
                "it was trained on {} features a frame, this program makes {FEATURES}",
                n.mean.len()
            )));
        }
        Ok(Self {
            mean: Tensor::from_slice(&n.mean, (1, FEATURES), device)?,
            scale: Tensor::from_slice(&n.scale, (1, FEATURES), device)?,
            hand: [Dense::new(weights, "hand.0")?, Dense::new(weights, "hand.1")?],
            body: [Dense::new(weights, "body.0")?, Dense::new(weights, "body.1")?],
            join: Dense::new(weights, "join")?,
        })
    }

    /// Hands and body apart, what is absent silenced, then joined: `[n, FEATURES]` → `[n, width]`.
    pub(super) fn forward(&self, raw: &Tensor) -> Result<Tensor> {
        let rows = raw.dim(0)?;
        let x = raw.broadcast_sub(&self.mean)?.broadcast_mul(&self.scale)?;
        let hands = Tensor::cat(&[x.narrow(1, 0, HAND)?, x.narrow(1, HAND, HAND)?], 0)?;
        let here = [HAND_PRESENT, HAND + HAND_PRESENT].map(|at| raw.narrow(1, at, 1));
        let [right, left] = here;
        let here = Tensor::cat(&[right?, left?], 0)?;
        let hands = silu(&self.hand[0].forward(&hands)?)?;
        let hands = silu(&self.hand[1].forward(&hands)?)?;
        let hands = hands.broadcast_mul(&here.to_dtype(hands.dtype())?)?;
        let body = silu(&self.body[0].forward(&x.narrow(1, 2 * HAND, BODY)?.contiguous()?)?)?;
        let body = silu(&self.body[1].forward(&body)?)?;
        let here = raw.narrow(1, 2 * HAND + BODY_PRESENT, 1)?;
        let body = body.broadcast_mul(&here.to_dtype(body.dtype())?)?;
        let (right, left) = (hands.narrow(0, 0, rows)?, hands.narrow(0, rows, rows)?);
        silu(&self.join.forward(&Tensor::cat(&[right, left, body], 1)?)?)
    }
}
