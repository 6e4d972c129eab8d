//! The numbers of one step on their way to the device, padded to one of a few sizes, so that the
//! device sees few shapes: each can be recorded, and none has to be prepared while people wait.

use crate::model::{Hop, ModelError};

/// Hops of equal length, as the device takes them.
#[derive(Default)]
pub(super) struct Batch {
    /// `[size, frames, numbers of a frame]`.
    pub(super) features: Vec<f32>,
    /// `[size]`: each stream's row.
    pub(super) rows: Vec<u32>,
    /// `[size]`: 0 where nothing has happened in the stream yet, else 1.
    pub(super) keep: Vec<f32>,
    /// Frames of each hop.
    pub(super) frames: usize,
}

impl Batch {
    /// Hops, all of them `frames` long, filled up to `size` with silence in the `scratch` row.
    pub(super) fn fill(
        &mut self,
        hops: &[&mut Hop<'_>],
        frames: usize,
        size: usize,
        scratch: u32,
    ) -> Result<(), ModelError> {
        self.frames = frames;
        self.features.clear();
        self.rows.clear();
        self.keep.clear();
        for hop in hops {
            let (Some(row), [seen]) = (&hop.state.1, hop.state.0.as_slice()) else {
                return Err(ModelError::Mismatch(format!(
                    "a stream has no row on the device: all {scratch} are taken, or its state is another model's"
                )));
            };
            self.features.extend_from_slice(hop.features);
            self.rows.push(row.number());
            self.keep.push(*seen);
        }
        let each = self.features.len() / hops.len().max(1);
        self.features.resize(size * each, 0.0);
        self.rows.resize(size, scratch);
        self.keep.resize(size, 0.0);
        Ok(())
    }
}

/// Powers of four up to `most`, and `most`.
pub(super) fn sizes(most: usize) -> Vec<usize> {
    let mut sizes: Vec<usize> = std::iter::successors(Some(1), |size| Some(size * 4))
        .take_while(|size| *size < most)
        .collect();
    sizes.push(most.max(1));
    sizes
}

/// The smallest of `sizes` that holds `streams`; `sizes` rise and the last holds any.
pub(super) fn size_for(sizes: &[usize], streams: usize) -> usize {
    sizes.iter().copied().find(|size| *size >= streams).unwrap_or(streams)
}
