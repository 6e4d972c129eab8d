//! The API over a real socket, on a real log, a real decider, a real projector and real tables.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that can't go on says so by failing"
)]

mod accounts;
mod audit;
mod bad_input;
mod calls;
mod canary;
mod client;
mod clients;
mod clock;
mod contract;
mod crowd;
mod cut;
mod forgetting;
mod frames;
mod guessing;
mod guests;
mod hostile_readers;
mod limits;
mod live;
mod matrix;
mod mistakes;
mod moderation;
mod path;
mod receiver;
mod resume;
mod retries;
mod revoked;
mod rooms;
mod server;
mod slow;
mod strict;
mod teaching;
mod tokens;
mod webhooks;
