//! Creating a room: the server draws the code, the creator is its first participant.

use serde::{Deserialize, Serialize};

use super::acting_user;
use crate::command::{Actor, Created, Decision, Rejection, Stamp};
use crate::event::Event;
use crate::id::{ParticipantId, RoomCode, RoomId};
use crate::room::event::{self, RoomEvent};
use crate::room::state::Settings;
use crate::state::State;
use crate::subject::Subject;
use crate::text;

/// Create a room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Create {
    /// Drawn by the API from a secure random source.
    pub code: RoomCode,
    /// How it starts.
    pub settings: Settings,
}

/// Most participants a room can be set to take.
pub const CAPACITY_MAX: u32 = 1000;
/// Longest retention of transcript texts, in days.
pub const RETENTION_DAYS_MAX: u32 = 3650;

impl Settings {
    /// Refuses settings that no room can have.
    pub(crate) fn check(&self) -> Result<(), Rejection> {
        if !(2..=CAPACITY_MAX).contains(&self.capacity) {
            let detail = format!("is {}; 2 to {CAPACITY_MAX} are allowed", self.capacity);
            return Err(Rejection::Invalid { field: "capacity", detail });
        }
        text::tag("model", self.model.as_deref())?;
        text::tag("language", self.language.as_deref())?;
        match self.retention_days {
            Some(days) if !(1..=RETENTION_DAYS_MAX).contains(&days) => {
                let detail = format!("is {days}; 1 to {RETENTION_DAYS_MAX} are allowed");
                Err(Rejection::Invalid { field: "retention_days", detail })
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl Create {
    pub(crate) fn decide(
        &self,
        state: &State,
        actor: Actor,
        stamp: &mut Stamp,
    ) -> Result<Decision, Rejection> {
        let owner_id = acting_user(state, actor)?;
        if state.users.get(owner_id).is_some_and(|user| user.guest_of.is_some()) {
            return Err(Rejection::Forbidden("guests can't create rooms; register first".into()));
        }
        self.settings.check()?;
        if state.rooms.by_code(self.code).is_some() {
            return Err(Rejection::RoomCodeTaken);
        }
        let room_id = RoomId::new(stamp.id());
        let created = event::Created {
            room_id,
            room_code: self.code,
            owner_id,
            participant_id: ParticipantId::new(stamp.id()),
            settings: self.settings.clone(),
        };
        Ok(Decision {
            subject: Subject::Room(room_id),
            events: vec![Event::Room(RoomEvent::Created(created))],
            created: Some(Created::Room(room_id)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    #[test]
    fn the_creator_owns_the_room_and_is_in_it() {
        let mut town = Scenario::new();
        let ada = town.user("Ada");
        let id = town.room(ada);
        let room = town.state().rooms.get(id).unwrap();
        assert!(room.owner == ada && room.admits(ada) && !room.captions(ada));
        let code = room.code;
        let again = Create { code, settings: Settings::default() };
        assert_eq!(town.refused(Actor::User(ada), again), Rejection::RoomCodeTaken);
    }

    #[test]
    fn settings_have_their_bounds() {
        let mut town = Scenario::new();
        let by = Actor::User(town.user("Ada"));
        let default = Settings::default;
        for (settings, wrong) in [
            (Settings { capacity: 1, ..default() }, "capacity"),
            (Settings { capacity: CAPACITY_MAX + 1, ..default() }, "capacity"),
            (Settings { retention_days: Some(0), ..default() }, "retention_days"),
            (
                Settings { retention_days: Some(RETENTION_DAYS_MAX + 1), ..default() },
                "retention_days",
            ),
            (Settings { model: Some("a b".into()), ..default() }, "model"),
            (Settings { language: Some(String::new()), ..default() }, "language"),
        ] {
            let create = Create { code: RoomCode::from_random(1), settings };
            let refused = town.refused(by, create);
            assert!(
                matches!(refused, Rejection::Invalid { field, .. } if field == wrong),
                "{refused:?}"
            );
        }
    }
}
