//! The tables: writing, reading, rebuilding them.
