//! Convolutions as products: the 3×3 neighbourhoods of every second pixel, multiplied where they lie.
//! Pictures have a frame of zeros, so that a neighbourhood is three pieces of three neighbouring
//! lines wherever it is. Only those that come from outside have none: what there is of a
//! neighbourhood at their edges is multiplied with what there is of the weights.

use std::ops::Range;

use super::dense::{Ascending, CLOSE, Dense, Finish, Places, Rows};
use crate::features::picture::{CHANNELS, EDGE, PIXELS};

/// Edge of a neighbourhood, pixels.
const WINDOW: usize = 3;
/// Pictures that go through all convolutions together, so that they stay in the cache.
const TOGETHER: usize = 4;

/// All convolutions, and what joins the last one's output.
#[derive(Clone, Debug)]
pub(super) struct Front {
    first: Option<First>,
    /// All after the first.
    convolutions: Vec<Convolution>,
    join: Dense,
    /// What the join looks at, of `TOGETHER` pictures: the last convolution's output, or the pictures.
    last: Vec<f32>,
}

/// The first convolution, on pictures without a frame.
#[derive(Clone, Debug)]
struct First {
    /// In the middle, along the left edge, along the upper edge, in the corner of both. (To the right
    /// and below every neighbourhood is whole, since `EDGE` is even.)
    pieces: [Piece; 4],
    /// Numbers of a picture that it makes.
    made: usize,
}

/// Some neighbourhoods of a picture, with the weights that they need.
#[derive(Clone, Debug)]
struct Piece {
    dense: Dense,
    from: Ascending,
    to: Ascending,
}

/// One of the others, with the pictures that it looks at.
#[derive(Clone, Debug)]
struct Convolution {
    dense: Dense,
    picture: Picture,
    /// `TOGETHER` pictures.
    input: Vec<f32>,
    /// Where each neighbourhood begins in the input, line after line, picture after picture.
    from: Ascending,
    /// Where each goes in the input of whoever comes next.
    to: Ascending,
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

// Every line of the middle is whole tiles of sixteen close neighbourhoods.
const _: () = assert!(EDGE.is_multiple_of(32) && CLOSE == 2 * CHANNELS);

impl First {
    fn new(dense: &Dense, next: Picture) -> Self {
        let whole = next.edge;
        let piece = |lines: Range<usize>, pixels: Range<usize>, skipped: [usize; 2]| {
            let [above, left] = skipped;
            let taps = (above..WINDOW).flat_map(|y| (left..WINDOW).map(move |x| (y, x)));
            let input = |(y, x)| (y * WINDOW + x) * CHANNELS..(y * WINDOW + x + 1) * CHANNELS;
            let inputs: Vec<usize> = taps.flat_map(input).collect();
            let all = lines.flat_map(|y| pixels.clone().map(move |x| (y, x)));
            let from = |(y, x)| ((2 * y + above - 1) * EDGE + 2 * x + left - 1) * CHANNELS;
            let to = |(y, x)| next.place(0, y + next.before, x + next.before);
            Piece {
                dense: dense.of(&inputs).in_parts(WINDOW - above),
                from: Ascending::new(all.clone().map(from).collect()),
                to: Ascending::new(all.map(to).collect()),
            }
        };
        // The middle goes over the left edge too, so that its lines are whole tiles, and finds the end
        // of the line before there; the left edge comes after it and puts that right.
        let mut middle = piece(1..whole, 0..whole, [0, 0]);
        middle.dense = middle.dense.close();
        let left = piece(1..whole, 0..1, [0, 1]);
        let upper = piece(0..1, 1..whole, [1, 0]);
        let corner = piece(0..1, 0..1, [1, 1]);
        Self { pieces: [middle, left, upper, corner], made: next.len() }
    }

    /// One picture, to the place of picture `index` in `out`.
    fn run(&self, picture: &[f32], index: usize, out: &mut [f32]) {
        for Piece { dense, from, to } in &self.pieces {
            let (places, count) = (Places::At(from), from.len());
            let rows = Rows { numbers: picture, places, count, apart: EDGE * CHANNELS };
            let out = &mut out[index * self.made..][..self.made];
            dense.run(rows, None, Finish::Silu, out, Places::At(to));
        }
    }
}

impl Convolution {
    fn new(dense: Dense, picture: Picture, next: Picture) -> Self {
        let places = |place: &dyn Fn(usize, usize, usize) -> usize| -> Ascending {
            let lines = |frame| (0..next.edge).map(move |y| (frame, y));
            let pixels = |(frame, y)| (0..next.edge).map(move |x| (frame, y, x));
            let all = (0..TOGETHER).flat_map(lines).flat_map(pixels);
            Ascending::new(all.map(|(frame, y, x)| place(frame, y, x)).collect())
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
        // Where there are no convolutions, what is joined are the pictures, without a frame.
        let made =
            if convolutions.is_empty() { PIXELS } else { pictures[convolutions.len()].len() };
        let first = convolutions.first().map(|dense| First::new(dense, pictures[1]));
        let others = convolutions.into_iter().zip(pictures.windows(2)).skip(1);
        let convolution =
            |(dense, pair): (Dense, &[Picture])| Convolution::new(dense, pair[0], pair[1]);
        let convolutions = others.map(convolution).collect();
        Self { first, convolutions, join, last: vec![0.0; TOGETHER * made] }
    }

    /// The pictures of some frames, `PIXELS` numbers each → rows of the trunk's width in `out`, which
    /// has as many.
    pub(super) fn run<'a>(&mut self, frames: impl Iterator<Item = &'a [f32]>, out: &mut [f32]) {
        let (width, mut frames) = (self.join.outputs(), frames);
        for out in out.chunks_mut(TOGETHER * width) {
            let pictures = out.len() / width;
            for (index, picture) in frames.by_ref().take(pictures).enumerate() {
                self.show(index, picture);
            }
            self.convolve(pictures);
            let rows = Rows::every(self.last.len() / TOGETHER, &self.last, pictures);
            self.join.run(rows, None, Finish::Silu, out, Places::Every(width));
        }
    }

    /// A picture through the first convolution, to where the next one looks.
    fn show(&mut self, index: usize, picture: &[f32]) {
        let out = self.convolutions.first_mut().map_or(&mut self.last, |next| &mut next.input);
        match &self.first {
            Some(first) => first.run(picture, index, out),
            None => out[index * PIXELS..][..PIXELS].copy_from_slice(picture),
        }
    }

    /// So many pictures through all other convolutions; what the last one says is put into `last`.
    fn convolve(&mut self, pictures: usize) {
        let mut left = &mut self.convolutions[..];
        while let [here, rest @ ..] = left {
            let out = rest.first_mut().map_or(&mut self.last, |next| &mut next.input);
            here.run(pictures, out);
            left = rest;
        }
    }
}
