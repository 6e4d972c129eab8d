//! The whole product, driven from outside: the real binary as processes, real HTTP, private
//! services on free ports.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on panics")]

mod bad_input;
mod canary;
mod client;
mod collector;
mod database;
mod disk_full;
mod docs;
mod erasure;
mod harness;
mod kept;
mod keys;
mod kill;
mod lost;
mod models;
mod operations;
mod operator;
mod outside;
mod parked;
mod path;
mod pictures;
mod signing;
mod spans;
mod tail_loss;
mod teaching;
mod traces;
mod two_apis;
mod upgrades;
mod worker_kill;
