//! Convolutions as products: the 3×3 neighbourhoods of every second pixel, multiplied where they lie.
//! Pictures have a frame of zeros, so that a neighbourhood is three pieces of three neighbouring
//! lines wherever it is.

use super::dense::{Dense, Places, Rows};
use super::element::Finish;
use crate::features::picture::{CHANNELS, EDGE, PIXELS};

/// Edge of a neighbourhood, pixels.
const WINDOW: usize = 3;
/// Pictures that go through all convolutions together, so that they stay in the cache.
const TOGETHER: usize = 4;

/// All convolutions, and what joins the last one's output.
#[derive(Clone, Debug)]
pub(super) struct Front {
    convolutions: Vec<Convolution>,
    join: Dense,
    /// What the join looks at: the last convolution's output, or the pictures.
    last: Vec<f32>,
}

/// One convolution, with the pictures that it looks at.
#[derive(Clone, Debug)]
struct Convolution {
    dense: Dense,
    picture: Picture,
    /// `TOGETHER` pictures.
    input: Vec<f32>,
    /// Where each neighbourhood begins in the input, line after line, picture after picture.
    from: Vec<usize>,
    /// Where each goes in the input of whoever comes next.
    to: Vec<usize>,
}

/// Square pictures in a frame of zeros; channels innermost.
#[derive(Clone, Copy, Debug)]
struct Picture {
    edge: usize,
    channels: usize,
    /// Pixels of a line, those of the frame included.
    line: usize,
    /// Pixels of the frame before the first one of a line, and lines before the first.
    before: usize,
}

impl Picture {
    /// A picture whose every second pixel is the middle of a neighbourhood.
    fn framed(edge: usize, channels: usize) -> Self {
        Self { edge, channels, line: 2 * edge.div_ceil(2) + 1, before: 1 }
    }

    /// A picture without a frame.
    fn bare(edge: usize, channels: usize) -> Self {
        Self { edge, channels, line: edge, before: 0 }
    }

    /// Numbers of a picture.
    fn len(self) -> usize {
        self.line * self.line * self.channels
    }

    /// Where pixel x of line y begins, both counted with the frame.
    fn place(self, frame: usize, y: usize, x: usize) -> usize {
        frame * self.len() + (y * self.line + x) * self.channels
    }
}

impl Convolution {
    fn new(dense: Dense, picture: Picture, next: Picture) -> Self {
        let places = |place: &dyn Fn(usize, usize, usize) -> usize| -> Vec<usize> {
            let lines = |frame| (0..next.edge).map(move |y| (frame, y));
            let pixels = |(frame, y)| (0..next.edge).map(move |x| (frame, y, x));
            let all = (0..TOGETHER).flat_map(lines).flat_map(pixels);
            all.map(|(frame, y, x)| place(frame, y, x)).collect()
        };
        Self {
            dense: dense.in_parts(WINDOW),
            picture,
            input: vec![0.0; TOGETHER * picture.len()],
            from: places(&|frame, y, x| picture.place(frame, 2 * y, 2 * x)),
            to: places(&|frame, y, x| next.place(frame, y + next.before, x + next.before)),
        }
    }

    /// So many pictures, from its own input to the next one's.
    fn run(&self, pictures: usize, out: &mut [f32]) {
        let count = self.from.len() / TOGETHER * pictures;
        let apart = self.picture.line * self.picture.channels;
        let places = Places::At(&self.from);
        let rows = Rows { numbers: &self.input, places, count, apart };
        self.dense.run(rows, None, Finish::Silu, out, Places::At(&self.to));
    }
}

impl Front {
    /// The convolutions in order, and what joins the output of the last.
    pub(super) fn new(convolutions: Vec<Dense>, join: Dense) -> Self {
        let mut pictures = vec![Picture::framed(EDGE, CHANNELS)];
        for (index, dense) in convolutions.iter().enumerate() {
            let half = pictures[index].edge.div_ceil(2);
            let last = index + 1 == convolutions.len();
            let next = if last { Picture::bare } else { Picture::framed };
            pictures.push(next(half, dense.outputs()));
        }
        let all = convolutions.into_iter().zip(pictures.windows(2));
        let convolution =
            |(dense, pair): (Dense, &[Picture])| Convolution::new(dense, pair[0], pair[1]);
        Self { convolutions: all.map(convolution).collect(), join, last: Vec::new() }
    }

    /// `PIXELS` numbers a frame of `features` → rows of the trunk's width in `out`.
    pub(super) fn run(&mut self, features: &[f32], out: &mut [f32]) {
        let width = self.join.outputs();
        let outs = out.chunks_mut(TOGETHER * width);
        for (features, out) in features.chunks(TOGETHER * PIXELS).zip(outs) {
            let pictures = features.len() / PIXELS;
            let seen = convolve(&mut self.convolutions, &mut self.last, pictures, features);
            let rows = Rows::every(seen.len() / pictures, seen, pictures);
            self.join.run(rows, None, Finish::Silu, out, Places::Every(width));
        }
    }
}

/// What the last convolution says of so many pictures; it is put into `out`.
fn convolve<'a>(
    convolutions: &mut [Convolution],
    out: &'a mut Vec<f32>,
    pictures: usize,
    features: &'a [f32],
) -> &'a [f32] {
    let Some(first) = convolutions.first_mut() else { return features };
    for (index, line) in features.chunks_exact(EDGE * CHANNELS).enumerate() {
        let at = first.picture.place(index / EDGE, index % EDGE + 1, 1);
        first.input[at..at + line.len()].copy_from_slice(line);
    }
    for index in 1..convolutions.len() {
        let (before, after) = convolutions.split_at_mut(index);
        if let (Some(here), Some(next)) = (before.last(), after.first_mut()) {
            here.run(pictures, &mut next.input);
        }
    }
    if let Some(last) = convolutions.last() {
        let outputs = last.dense.outputs();
        out.resize(last.from.len() / TOGETHER * pictures * outputs, 0.0);
        last.run(pictures, out);
    }
    out
}
