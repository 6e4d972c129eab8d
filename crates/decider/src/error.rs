//! What keeps a decider or a Follower from working: a kind and its source.

use events::BlockError;
use streams::LogError;
use vault::VaultError;

/// Why the log can't be folded or written.
#[derive(Debug, thiserror::Error)]
pub enum DeciderError {
    /// The log can't be used.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A block holds what this binary can't read.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// The keys can't be used.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A thread that folds or writes broke down.
    #[error("a task of the decider ended: {0}")]
    Ended(String),
    /// The log did not answer in time.
    #[error("the log did not answer within {0} s")]
    Silent(u64),
}
