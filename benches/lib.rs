//! Shared fixtures of the benchmarks: seeded, random, never zeros.

pub mod fixtures;
