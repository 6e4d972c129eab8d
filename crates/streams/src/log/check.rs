//! What every backend has to find wrong before it hands out a block.

use events::{BlockError, BlockNumber, Head};

use super::LogError;

/// Compares what a reader knows with where the log ends.
pub(super) fn reader_against_end(place: &str, after: &Head, end: &Head) -> Result<(), LogError> {
    if after.log != end.log {
        return Err(LogError::Replaced {
            place: place.to_owned(),
            found: end.log,
            expected: after.log,
        });
    }
    if end.block < after.block {
        return Err(LogError::TailLost {
            place: place.to_owned(),
            found: end.block,
            expected: after.block,
        });
    }
    if end.block == after.block {
        same(place, after.block, "the hash", &end.hash, &after.hash)?;
    }
    Ok(())
}

/// Two things that must be equal, in words.
pub(super) fn same<T: PartialEq + ToString>(
    place: &str,
    block: BlockNumber,
    what: &'static str,
    found: &T,
    expected: &T,
) -> Result<(), LogError> {
    if found == expected {
        return Ok(());
    }
    Err(wrong(place, block, what, found.to_string(), expected.to_string()))
}

/// Damage, and where.
pub(super) fn wrong(
    place: &str,
    block: BlockNumber,
    what: &'static str,
    found: String,
    expected: String,
) -> LogError {
    damaged(place, BlockError::Chain { block, what, found, expected })
}

/// Damage that the block itself shows.
pub(super) fn damaged(place: &str, source: BlockError) -> LogError {
    LogError::Damaged { place: place.to_owned(), source }
}
