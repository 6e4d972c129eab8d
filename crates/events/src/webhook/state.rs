//! All webhooks, by their ids and by their owners. Addresses and secrets stay sealed.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::event::{Created, Disabling, Notice, Scope, WebhookEvent};
use crate::id::{RoomId, UserId, WebhookId};
use crate::sealed::Personal;
use crate::time::Timestamp;

/// A secret that was rotated away still signs for this many seconds, beside the new one.
pub const ROTATION_S: i64 = 86_400;

/// One webhook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Webhook {
    /// Whose.
    pub owner: UserId,
    /// Sealed under the owner's key.
    pub url: Personal,
    /// Sealed under the owner's key.
    pub secret: Personal,
    /// Of which rooms.
    pub scope: Scope,
    /// Of what.
    pub events: Vec<Notice>,
    /// Since when.
    pub created_at: Timestamp,
    /// Since when and why nothing is delivered.
    pub disabled: Option<(Timestamp, Disabling)>,
    /// The secret before the last rotation.
    pub former: Option<Former>,
}

/// A secret on its way out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Former {
    /// Sealed under the owner's key.
    pub secret: Personal,
    /// It signs until then.
    pub until: Timestamp,
}

/// All webhooks.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Webhooks {
    by_id: HashMap<WebhookId, Webhook>,
    of: HashMap<UserId, BTreeSet<WebhookId>>,
    /// Those that are about more or other rooms than their owner's own.
    scoped: HashMap<Scope, BTreeSet<WebhookId>>,
}

impl Webhooks {
    /// The webhook of that id.
    pub fn get(&self, id: WebhookId) -> Option<&Webhook> {
        self.by_id.get(&id)
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (WebhookId, &Webhook)> {
        self.by_id.iter().map(|(id, webhook)| (*id, webhook))
    }

    /// Those of one user, oldest first.
    pub fn of(&self, user: UserId) -> impl Iterator<Item = (WebhookId, &Webhook)> {
        let ids = self.of.get(&user).into_iter().flatten();
        ids.filter_map(|id| Some((*id, self.by_id.get(id)?)))
    }

    /// Those that may be about a room of this owner's, each once; whether their own owner may still
    /// be told is for the caller to check.
    pub fn about(
        &self,
        room: RoomId,
        owner: UserId,
    ) -> impl Iterator<Item = (WebhookId, &Webhook)> {
        let own = self.of(owner).filter(|(_, webhook)| webhook.scope == Scope::Own);
        let scopes = [Scope::Room(room), Scope::All];
        let ids = scopes.into_iter().filter_map(|scope| self.scoped.get(&scope)).flatten();
        own.chain(ids.filter_map(|id| Some((*id, self.by_id.get(id)?))))
    }

    /// Takes one event in.
    pub fn evolve(&mut self, event: &WebhookEvent, at: Timestamp) {
        match event {
            WebhookEvent::Created(e) => self.created(e, at),
            WebhookEvent::Deleted(e) => {
                self.remove(e.webhook_id);
                if let Some(ids) = self.of.get_mut(&e.user_id) {
                    ids.remove(&e.webhook_id);
                    if ids.is_empty() {
                        self.of.remove(&e.user_id);
                    }
                }
            }
            WebhookEvent::Disabled(e) => {
                self.edit(e.webhook_id, |webhook| webhook.disabled = Some((at, e.reason)));
            }
            WebhookEvent::Enabled(e) => {
                self.edit(e.webhook_id, |webhook| webhook.disabled = None);
            }
            WebhookEvent::SecretRotated(e) => self.edit(e.webhook_id, |webhook| {
                let secret = std::mem::replace(&mut webhook.secret, e.secret.clone());
                webhook.former = Some(Former { secret, until: at.plus_seconds(ROTATION_S) });
            }),
            WebhookEvent::TestRequested(_) | WebhookEvent::RetryRequested(_) => {}
        }
    }

    fn created(&mut self, e: &Created, at: Timestamp) {
        let webhook = Webhook {
            owner: e.user_id,
            url: e.url.clone(),
            secret: e.secret.clone(),
            scope: e.scope,
            events: e.events.clone(),
            created_at: at,
            disabled: None,
            former: None,
        };
        self.insert(e.webhook_id, webhook);
    }

    fn edit(&mut self, id: WebhookId, change: impl FnOnce(&mut Webhook)) {
        if let Some(webhook) = self.by_id.get_mut(&id) {
            change(webhook);
        }
    }

    fn insert(&mut self, id: WebhookId, webhook: Webhook) {
        self.of.entry(webhook.owner).or_default().insert(id);
        if webhook.scope != Scope::Own {
            self.scoped.entry(webhook.scope).or_default().insert(id);
        }
        self.by_id.insert(id, webhook);
    }

    fn remove(&mut self, id: WebhookId) {
        let Some(webhook) = self.by_id.remove(&id) else { return };
        if let Some(ids) = self.scoped.get_mut(&webhook.scope) {
            ids.remove(&id);
            if ids.is_empty() {
                self.scoped.remove(&webhook.scope);
            }
        }
    }

    /// A deleted user is told of nothing any more.
    pub(crate) fn forget_user(&mut self, user: UserId) {
        for id in self.of.remove(&user).into_iter().flatten() {
            self.remove(id);
        }
    }

    /// Makes these users' webhooks what they are in `from`, where all others are the same already.
    pub(crate) fn restore(&mut self, from: &Self, touched: &HashSet<UserId>) {
        for user in touched {
            self.forget_user(*user);
            for (id, webhook) in from.of(*user) {
                self.insert(id, webhook.clone());
            }
        }
    }
}
