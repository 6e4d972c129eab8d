//! Which webhooks an event is for. Pure: a look at the state just before the event.

mod body;
mod http;
mod sign;

use events::room::{Admission, Room, RoomEvent};
use events::user::UserEvent;
use events::webhook::{Notice, Scope, TEST, Webhook, WebhookEvent};
use events::{Commit, Event, EventId, Position, RoomId, State, UserId, WebhookId};
use serde::{Deserialize, Serialize};

pub(crate) use body::body;
pub use http::Targets;
pub(crate) use http::{Client, Failed, Head};
pub(crate) use sign::signature;

/// Where deliveries stand that are about no room: no room has this id.
pub(crate) const NOWHERE: RoomId = RoomId::new(0);
/// Low bits of a delivery's number: its place among those of its commit. The others are the
/// commit's position, so that the same log gives the same numbers.
const PLACE_BITS: u32 = 16;

/// One thing to tell one receiver.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Delivery {
    pub(crate) webhook: WebhookId,
    /// See [`PLACE_BITS`].
    pub(crate) n: u64,
    pub(crate) room: RoomId,
    pub(crate) event: EventId,
    /// What it tells.
    pub(crate) kind: &'static str,
    /// Which of the commit's events.
    pub(crate) place: u32,
    pub(crate) context: Context,
}

/// What was so when it happened and may be otherwise when it is told. Holds nothing personal.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Context {
    pub(crate) room_code: String,
    /// Whom it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user_id: Option<UserId>,
    /// How many are in the room after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) participants: Option<usize>,
    /// Why somebody left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// What happened in one room, before it is known who is told.
struct Told {
    notice: Notice,
    room: RoomId,
    owner: UserId,
    event: EventId,
    context: Context,
}

/// Gathers the deliveries of one commit, event by event.
pub(crate) struct Gatherer<'a> {
    commit: &'a Commit,
    position: Position,
    told: u64,
    pub(crate) deliveries: Vec<Delivery>,
}

impl<'a> Gatherer<'a> {
    pub(crate) fn new(commit: &'a Commit, position: Position) -> Self {
        Self { commit, position, told: 0, deliveries: Vec::new() }
    }

    /// Looks at the event at `place`, on the state just before it.
    pub(crate) fn look(&mut self, before: &State, place: usize) {
        let Some(event) = self.commit.events.get(place) else { return };
        if let Event::Webhook(WebhookEvent::TestRequested(e)) = event {
            self.deliveries.push(Delivery {
                webhook: e.webhook_id,
                n: self.position.get() << PLACE_BITS | self.told,
                room: NOWHERE,
                event: EventId::of(self.commit.command, place),
                kind: TEST,
                place: place as u32,
                context: Context::default(),
            });
            self.told += 1;
        }
        for told in told(before, event, EventId::of(self.commit.command, place)) {
            let n = self.position.get() << PLACE_BITS | self.told;
            self.told += 1;
            for (webhook, found) in before.webhooks.about(told.room, told.owner) {
                let wants = found.disabled.is_none() && found.events.contains(&told.notice);
                if wants && may_hear(before, found, told.owner) {
                    self.deliveries.push(Delivery {
                        webhook,
                        n,
                        room: told.room,
                        event: told.event,
                        kind: told.notice.as_str(),
                        place: place as u32,
                        context: told.context.clone(),
                    });
                }
            }
        }
    }
}

/// Whether a webhook's owner may be told of this owner's room now.
fn may_hear(state: &State, webhook: &Webhook, owner: UserId) -> bool {
    state.users.get(webhook.owner).is_some_and(|user| {
        let overseer = user.is_admin;
        !user.is_blocked()
            && match webhook.scope {
                Scope::Own => webhook.owner == owner,
                Scope::Room(_) => webhook.owner == owner || overseer,
                Scope::All => overseer,
            }
    })
}

fn told(before: &State, event: &Event, id: EventId) -> Vec<Told> {
    match event {
        Event::User(UserEvent::Deleted(e)) => gone(before, e.user_id, id),
        Event::Webhook(_) | Event::User(_) => Vec::new(),
        Event::Room(RoomEvent::Created(e)) => {
            let context = Context {
                room_code: e.room_code.as_str().to_owned(),
                user_id: Some(e.owner_id),
                participants: None,
                reason: None,
            };
            let (room, owner) = (e.room_id, e.owner_id);
            let joined = Context { participants: Some(1), ..context.clone() };
            let second = EventId::derived(id.uuid(), Notice::ParticipantJoined.as_str());
            vec![
                Told { notice: Notice::RoomCreated, room, owner, event: id, context },
                Told {
                    notice: Notice::ParticipantJoined,
                    room,
                    owner,
                    event: second,
                    context: joined,
                },
            ]
        }
        Event::Room(event) => {
            let room = event.room_id();
            let Some(found) = before.rooms.get(room) else { return Vec::new() };
            let about = of_room(found, event);
            let told = about.map(|(notice, context)| Told {
                notice,
                room,
                owner: found.owner,
                event: id,
                context,
            });
            told.into_iter().collect()
        }
    }
}

