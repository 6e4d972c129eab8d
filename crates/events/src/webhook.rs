//! The aggregate of webhooks: who wants to be told of what happens in rooms, and where.

pub mod command;
mod event;
mod state;

pub use command::WebhookCommand;
pub use event::{Created, Deleted, Notice, RetryRequested, Scope, WebhookEvent};
pub use state::{Webhook, Webhooks};
