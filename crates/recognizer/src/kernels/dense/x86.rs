//! Tiles in the vector instructions of x86: one text, for vectors of 16 and of 8 numbers.
#![expect(
    unsafe_code,
    reason = "vector instructions on raw places; bounds are checked at the door"
)]

use super::{CLOSE, Finish, LINE, ROWS, Shape, Tile};

/// The text. Whoever uses it brings the type `Vector` and the instructions, under the names that it
/// has for them.
macro_rules! tiles {
    ($features:literal, [$(($rows:literal, $vectors:literal, $apart:expr)),* $(,)?]) => {
        use super::{Finish, Shape, Tile, check};

        /// Numbers of a vector.
        const LANES: usize = size_of::<Vector>() / size_of::<f32>();

        /// Computes a tile into rows of `out`, which begin at `to`, in ascending order. To be called
        /// only where the machine has the instructions, which `Isa` stands for.
        pub(in super::super) fn compute(
            tile: &Tile<'_>,
            columns: usize,
            out: &mut [f32],
            to: &[usize],
        ) {
            check(tile, columns, out, to);
            match (to.len(), columns / LANES) {
                $(($rows, $vectors) => {
                    // SAFETY: the machine has the instructions, since an `Isa` of this kind exists
                    // only there; `check` has passed.
                    unsafe { self::tile::<$rows, $vectors, { $apart }>(tile, out, to) };
                })*
                (rows, vectors) => unreachable!("no tile has {rows} rows of {vectors} vectors"),
            }
        }

        /// x / (1 + e to the −x), to about 1e-6 of itself. Nothing is divided: that would take
        /// longer than all the rest.
        #[cfg(not(miri))]
        #[target_feature(enable = $features)]
        fn silu(x: Vector) -> Vector {
            // 2 to the r for r from −½ to ½, to 1e-7: highest power first.
            const POWER: [f32; 6] =
                [1.327_647_2e-3, 9.675_541e-3, 5.550_713e-2, 2.402_212e-1, 6.931_469_4e-1, 1.0];
            // Adding and taking away this number rounds to a whole one.
            const ROUND: f32 = 12_582_912.0;
            // Beyond it, exponents overflow.
            const LIMIT: f32 = 125.0;
            let z = mul(x, set1(-std::f32::consts::LOG2_E));
            let z = max(set1(-LIMIT), min(set1(LIMIT), z));
            let whole = add(z, set1(ROUND));
            let rest = sub(z, sub(whole, set1(ROUND)));
            let mut power = set1(POWER[0]);
            for factor in &POWER[1..] {
                power = fmadd(power, rest, set1(*factor));
            }
            let power = add_bits(to_bits(power), shift_left::<23>(to_bits(whole)));
            let sum = add(set1(1.0), from_bits(power));
            // A first guess, good to 11 bits at least, and a step of Newton's.
            let share = reciprocal(sum);
            let share = fmadd(share, fnmadd(sum, share, set1(1.0)), share);
            mul(x, share)
        }

        /// The same number by number: Miri knows not all of the instructions above, none of which
        /// touches memory.
        #[cfg(miri)]
        #[target_feature(enable = $features)]
        fn silu(x: Vector) -> Vector {
            let mut numbers = [0.0; LANES];
            // SAFETY: the array has as many numbers as the vector.
            unsafe { store(numbers.as_mut_ptr(), x) };
            let done = numbers.map(super::super::super::element::silu);
            // SAFETY: as above.
            unsafe { load(done.as_ptr()) }
        }

        /// `V` vectors of columns of `R` rows, which lie `APART` numbers apart, or where they are said
        /// to be if that is 0.
        ///
        /// # Safety
        /// `check` must have passed for `R` rows of `V` vectors, and the machine must have the
        /// instructions.
        #[target_feature(enable = $features)]
        unsafe fn tile<const R: usize, const V: usize, const APART: usize>(
            tile: &Tile<'_>,
            out: &mut [f32],
            to: &[usize],
        ) {
            let Shape { parts, part, apart } = tile.shape;
            let mut sums = [[set1(0.0); V]; R];
            let mut panel = tile.panel.as_ptr().cast::<f32>();
            for index in 0..parts {
                // SAFETY: `check` has seen that part `index` of every row is within the numbers.
                let rows: [*const f32; R] = std::array::from_fn(|row| unsafe {
                    let from = if APART > 0 { tile.from[0] } else { tile.from[row] };
                    tile.numbers.as_ptr().add(from + index * apart).add(row * APART)
                });
                for input in 0..part {
                    // SAFETY: the panel has parts · part · V vectors, and this is the next one.
                    let weights: [_; V] =
                        std::array::from_fn(|v| unsafe { load(panel.add(v * LANES)) });
                    // SAFETY: one past the last vector at the most.
                    panel = unsafe { panel.add(V * LANES) };
                    for (row, sums) in rows.iter().zip(&mut sums) {
                        // SAFETY: input < part, so this is within the row's part.
                        let number = set1(unsafe { *row.add(input) });
                        for (sum, weight) in sums.iter_mut().zip(weights) {
                            *sum = fmadd(number, weight, *sum);
                        }
                    }
                }
            }
            let mut products = [[set1(0.0); V]; R];
            for (products, sums) in products.iter_mut().zip(sums) {
                *products = sums;
            }
            // SAFETY: `check` has seen V vectors of biases, and V vectors from every place.
            unsafe { finish(&products, tile, out, to) };
        }

        /// Products become rows of output. A function of its own, so that the sums before it need no
        /// place in memory while they grow.
        ///
        /// # Safety
        /// As for `tile`.
        #[inline(never)]
        #[target_feature(enable = $features)]
        unsafe fn finish<const V: usize>(
            products: &[[Vector; V]],
            tile: &Tile<'_>,
            out: &mut [f32],
            to: &[usize],
        ) {
            for (row, (products, to)) in products.iter().zip(to).enumerate() {
                let scale = set1(tile.scales.map_or(1.0, |scales| scales[row]));
                for (v, product) in products.iter().enumerate() {
                    // SAFETY: the biases have V vectors, and so has `out` from each place on.
                    unsafe {
                        let sum = fmadd(*product, scale, load(tile.bias.as_ptr().add(v * LANES)));
                        let place = out.as_mut_ptr().add(to + v * LANES);
                        match tile.finish {
                            Finish::Store => store(place, sum),
                            Finish::Add => store(place, add(load(place), sum)),
                            Finish::Silu => store(place, silu(sum)),
                        }
                    }
                }
            }
        }
    };
}

