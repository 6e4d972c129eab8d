//! The past of all streams, on the device: a tensor for each block, a row for each stream. A step
//! names the rows it is for; nothing of it comes back to the host.

use std::sync::Arc;

use candle_core::{DType, Device, Result, Tensor};
use parking_lot::Mutex;

use crate::model::layers::depthwise;
use crate::model::trunk::{Past, Shape};

/// A stream's row. It is free again when the stream's state is dropped.
#[derive(Debug)]
pub struct Row {
    number: u32,
    free: Arc<Mutex<Vec<u32>>>,
}

impl Row {
    pub(super) fn number(&self) -> u32 {
        self.number
    }
}

impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number && Arc::ptr_eq(&self.free, &other.free)
    }
}

impl Drop for Row {
    fn drop(&mut self) {
        self.free.lock().push(self.number);
    }
}

/// The rows of all streams, and one more for what fills a step up to its size.
pub(super) struct Arena {
    /// `[rows + 1, context, inner]` for each block.
    blocks: Vec<Tensor>,
    rows: usize,
    free: Arc<Mutex<Vec<u32>>>,
}

impl Arena {
    pub(super) fn new(shape: &Shape, rows: usize, dtype: DType, device: &Device) -> Result<Self> {
        let block = |index| {
            let sizes = (rows + 1, shape.context(index), shape.inner());
            Tensor::zeros(sizes, dtype, device)
        };
        let blocks = (0..shape.dilations.len()).map(block).collect::<Result<_>>()?;
        let free = Arc::new(Mutex::new((0..rows as u32).rev().collect()));
        Ok(Self { blocks, rows, free })
    }

    /// A row that no stream has; `None` when all have one.
    pub(super) fn take(&self) -> Option<Row> {
        let number = self.free.lock().pop()?;
        Some(Row { number, free: Arc::clone(&self.free) })
    }

    /// The row that belongs to nobody.
    pub(super) fn scratch(&self) -> u32 {
        self.rows as u32
    }

    /// Bytes on the device.
    pub(super) fn bytes(&self) -> usize {
        self.blocks.iter().map(|block| block.elem_count() * block.dtype().size_in_bytes()).sum()
    }

    /// The past of a step: `rows` `[b]` (u32) says whose, `keep` `[b]` (f32) has 0 where nothing
    /// has happened yet, whatever the row still holds, and 1 elsewhere.
    pub(super) fn of<'a>(&'a self, rows: &'a Tensor, keep: &'a Tensor) -> OfStep<'a> {
        OfStep { arena: self, rows, keep }
    }
}

/// Rows of the arena as the past of one step. Rows must not repeat, but for the scratch row.
pub(super) struct OfStep<'a> {
    arena: &'a Arena,
    rows: &'a Tensor,
    keep: &'a Tensor,
}

impl Past for OfStep<'_> {
    fn mix(
        &mut self,
        block: usize,
        inner: Tensor,
        taps: &Tensor,
        dilation: usize,
    ) -> Result<Tensor> {
        let kept = &self.arena.blocks[block];
        #[cfg(feature = "cuda")]
        if inner.device().is_cuda() {
            return super::fused::mix(kept, self.rows, self.keep, &inner, taps, dilation);
        }
        plain(kept, self.rows, self.keep, &inner, taps, dilation)
    }
}

/// The readable twin of the fused kernel: gather, join, convolve, scatter.
pub(super) fn plain(
    kept: &Tensor,
    rows: &Tensor,
    keep: &Tensor,
    inner: &Tensor,
    taps: &Tensor,
    dilation: usize,
) -> Result<Tensor> {
    let (batch, frames, _) = inner.dims3()?;
    let before = kept.index_select(rows, 0)?;
    let before = before.broadcast_mul(&keep.reshape((batch, 1, 1))?.to_dtype(kept.dtype())?)?;
    let all = Tensor::cat(&[&before, inner], 1)?;
    let after = all.narrow(1, frames, kept.dim(1)?)?.contiguous()?;
    for (place, row) in rows.to_vec1::<u32>()?.into_iter().enumerate() {
        kept.slice_set(&after.narrow(0, place, 1)?.contiguous()?, 0, row as usize)?;
    }
    let mixed = depthwise(&all.to_dtype(DType::F32)?, taps, dilation)?.silu()?;
    mixed.to_dtype(inner.dtype())
}
