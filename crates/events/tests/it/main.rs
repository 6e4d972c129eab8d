//! The vocabulary as a whole: shipped history, the chain, and rules that hold for any history.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod blocks;
mod golden;
mod rules;
mod town;
