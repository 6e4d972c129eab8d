//! Shared parts of the benchmarks: seeded inputs, loads, bare engines, the way figures are told.

pub mod bare;
pub mod callers;
pub mod fixtures;
pub mod report;
