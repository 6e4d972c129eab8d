//! The whole product, driven from outside: the real binary as processes, real HTTP, private
//! services on free ports.

mod bad_input;
mod client;
mod database;
mod harness;
mod kill;
mod path;
mod signing;
