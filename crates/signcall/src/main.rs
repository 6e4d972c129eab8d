//! The signcall binary.
fn main() {}
