//! Keys for personal data: make, seal, open, destroy.
