//! Steps recorded once (CUDA graphs) and played again: one launch instead of a hundred. The inputs
//! lie in buffers that never move; what a step allocates is part of its recording.

use std::collections::HashMap;
use std::sync::Arc;

use candle_core::backend::BackendStorage as _;
use candle_core::cuda_backend::CudaDType;
use candle_core::cuda_backend::cudarc::driver::sys::{
    CUgraphInstantiate_flags, CUstreamCaptureMode,
};
use candle_core::cuda_backend::cudarc::driver::{
    CudaGraph, CudaStream, DeviceRepr, PinnedHostSlice,
};
use candle_core::{CpuStorage, CudaStorage, DType, Error, InplaceOp1, Layout, Result, Tensor};

use super::batch::Batch;
use super::model::Core;

/// Streams and frames of each: what a recording is for.
type Size = (usize, usize);

/// The recorded steps.
#[derive(Default)]
pub(super) struct Graphs(HashMap<Size, Recorded>);

struct Recorded {
    graph: Graph,
    x: Tensor,
    rows: Tensor,
    keep: Tensor,
    out: Tensor,
    /// Where the features wait for the copy to the device, in memory that it can fetch by itself.
    staging: PinnedHostSlice<f32>,
}

struct Graph(CudaGraph);

#[expect(unsafe_code, reason = "the driver's graphs are plain handles")]
// SAFETY: a graph may be used by one thread at a time, whichever; it belongs to a model, which is
// stepped through `&mut`.
unsafe impl Send for Graph {}

fn driver(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Cuda(Box::new(error))
}

impl Graphs {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Records a step of that size, which must have been made once before, so that all kernels are
    /// loaded.
    pub(super) fn record(&mut self, core: &Core, size: Size, frame: usize) -> Result<()> {
        let cuda = core.device.as_cuda_device()?;
        let stream = cuda.cuda_stream();
        let x = Tensor::zeros((size.0, size.1, frame), DType::F32, &core.device)?;
        let rows = Tensor::full(core.scratch(), size.0, &core.device)?;
        let keep = Tensor::zeros(size.0, DType::F32, &core.device)?;
        // What kernels are told of shapes goes into a cache that a recording can use.
        let cache = cuda.enable_cuda_graph_htod_cache();
        let out = core.log_probs(&x, &rows, &keep)?.copy()?;
        core.device.synchronize()?;
        stream
            .begin_capture(CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)
            .map_err(driver)?;
        let step = core.log_probs(&x, &rows, &keep).and_then(|step| out.slice_set(&step, 0, 0));
        let flags = CUgraphInstantiate_flags::CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH;
        let graph = stream.end_capture(flags).map_err(driver)?;
        drop(cache);
        step?;
        let graph = graph.ok_or_else(|| Error::Msg("the recording is empty".to_owned()))?;
        graph.upload().map_err(driver)?;
        let staging = pinned(&stream, size.0 * size.1 * frame)?;
        self.0.insert(size, Recorded { graph: Graph(graph), x, rows, keep, out, staging });
        Ok(())
    }

    /// Plays the step; `None` when none of that size is recorded.
    pub(super) fn play(&mut self, batch: &Batch) -> Option<Result<Vec<f32>>> {
        let recorded = self.0.get_mut(&(batch.rows.len(), batch.frames))?;
        Some(recorded.play(batch))
    }
}

impl Recorded {
    fn play(&mut self, batch: &Batch) -> Result<Vec<f32>> {
        // Waits for the copy of the step before, which is long done.
        self.staging.as_mut_slice().map_err(driver)?.copy_from_slice(&batch.features);
        self.x.inplace_op1(&Staged(&self.staging))?;
        self.rows.inplace_op1(&Numbers(&batch.rows))?;
        self.keep.inplace_op1(&Numbers(&batch.keep))?;
        self.graph.0.launch().map_err(driver)?;
        metrics::counter!("signcall_recognizer_graph_replays_total").increment(1);
        self.out.flatten_all()?.to_vec1()
    }
}

#[expect(unsafe_code, reason = "pinned memory comes uninitialized")]
fn pinned(stream: &Arc<CudaStream>, len: usize) -> Result<PinnedHostSlice<f32>> {
    // SAFETY: any bits are an f32, and all are written before the first copy.
    unsafe { stream.context().alloc_pinned::<f32>(len) }.map_err(driver)
}

fn on_cpu() -> Result<()> {
    Err(Error::Msg("recordings are played on a CUDA device".to_owned()))
}

/// Copies pinned features into a tensor.
struct Staged<'a>(&'a PinnedHostSlice<f32>);

impl InplaceOp1 for Staged<'_> {
    fn name(&self) -> &'static str {
        "upload-features"
    }

    fn cpu_fwd(&self, _: &mut CpuStorage, _: &Layout) -> Result<()> {
        on_cpu()
    }

    fn cuda_fwd(&self, storage: &mut CudaStorage, _: &Layout) -> Result<()> {
        let stream = storage.device().cuda_stream();
        stream.memcpy_htod(self.0, f32::as_cuda_slice_mut(storage)?).map_err(driver)
    }
}

/// Copies a few numbers into a tensor of their type.
struct Numbers<'a, T>(&'a [T]);

impl<T: CudaDType + DeviceRepr> InplaceOp1 for Numbers<'_, T> {
    fn name(&self) -> &'static str {
        "upload-rows"
    }

    fn cpu_fwd(&self, _: &mut CpuStorage, _: &Layout) -> Result<()> {
        on_cpu()
    }

    fn cuda_fwd(&self, storage: &mut CudaStorage, _: &Layout) -> Result<()> {
        let stream = storage.device().cuda_stream();
        stream.memcpy_htod(self.0, T::as_cuda_slice_mut(storage)?).map_err(driver)
    }
}
