//! The whole product, driven from outside: the real binary as processes, real HTTP, private
//! services on free ports.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on panics")]

mod bad_input;
mod client;
mod database;
mod erasure;
mod harness;
mod kill;
mod models;
mod operations;
mod operator;
mod outside;
mod path;
mod pictures;
mod signing;
mod two_apis;
