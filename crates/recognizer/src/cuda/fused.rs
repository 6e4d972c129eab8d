//! The block's convolution as one kernel (`fused.cu`), which has the past of every stream where it
//! lies. Its safe twin is `arena::plain`; the self-test of `signcall doctor` compares the two.

use candle_core::backend::BackendStorage as _;
use candle_core::cuda_backend::cudarc::driver::{DeviceRepr, LaunchConfig, PushKernelArg as _};
use candle_core::cuda_backend::{CudaDType, WrapErr as _};
use candle_core::{
    CpuStorage, CudaStorage, CustomOp2, DType, Error, Layout, Result, Shape, Storage, Tensor,
};
use half::bf16;

const PTX: &str = include_str!(concat!(env!("OUT_DIR"), "/fused.ptx"));
/// Threads of a block.
const THREADS: u32 = 128;

/// As [`super::arena::plain`].
pub(super) fn mix(
    kept: &Tensor,
    rows: &Tensor,
    keep: &Tensor,
    inner: &Tensor,
    taps: &Tensor,
    dilation: usize,
) -> Result<Tensor> {
    let op = Mix { kept, rows, keep, dilation };
    inner.contiguous()?.apply_op2_no_bwd(taps, &op)
}

struct Mix<'a> {
    kept: &'a Tensor,
    rows: &'a Tensor,
    keep: &'a Tensor,
    dilation: usize,
}

/// The storage of a tensor that lies on the device without gaps.
fn on_device(tensor: &Tensor, use_it: &mut dyn FnMut(&CudaStorage) -> Result<()>) -> Result<()> {
    let (storage, layout) = tensor.storage_and_layout();
    if let Storage::Cuda(storage) = &*storage
        && layout.is_contiguous()
        && layout.start_offset() == 0
    {
        return use_it(storage);
    }
    Err(Error::Msg("a step's tensors must lie on the device, without gaps".to_owned()))
}

impl CustomOp2 for Mix<'_> {
    fn name(&self) -> &'static str {
        "mix-with-past"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        Err(Error::Msg("the fused convolution is for CUDA; `plain` does it here".to_owned()))
    }

    fn cuda_fwd(
        &self,
        inner: &CudaStorage,
        inner_layout: &Layout,
        taps: &CudaStorage,
        taps_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let sizes = Sizes::of(self, inner_layout, taps_layout)?;
        let out = if inner.dtype() == DType::BF16 {
            self.launch::<bf16>("mix_bf16", &sizes, inner, taps)?
        } else {
            // Anything but f32 is refused where the kernel's arguments are put together.
            self.launch::<f32>("mix_f32", &sizes, inner, taps)?
        };
        Ok((out, inner_layout.shape().clone()))
    }
}

/// What the kernel is told; all fit together.
struct Sizes {
    batch: u32,
    frames: u32,
    width: u32,
    context: u32,
    kernel: u32,
    dilation: u32,
}

impl Sizes {
    fn of(op: &Mix<'_>, inner: &Layout, taps: &Layout) -> Result<Self> {
        let (batch, frames, width) = inner.shape().dims3()?;
        let (kernel, channels) = taps.shape().dims2()?;
        let (_, context, kept_width) = op.kept.dims3()?;
        let fits = inner.is_contiguous()
            && inner.start_offset() == 0
            && taps.is_contiguous()
            && taps.start_offset() == 0
            && channels == width
            && kept_width == width
            && context == (kernel - 1) * op.dilation
            && op.rows.dims() == [batch]
            && op.keep.dims() == [batch]
            && batch <= 65_535;
        if !fits {
            return Err(Error::Msg(format!(
                "inner {:?}, taps {:?}, kept {:?} and {} rows don't make a step",
                inner.shape(),
                taps.shape(),
                op.kept.shape(),
                op.rows.elem_count()
            )));
        }
        let of = |size: usize| u32::try_from(size).map_err(Error::wrap);
        Ok(Self {
            batch: of(batch)?,
            frames: of(frames)?,
            width: of(width)?,
            context: of(context)?,
            kernel: of(kernel)?,
            dilation: of(op.dilation)?,
        })
    }
}

impl Mix<'_> {
    #[expect(unsafe_code, reason = "launching a kernel")]
    fn launch<T: CudaDType + DeviceRepr>(
        &self,
        name: &str,
        sizes: &Sizes,
        inner: &CudaStorage,
        taps: &CudaStorage,
    ) -> Result<CudaStorage> {
        let device = inner.device().clone();
        let function = device.get_or_load_custom_func(name, "signcall-fused", PTX)?;
        let len = (sizes.batch * sizes.frames * sizes.width) as usize;
        // SAFETY: the kernel below writes every element before anything reads one: all launches are
        // on one stream.
        let mixed = unsafe { device.alloc::<T>(len) }?;
        let config = LaunchConfig {
            grid_dim: (sizes.width.div_ceil(THREADS), sizes.batch, 1),
            block_dim: (THREADS, 1, 1),
            shared_mem_bytes: 0,
        };
        on_device(self.kept, &mut |kept| {
            on_device(self.rows, &mut |rows| {
                on_device(self.keep, &mut |keep| {
                    let mut launch = function.builder();
                    launch.arg(kept.as_cuda_slice::<T>()?);
                    launch.arg(rows.as_cuda_slice::<u32>()?);
                    launch.arg(keep.as_cuda_slice::<f32>()?);
                    launch.arg(taps.as_cuda_slice::<f32>()?);
                    launch.arg(inner.as_cuda_slice::<T>()?);
                    launch.arg(&mixed);
                    for size in [
                        &sizes.frames,
                        &sizes.width,
                        &sizes.context,
                        &sizes.kernel,
                        &sizes.dilation,
                    ] {
                        launch.arg(size);
                    }
                    // SAFETY: the types are those of `fused.cu`, `Sizes::of` has compared all extents,
                    // rows come from the arena and lie inside it, and the arena is written by nobody
                    // else: one stream, one thread, rows that don't repeat.
                    unsafe { launch.launch(config) }.w()?;
                    Ok(())
                })
            })
        })?;
        Ok(T::wrap_cuda_slice(mixed, device))
    }
}
