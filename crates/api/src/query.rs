//! What can be read: one file per table, and the exports.

pub(crate) mod audit;
pub(crate) mod chat;
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
use projector::{Cursor, Listing as Found, Page};

use crate::error::ApiError;
use crate::list::{Begin, Wanted};

/// Ids lie below 2^53: a cursor behind all of them.
const BEHIND_ALL: u64 = 1 << 53;

/// A wish as the tables take it, of the rows behind `from` alone.
fn page_from<Id>(wanted: Wanted, from: u64, id: impl Fn(u64) -> Id) -> Page<Id> {
    let begin = match wanted.begin {
        Begin::Start if from > 0 => Begin::After(from),
        Begin::After(after) => Begin::After(after.max(from)),
        Begin::Start | Begin::Before(_) | Begin::End => wanted.begin,
    };
    page(Wanted { begin, ..wanted }, id)
}

/// Takes away what lies in front of where the reader may read: walking back ends there.
fn cut<T>(found: &mut Found<T>, from: u64, id: impl Fn(&T) -> u64) {
    let read = found.rows.len();
    found.rows.retain(|row| id(row) > from);
    found.has_more &= found.rows.len() == read;
}

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
