//! Writers and Followers on real logs: an SQLite file, or memory with faults.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod chain;
mod faults;
mod follower;
mod hand_over;
mod model;
mod races;
mod rig;
mod simulation;
mod snapshot;
