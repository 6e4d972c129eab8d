//! The tables against the real thing: SQLite files and a private PostgreSQL, the same tests on both.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may fail loudly; the lint exempts test functions alone"
)]

mod archive;
mod crash;
mod databases;
mod life;
mod parked;
mod replay;
mod search;
mod tables;
mod world;
