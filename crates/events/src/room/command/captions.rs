//! A participant's consent to captions of their own signing, visible to all in the room.

use serde::{Deserialize, Serialize};

use super::leave::{nothing, one};
use super::{acting_user, open_room_of};
use crate::command::{Actor, Decision, Rejection};
use crate::id::RoomId;
use crate::room::event::{Consent, ConsentChanged, RoomEvent};
use crate::state::State;
use crate::text;

/// Switch captions of one's own signing on or off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SetCaptions {
    /// Where.
    pub room: RoomId,
    /// To what.
    pub consent: Consent,
    /// The language signed, if said.
    pub language: Option<String>,
    /// The model wanted, if said.
    pub model: Option<String>,
}

impl SetCaptions {
    pub(crate) fn decide(&self, state: &State, actor: Actor) -> Result<Decision, Rejection> {
        let user_id = acting_user(state, actor)?;
        let room = open_room_of(state, user_id, self.room)?;
        text::tag("language", self.language.as_deref())?;
        text::tag("model", self.model.as_deref())?;
        let same = room.participants.get(&user_id).is_some_and(|now| {
            now.consent == self.consent && now.model == self.model && now.language == self.language
        });
        if same {
            return Ok(nothing(self.room));
        }
        Ok(one(
            self.room,
            RoomEvent::ConsentChanged(ConsentChanged {
                room_id: self.room,
                user_id,
                consent: self.consent,
                language: self.language.clone(),
                model: self.model.clone(),
            }),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    use crate::room::command::leave::Leave;

    #[test]
    fn consent_is_ones_own_and_ends_with_leaving() {
        let mut town = Scenario::new();
        let (ada, eve) = (town.user("Ada"), town.user("Eve"));
        let room = town.room(ada);
        let bob = town.joined(room, "Bob");
        let set = |consent| SetCaptions { room, consent, language: None, model: None };
        assert_eq!(
            town.refused(Actor::User(eve), set(Consent::Captions)),
            Rejection::NotFound("room")
        );
        town.when(Actor::User(bob), set(Consent::Captions)).unwrap();
        assert!(town.when(Actor::User(bob), set(Consent::Captions)).unwrap().events.is_empty());
        let found = town.state().rooms.get(room).unwrap();
        assert!(found.captions(bob) && !found.captions(ada));
        town.when(Actor::User(bob), Leave { room }).unwrap();
        assert!(!town.state().rooms.get(room).unwrap().captions(bob));
        let wrong = SetCaptions { model: Some("x".repeat(65)), ..set(Consent::Captions) };
        assert!(matches!(town.refused(Actor::User(ada), wrong), Rejection::Invalid { .. }));
    }
}
