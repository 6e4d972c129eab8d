//! A dense layer: weights packed for the machine's vectors, products in tiles that stay in registers.
//! A row of input may lie in several parts, so that neighbourhoods of a picture are multiplied where
//! they are, without being gathered first.

use super::element::{Finish, Then, finish};
use super::isa::{Isa, Kind};

/// Rows of a tile, at most.
const ROWS: usize = 12;
/// Columns of a tile, at most.
const COLUMNS: usize = 32;
/// The widths that panels of weights come in.
const NARROW: usize = 16;

/// Products on their way to the output.
type Tile = [f32; ROWS * COLUMNS];

/// `x · weight + bias`, ready to be computed.
#[derive(Clone, Debug)]
pub(super) struct Dense {
    isa: Isa,
    inputs: usize,
    outputs: usize,
    /// Parts that a row of input lies in, all of one length.
    parts: usize,
    /// Columns of a panel: 16 or 32.
    columns: usize,
    /// Panel after panel; of each, the weights of input 0 for its columns, of input 1, and so on.
    panels: Vec<f32>,
    bias: Vec<f32>,
}

/// Where rows begin.
#[derive(Clone, Copy)]
pub(super) enum Places<'a> {
    /// So many numbers after the one before.
    Every(usize),
    /// Each where its entry says.
    At(&'a [usize]),
}

