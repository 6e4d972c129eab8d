//! Convolutions as products: the 3×3 neighbourhoods of every second pixel, gathered a tile of rows
//! at a time and multiplied at once.

use super::dense::{Dense, Rows};
use super::element::Finish;
use super::isa::Isa;
use crate::features::picture::{CHANNELS, EDGE, PIXELS};

/// Edge of a neighbourhood, pixels.
const WINDOW: usize = 3;
/// Neighbourhoods gathered at once.
const GATHERED: usize = 96;
/// Pictures that go through all convolutions together, so that they stay in the cache.
const TOGETHER: usize = 8;

/// All convolutions, and what joins the last one's output.
#[derive(Clone, Debug)]
pub(super) struct Front {
    convolutions: Vec<Dense>,
    join: Dense,
    gathered: Vec<f32>,
    from: Vec<f32>,
    to: Vec<f32>,
}

impl Front {
    pub(super) fn new(convolutions: Vec<Dense>, join: Dense) -> Self {
        Self { convolutions, join, gathered: Vec::new(), from: Vec::new(), to: Vec::new() }
    }

    /// `PIXELS` numbers a frame of `features` → rows of the trunk's width in `out`.
    pub(super) fn run(&mut self, isa: Isa, features: &[f32], out: &mut [f32]) {
        let width = self.join.outputs();
        let outs = out.chunks_mut(TOGETHER * width);
        for (features, out) in features.chunks(TOGETHER * PIXELS).zip(outs) {
            let frames = features.len() / PIXELS;
            let (mut edge, mut channels) = (EDGE, CHANNELS);
            for (index, convolution) in self.convolutions.iter().enumerate() {
                let from = if index == 0 { features } else { &self.from };
                let half = edge.div_ceil(2);
                self.to.resize(frames * half * half * convolution.outputs(), 0.0);
                let picture = Picture { edge, channels, frames };
                picture.convolve(isa, convolution, from, &mut self.gathered, &mut self.to);
                std::mem::swap(&mut self.from, &mut self.to);
                (edge, channels) = (half, convolution.outputs());
            }
            let numbers = edge * edge * channels;
            let from = if self.convolutions.is_empty() { features } else { &self.from };
            let rows = Rows { numbers: from, stride: numbers, count: frames };
            self.join.run(isa, rows, None, Finish::Silu, out, width);
        }
    }
}

/// Square pictures, channels innermost.
struct Picture {
    edge: usize,
    channels: usize,
    frames: usize,
}

impl Picture {
    fn convolve(
        &self,
        isa: Isa,
        convolution: &Dense,
        from: &[f32],
        gathered: &mut Vec<f32>,
        to: &mut [f32],
    ) {
        let half = self.edge.div_ceil(2);
        let patch = WINDOW * WINDOW * self.channels;
        let places = self.frames * half * half;
        gathered.resize(GATHERED * patch, 0.0);
        let mut first = 0;
        while first < places {
            let count = GATHERED.min(places - first);
            let patches = gathered.chunks_exact_mut(patch);
            for (place, patch) in (first..first + count).zip(patches) {
                let (frame, within) = (place / (half * half), place % (half * half));
                self.gather(from, frame, within / half, within % half, patch);
            }
            let outputs = convolution.outputs();
            let rows = Rows { numbers: gathered, stride: patch, count };
            let out = &mut to[first * outputs..];
            convolution.run(isa, rows, None, Finish::Silu, out, outputs);
            first += count;
        }
    }

    /// The neighbourhood of one place of the output; what lies outside the picture is 0.
    fn gather(&self, from: &[f32], frame: usize, y: usize, x: usize, patch: &mut [f32]) {
        let row_of_patch = WINDOW * self.channels;
        for (down, out) in patch.chunks_exact_mut(row_of_patch).enumerate() {
            // One pixel further up than the middle; wraps below 0.
            let row = (2 * y + down).wrapping_sub(1);
            if row >= self.edge {
                out.fill(0.0);
                continue;
            }
            let begin = (frame * self.edge + row) * self.edge * self.channels;
            let line = &from[begin..begin + self.edge * self.channels];
            let left = 2 * x * self.channels;
            let (skip, start) = if x == 0 { (self.channels, 0) } else { (0, left - self.channels) };
            let end = (start + row_of_patch - skip).min(line.len());
            let copied = end - start;
            out[..skip].fill(0.0);
            out[skip..skip + copied].copy_from_slice(&line[start..end]);
            out[skip + copied..].fill(0.0);
        }
    }
}
