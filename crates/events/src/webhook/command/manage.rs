//! Making webhooks, stopping and ending them, and asking for a delivery once more.

use serde::{Deserialize, Serialize};

use crate::command::{Actor, Decision, Rejection, Stamp, SystemRole};
use crate::event::Event;
use crate::id::{UserId, WebhookId};
use crate::room::command::{acting_user, owned_room};
use crate::sealed::{Clear, Personal};
use crate::state::State;
use crate::subject::Subject;
use crate::user::command::existing;
use crate::webhook::event::{
    Created, Deleted, Disabled, Disabling, Enabled, Notice, RetryRequested, Scope, SecretRotated,
    TestRequested, WebhookEvent,
};

/// Most webhooks of one user.
pub const WEBHOOKS_MAX: usize = 20;
/// Characters of an address, at most.
pub const URL_MAX: usize = 2000;

/// Tell an address of what happens in rooms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CreateWebhook {
    /// Where deliveries go.
    pub url: Clear,
    /// Deliveries are signed with it.
    pub secret: Clear,
    /// Of which rooms.
    pub scope: Scope,
    /// Of what; not empty.
    pub events: Vec<Notice>,
}

/// Tell it no more.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DeleteWebhook {
    /// Which.
    pub webhook: WebhookId,
}

/// Tell it nothing until it is enabled again. The reactor asks when the receiver says that it is gone.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DisableWebhook {
    /// Which.
    pub webhook: WebhookId,
}

/// Tell it again, from here on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EnableWebhook {
    /// Which.
    pub webhook: WebhookId,
}

/// Sign with another secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RotateSecret {
    /// Which.
    pub webhook: WebhookId,
    /// The new one.
    pub secret: Clear,
}

/// Deliver something, to see whether it arrives.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TestWebhook {
    /// To which.
    pub webhook: WebhookId,
}

/// Make a delivery once more.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RetryDelivery {
    /// Of which webhook.
    pub webhook: WebhookId,
    /// Its number.
    pub delivery: u64,
}

impl CreateWebhook {
    pub(crate) fn decide(
        &self,
        state: &State,
        actor: Actor,
        stamp: &mut Stamp,
    ) -> Result<Decision, Rejection> {
        let user_id = acting_user(state, actor)?;
        let user = existing(state, user_id)?;
        if user.guest_of.is_some() {
            return Err(Rejection::Forbidden("guests have no webhooks".to_owned()));
        }
        let url = self.url.expose();
        if url.len() > URL_MAX || !url.bytes().all(|byte| byte.is_ascii_graphic()) {
            let detail = format!("is no address of at most {URL_MAX} characters");
            return Err(Rejection::Invalid { field: "url", detail });
        }
        if self.events.is_empty() {
            let detail = "names nothing to be told of".to_owned();
            return Err(Rejection::Invalid { field: "events", detail });
        }
        match self.scope {
            Scope::Own => {}
            Scope::Room(room) => drop(owned_room(state, user_id, room)?),
            Scope::All if user.is_admin => {}
            Scope::All => {
                let detail = "only an administrator is told of all rooms".to_owned();
                return Err(Rejection::Forbidden(detail));
            }
        }
        if state.webhooks.of(user_id).count() >= WEBHOOKS_MAX {
            let detail = format!("you have {WEBHOOKS_MAX} webhooks; delete one first");
            return Err(Rejection::Forbidden(detail));
        }
        let mut events = self.events.clone();
        events.sort_unstable();
        events.dedup();
        let created = Created {
            webhook_id: WebhookId::new(stamp.id()),
            user_id,
            url: Personal::from_clear(&self.url),
            secret: Personal::from_clear(&self.secret),
            scope: self.scope,
            events,
        };
        Ok(of_owner(user_id, WebhookEvent::Created(created)))
    }
}

impl DeleteWebhook {
    pub(crate) fn decide(self, state: &State, actor: Actor) -> Result<Decision, Rejection> {
        let (webhook_id, user_id) = (self.webhook, managed(state, actor, self.webhook)?);
        Ok(of_owner(user_id, WebhookEvent::Deleted(Deleted { webhook_id, user_id })))
    }
}

impl DisableWebhook {
    pub(crate) fn decide(self, state: &State, actor: Actor) -> Result<Decision, Rejection> {
        let webhook_id = self.webhook;
        let found = state.webhooks.get(webhook_id);
        let (user_id, reason) = if actor == Actor::System(SystemRole::Reactor) {
            let owner = found.map(|webhook| webhook.owner);
            (owner.ok_or(Rejection::NotFound("webhook"))?, Disabling::Gone)
        } else {
            (managed(state, actor, webhook_id)?, Disabling::Asked)
        };
        let disabled = Disabled { webhook_id, user_id, reason };
        let changes = found.is_some_and(|webhook| webhook.disabled.is_none());
        Ok(changed(user_id, changes.then_some(WebhookEvent::Disabled(disabled))))
    }
}