/// What has to hold before raw places are read and written: everything is as long as it has to be.
fn check(tile: &Tile<'_>, columns: usize, out: &[f32], to: &[usize]) {
    let Shape { parts, part, apart } = tile.shape;
    let reach = parts.saturating_sub(1) * apart + part;
    let last = tile.from.last().copied().unwrap_or(0);
    let last_out = to.last().copied().unwrap_or(0);
    assert!(
        tile.from.len() == to.len()
            && last.saturating_add(reach) <= tile.numbers.len()
            && last_out.saturating_add(columns) <= out.len()
            && tile.panel.len() * LINE == parts * part * columns
            && tile.bias.len() == columns,
        "a tile of {} rows reaches beyond its {} numbers, {} results or {} lines of weights",
        to.len(),
        tile.numbers.len(),
        out.len(),
        tile.panel.len()
    );
    // Rows that are said to be close have to be, or they would reach further than the last place.
    let close = last - tile.from.first().copied().unwrap_or(0) == (ROWS - 1) * CLOSE;
    assert!(to.len() < ROWS || close, "rows that are not as close as they should be");
    debug_assert!(to.len() <= ROWS && tile.from.is_sorted() && to.is_sorted());
}

/// Vectors of 16 numbers.
pub(super) mod avx512 {
    use super::CLOSE;
    #[cfg_attr(miri, expect(unused_imports, reason = "its silu does without them"))]
    use std::arch::x86_64::{
        __m512 as Vector, _mm512_add_epi32 as add_bits, _mm512_add_ps as add,
        _mm512_castps_si512 as to_bits, _mm512_castsi512_ps as from_bits, _mm512_fmadd_ps as fmadd,
        _mm512_fnmadd_ps as fnmadd, _mm512_loadu_ps as load, _mm512_max_ps as max,
        _mm512_min_ps as min, _mm512_mul_ps as mul, _mm512_rcp14_ps as reciprocal,
        _mm512_set1_ps as set1, _mm512_slli_epi32 as shift_left, _mm512_storeu_ps as store,
        _mm512_sub_ps as sub,
    };
    tiles!(
        "avx512f",
        [
            (16, 1, CLOSE),
            (8, 1, 0),
            (4, 1, 0),
            (2, 1, 0),
            (1, 1, 0),
            (8, 2, 0),
            (4, 2, 0),
            (2, 2, 0),
            (1, 2, 0),
            (8, 3, 0),
            (4, 3, 0),
            (2, 3, 0),
            (1, 3, 0),
        ]
    );
}

/// Vectors of 8 numbers.
pub(super) mod avx2 {
    #[cfg_attr(miri, expect(unused_imports, reason = "its silu does without them"))]
    use std::arch::x86_64::{
        __m256 as Vector, _mm256_add_epi32 as add_bits, _mm256_add_ps as add,
        _mm256_castps_si256 as to_bits, _mm256_castsi256_ps as from_bits, _mm256_fmadd_ps as fmadd,
        _mm256_fnmadd_ps as fnmadd, _mm256_loadu_ps as load, _mm256_max_ps as max,
        _mm256_min_ps as min, _mm256_mul_ps as mul, _mm256_rcp_ps as reciprocal,
        _mm256_set1_ps as set1, _mm256_slli_epi32 as shift_left, _mm256_storeu_ps as store,
        _mm256_sub_ps as sub,
    };
    tiles!("avx2,fma", [(6, 2, 0), (4, 2, 0), (3, 2, 0), (2, 2, 0), (1, 2, 0)]);
}
