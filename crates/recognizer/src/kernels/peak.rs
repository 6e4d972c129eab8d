//! What a core can multiply at all: the product of two large matrices, which kernels are measured
//! against.

use gemm::{Parallelism, gemm};

/// Puts the product of two `edge × edge` matrices, row by row, into a third, on one thread.
///
/// # Panics
/// When a matrix has another size.
#[expect(unsafe_code, reason = "the product takes places and strides; sizes are checked first")]
pub fn product(edge: usize, left: &[f32], right: &[f32], out: &mut [f32]) {
    let size = edge * edge;
    assert!(left.len() == size && right.len() == size && out.len() == size, "not {edge} × {edge}");
    let (n, row) = (edge, edge as isize);
    let (a, b, c) = (left.as_ptr(), right.as_ptr(), out.as_mut_ptr());
    // SAFETY: each matrix has `edge` rows of `edge` numbers, one after the other, as checked above;
    // `out` is not read, since what is there is not added.
    unsafe {
        gemm(
            n,
            n,
            n,
            c,
            1,
            row,
            false,
            a,
            1,
            row,
            b,
            1,
            row,
            0.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg_attr(
        miri,
        ignore = "the product itself is another crate's, which asks for more of a processor"
    )]
    fn a_product_is_a_product() {
        let mut out = [9.0f32; 4];
        super::product(2, &[1.0, 2.0, 3.0, 4.0], &[5.0, 6.0, 7.0, 8.0], &mut out);
        let expected = [19.0, 22.0, 43.0, 50.0];
        assert!(out.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-4), "{out:?}");
    }
}
