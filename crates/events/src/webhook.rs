//! The aggregate of webhooks: who wants to be told of what happens in rooms, and where.

pub mod command;
mod event;
mod state;
mod stored;

pub use command::WebhookCommand;
pub use event::{
    Created, Deleted, Disabled, Disabling, Enabled, Notice, RetryRequested, Scope, SecretRotated,
    TEST, TestRequested, WebhookEvent,
};
pub use state::{Former, ROTATION_S, Webhook, Webhooks};
pub use stored::CreatedV1;
