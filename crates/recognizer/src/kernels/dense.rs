//! A dense layer: weights packed for the machine's vectors; products in tiles that stay in registers
//! until bias and activation are done too. A row of input may lie in several parts, so that
//! neighbourhoods of a picture are multiplied where they are, without being gathered first.

use super::element::silu;
use super::isa::{Isa, Kind};

#[cfg(target_arch = "x86_64")]
mod x86;

/// Rows of a tile, at most.
const ROWS: usize = 16;
/// How far rows lie apart that are said to be close, numbers; known before the program runs, so that
/// the place of the first is enough.
pub(super) const CLOSE: usize = 4;
/// The widths that panels of weights come in, widest first; machines without many registers have
/// the last one only.
const WIDTHS: [usize; 3] = [48, 32, 16];
/// Weights of a line.
const LINE: usize = 16;

/// Weights of a vector, where the cache has them in one piece.
#[derive(Clone, Debug)]
#[repr(align(64))]
struct Line([f32; LINE]);

/// `x · weight + bias`, ready to be computed.
#[derive(Clone, Debug)]
pub(super) struct Dense {
    isa: Isa,
    inputs: usize,
    outputs: usize,
    /// Parts that a row of input lies in, all of one length.
    parts: usize,
    /// Whether rows lie `CLOSE` numbers apart, sixteen by sixteen.
    close: bool,
    /// Columns of a panel.
    columns: usize,
    /// Panel after panel; of each, the weights of input 0 for its columns, of input 1, and so on.
    panels: Vec<Line>,
    /// As many as the panels have columns.
    bias: Vec<f32>,
}

/// What becomes of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finish {
    /// It is stored.
    Store,
    /// It is added to what is there.
    Add,
    /// SiLU of it is stored.
    Silu,
}

/// Places in ascending order, so that the last one tells how far all reach.
#[derive(Clone, Debug)]
pub(super) struct Ascending(Vec<usize>);

impl Ascending {
    pub(super) fn new(places: Vec<usize>) -> Self {
        assert!(places.is_sorted(), "the places are not in ascending order");
        Self(places)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Where rows begin.
#[derive(Clone, Copy)]
pub(super) enum Places<'a> {
    /// So many numbers after the one before.
    Every(usize),
    /// Each where its entry says.
    At(&'a Ascending),
}

impl Places<'_> {
    /// Where the tile's rows begin, so many from `first` on; in ascending order.
    fn tile(self, first: usize, count: usize) -> [usize; ROWS] {
        let mut places = [0; ROWS];
        match self {
            Self::Every(stride) => {
                for (place, row) in places.iter_mut().zip(first..first + count) {
                    *place = row.saturating_mul(stride);
                }
            }
            Self::At(all) => match all.0[first..].first_chunk() {
                // The usual way, in one move; more than are asked for do no harm.
                Some(whole) => places = *whole,
                None => places[..count].copy_from_slice(&all.0[first..first + count]),
            },
        }
        places
    }
}

/// Rows of input.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) numbers: &'a [f32],
    pub(super) places: Places<'a>,
    pub(super) count: usize,
    /// From where one part of a row begins to where the next one does.
    pub(super) apart: usize,
}

impl<'a> Rows<'a> {
    /// Rows in one part each, `stride` after the one before.
    pub(super) fn every(stride: usize, numbers: &'a [f32], count: usize) -> Self {
        Self { numbers, places: Places::Every(stride), count, apart: 0 }
    }
}

/// A few rows and a panel, and what is done to their products.
#[derive(Clone, Copy)]
struct Tile<'a> {
    numbers: &'a [f32],
    /// Where the rows begin, in ascending order.
    from: &'a [usize],
    shape: Shape,
    panel: &'a [Line],
    /// One for each column of the panel.
    bias: &'a [f32],
    /// One for each row; all 1 where there are none.
    scales: Option<&'a [f32]>,
    finish: Finish,
}

/// How each row of a tile lies in the numbers.
#[derive(Clone, Copy)]
struct Shape {
    parts: usize,
    /// Numbers of a part.
    part: usize,
    /// From where one part begins to where the next one does.
    apart: usize,
}

impl Dense {
    /// `weight` is `[inputs, outputs]`, `bias` `[outputs]`.
    pub(super) fn new(isa: Isa, weight: &[f32], bias: &[f32]) -> Self {
        let outputs = bias.len();
        let inputs = weight.len() / outputs.max(1);
        let widths = if isa.has_many_registers() { &WIDTHS[..] } else { &WIDTHS[2..] };
        // The least that is computed for nothing; of equals the widest.
        let fitting = widths.iter().copied().min_by_key(|width| outputs.next_multiple_of(*width));
        let columns = fitting.unwrap_or(LINE);
        let mut panels = Vec::with_capacity(outputs.next_multiple_of(columns) / LINE * inputs);
        for first in (0..outputs).step_by(columns) {
            for row in weight.chunks_exact(outputs) {
                let column = |column: usize| row.get(column).copied().unwrap_or(0.0);
                let line = |first| Line(std::array::from_fn(|lane| column(first + lane)));
                panels.extend((first..first + columns).step_by(LINE).map(line));
            }
        }
        let mut padded = bias.to_vec();
        padded.resize(outputs.next_multiple_of(columns), 0.0);
        Self { isa, inputs, outputs, parts: 1, close: false, columns, panels, bias: padded }
    }

