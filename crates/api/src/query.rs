//! What can be read: one file per table, and the exports.

pub(crate) mod audit;
pub(crate) mod export;
pub(crate) mod health;
pub(crate) mod ice;
pub(crate) mod message;
pub(crate) mod mine;
pub(crate) mod models;
pub(crate) mod openapi;
pub(crate) mod room;
pub(crate) mod transcript;
pub(crate) mod user;
pub(crate) mod webhook;

use events::UserId;
use projector::{Cursor, Page};

use crate::error::ApiError;
use crate::list::{Begin, Wanted};

/// Ids lie below 2^53: a cursor behind all of them.
const BEHIND_ALL: u64 = 1 << 53;

/// A wish as the tables take it.
fn page<Id>(wanted: Wanted, id: impl Fn(u64) -> Id) -> Page<Id> {
    let cursor = match wanted.begin {
        Begin::Start => Cursor::Start,
        Begin::After(after) => Cursor::After(id(after)),
        Begin::Before(before) => Cursor::Before(id(before)),
        Begin::End => Cursor::Before(id(BEHIND_ALL)),
    };
    Page { cursor, limit: wanted.limit as u32 }
}

/// A user's id from the parameter `name` of the address.
fn user(name: &str, text: &str) -> Result<UserId, ApiError> {
    let id = text.parse().ok().filter(|id| (1..BEHIND_ALL).contains(id)).map(UserId::new);
    id.ok_or_else(|| {
        let told = format!("{text:?} is no user's id: these are whole numbers from 1 to 2^53 - 1");
        ApiError::field(name, told)
    })
}
