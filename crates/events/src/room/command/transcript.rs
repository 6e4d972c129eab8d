//! Captions that become rows: what the recognizer read, what people typed, and corrections.

use serde::{Deserialize, Serialize};

use super::leave::one;
use super::{acting_user, open_room_of, room_of};
use crate::command::{Actor, Created, Decision, Rejection, Stamp, SystemRole};
use crate::id::{RoomId, SegmentId, TranscriptId, UserId};
use crate::room::event::{RoomEvent, TranscriptKind, TranscriptRecorded, TranscriptRevised};
use crate::sealed::{Clear, Personal};
use crate::state::State;
use crate::subject::Subject;
use crate::text;
use crate::time::Timestamp;
use crate::user::User;

/// Write down a final segment; only a recognition worker may ask for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordTranscript {
    /// Where.
    pub room: RoomId,
    /// Who signed it, as the authenticated frames said.
    pub user: UserId,
    /// The segment; sent again, it is not stored again.
    pub segment: SegmentId,
    /// A signed or a spelled word.
    pub kind: TranscriptKind,
    /// The model's labels.
    pub text: Clear,
    /// Capture time of its first frame.
    pub start: Timestamp,
    /// Capture time of its last frame.
    pub end: Timestamp,
    /// 0 to 1.
    pub confidence: f32,
    /// Name and version.
    pub model: String,
}

/// Type a caption instead of signing it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TypeCaption {
    /// Where.
    pub room: RoomId,
    /// Drawn by the API.
    pub segment: SegmentId,
    /// The text.
    pub text: Clear,
}

/// Correct the text of a segment: a revision, never an overwrite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CorrectTranscript {
    /// Where.
    pub room: RoomId,
    /// Which.
    pub transcript: TranscriptId,
    /// The new text.
    pub text: Clear,
    /// The revision that the editor saw, to tell a collision.
    pub expected: Option<u32>,
}

/// Milliseconds of `at` in a call that began at `start`; nothing lies before the beginning.
fn call_ms(start: Timestamp, at: Timestamp) -> u64 {
    u64::try_from((at.micros() - start.micros()) / 1000).unwrap_or(0)
}

impl RecordTranscript {
    pub(crate) fn decide(
        &self,
        state: &State,
        actor: Actor,
        stamp: &mut Stamp,
    ) -> Result<Decision, Rejection> {
        if actor != Actor::System(SystemRole::Recognizer) {
            let detail = "only a recognition worker writes down what was signed".to_owned();
            return Err(Rejection::Forbidden(detail));
        }
        let subject = Subject::Room(self.room);
        let room = state.rooms.get(self.room).ok_or(Rejection::NotFound("room"))?;
        if let Some(stored) = room.segment(self.segment) {
            let created = Some(Created::Transcript(stored));
            return Ok(Decision { subject, events: Vec::new(), created });
        }
        if !room.captions(self.user) || state.users.get(self.user).is_none_or(User::is_blocked) {
            return Err(Rejection::NoConsent);
        }
        if !self.confidence.is_finite() || !(0.0..=1.0).contains(&self.confidence) {
            let detail = format!("is {}; 0 to 1 is allowed", self.confidence);
            return Err(Rejection::Invalid { field: "confidence", detail });
        }
        let text = Personal::Clear(text::body("ts_content", &self.text, text::MESSAGE)?);
        let transcript_id = TranscriptId::new(stamp.id());
        let start_ms = call_ms(room.created_at, self.start);
        let mut decision = one(
            self.room,
            RoomEvent::TranscriptRecorded(TranscriptRecorded {
                room_id: self.room,
                transcript_id,
                user_id: self.user,
                segment_id: self.segment,
                kind: self.kind,
                text,
                start_ms,
                end_ms: call_ms(room.created_at, self.end).max(start_ms),
                confidence: Some(self.confidence),
                model: Some(self.model.clone()),
            }),
        );
        decision.created = Some(Created::Transcript(transcript_id));
        Ok(decision)
    }
}

