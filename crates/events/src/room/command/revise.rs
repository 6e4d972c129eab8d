//! A later model's reading of a segment: a revision. What a person wrote stands.

use serde::{Deserialize, Serialize};

use super::leave::nothing;
use super::transcript::revised;
use crate::command::{Actor, Decision, Rejection, SystemRole};
use crate::id::{RoomId, TranscriptId};
use crate::room::event::TranscriptRevised;
use crate::sealed::{Clear, Personal};
use crate::state::State;
use crate::text;

/// Write down what another model reads in a segment; only recognition may ask for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReviseTranscript {
    /// Where.
    pub room: RoomId,
    /// Which.
    pub transcript: TranscriptId,
    /// The revision that was read again: where there is another one by now, nothing is written.
    pub expected: u32,
    /// The new text.
    pub text: Clear,
    /// Name and version of the model.
    pub model: String,
}

impl ReviseTranscript {
    pub(crate) fn decide(&self, state: &State, actor: Actor) -> Result<Decision, Rejection> {
        if actor != Actor::System(SystemRole::Recognizer) {
            let detail = "only recognition reads segments again".to_owned();
            return Err(Rejection::Forbidden(detail));
        }
        let room = state.rooms.get(self.room).ok_or(Rejection::NotFound("room"))?;
        let now = room.transcript(self.transcript).ok_or(Rejection::NotFound("transcript"))?;
        if now.by_person {
            return Ok(nothing(self.room));
        }
        if now.revision != self.expected {
            return Err(Rejection::Stale);
        }
        let text = Personal::Clear(text::body("ts_content", &self.text, text::MESSAGE)?);
        Ok(revised(TranscriptRevised {
            room_id: self.room,
            transcript_id: self.transcript,
            user_id: now.author,
            revision: now.revision + 1,
            editor: None,
            model: Some(self.model.clone()),
            text,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    use crate::id::SegmentId;
    use crate::room::command::captions::SetCaptions;
    use crate::room::command::transcript::{CorrectTranscript, RecordTranscript, TypeCaption};
    use crate::room::event::{Consent, TranscriptKind};

    const RECOGNIZER: Actor = Actor::System(SystemRole::Recognizer);

    #[test]
    fn a_model_revises_a_model_and_never_a_person() {
        let mut town = Scenario::new();
        let ada = town.user("Ada");
        let room = town.room(ada);
        let consent = Consent::CaptionsAndKeeping;
        town.when(Actor::User(ada), SetCaptions { room, consent, language: None, model: None })
            .unwrap();
        let record = RecordTranscript {
            room,
            user: ada,
            segment: SegmentId::from_bytes([1; 16]),
            kind: TranscriptKind::Gloss,
            text: Clear::new("tea"),
            start: town.now(),
            end: town.now().plus_seconds(1),
            confidence: 0.6,
            model: "asl-basic 1".into(),
        };
        let transcript = TranscriptId::new(town.made(RECOGNIZER, record));
        let revise = |expected, text: &str| ReviseTranscript {
            room,
            transcript,
            expected,
            text: Clear::new(text),
            model: "mine 2".into(),
        };
        let spoofed = town.refused(Actor::User(ada), revise(1, "coffee"));
        assert!(matches!(spoofed, Rejection::Forbidden(_)));
        assert_eq!(town.when(RECOGNIZER, revise(1, "coffee")).unwrap().events.len(), 1);
        assert_eq!(town.refused(RECOGNIZER, revise(1, "coffee")), Rejection::Stale);
        let correct =
            CorrectTranscript { room, transcript, text: Clear::new("water"), expected: Some(2) };
        town.when(Actor::User(ada), correct).unwrap();
        assert!(town.when(RECOGNIZER, revise(3, "coffee")).unwrap().events.is_empty());
        let now = *town.state().rooms.get(room).unwrap().transcript(transcript).unwrap();
        assert!(now.by_person && now.revision == 3);
    }

    #[test]
    fn what_was_typed_is_a_person_s() {
        let mut town = Scenario::new();
        let ada = town.user("Ada");
        let room = town.room(ada);
        let segment = SegmentId::from_bytes([2; 16]);
        let typed = TypeCaption { room, segment, text: Clear::new("typed") };
        let transcript = TranscriptId::new(town.made(Actor::User(ada), typed));
        let text = Clear::new("coffee");
        let model = "mine 2".to_owned();
        let revise = ReviseTranscript { room, transcript, expected: 1, text, model };
        assert!(town.when(RECOGNIZER, revise).unwrap().events.is_empty());
    }
}
