//! What happens later or outside: texts past their retention go, abandoned rooms close, receivers
//! are told of what happened.
//!
//! The reactor folds the log, and what is due becomes a command whose id derives from its reason,
//! so that two reactors, or one that was killed and started again, do nothing twice. Deliveries go
//! through the [`Outbox`], at least once, under the event's id and in the order of each room.

mod courier;
pub mod mail;
mod outbox;
mod run;
mod timers;
mod webhooks;

pub use courier::ATTEMPTS_MAX;
pub use outbox::{Outbox, OutboxError, WAITING_MAX};
pub use run::{Parts, ReactorError, run};
pub use timers::Timers;
pub use webhooks::Targets;
