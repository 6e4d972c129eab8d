//! Shared parts of the benchmarks and of the chaos runs: seeded inputs, loads, bare engines,
//! servers of their own, the way figures are told.

pub mod bare;
pub mod callers;
pub mod chaos;
pub mod clipset;
pub mod fixtures;
pub mod fuzz;
pub mod history;
pub mod http;
pub mod lag;
pub mod latency;
pub mod listeners;
pub mod loads;
pub mod population;
pub mod power;
pub mod report;
pub mod server;
