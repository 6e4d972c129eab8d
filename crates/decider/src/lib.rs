//! The writer that decides commands, and the Follower that folds the log.