impl Places<'_> {
    /// Where the tile's rows begin: those from `first` on.
    fn tile(self, first: usize, count: usize) -> [usize; ROWS] {
        let mut places = [0; ROWS];
        for (place, row) in places.iter_mut().zip(first..first + count) {
            *place = match self {
                Self::Every(stride) => row * stride,
                Self::At(all) => all[row],
            };
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

impl Dense {
    /// `weight` is `[inputs, outputs]`, `bias` `[outputs]`.
    pub(super) fn new(isa: Isa, weight: &[f32], bias: &[f32]) -> Self {
        let outputs = bias.len();
        let inputs = weight.len() / outputs.max(1);
        let wide = isa.has_many_registers() && outputs.is_multiple_of(COLUMNS);
        let columns = if wide { COLUMNS } else { NARROW };
        let mut panels = Vec::with_capacity(outputs.div_ceil(columns) * columns * inputs);
        for first in (0..outputs).step_by(columns) {
            for row in weight.chunks_exact(outputs) {
                let column = |column| row.get(column).copied().unwrap_or(0.0);
                panels.extend((first..first + columns).map(column));
            }
        }
        Self { isa, inputs, outputs, parts: 1, columns, panels, bias: bias.to_vec() }
    }

    /// The same, for rows that lie in so many parts.
    pub(super) fn in_parts(self, parts: usize) -> Self {
        Self { parts, ..self }
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
        then: Finish,
        out: &mut [f32],
        places: Places<'_>,
    ) {
        let mut tile: Tile = [0.0; ROWS * COLUMNS];
        let panels = self.panels.chunks_exact((self.inputs * self.columns).max(1));
        let biases = self.bias.chunks(self.columns);
        for (index, (panel, bias)) in panels.zip(biases).enumerate() {
            let mut row = 0;
            while row < x.count {
                let rows = self.rows(x.count - row);
                let from = x.places.tile(row, rows);
                self.products(x, &from[..rows], panel, &mut tile);
                let to = places.tile(row, rows);
                let scales = scales.map(|scales| &scales[row..]);
                let done = &tile[..rows * self.columns];
                let then = Then { finish: then, bias, scales };
                let out = &mut out[index * self.columns..];
                finish(self.isa, done, self.columns, &then, out, &to);
                row += rows;
            }
        }
    }

    /// Rows of the next tile, where so many are left: as many as stay in registers, and never so few
    /// at the end that the multipliers wait for each other.
    fn rows(&self, left: usize) -> usize {
        match self.isa.kind() {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => match left {
                12.. => 12,
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

    /// The products of the rows that begin at `from` with a panel.
    fn products(&self, x: Rows<'_>, from: &[usize], panel: &[f32], tile: &mut Tile) {
        let shape = Shape { parts: self.parts, part: self.inputs / self.parts, apart: x.apart };
        match self.isa.kind() {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 if self.columns == COLUMNS => {
                x86::avx512_by_size::<2>(x.numbers, from, shape, panel, tile);
            }
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => x86::avx512_by_size::<1>(x.numbers, from, shape, panel, tile),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => x86::avx2_by_size::<2>(x.numbers, from, shape, panel, tile),
            Kind::Portable => portable(x.numbers, from[0], shape, self.columns, panel, tile),
        }
    }
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

/// One row, for machines without the instructions below.
fn portable(x: &[f32], from: usize, shape: Shape, columns: usize, panel: &[f32], tile: &mut Tile) {
    let sums = &mut tile[..columns];
    sums.fill(0.0);
    let Shape { parts, part, apart } = shape;
    let inputs = (0..parts).flat_map(|index| &x[from + index * apart..][..part]);
    for (x, weights) in inputs.zip(panel.chunks_exact(columns)) {
        for (sum, weight) in sums.iter_mut().zip(weights) {
            *sum += x * weight;
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "vector instructions on raw places; bounds are checked at the door")]
mod x86 {
    use super::{ROWS, Shape, Tile};
    use std::arch::x86_64::{
        _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_set1_ps, _mm256_setzero_ps, _mm256_storeu_ps,
        _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
    };

    /// What has to hold before raw places are read.
    fn check(x: &[f32], from: &[usize], shape: Shape, panel: &[f32], columns: usize) {
        let Shape { parts, part, apart } = shape;
        let reach = parts.saturating_sub(1) * apart + part;
        let last = from.iter().copied().max().unwrap_or(0);
        assert!(
            from.len() <= ROWS && last + reach <= x.len() && panel.len() == parts * part * columns,
            "a tile of {} rows reaches beyond its {} numbers or {} weights",
            from.len(),
            x.len(),
            panel.len()
        );
    }

    macro_rules! by_size {
        ($name:ident, $tile:ident, $lanes:literal, [$($rows:literal),*]) => {
            /// A tile of the rows that begin at `from`: as many as `Dense::rows` says. To be called
            /// only where the machine has the instructions, which `Isa` stands for.
            pub(super) fn $name<const VECTORS: usize>(
                x: &[f32],
                from: &[usize],
                shape: Shape,
                panel: &[f32],
                tile: &mut Tile,
            ) {
                check(x, from, shape, panel, VECTORS * $lanes);
                match from.len() {
                    $($rows => {
                        // SAFETY: the machine has the instructions, since an `Isa` of this kind
                        // exists only there; `check` has seen that all rows and the panel are long
                        // enough.
                        unsafe { $tile::<$rows, VECTORS>(x, from, shape, panel, tile) };
                    })*
                    rows => unreachable!("no tile has {rows} rows"),
                }
            }
        };
    }

    by_size!(avx512_by_size, avx512, 16, [12, 8, 4, 2, 1]);
    by_size!(avx2_by_size, avx2, 8, [6, 4, 3, 2, 1]);

    macro_rules! tile {
        ($name:ident, $features:literal, $lanes:literal, $zero:ident, $load:ident, $set:ident,
         $fma:ident, $store:ident) => {
            /// `VECTORS` vectors of columns of `R` rows.
            ///
            /// # Safety
            /// `check` must have passed for `R` rows, and the machine must have the instructions.
            #[target_feature(enable = $features)]
            unsafe fn $name<const R: usize, const VECTORS: usize>(
                x: &[f32],
                from: &[usize],
                shape: Shape,
                panel: &[f32],
                tile: &mut Tile,
            ) {
                let mut sums = [[$zero(); VECTORS]; R];
                let mut panel = panel.as_ptr();
                for index in 0..shape.parts {
                    // SAFETY: `check` has seen that part `index` of every row is within x.
                    let rows: [*const f32; R] = std::array::from_fn(|row| unsafe {
                        x.as_ptr().add(from[row] + index * shape.apart)
                    });
                    for input in 0..shape.part {
                        // SAFETY: the panel has parts · part · VECTORS vectors, and this is the
                        // next one.
                        let weights: [_; VECTORS] =
                            std::array::from_fn(|v| unsafe { $load(panel.add(v * $lanes)) });
                        // SAFETY: one past the last vector at the most.
                        panel = unsafe { panel.add(VECTORS * $lanes) };
                        for (row, sums) in rows.iter().zip(&mut sums) {
                            // SAFETY: input < shape.part, so this is within the row's part.
                            let number = $set(unsafe { *row.add(input) });
                            for (sum, weight) in sums.iter_mut().zip(weights) {
                                *sum = $fma(number, weight, *sum);
                            }
                        }
                    }
                }
                for (row, sums) in sums.iter().enumerate() {
                    for (v, sum) in sums.iter().enumerate() {
                        let place = &mut tile[(row * VECTORS + v) * $lanes..][..$lanes];
                        // SAFETY: the place has as many numbers as the vector.
                        unsafe { $store(place.as_mut_ptr(), *sum) };
                    }
                }
            }
        };
    }

    tile!(
        avx512,
        "avx512f",
        16,
        _mm512_setzero_ps,
        _mm512_loadu_ps,
        _mm512_set1_ps,
        _mm512_fmadd_ps,
        _mm512_storeu_ps
    );
    tile!(
        avx2,
        "avx2,fma",
        8,
        _mm256_setzero_ps,
        _mm256_loadu_ps,
        _mm256_set1_ps,
        _mm256_fmadd_ps,
        _mm256_storeu_ps
    );
}
