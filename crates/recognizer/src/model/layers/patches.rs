//! The 3×3 neighbourhoods of every second pixel, side by side: a convolution is these patches times
//! a matrix, and so is its gradient.

use candle_core::{CpuStorage, CustomOp1, DType, Layout, Result, Shape, Tensor};

/// Edge of a patch, pixels.
const WINDOW: usize = 3;
/// From one patch to the next, pixels.
const STRIDE: usize = 2;

/// x `[n, height, width, c]` → `[n, height / 2, width / 2, 9 · c]` (halves rounded up); what lies
/// outside the picture is 0.
pub fn patches(x: &Tensor) -> Result<Tensor> {
    if x.device().is_cpu() {
        return x.to_dtype(DType::F32)?.contiguous()?.apply_op1(Patches);
    }
    let (_, height, width, _) = x.dims4()?;
    let (high, wide) = (height.div_ceil(STRIDE), width.div_ceil(STRIDE));
    let padded = x.pad_with_zeros(1, 1, STRIDE)?.pad_with_zeros(2, 1, STRIDE)?;
    let every_second = |x: &Tensor, dim: usize, from: usize, count: usize| {
        let picked: Vec<u32> = (0..count).map(|i| (from + i * STRIDE) as u32).collect();
        x.index_select(&Tensor::new(picked, x.device())?, dim)
    };
    let mut parts = Vec::with_capacity(WINDOW * WINDOW);
    for down in 0..WINDOW {
        let rows = every_second(&padded, 1, down, high)?;
        for right in 0..WINDOW {
            parts.push(every_second(&rows, 2, right, wide)?);
        }
    }
    Tensor::cat(&parts, 3)
}

struct Patches;

/// Sizes of one cutting-up.
struct Sizes {
    pictures: usize,
    height: usize,
    width: usize,
    channels: usize,
}

impl Sizes {
    fn of(shape: &Shape) -> Result<Self> {
        let (pictures, height, width, channels) = shape.dims4()?;
        Ok(Self { pictures, height, width, channels })
    }

    fn high(&self) -> usize {
        self.height.div_ceil(STRIDE)
    }

    fn wide(&self) -> usize {
        self.width.div_ceil(STRIDE)
    }

    /// Calls `visit(pixel, place in the patches)` with the first element of each, for every pixel
    /// of every patch that lies inside its picture.
    fn each(&self, mut visit: impl FnMut(usize, usize)) {
        let patch = WINDOW * WINDOW * self.channels;
        let mut place = 0;
        for picture in 0..self.pictures {
            for y in 0..self.high() {
                for x in 0..self.wide() {
                    for (index, (down, right)) in
                        (0..WINDOW).flat_map(|d| (0..WINDOW).map(move |r| (d, r))).enumerate()
                    {
                        // One pixel further left and up than the patch's middle; wraps below 0.
                        let row = (y * STRIDE + down).wrapping_sub(1);
                        let column = (x * STRIDE + right).wrapping_sub(1);
                        if row < self.height && column < self.width {
                            let pixel = (picture * self.height + row) * self.width + column;
                            visit(pixel * self.channels, place + index * self.channels);
                        }
                    }
                    place += patch;
                }
            }
        }
    }
}

impl CustomOp1 for Patches {
    fn name(&self) -> &'static str {
        "patches"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let s = Sizes::of(layout.shape())?;
        let x = &x.as_slice::<f32>()?[layout.start_offset()..];
        let patch = WINDOW * WINDOW * s.channels;
        let mut y = vec![0.0f32; s.pictures * s.high() * s.wide() * patch];
        s.each(|from, to| {
            y[to..to + s.channels].copy_from_slice(&x[from..from + s.channels]);
        });
        Ok((CpuStorage::F32(y), Shape::from((s.pictures, s.high(), s.wide(), patch))))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let s = Sizes::of(x.shape())?;
        let grads = grad.flatten_all()?.to_vec1::<f32>()?;
        let mut dx = vec![0.0f32; x.elem_count()];
        s.each(|to, from| {
            let pairs = dx[to..to + s.channels].iter_mut().zip(&grads[from..from + s.channels]);
            pairs.for_each(|(dx, g)| *dx += g);
        });
        Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
    }
}
