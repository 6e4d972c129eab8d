//! The streams on the real thing: one suite for every backend, on files and on a private
//! nats-server, and the traps of each.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod commands;
mod config;
mod corruption;
mod embedded;
mod frames;
mod live;
mod log;
mod logins;
mod nats_damage;
mod nats_traps;
mod place;
mod replicas;
mod roles;
mod transfer;
