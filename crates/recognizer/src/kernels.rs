//! The net computed by hand on the CPU: weights packed once, bias, activation and norm fused into the
//! products, the past kept in rings that nobody copies. One thread an engine, no rayon.
//!
//! Candle's path (`model::net`) is the readable reference: both must say the same to 1e-4, which
//! tests check on random nets and random streams, for every instruction set that the machine has.
//!
//! # Layout
//! * [`isa`]: which instructions this machine has, and how one text becomes a function for each.
//! * `dense`: packed weights and the product; `dense/x86` is the only place with instructions written out.
//! * `element`: what is done to single numbers: activation, norm, convolution over time.
//! * `pictures`: convolutions as products of patches.
//! * `net`: the model that serves.
//! * `peak`: what the core can multiply at all.

mod dense;
pub(crate) mod element;
pub mod isa;
mod net;
mod peak;
mod pictures;
#[cfg(test)]
mod tests;

pub use isa::Isa;
pub use net::KernelModel;
pub use peak::product;
