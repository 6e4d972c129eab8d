//! What decisions are made on: folded from the log, small, bounded, without a readable name.

use crate::event::Event;
use crate::room::Rooms;
use crate::time::Timestamp;
use crate::user::Users;

/// The fold of the log that every decision and every permission rests on.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Users, their names' digests, their tokens.
    pub users: Users,
    /// Rooms, their codes, participants and texts' authors.
    pub rooms: Rooms,
}

impl State {
    /// Takes one event in. Total: an event that concerns nothing known changes nothing.
    pub fn evolve(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::User(event) => {
                self.users.evolve(event, at);
                if let crate::user::UserEvent::Deleted(deleted) = event {
                    self.rooms.forget_user(deleted.user_id);
                }
            }
            Event::Room(event) => self.rooms.evolve(event, at),
        }
    }
}
