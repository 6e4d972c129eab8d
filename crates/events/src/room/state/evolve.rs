//! One room, event by event. What changes the ways to find a room is in the parent module.

use super::{Participant, Phase, Room, TextOf};
use crate::room::event::{Admission, Consent, RoomEvent};
use crate::time::Timestamp;

impl Room {
    pub(super) fn evolve(&mut self, event: &RoomEvent, at: Timestamp) {
        match event {
            RoomEvent::SettingsChanged(e) => {
                self.settings = e.settings.clone();
                self.version += 1;
            }
            RoomEvent::HandedOver(e) => {
                self.owner = e.owner_id;
                self.version += 1;
            }
            RoomEvent::Closed(_) => {
                self.phase = Phase::Closed { at };
                self.version += 1;
            }
            RoomEvent::ParticipantJoined(e) => {
                self.participants.insert(
                    e.user_id,
                    Participant {
                        id: e.participant_id,
                        joined_at: at,
                        admission: e.admission,
                        consent: Consent::None,
                        language: None,
                        model: None,
                        came_after: self.said_so_far(),
                    },
                );
            }
            RoomEvent::ParticipantAdmitted(e) => {
                self.removed.remove(&e.user_id);
                self.sent_back.remove(&e.user_id);
                let said = self.said_so_far();
                if let Some(participant) = self.participants.get_mut(&e.user_id) {
                    participant.admission = Admission::Admitted;
                    participant.came_after = said;
                }
            }
            RoomEvent::ParticipantSentBack(e) => {
                self.sent_back.insert(e.user_id);
                if let Some(participant) = self.participants.get_mut(&e.user_id) {
                    participant.admission = Admission::Waiting;
                    participant.consent = Consent::None;
                }
            }
            RoomEvent::ParticipantLeft(e) => {
                self.participants.remove(&e.user_id);
            }
            RoomEvent::ParticipantRemoved(e) => {
                self.participants.remove(&e.user_id);
                self.removed.insert(e.user_id);
            }
            RoomEvent::ConsentChanged(e) => {
                if let Some(participant) = self.participants.get_mut(&e.user_id) {
                    participant.consent = e.consent;
                    participant.language.clone_from(&e.language);
                    participant.model.clone_from(&e.model);
                }
            }
            RoomEvent::MessageSent(_)
            | RoomEvent::MessageEdited(_)
            | RoomEvent::MessageDeleted(_)
            | RoomEvent::TranscriptRecorded(_)
            | RoomEvent::TranscriptRevised(_)
            | RoomEvent::TextsExpired(_) => self.evolve_text(event, at),
            RoomEvent::Created(_) | RoomEvent::Deleted(_) => {}
        }
    }

    fn evolve_text(&mut self, event: &RoomEvent, at: Timestamp) {
        let first = |author, by_person| TextOf::first(author, by_person, at);
        match event {
            RoomEvent::MessageSent(e) => {
                self.messages.insert(e.message_id, first(e.user_id, true));
            }
            RoomEvent::MessageEdited(e) => {
                if let Some(message) = self.messages.get_mut(e.message_id) {
                    message.revision = e.revision;
                }
            }
            RoomEvent::MessageDeleted(e) => {
                if let Some(message) = self.messages.get_mut(e.message_id) {
                    message.deleted = true;
                }
            }
            RoomEvent::TranscriptRecorded(e) => {
                self.segments.insert(e.segment_id, e.transcript_id);
                self.transcripts.insert(e.transcript_id, first(e.user_id, e.model.is_none()));
            }
            RoomEvent::TranscriptRevised(e) => {
                if let Some(transcript) = self.transcripts.get_mut(e.transcript_id) {
                    transcript.revision = e.revision;
                    transcript.by_person = e.editor.is_some();
                }
            }
            RoomEvent::TextsExpired(e) => {
                if let Some(day) = e.transcripts_before {
                    self.transcripts.keep_from(day);
                    let kept = &self.transcripts;
                    self.segments.retain(|_, id| kept.get(*id).is_some());
                }
                if let Some(day) = e.messages_before {
                    self.messages.keep_from(day);
                }
            }
            RoomEvent::Created(_)
            | RoomEvent::SettingsChanged(_)
            | RoomEvent::HandedOver(_)
            | RoomEvent::Closed(_)
            | RoomEvent::Deleted(_)
            | RoomEvent::ParticipantJoined(_)
            | RoomEvent::ParticipantAdmitted(_)
            | RoomEvent::ParticipantLeft(_)
            | RoomEvent::ParticipantRemoved(_)
            | RoomEvent::ParticipantSentBack(_)
            | RoomEvent::ConsentChanged(_) => {}
        }
    }
}