impl EnableWebhook {
    pub(crate) fn decide(self, state: &State, actor: Actor) -> Result<Decision, Rejection> {
        let (webhook_id, user_id) = (self.webhook, managed(state, actor, self.webhook)?);
        let found = state.webhooks.get(webhook_id);
        let enabled = Enabled { webhook_id, user_id };
        let changes = found.is_some_and(|webhook| webhook.disabled.is_some());
        Ok(changed(user_id, changes.then_some(WebhookEvent::Enabled(enabled))))
    }
}

impl RotateSecret {
    pub(crate) fn decide(&self, state: &State, actor: Actor) -> Result<Decision, Rejection> {
        let (webhook_id, user_id) = (self.webhook, managed(state, actor, self.webhook)?);
        let secret = Personal::from_clear(&self.secret);
        let rotated = SecretRotated { webhook_id, user_id, secret };
        Ok(of_owner(user_id, WebhookEvent::SecretRotated(rotated)))
    }
}

impl TestWebhook {
    pub(crate) fn decide(self, state: &State, actor: Actor) -> Result<Decision, Rejection> {
        let (webhook_id, user_id) = (self.webhook, managed(state, actor, self.webhook)?);
        check_enabled(state, webhook_id)?;
        let requested = TestRequested { webhook_id, user_id };
        Ok(of_owner(user_id, WebhookEvent::TestRequested(requested)))
    }
}

impl RetryDelivery {
    pub(crate) fn decide(self, state: &State, actor: Actor) -> Result<Decision, Rejection> {
        let (webhook_id, user_id) = (self.webhook, managed(state, actor, self.webhook)?);
        check_enabled(state, webhook_id)?;
        let requested = RetryRequested { webhook_id, user_id, delivery: self.delivery };
        Ok(of_owner(user_id, WebhookEvent::RetryRequested(requested)))
    }
}

/// The owner of a webhook that the actor may manage: one's own, for administrators any.
fn managed(state: &State, actor: Actor, webhook: WebhookId) -> Result<UserId, Rejection> {
    let user = acting_user(state, actor)?;
    let owner = state.webhooks.get(webhook).map(|webhook| webhook.owner);
    let admin = existing(state, user)?.is_admin;
    owner.filter(|owner| admin || *owner == user).ok_or(Rejection::NotFound("webhook"))
}

fn check_enabled(state: &State, webhook: WebhookId) -> Result<(), Rejection> {
    if state.webhooks.get(webhook).is_some_and(|webhook| webhook.disabled.is_some()) {
        let detail = "this webhook is disabled; enable it first".to_owned();
        return Err(Rejection::Forbidden(detail));
    }
    Ok(())
}

/// No event means that it already is as asked.
fn changed(user: UserId, event: Option<WebhookEvent>) -> Decision {
    let events = event.into_iter().map(Event::Webhook).collect();
    Decision { subject: Subject::User(user), events, created: None }
}

