//! A dense layer: weights packed for the machine's vectors, products in tiles that stay in registers.

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
    inputs: usize,
    outputs: usize,
    /// Columns of a panel: 16 or 32.
    columns: usize,
    /// Panel after panel; of each, the weights of input 0 for its columns, of input 1, and so on.
    panels: Vec<f32>,
    bias: Vec<f32>,
}

/// Rows of numbers, each `stride` after the one before.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) numbers: &'a [f32],
    pub(super) stride: usize,
    pub(super) count: usize,
}

impl Dense {
    /// `weight` is `[inputs, outputs]`, `bias` `[outputs]`.
    pub(super) fn new(weight: &[f32], bias: &[f32]) -> Self {
        let outputs = bias.len();
        let inputs = weight.len() / outputs.max(1);
        let columns = if outputs.is_multiple_of(COLUMNS) { COLUMNS } else { NARROW };
        let mut panels = Vec::with_capacity(outputs.div_ceil(columns) * columns * inputs);
        for first in (0..outputs).step_by(columns) {
            for row in weight.chunks_exact(outputs) {
                let column = |column| row.get(column).copied().unwrap_or(0.0);
                panels.extend((first..first + columns).map(column));
            }
        }
        Self { inputs, outputs, columns, panels, bias: bias.to_vec() }
    }

    /// Numbers of a row of output.
    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Computes all rows of x into rows of `out`, each `stride` after the one before. `scales` has
    /// a factor for each row of products.
    pub(super) fn run(
        &self,
        isa: Isa,
        x: Rows<'_>,
        scales: Option<&[f32]>,
        then: Finish,
        out: &mut [f32],
        stride: usize,
    ) {
        let mut tile: Tile = [0.0; ROWS * COLUMNS];
        let panels = self.panels.chunks_exact((self.inputs * self.columns).max(1));
        let biases = self.bias.chunks(self.columns);
        for (index, (panel, bias)) in panels.zip(biases).enumerate() {
            let mut row = 0;
            while row < x.count {
                let numbers = &x.numbers[row * x.stride..];
                let rows = products(isa, self, numbers, x.stride, x.count - row, panel, &mut tile);
                let out = &mut out[row * stride + index * self.columns..];
                let scales = scales.map(|scales| &scales[row..]);
                let done = &tile[..rows * self.columns];
                let then = Then { finish: then, bias, scales };
                finish(isa, done, self.columns, &then, out, stride);
                row += rows;
            }
        }
    }
}

/// The products of the first rows of `x` (at most `left` of them) with a panel; how many rows.
fn products(
    isa: Isa,
    dense: &Dense,
    x: &[f32],
    stride: usize,
    left: usize,
    panel: &[f32],
    tile: &mut Tile,
) -> usize {
    let wide = dense.columns == COLUMNS;
    match isa.kind() {
        #[cfg(target_arch = "x86_64")]
        Kind::Avx512 if wide => {
            x86::avx512_by_size::<2>(x, stride, left, dense.inputs, panel, tile)
        }
        #[cfg(target_arch = "x86_64")]
        Kind::Avx512 => x86::avx512_by_size::<1>(x, stride, left, dense.inputs, panel, tile),
        #[cfg(target_arch = "x86_64")]
        Kind::Avx2 if wide => x86::avx2_by_size::<4>(x, stride, left, dense.inputs, panel, tile),
        #[cfg(target_arch = "x86_64")]
        Kind::Avx2 => x86::avx2_by_size::<2>(x, stride, left, dense.inputs, panel, tile),
        Kind::Portable => portable(x, dense.inputs, dense.columns, panel, tile),
    }
}

/// One row, for machines without the instructions below.
fn portable(x: &[f32], inputs: usize, columns: usize, panel: &[f32], tile: &mut Tile) -> usize {
    let sums = &mut tile[..columns];
    sums.fill(0.0);
    for (x, weights) in x[..inputs].iter().zip(panel.chunks_exact(columns)) {
        for (sum, weight) in sums.iter_mut().zip(weights) {
            *sum += x * weight;
        }
    }
    1
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "vector instructions on raw places; bounds are checked at the door")]
mod x86 {
    use super::{COLUMNS, ROWS, Tile};
    use std::arch::x86_64::{
        _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_set1_ps, _mm256_setzero_ps, _mm256_storeu_ps,
        _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
    };

    /// What has to hold before raw places are read and written.
    fn check(x: &[f32], stride: usize, rows: usize, inputs: usize, panel: &[f32], columns: usize) {
        assert!(
            rows <= ROWS
                && columns <= COLUMNS
                && x.len() >= (rows - 1) * stride + inputs
                && panel.len() == inputs * columns,
            "a tile of {rows} rows reaches beyond its {} numbers or {} weights",
            x.len(),
            panel.len()
        );
    }

    macro_rules! by_size {
        ($name:ident, $tile:ident, $lanes:literal, [$($rows:literal),*]) => {
            /// The largest tile that fits into the rows that are left; how many rows it has. To be
            /// called only where the machine has the instructions, which `Isa` stands for.
            pub(super) fn $name<const VECTORS: usize>(
                x: &[f32],
                stride: usize,
                left: usize,
                inputs: usize,
                panel: &[f32],
                tile: &mut Tile,
            ) -> usize {
                $(if left >= $rows {
                    check(x, stride, $rows, inputs, panel, VECTORS * $lanes);
                    // SAFETY: the machine has the instructions, since an `Isa` of this kind exists
                    // only there; `check` has seen that all rows and the panel are long enough.
                    unsafe { $tile::<$rows, VECTORS>(x, stride, inputs, panel, tile) };
                    return $rows;
                })*
                0
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
            /// `check` must have passed, and the machine must have the instructions.
            #[target_feature(enable = $features)]
            unsafe fn $name<const R: usize, const VECTORS: usize>(
                x: &[f32],
                stride: usize,
                inputs: usize,
                panel: &[f32],
                tile: &mut Tile,
            ) {
                let mut sums = [[$zero(); VECTORS]; R];
                let (x, panel) = (x.as_ptr(), panel.as_ptr());
                for input in 0..inputs {
                    // SAFETY: input < inputs, so this is within the panel's inputs · columns.
                    let weights: [_; VECTORS] = std::array::from_fn(|v| unsafe {
                        $load(panel.add((input * VECTORS + v) * $lanes))
                    });
                    for (row, sums) in sums.iter_mut().enumerate() {
                        // SAFETY: row < R and input < inputs, so this is within x.
                        let number = $set(unsafe { *x.add(row * stride + input) });
                        for (sum, weight) in sums.iter_mut().zip(weights) {
                            *sum = $fma(number, weight, *sum);
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
