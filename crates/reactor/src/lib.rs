//! What happens later: texts past their retention go, abandoned rooms close.
//!
//! The reactor folds the log, and what is due becomes a command whose id derives from its reason,
//! so that two reactors, or one that was killed and started again, do nothing twice. It keeps no
//! store of its own: everything it needs to know is in the log.

mod run;
mod timers;

pub use run::{ReactorError, run};
pub use timers::Timers;