impl TypeCaption {
    pub(crate) fn decide(
        &self,
        state: &State,
        actor: Actor,
        stamp: &mut Stamp,
    ) -> Result<Decision, Rejection> {
        let user_id = acting_user(state, actor)?;
        let room = open_room_of(state, user_id, self.room)?;
        let text = Personal::Clear(text::body("ts_content", &self.text, text::MESSAGE)?);
        let now_ms = call_ms(room.created_at, stamp.now);
        let transcript_id = TranscriptId::new(stamp.id());
        let mut decision = one(
            self.room,
            RoomEvent::TranscriptRecorded(TranscriptRecorded {
                room_id: self.room,
                transcript_id,
                user_id,
                segment_id: self.segment,
                kind: TranscriptKind::Typed,
                text,
                start_ms: now_ms,
                end_ms: now_ms,
                confidence: None,
                model: None,
            }),
        );
        decision.created = Some(Created::Transcript(transcript_id));
        Ok(decision)
    }
}

impl CorrectTranscript {
    pub(crate) fn decide(&self, state: &State, actor: Actor) -> Result<Decision, Rejection> {
        let editor = acting_user(state, actor)?;
        let room = room_of(state, editor, self.room)?;
        if !room.admits(editor) {
            return Err(Rejection::NotFound("transcript"));
        }
        let guest = state.users.get(editor).is_some_and(|user| user.guest_of.is_some());
        let hidden = guest && self.transcript.get() <= room.guest_reads_after(editor);
        let found = room.transcript(self.transcript).filter(|_| !hidden);
        let now = found.ok_or(Rejection::NotFound("transcript"))?;
        if state.is_erased(now.author) {
            let detail = "its author took it with their account; it can't be corrected any more";
            return Err(Rejection::Gone(detail.to_owned()));
        }
        if self.expected.is_some_and(|seen| seen != now.revision) {
            return Err(Rejection::Stale);
        }
        let text = Personal::Clear(text::body("ts_content", &self.text, text::MESSAGE)?);
        Ok(revised(TranscriptRevised {
            room_id: self.room,
            transcript_id: self.transcript,
            user_id: now.author,
            revision: now.revision + 1,
            editor: Some(editor),
            model: None,
            text,
        }))
    }
}

