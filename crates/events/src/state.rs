//! What decisions are made on: folded from the log, small, bounded, without a readable name.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::id::{RoomId, UserId};
use crate::room::{RoomEvent, Rooms};
use crate::time::Timestamp;
use crate::user::{UserEvent, Users};
use crate::webhook::Webhooks;

/// The fold of the log that every decision and every permission rests on.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct State {
    /// Users, their names' digests, their tokens.
    pub users: Users,
    /// Rooms, their codes, participants and texts' authors.
    pub rooms: Rooms,
    /// Webhooks, their addresses and secrets sealed.
    pub webhooks: Webhooks,
    /// Deleted users whose texts went with them (8 bytes each).
    erased: HashSet<UserId>,
}

impl State {
    /// Takes one event in. Total: an event that concerns nothing known changes nothing.
    pub fn evolve(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::User(event) => {
                self.users.evolve(event, at);
                if let UserEvent::Deleted(deleted) = event {
                    self.rooms.forget_user(deleted.user_id);
                    if deleted.erase_content {
                        self.erased.insert(deleted.user_id);
                    }
                    self.webhooks.forget_user(deleted.user_id);
                }
            }
            Event::Room(event) => {
                if let RoomEvent::ParticipantJoined(joined) = event
                    && let Some(name) = &joined.display_name
                {
                    self.users.call(joined.user_id, joined.participant_id, name);
                }
                self.rooms.evolve(event, at);
            }
            Event::Webhook(event) => self.webhooks.evolve(event, at),
        }
    }

    /// Whether a user's texts were erased with the account: no more can be sealed under its keys.
    pub fn is_erased(&self, user: UserId) -> bool {
        self.erased.contains(&user)
    }

    /// Takes events back: makes what they touched the same as in `from`, where everything that
    /// they did not touch is the same already.
    pub fn restore(&mut self, from: &Self, touched: &Touched) {
        self.users.restore(&from.users, &touched.users);
        self.rooms.restore(&from.rooms, &touched.rooms);
        self.webhooks.restore(&from.webhooks, &touched.users);
        for user in &touched.users {
            if from.erased.contains(user) {
                self.erased.insert(*user);
            } else {
                self.erased.remove(user);
            }
        }
    }
}

/// The users and rooms whose records some events change.
#[derive(Debug, Clone, Default)]
pub struct Touched {
    users: HashSet<UserId>,
    rooms: HashSet<RoomId>,
}

impl Touched {
    /// Notes what an event changed, on the state to go back to, from which on every event is noted:
    /// what a deleted user was in is known from there, or from the events since.
    pub fn note(&mut self, before: &State, event: &Event) {
        match event {
            Event::User(UserEvent::Seen(e)) => self.users.extend(e.seen.iter().map(|(id, _)| *id)),
            Event::User(UserEvent::Deleted(e)) => {
                self.users.insert(e.user_id);
                self.rooms.extend(before.rooms.of_member(e.user_id).map(|(id, _)| id));
            }
            Event::User(event) => self.users.extend(event.user_id()),
            Event::Room(event) => {
                self.rooms.insert(event.room_id());
                if let RoomEvent::ParticipantJoined(joined) = event {
                    self.users.insert(joined.user_id);
                }
            }
            Event::Webhook(event) => {
                self.users.insert(event.user_id());
            }
        }
    }
}