/// What an event in a room that exists tells.
fn of_room(room: &Room, event: &RoomEvent) -> Option<(Notice, Context)> {
    let about = |user_id| context(room, user_id);
    let inside = admitted(room);
    match event {
        RoomEvent::ParticipantJoined(e) => {
            let (about, known) = (about(Some(e.user_id)), room.participants.get(&e.user_id));
            match (e.admission, known.map(|one| one.admission)) {
                (Admission::Admitted, None | Some(Admission::Waiting)) => {
                    let context = Context { participants: Some(inside + 1), ..about };
                    Some((Notice::ParticipantJoined, context))
                }
                (Admission::Waiting, None) => {
                    let context = Context { participants: Some(inside), ..about };
                    Some((Notice::ParticipantWaiting, context))
                }
                (Admission::Admitted | Admission::Waiting, Some(_)) => None,
            }
        }
        RoomEvent::ParticipantAdmitted(e) => {
            let waited = room.participants.contains_key(&e.user_id) && !room.admits(e.user_id);
            let context = Context { participants: Some(inside + 1), ..about(Some(e.user_id)) };
            waited.then_some((Notice::ParticipantJoined, context))
        }
        RoomEvent::ParticipantLeft(e) => leaves(room, e.user_id, "left"),
        RoomEvent::ParticipantRemoved(e) => leaves(room, e.user_id, "removed"),
        RoomEvent::ParticipantSentBack(e) => leaves(room, e.user_id, "sent_back"),
        RoomEvent::MessageSent(e) => Some((Notice::MessageSent, about(Some(e.user_id)))),
        RoomEvent::MessageEdited(e) => Some((Notice::MessageEdited, about(Some(e.user_id)))),
        RoomEvent::MessageDeleted(e) => {
            let author = room.message(e.message_id).map(|text| text.author);
            Some((Notice::MessageDeleted, about(author)))
        }
        RoomEvent::TranscriptRecorded(e) => Some((Notice::TranscriptFinal, about(Some(e.user_id)))),
        RoomEvent::Closed(_) => Some((Notice::RoomClosed, about(None))),
        RoomEvent::Deleted(_) => Some((Notice::RoomDeleted, about(None))),
        RoomEvent::Created(_)
        | RoomEvent::SettingsChanged(_)
        | RoomEvent::HandedOver(_)
        | RoomEvent::ConsentChanged(_)
        | RoomEvent::TranscriptRevised(_)
        | RoomEvent::TextsExpired(_) => None,
    }
}

/// Nobody leaves who was not in: who only waited, never came to join.
fn leaves(room: &Room, user: UserId, reason: &str) -> Option<(Notice, Context)> {
    let inside = admitted(room);
    let (notice, participants) = match room.participants.get(&user)?.admission {
        Admission::Admitted => (Notice::ParticipantLeft, inside.saturating_sub(1)),
        Admission::Waiting => (Notice::JoinAborted, inside),
    };
    let (participants, reason) = (Some(participants), Some(reason.to_owned()));
    Some((notice, Context { participants, reason, ..context(room, Some(user)) }))
}

/// A deleted user's rooms go, and elsewhere they leave.
fn gone(before: &State, user: UserId, id: EventId) -> Vec<Told> {
    let mut rooms: Vec<_> = before.rooms.of_member(user).collect();
    rooms.sort_unstable_by_key(|(id, _)| *id);
    let of_room = |(room, found): (RoomId, &Room)| {
        let event = EventId::derived(id.uuid(), &format!("room/{room}"));
        let (notice, context) = if found.owner == user {
            (Notice::RoomDeleted, context(found, None))
        } else {
            leaves(found, user, "account_deleted")?
        };
        Some(Told { notice, room, owner: found.owner, event, context })
    };
    rooms.into_iter().filter_map(of_room).collect()
}

fn context(room: &Room, user_id: Option<UserId>) -> Context {
    let room_code = room.code.as_str().to_owned();
    Context { room_code, user_id, participants: None, reason: None }
}

fn admitted(room: &Room) -> usize {
    room.participants.values().filter(|one| one.admission == Admission::Admitted).count()
}
