//! Activation, norm and bias on the CPU in one pass over memory, forward and backward. Candle makes
//! each of them of many small operations, which take most of a training's time.

use std::ops::Deref;

use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, Error, Layout, Result, Shape, Storage, Tensor,
};

use super::NORM_EPSILON;
use crate::kernels::element::{self, exp};
use crate::kernels::isa::{Isa, Kind, for_each_isa};

/// The numbers of a tensor on the CPU, held while they are read.
pub(super) struct Numbers<G> {
    storage: G,
    start: usize,
    count: usize,
}

/// The numbers of a contiguous tensor.
pub(super) fn numbers(tensor: &Tensor) -> Numbers<impl Deref<Target = Storage>> {
    let (storage, layout) = tensor.storage_and_layout();
    Numbers { storage, start: layout.start_offset(), count: layout.shape().elem_count() }
}

impl<G: Deref<Target = Storage>> Numbers<G> {
    pub(super) fn slice(&self) -> Result<&[f32]> {
        match &*self.storage {
            Storage::Cpu(numbers) => {
                Ok(&numbers.as_slice::<f32>()?[self.start..self.start + self.count])
            }
            Storage::Cuda(_) | Storage::Metal(_) => {
                Err(Error::Msg("this operation is for the CPU".to_owned()))
            }
        }
    }
}

/// The numbers of a contiguous argument.
fn of<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let start = layout.start_offset();
    Ok(&storage.as_slice::<f32>()?[start..start + layout.shape().elem_count()])
}

/// `x · 1 / (1 + e⁻ˣ)`.
pub(super) struct Silu;

for_each_isa! {
    fn silu(x: &[f32], out: &mut [f32]) {
        for (out, x) in out.iter_mut().zip(x) {
            *out = element::silu(*x);
        }
    }
}

for_each_isa! {
    fn silu_back(x: &[f32], grad: &[f32], out: &mut [f32]) {
        for ((out, x), grad) in out.iter_mut().zip(x).zip(grad) {
            let share = 1.0 / (1.0 + exp(-x));
            *out = grad * share * (1.0 + x * (1.0 - share));
        }
    }
}

impl CustomOp1 for Silu {
    fn name(&self) -> &'static str {
        "silu"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = of(x, layout)?;
        let mut out = vec![0.0; x.len()];
        silu(Isa::best(), x, &mut out);
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let grad = grad.contiguous()?;
        let mut out = vec![0.0; x.elem_count()];
        silu_back(Isa::best(), numbers(x).slice()?, numbers(&grad).slice()?, &mut out);
        Ok(Some(Tensor::from_vec(out, x.shape(), x.device())?))
    }
}

/// Each row divided by its root mean square, times a weight.
pub(super) struct Norm;

/// 1 / root mean square.
#[inline]
fn factor(row: &[f32]) -> f32 {
    let square: f32 = row.iter().map(|v| v * v).sum::<f32>() / row.len() as f32;
    1.0 / (square + NORM_EPSILON as f32).sqrt()
}

for_each_isa! {
    fn norm(x: &[f32], weight: &[f32], out: &mut [f32]) {
        let width = weight.len();
        for (x, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            let factor = factor(x);
            for ((out, x), weight) in out.iter_mut().zip(x).zip(weight) {
                *out = x * factor * weight;
            }
        }
    }
}

for_each_isa! {
    fn norm_back(x: &[f32], weight: &[f32], grad: &[f32], dx: &mut [f32], dw: &mut [f32]) {
        let width = weight.len();
        let rows = x.chunks_exact(width).zip(grad.chunks_exact(width));
        for ((x, grad), dx) in rows.zip(dx.chunks_exact_mut(width)) {
            let factor = factor(x);
            let mut along = 0.0;
            for (((x, grad), weight), dw) in x.iter().zip(grad).zip(weight).zip(dw.iter_mut()) {
                *dw += grad * x * factor;
                along += grad * x * weight;
            }
            let along = along * factor * factor / width as f32;
            for (((dx, x), grad), weight) in dx.iter_mut().zip(x).zip(grad).zip(weight) {
                *dx = factor * (grad * weight - x * along);
            }
        }
    }
}

impl CustomOp2 for Norm {
    fn name(&self) -> &'static str {
        "rms-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let x = of(x, x_layout)?;
        let mut out = vec![0.0; x.len()];
        norm(Isa::best(), x, of(weight, weight_layout)?, &mut out);
        Ok((CpuStorage::F32(out), x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let (mut dx, mut dw) = (vec![0.0; x.elem_count()], vec![0.0; weight.elem_count()]);
        let (xs, weights, grads) = (numbers(x), numbers(weight), numbers(&grad));
        let (xs, weights, grads) = (xs.slice()?, weights.slice()?, grads.slice()?);
        norm_back(Isa::best(), xs, weights, grads, &mut dx, &mut dw);
        let dx = Tensor::from_vec(dx, x.shape(), x.device())?;
        Ok((Some(dx), Some(Tensor::from_vec(dw, weight.shape(), x.device())?)))
    }
}

/// The same number added to every row of a column.
pub(super) struct Bias;

for_each_isa! {
    fn add_rows(x: &[f32], bias: &[f32], out: &mut [f32]) {
        let width = bias.len();
        for (x, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            for ((out, x), bias) in out.iter_mut().zip(x).zip(bias) {
                *out = x + bias;
            }
        }
    }
}

for_each_isa! {
    fn sum_rows(rows: &[f32], sum: &mut [f32]) {
        for row in rows.chunks_exact(sum.len()) {
            for (sum, value) in sum.iter_mut().zip(row) {
                *sum += value;
            }
        }
    }
}

impl CustomOp2 for Bias {
    fn name(&self) -> &'static str {
        "bias"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let x = of(x, x_layout)?;
        let mut out = vec![0.0; x.len()];
        add_rows(Isa::best(), x, of(bias, bias_layout)?, &mut out);
        Ok((CpuStorage::F32(out), x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        _: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let mut sum = vec![0.0; bias.elem_count()];
        sum_rows(Isa::best(), numbers(&grad).slice()?, &mut sum);
        let sum = Tensor::from_vec(sum, bias.shape(), bias.device())?;
        Ok((Some(grad), Some(sum)))
    }
}

for_each_isa! {
    /// `out += a · b`, number by number.
    fn add_products(out: &mut [f32], a: &[f32], b: &[f32]) {
        for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
            *out += a * b;
        }
    }
}