fn of_owner(user: UserId, event: WebhookEvent) -> Decision {
    let created = event.created();
    Decision { subject: Subject::User(user), events: vec![Event::Webhook(event)], created }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;
    use crate::user::command::account::DeleteUser;

    fn create(scope: Scope) -> CreateWebhook {
        CreateWebhook {
            url: Clear::new("https://example.org/hook"),
            secret: Clear::new("secret"),
            scope,
            events: vec![Notice::RoomClosed, Notice::RoomCreated, Notice::RoomClosed],
        }
    }

    #[test]
    fn owners_are_told_of_their_rooms_and_administrators_of_all() {
        let mut town = Scenario::new();
        let (root, ada, eve) = (town.admin("root"), town.user("Ada"), town.user("Eve"));
        let room = town.room(ada);
        let by = Actor::User;
        assert_eq!(town.refused(by(eve), create(Scope::Room(room))), Rejection::NotFound("room"));
        let refused = town.refused(by(ada), create(Scope::All));
        assert!(matches!(refused, Rejection::Forbidden(_)), "{refused}");
        town.when(by(root), create(Scope::All)).unwrap();
        let id = WebhookId::new(town.made(by(ada), create(Scope::Room(room))));
        let events = &town.state().webhooks.get(id).unwrap().events;
        assert_eq!(*events, [Notice::RoomCreated, Notice::RoomClosed], "sorted, each once");
        let delete = DeleteWebhook { webhook: id };
        assert_eq!(town.refused(by(eve), delete), Rejection::NotFound("webhook"));
        town.when(by(eve), RetryDelivery { webhook: id, delivery: 1 }).unwrap_err();
        town.when(by(ada), RetryDelivery { webhook: id, delivery: 1 }).unwrap();
        town.when(by(root), delete).unwrap();
        assert_eq!(town.refused(by(ada), delete), Rejection::NotFound("webhook"));
    }

    #[test]
    fn one_that_is_gone_is_told_nothing_until_it_is_enabled() {
        let mut town = Scenario::new();
        let (ada, eve) = (Actor::User(town.user("Ada")), Actor::User(town.user("Eve")));
        let webhook = WebhookId::new(town.made(ada, create(Scope::Own)));
        let (disable, enable) = (DisableWebhook { webhook }, EnableWebhook { webhook });
        assert_eq!(town.refused(eve, disable), Rejection::NotFound("webhook"));
        assert!(town.when(ada, enable).unwrap().events.is_empty(), "it is enabled");
        let reactor = Actor::System(SystemRole::Reactor);
        assert_eq!(town.when(reactor, disable).unwrap().events.len(), 1);
        let now = town.now();
        let disabled = |town: &Scenario| town.state().webhooks.get(webhook).unwrap().disabled;
        assert_eq!(disabled(&town), Some((now, Disabling::Gone)));
        assert!(town.when(ada, disable).unwrap().events.is_empty(), "it is disabled already");
        let refused = town.refused(ada, RetryDelivery { webhook, delivery: 1 });
        assert!(refused.to_string().contains("enable it first"), "{refused}");
        assert_eq!(town.refused(ada, TestWebhook { webhook }), refused);
        assert_eq!(town.refused(eve, enable), Rejection::NotFound("webhook"));
        town.when(ada, enable).unwrap();
        assert_eq!(disabled(&town), None);
        town.when(ada, TestWebhook { webhook }).unwrap();
        town.when(ada, disable).unwrap();
        assert_eq!(disabled(&town), Some((now, Disabling::Asked)));
        let nowhere = DisableWebhook { webhook: WebhookId::new(7) };
        assert_eq!(town.refused(reactor, nowhere), Rejection::NotFound("webhook"));
    }

    #[test]
    fn a_rotated_secret_still_counts_for_a_day() {
        let mut town = Scenario::new();
        let (ada, eve) = (Actor::User(town.user("Ada")), Actor::User(town.user("Eve")));
        let webhook = WebhookId::new(town.made(ada, create(Scope::Own)));
        let rotate = |secret: &str| RotateSecret { webhook, secret: Clear::new(secret) };
        assert_eq!(town.refused(eve, rotate("x")), Rejection::NotFound("webhook"));
        for secret in ["second", "third"] {
            let before = town.state().webhooks.get(webhook).unwrap().secret.clone();
            town.when(ada, rotate(secret)).unwrap();
            let found = town.state().webhooks.get(webhook).unwrap();
            assert_eq!(found.secret, Personal::from_clear(&Clear::new(secret)));
            let until = town.now().plus_seconds(crate::webhook::ROTATION_S);
            assert_eq!(found.former, Some(crate::webhook::Former { secret: before, until }));
        }
    }

    #[test]
    fn their_number_has_a_limit_and_they_go_with_their_owner() {
        let mut town = Scenario::new();
        let ada = town.user("Ada");
        let by = Actor::User(ada);
        for _ in 0..WEBHOOKS_MAX {
            town.when(by, create(Scope::Own)).unwrap();
        }
        let refused = town.refused(by, create(Scope::Own));
        assert!(refused.to_string().contains("delete one first"), "{refused}");
        town.when(by, DeleteUser { user: ada, erase_content: false }).unwrap();
        assert_eq!(town.state().webhooks.iter().count(), 0);
    }

    #[test]
    fn an_address_is_one() {
        let mut town = Scenario::new();
        let ada = Actor::User(town.user("Ada"));
        for url in ["https://example.org/a b", &format!("https://{}", "x".repeat(URL_MAX))] {
            let wrong = CreateWebhook { url: Clear::new(url), ..create(Scope::Own) };
            assert!(matches!(town.refused(ada, wrong), Rejection::Invalid { field: "url", .. }));
        }
        let nothing = CreateWebhook { events: Vec::new(), ..create(Scope::Own) };
        let refused = town.refused(ada, nothing);
        assert!(matches!(refused, Rejection::Invalid { field: "events", .. }), "{refused}");
    }
}