/// A new revision; who asked is told which segment it is of.
pub(super) fn revised(event: TranscriptRevised) -> Decision {
    let (room, transcript) = (event.room_id, event.transcript_id);
    let mut decision = one(room, RoomEvent::TranscriptRevised(event));
    decision.created = Some(Created::Transcript(transcript));
    decision
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    use crate::room::command::captions::SetCaptions;
    use crate::room::command::settings::{Change, ChangeSettings, Changes};
    use crate::room::event::Consent;
    use crate::user::command::account::DeleteUser;
    use crate::user::command::guest::RegisterGuest;

    const RECOGNIZER: Actor = Actor::System(SystemRole::Recognizer);

    fn signing(town: &mut Scenario) -> (RoomId, UserId, UserId) {
        let ada = town.user("Ada");
        let room = town.room(ada);
        let bob = town.joined(room, "Bob");
        let set = SetCaptions { room, consent: Consent::Captions, language: None, model: None };
        town.when(Actor::User(bob), set).unwrap();
        (room, ada, bob)
    }

    fn record(town: &Scenario, room: RoomId, user: UserId) -> RecordTranscript {
        RecordTranscript {
            room,
            user,
            segment: SegmentId::from_bytes([1; 16]),
            kind: TranscriptKind::Gloss,
            text: Clear::new("HELLO"),
            start: town.now().plus_seconds(-9),
            end: town.now().plus_seconds(2),
            confidence: 0.9,
            model: "asl-basic@1".into(),
        }
    }

    #[test]
    fn only_the_recognizer_writes_down_only_those_who_consented_and_once() {
        let mut town = Scenario::new();
        let (room, ada, bob) = signing(&mut town);
        let of_bob = record(&town, room, bob);
        let spoofed = town.refused(Actor::User(ada), of_bob.clone());
        assert!(matches!(spoofed, Rejection::Forbidden(_)));
        let of_ada = record(&town, room, ada);
        assert_eq!(town.refused(RECOGNIZER, of_ada), Rejection::NoConsent);
        let first = town.when(RECOGNIZER, of_bob.clone()).unwrap();
        let [crate::event::Event::Room(RoomEvent::TranscriptRecorded(event))] = &first.events[..]
        else {
            panic!("{first:?}");
        };
        assert_eq!((event.start_ms, event.end_ms), (0, 2000));
        let again = town.when(RECOGNIZER, of_bob.clone()).unwrap();
        assert!(again.events.is_empty() && again.created == first.created);
        let segment = SegmentId::from_bytes([2; 16]);
        let wrong = RecordTranscript { confidence: f32::NAN, segment, ..of_bob };
        assert!(matches!(town.refused(RECOGNIZER, wrong), Rejection::Invalid { .. }));
    }

    #[test]
    fn people_correct_and_type_and_everybody_sees_revisions() {
        let mut town = Scenario::new();
        let (room, ada, bob) = signing(&mut town);
        let recorded = record(&town, room, bob);
        let transcript = TranscriptId::new(town.made(RECOGNIZER, recorded));
        let correct =
            |expected| CorrectTranscript { room, transcript, text: Clear::new("hello"), expected };
        town.when(Actor::User(ada), correct(Some(1))).unwrap();
        assert_eq!(town.refused(Actor::User(bob), correct(Some(1))), Rejection::Stale);
        let now = *town.state().rooms.get(room).unwrap().transcript(transcript).unwrap();
        assert!(now.revision == 2 && now.by_person && now.author == bob);
        let segment = SegmentId::from_bytes([3; 16]);
        let typed = TypeCaption { room, segment, text: Clear::new("typed") };
        assert!(town.when(Actor::User(ada), typed.clone()).is_ok());
        let eve = town.user("Eve");
        assert_eq!(town.refused(Actor::User(eve), typed), Rejection::NotFound("room"));
        assert_eq!(town.refused(Actor::User(eve), correct(None)), Rejection::NotFound("room"));
    }

    #[test]
    fn a_guest_corrects_nothing_of_before_they_came() {
        let mut town = Scenario::new();
        let (room, ada, bob) = signing(&mut town);
        let set = |guests, guest_history| ChangeSettings {
            room,
            changes: Changes {
                guests: Change::To(guests),
                guest_history: Change::To(guest_history),
                ..Changes::default()
            },
            owner: None,
            expected: None,
        };
        town.when(Actor::User(ada), set(true, false)).unwrap();
        let recorded = record(&town, room, bob);
        let transcript = TranscriptId::new(town.made(RECOGNIZER, recorded));
        let guest = RegisterGuest { room, token: Scenario::token(9) };
        let guest = Actor::User(UserId::new(town.made(Actor::Anonymous, guest)));
        town.when(guest, Scenario::join_as_guest(room, "Visitor")).unwrap();
        let text = Clear::new("hello");
        let correct = CorrectTranscript { room, transcript, text, expected: None };
        assert_eq!(town.refused(guest, correct.clone()), Rejection::NotFound("transcript"));
        town.when(Actor::User(ada), set(true, true)).unwrap();
        town.when(guest, correct).unwrap();
    }

    #[test]
    fn what_was_erased_with_its_author_stays_erased() {
        let mut town = Scenario::new();
        let (room, ada, bob) = signing(&mut town);
        let recorded = record(&town, room, bob);
        let transcript = TranscriptId::new(town.made(RECOGNIZER, recorded));
        town.when(Actor::User(bob), DeleteUser { user: bob, erase_content: true }).unwrap();
        let text = Clear::new("hello");
        let correct = CorrectTranscript { room, transcript, text, expected: None };
        assert!(matches!(town.refused(Actor::User(ada), correct), Rejection::Gone(_)));
    }
}
