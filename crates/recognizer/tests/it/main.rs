//! The recognizer on the real thing: clips, sockets, servers.
#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod clips;
mod library;
mod rates;
mod training;
