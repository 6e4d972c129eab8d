//! The writer that decides commands, and the Follower that folds the log.
//!
//! [`Writer`] drains the waiting commands, decides them one after the other on state folded from
//! the log, and appends their commits as blocks. [`Follower`] is its read-only half: every process
//! that faces clients takes authentication and permissions from there alone.

mod clock;
mod error;
mod fold;
mod follower;
mod remembered;
mod snapshot;
mod writer;

pub use clock::{Clock, system_clock};
pub use error::DeciderError;
pub use fold::Fold;
pub use follower::{Applied, Follower};
pub use snapshot::{Snapshot, Snapshots};
pub use writer::Writer;
