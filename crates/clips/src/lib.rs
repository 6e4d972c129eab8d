//! Files and wires that carry signing: `.pose` files, live landmark batches, JPEG frames.
//!
//! Everything here is pure: bytes in, checked frames out, or a [`ClipError`] that names the place
//! of the fault. Counts are checked against the bytes that are really there, and against named
//! limits, before anything is allocated for them.
//!
//! # Layout
//! * [`landmarks`]: what every source of landmarks becomes: [`Frame`]s of named points.
//! * [`pose`]: the exchange format of the field, v0, v0.1 and v0.2, read and written.
//! * [`live_wire`]: `SLF1`, the batches that clients send while they sign, read and written.
//! * [`images`]: the picture frames of a live batch, for models that look at pixels.
//! * [`error`]: what can be wrong, and where.
//! * `read`: the checked little-endian reader that the formats share.

pub mod error;
pub mod images;
pub mod landmarks;
pub mod live_wire;
pub mod pose;
mod read;

pub use error::{ClipError, ClipFault, Place};
pub use images::Image;
pub use landmarks::{Frame, Point};