    /// The same, for rows that lie in so many parts.
    pub(super) fn in_parts(self, parts: usize) -> Self {
        Self { parts, ..self }
    }

    /// The same, for rows that lie `CLOSE` numbers apart, sixteen by sixteen.
    pub(super) fn close(self) -> Self {
        Self { close: true, ..self }
    }

    /// What comes of these inputs alone, as if all others were 0.
    pub(super) fn of(&self, inputs: &[usize]) -> Self {
        let lines = self.columns / LINE;
        let mut panels = Vec::with_capacity(self.panels.len());
        for panel in self.panels.chunks_exact((self.inputs * lines).max(1)) {
            for input in inputs {
                panels.extend_from_slice(&panel[input * lines..][..lines]);
            }
        }
        Self { inputs: inputs.len(), panels, bias: self.bias.clone(), ..*self }
    }

    /// Numbers of a row of output.
    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Computes all rows of x into rows of `out`, which begin at `places`. `scales` has a factor for
    /// each row of products.
    pub(super) fn run(
        &self,
        x: Rows<'_>,
        scales: Option<&[f32]>,
        finish: Finish,
        out: &mut [f32],
        places: Places<'_>,
    ) {
        let Rows { numbers, apart, .. } = x;
        let shape = Shape { parts: self.parts, part: self.inputs / self.parts, apart };
        let panels = self.panels.chunks_exact((self.inputs * self.columns / LINE).max(1));
        let biases = self.bias.chunks_exact(self.columns);
        for (index, (panel, bias)) in panels.zip(biases).enumerate() {
            let mut row = 0;
            while row < x.count {
                let rows = self.rows(x.count - row);
                let (from, to) = (x.places.tile(row, rows), places.tile(row, rows));
                let from = &from[..rows];
                let scales = scales.map(|scales| &scales[row..row + rows]);
                let tile = Tile { numbers, from, shape, panel, bias, scales, finish };
                self.put(&tile, index * self.columns, out, &to[..rows]);
                row += rows;
            }
        }
    }

    /// Computes a tile whose first column is `column` into rows of `out`, which begin at `to`.
    fn put(&self, tile: &Tile<'_>, column: usize, out: &mut [f32], to: &[usize]) {
        let width = self.columns.min(self.outputs - column);
        let out = &mut out[column..];
        if width == self.columns {
            return self.compute(tile, out, to);
        }
        // A panel that is wider than what is left: its tile gets a place of its own.
        let mut whole = [0.0; ROWS * WIDTHS[0]];
        for (whole, to) in whole.chunks_exact_mut(self.columns).zip(to) {
            whole[..width].copy_from_slice(&out[*to..to + width]);
        }
        let places: [usize; ROWS] = std::array::from_fn(|row| row * self.columns);
        self.compute(tile, &mut whole, &places[..to.len()]);
        for (whole, to) in whole.chunks_exact(self.columns).zip(to) {
            out[*to..to + width].copy_from_slice(&whole[..width]);
        }
    }

    /// Rows of the next tile, where so many are left: as many as stay in registers together with
    /// their places, and never so few at the end that the multipliers wait for each other.
    fn rows(&self, left: usize) -> usize {
        match self.isa.kind() {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => match left {
                16.. if self.close && self.columns == LINE => 16,
                8.. => 8,
                4.. => 4,
                2.. => 2,
                0..2 => 1,
            },
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => match left {
                9.. | 6 => 6,
                4.. => 4,
                3 => 3,
                2 => 2,
                0..2 => 1,
            },
            Kind::Portable => 1,
        }
    }

    /// Computes a whole tile into rows of `out`, which begin at `to`.
    fn compute(&self, tile: &Tile<'_>, out: &mut [f32], to: &[usize]) {
        match self.isa.kind() {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => x86::avx512::compute(tile, self.columns, out, to),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => x86::avx2::compute(tile, self.columns, out, to),
            Kind::Portable => portable(tile, self.columns, out, to),
        }
    }
}

/// For machines without the instructions of the others.
fn portable(tile: &Tile<'_>, columns: usize, out: &mut [f32], to: &[usize]) {
    let Shape { parts, part, apart } = tile.shape;
    for (row, (from, to)) in tile.from.iter().zip(to).enumerate() {
        let mut sums = [0.0; WIDTHS[0]];
        let inputs = (0..parts).flat_map(|index| &tile.numbers[from + index * apart..][..part]);
        for (x, weights) in inputs.zip(tile.panel.chunks_exact(columns / LINE)) {
            for (sums, weights) in sums.chunks_exact_mut(LINE).zip(weights) {
                for (sum, weight) in sums.iter_mut().zip(weights.0) {
                    *sum += x * weight;
                }
            }
        }
        let scale = tile.scales.map_or(1.0, |scales| scales[row]);
        let out = out[*to..to + columns].iter_mut();
        for ((out, sum), bias) in out.zip(sums).zip(tile.bias) {
            let sum = sum * scale + bias;
            *out = match tile.finish {
                Finish::Store => sum,
                Finish::Add => *out + sum,
                Finish::Silu => silu(sum),
            };
        }
    }
}
