//! The convolution over time: every channel for itself, the past only. Candle's grouped
//! convolutions are many times slower.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};

use super::fused::{add_products, numbers};
use crate::kernels::Isa;

/// Every channel's own causal convolution: x `[batch, context + t, c]`, weight `[k, c]` →
/// `[batch, t, c]`, where context = (k − 1) · dilation frames of the past.
pub fn depthwise(x: &Tensor, weight: &Tensor, dilation: usize) -> Result<Tensor> {
    if x.device().is_cpu() {
        return x.contiguous()?.apply_op2(weight, Depthwise { dilation });
    }
    let (_, frames, _) = x.dims3()?;
    let taps = weight.dim(0)?;
    let out = frames - (taps - 1) * dilation;
    let mut sum = x.narrow(1, 0, out)?.broadcast_mul(&weight.get(0)?)?;
    for tap in 1..taps {
        sum = (sum + x.narrow(1, tap * dilation, out)?.broadcast_mul(&weight.get(tap)?)?)?;
    }
    Ok(sum)
}

/// The same in one pass over memory; five times the speed of the sum above in training.
struct Depthwise {
    dilation: usize,
}

/// Sizes of one depthwise convolution.
struct Sizes {
    batch: usize,
    frames: usize,
    out: usize,
    channels: usize,
    taps: usize,
}

impl Depthwise {
    fn sizes(&self, x: &Shape, weight: &Shape) -> Result<Sizes> {
        let (batch, frames, channels) = x.dims3()?;
        let (taps, _) = weight.dims2()?;
        Ok(Sizes { batch, frames, out: frames - (taps - 1) * self.dilation, channels, taps })
    }

    /// Calls `visit(input row, weight row, output row)` with element ranges, for every tap.
    fn each(&self, s: &Sizes, mut visit: impl FnMut(usize, usize, usize)) {
        for batch in 0..s.batch {
            for time in 0..s.out {
                for tap in 0..s.taps {
                    let input = (batch * s.frames + time + tap * self.dilation) * s.channels;
                    visit(input, tap * s.channels, (batch * s.out + time) * s.channels);
                }
            }
        }
    }
}

impl CustomOp2 for Depthwise {
    fn name(&self) -> &'static str {
        "causal-depthwise"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let s = self.sizes(x_layout.shape(), weight_layout.shape())?;
        let (x, w) = (&x.as_slice::<f32>()?[x_layout.start_offset()..], weight.as_slice::<f32>()?);
        let w = &w[weight_layout.start_offset()..];
        let mut y = vec![0.0f32; s.batch * s.out * s.channels];
        let isa = Isa::best();
        self.each(&s, |input, tap, output| {
            let (x, w) = (&x[input..input + s.channels], &w[tap..tap + s.channels]);
            add_products(isa, &mut y[output..output + s.channels], x, w);
        });
        Ok((CpuStorage::F32(y), Shape::from((s.batch, s.out, s.channels))))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let s = self.sizes(x.shape(), weight.shape())?;
        let grad = grad.contiguous()?;
        let (xs, ws, grads) = (numbers(x), numbers(weight), numbers(&grad));
        let (xs, ws, grads) = (xs.slice()?, ws.slice()?, grads.slice()?);
        let (mut dx, mut dw) = (vec![0.0f32; xs.len()], vec![0.0f32; ws.len()]);
        let isa = Isa::best();
        self.each(&s, |input, tap, output| {
            let g = &grads[output..output + s.channels];
            add_products(isa, &mut dx[input..input + s.channels], g, &ws[tap..tap + s.channels]);
            add_products(isa, &mut dw[tap..tap + s.channels], g, &xs[input..input + s.channels]);
        });
        let dx = Tensor::from_vec(dx, x.shape(), x.device())?;
        let dw = Tensor::from_vec(dw, weight.shape(), x.device())?;
        Ok((Some(dx), Some(dw)))
    }
}
