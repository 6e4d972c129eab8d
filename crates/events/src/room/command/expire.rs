//! Retention: the texts of days that are past their time go for good. The reactor asks.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::leave::{nothing, one};
use crate::command::{Actor, Decision, Rejection, SystemRole};
use crate::id::RoomId;
use crate::room::event::{RoomEvent, TextsExpired};
use crate::state::State;

/// Let the transcript texts of the days before `before` go.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ExpireTexts {
    /// Where.
    pub room: RoomId,
    /// The first UTC day that is kept; never later than the room's retention allows.
    pub before: NaiveDate,
}

impl ExpireTexts {
    pub(crate) fn decide(
        self,
        state: &State,
        actor: Actor,
        now: NaiveDate,
    ) -> Result<Decision, Rejection> {
        if actor != Actor::System(SystemRole::Reactor) {
            return Err(Rejection::Forbidden("only the reactor lets texts expire".to_owned()));
        }
        let room = state.rooms.get(self.room).ok_or(Rejection::NotFound("room"))?;
        let kept_from = room
            .settings
            .retention_days
            .and_then(|days| now.checked_sub_days(chrono::Days::new(u64::from(days))));
        let due = kept_from.is_some_and(|kept_from| self.before <= kept_from)
            && room.transcripts().any(|text| text.day() < self.before);
        if !due {
            return Ok(nothing(self.room));
        }
        Ok(one(
            self.room,
            RoomEvent::TextsExpired(TextsExpired {
                room_id: self.room,
                transcripts_before: Some(self.before),
                messages_before: None,
            }),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    use crate::id::{SegmentId, TranscriptId};
    use crate::room::command::transcript::TypeCaption;
    use crate::sealed::Clear;

    #[test]
    fn texts_go_after_the_days_the_room_keeps_them_and_no_sooner() {
        let mut town = Scenario::new();
        let ada = town.user("Ada");
        let room = town.room(ada);
        let segment = SegmentId::from_bytes([1; 16]);
        let typed = TypeCaption { room, segment, text: Clear::new("typed") };
        let transcript = TranscriptId::new(town.made(Actor::User(ada), typed));
        let reactor = Actor::System(SystemRole::Reactor);
        let tomorrow = town.now().plus_seconds(86_400).day();
        let expire = ExpireTexts { room, before: tomorrow };
        assert!(matches!(town.refused(Actor::User(ada), expire), Rejection::Forbidden(_)));
        town.wait(86_400 * 30);
        assert!(town.when(reactor, expire).unwrap().events.is_empty());
        town.wait(86_400);
        assert_eq!(town.when(reactor, expire).unwrap().events.len(), 1);
        assert!(town.state().rooms.get(room).unwrap().transcript(transcript).is_none());
        assert!(town.when(reactor, expire).unwrap().events.is_empty());
    }
}
