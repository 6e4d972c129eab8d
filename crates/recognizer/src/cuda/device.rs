//! Opening an NVIDIA device as the engine needs it, and what it says of itself.

use candle_core::cuda_backend::cudarc::driver::sys::{
    CUmemPool_attribute, cuDeviceGetDefaultMemPool, cuDriverGetVersion, cuMemPoolSetAttribute,
};
use candle_core::{Device, Error, Result};
use serde::Serialize;

use crate::model::ModelError;

/// A device, as a person would ask for it.
#[derive(Clone, Debug, Serialize)]
pub struct About {
    /// As NVIDIA calls it.
    pub name: String,
    /// `9.0`.
    pub compute_capability: String,
    /// The newest CUDA that the driver runs, `13.0`.
    pub driver_cuda: String,
    /// Memory, bytes.
    pub memory: usize,
    /// Of it free, bytes.
    pub memory_free: usize,
}

fn driver(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Cuda(Box::new(error))
}

/// Opens it on the calling thread's stream; with it, everything of this process on that device.
#[expect(unsafe_code, reason = "events are switched off for the whole device")]
pub(super) fn open(number: usize) -> std::result::Result<Device, ModelError> {
    let device = Device::new_cuda(number)?;
    let cuda = device.as_cuda_device()?;
    // SAFETY: a model's tensors are used on one thread's stream, which keeps their order; between
    // the thread that makes a model and the one that steps it lies a `synchronize`.
    unsafe { cuda.disable_event_tracking() };
    keep_memory(&device)?;
    Ok(device)
}

/// What is freed stays with the process: else the driver gives it back at every wait for a result.
#[expect(unsafe_code, reason = "the driver's own functions")]
fn keep_memory(device: &Device) -> Result<()> {
    let context = device.as_cuda_device()?.cuda_stream().context().clone();
    context.bind_to_thread().map_err(driver)?;
    let mut pool = std::ptr::null_mut();
    let mut threshold = u64::MAX;
    let release = CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
    // SAFETY: the context is current, `pool` is written before it is read, and the attribute takes
    // a pointer to 64 bits.
    let set = unsafe {
        cuDeviceGetDefaultMemPool(&raw mut pool, context.cu_device()).result().and_then(|()| {
            cuMemPoolSetAttribute(pool, release, (&raw mut threshold).cast()).result()
        })
    };
    set.map_err(driver)
}

/// What the device says of itself.
///
/// # Errors
/// There is no such device, or its driver does not answer.
#[expect(unsafe_code, reason = "the driver's own functions")]
pub fn about(number: usize) -> std::result::Result<About, ModelError> {
    let device = Device::new_cuda(number)?;
    let context = device.as_cuda_device()?.cuda_stream().context().clone();
    let mut version = 0;
    // SAFETY: it writes one integer.
    unsafe { cuDriverGetVersion(&raw mut version) }.result().map_err(driver)?;
    let (major, minor) = context.compute_capability().map_err(driver)?;
    let (memory_free, memory) = context.mem_get_info().map_err(driver)?;
    Ok(About {
        name: context.name().map_err(driver)?,
        compute_capability: format!("{major}.{minor}"),
        driver_cuda: format!("{}.{}", version / 1000, version % 1000 / 10),
        memory,
        memory_free,
    })
}
