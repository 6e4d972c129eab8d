//! The layers of the net. Everything here has a gradient that tests check: Candle's fused norms
//! cut it without a word, its conv1d gets it wrong for batches, its grouped convolutions are slow.

use candle_core::{D, DType, Result, Tensor};

mod depthwise;
mod fused;
mod patches;

pub use depthwise::depthwise;
pub use patches::patches;

/// Keeps the root mean square away from zero.
const NORM_EPSILON: f64 = 1e-5;

/// Whether the loops of this program do it: f32 on the CPU.
fn is_plain(x: &Tensor) -> bool {
    x.device().is_cpu() && x.dtype() == DType::F32
}

/// `x · w + b`: x `[n, in]`, w `[in, out]`, b `[out]`.
pub fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let product = x.matmul(weight)?;
    if is_plain(x) {
        return product.apply_op2(bias, fused::Bias);
    }
    product.broadcast_add(bias)
}

/// `x · 1 / (1 + e⁻ˣ)`.
pub fn silu(x: &Tensor) -> Result<Tensor> {
    if is_plain(x) {
        return x.contiguous()?.apply_op1(fused::Silu);
    }
    x.silu()
}

/// Root-mean-square norm over the last dimension, times `weight`.
pub fn rms_norm(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    if is_plain(x) {
        return x.contiguous()?.apply_op2(weight, fused::Norm);
    }
    // Nothing is trained there, and Candle's fused kernel, which has no gradient, saves five launches.
    if x.device().is_cuda() {
        return candle_nn::ops::rms_norm(&x.contiguous()?, weight, NORM_EPSILON as f32);
    }
    let scale = (x.sqr()?.mean_keepdim(D::Minus1)? + NORM_EPSILON)?.sqrt()?.recip()?;
    x.broadcast_mul(&scale)?.broadcast_mul(weight)
}
