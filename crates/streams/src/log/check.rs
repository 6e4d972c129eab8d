//! What every backend has to find wrong before it hands out a block.

use events::{BlockError, BlockHeader, BlockNumber, Head, LogId, Position};

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

/// Where the log ended when it ended with these bytes, which are its block of this number.
pub(super) fn head_of(
    place: &str,
    log: LogId,
    block: BlockNumber,
    bytes: &[u8],
) -> Result<Head, LogError> {
    let first_line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let header: BlockHeader = serde_json::from_slice(first_line)
        .map_err(|source| damaged(place, BlockError::Header { block, source }))?;
    same(place, block, "the block number", &header.block, &block)?;
    same(place, block, "the log id", &header.log, &log)?;
    let after = header.first.get().saturating_add(u64::from(header.count));
    let position = Position::new(after.saturating_sub(1));
    Ok(Head { log, block, position, hash: events::block::hash(bytes) })
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
