//! Measures of a model on clips, through the serving path under a virtual clock.

mod measures;

pub use measures::forced_scores;
