//! The tables: writing them from the log, reading them, rebuilding them.
//!
//! [`Store`] is the reading half: every table's reads are methods of it, next to the table's row
//! type in [`projections`]. [`Projector`] follows the log and writes; rows and checkpoint commit
//! together, so applying twice equals once, and a rebuild ([`replay`]) equals the live tables.

mod archive;
mod batch;
mod checkpoint;
mod db;
mod delivery;
mod error;
mod keep;
mod parked;
pub mod projections;
mod read;
mod rebuild;
mod runner;
mod search;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod value;
mod work;

pub use checkpoint::Checkpoint;
pub use delivery::DeliveryRow;
pub use error::{ProjectorError, StoreError};
pub use parked::{Parked, Retried};
pub use projections::feed::{FeedEntry, FeedKind};
pub use projections::message::{MessageRevisionRow, MessageRow};
pub use projections::participant::{Participant, ParticipantRow};
pub use projections::room::{RoomRow, RoomState};
pub use projections::transcript::{TranscriptFilter, TranscriptRevisionRow, TranscriptRow};
pub use projections::user::UserRow;
pub use read::{Cursor, Listing, Page};
pub use rebuild::{
    Difference, Phase, Progress, ReplayReport, TableReport, replay, replay_in_batches,
};
pub use runner::{Projector, check_tables};
pub use search::{SEARCH_WORDS_MAX, Search, TooManyWords};
pub use store::Store;
