//! Serving on a device: the same nets on Candle, with every stream's past in one arena that never
//! leaves the device, and steps in a few fixed sizes.
//!
//! # Layout
//! * [`Place`], [`Precision`]: where, and with which numbers.
//! * [`DeviceModel`]: the model; `arena` keeps the past.
//! * `fused` (feature `cuda`): the block's convolution as one kernel of our own.
//! * `graphs` (feature `cuda`): steps recorded once and played again.
//! * `measure`: how fast it is, and whether it says what the CPU says.
//! * `device` (feature `cuda`): opening a device, and what it says of itself.
//!
//! All but `fused`, `graphs` and `device` is plain Candle and runs on the CPU too, where it is tested.

mod arena;
mod batch;
#[cfg(feature = "cuda")]
mod device;
#[cfg(feature = "cuda")]
mod fused;
#[cfg(feature = "cuda")]
mod graphs;
mod measure;
mod model;
mod place;
#[cfg(test)]
mod tests;

pub use arena::Row;
#[cfg(feature = "cuda")]
pub use device::{About, about};
pub use measure::{Agreement, Ceiling, StepFigures, agreement, steps};
pub use model::{DeviceModel, Settings};
pub use place::{Place, Precision};
