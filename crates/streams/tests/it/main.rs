//! The streams on the real thing: one suite for every backend, on files and on a private
//! nats-server, and the traps of each.

mod commands;
mod embedded;
mod frames;
mod live;
mod log;
mod nats_traps;
mod place;
