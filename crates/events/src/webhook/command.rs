//! What can be asked of webhooks.

pub mod manage;

use serde::{Deserialize, Serialize};

use crate::command::{Actor, Decision, Rejection, Stamp};
use crate::state::State;

/// A command about one webhook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each variant is documented at its payload")]
pub enum WebhookCommand {
    CreateWebhook(manage::CreateWebhook),
    DeleteWebhook(manage::DeleteWebhook),
    DisableWebhook(manage::DisableWebhook),
    EnableWebhook(manage::EnableWebhook),
    RotateSecret(manage::RotateSecret),
    TestWebhook(manage::TestWebhook),
    RetryDelivery(manage::RetryDelivery),
}

impl WebhookCommand {
    pub(crate) fn decide(
        &self,
        state: &State,
        actor: Actor,
        stamp: &mut Stamp,
    ) -> Result<Decision, Rejection> {
        match self {
            Self::CreateWebhook(command) => command.decide(state, actor, stamp),
            Self::DeleteWebhook(command) => command.decide(state, actor),
            Self::DisableWebhook(command) => command.decide(state, actor),
            Self::EnableWebhook(command) => command.decide(state, actor),
            Self::RotateSecret(command) => command.decide(state, actor),
            Self::TestWebhook(command) => command.decide(state, actor),
            Self::RetryDelivery(command) => command.decide(state, actor),
        }
    }
}
