//! What can have happened to rooms. Each payload is also its newest stored shape: changing one
//! fails the golden test until a new tag is made (see [`crate::stored`]).

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::state::Settings;
use crate::command;
use crate::id::{MessageId, ParticipantId, RoomCode, RoomId, SegmentId, TranscriptId, UserId};
use crate::sealed::{KeyScope, Personal, PersonalField, TextKind, label};
use crate::time::Timestamp;
use crate::user::payloads;

/// What happened to rooms.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each variant is documented at its payload")]
pub enum RoomEvent {
    Created(Created),
    SettingsChanged(SettingsChanged),
    HandedOver(HandedOver),
    Closed(Closed),
    Deleted(Deleted),
    ParticipantJoined(ParticipantJoined),
    ParticipantAdmitted(ParticipantAdmitted),
    ParticipantLeft(ParticipantLeft),
    ParticipantRemoved(ParticipantRemoved),
    ParticipantSentBack(ParticipantSentBack),
    ConsentChanged(ConsentChanged),
    MessageSent(MessageSent),
    MessageEdited(MessageEdited),
    MessageDeleted(MessageDeleted),
    TranscriptRecorded(TranscriptRecorded),
    TranscriptRevised(TranscriptRevised),
    TextsExpired(TextsExpired),
}

payloads! {
    /// A room exists now; its owner is in it.
    Created {
        /// Which.
        room_id: RoomId,
        /// What people type to find it.
        room_code: RoomCode,
        /// Who made it.
        owner_id: UserId,
        /// The owner's row in `room_participant`.
        participant_id: ParticipantId,
        /// How it starts.
        settings: Settings,
    }
    /// The owner changed how it is run.
    SettingsChanged {
        /// Which.
        room_id: RoomId,
        /// All settings as they are now.
        settings: Settings,
    }
    /// Somebody else owns it now.
    HandedOver {
        /// Which.
        room_id: RoomId,
        /// The new owner, a participant.
        owner_id: UserId,
    }
    /// The call is over; what was said stays readable.
    Closed {
        /// Which.
        room_id: RoomId,
    }
    /// Gone with everything in it. Its keys are destroyed after this event.
    Deleted {
        /// Which.
        room_id: RoomId,
    }
    /// Somebody came in, or into the lobby.
    ParticipantJoined {
        /// Where.
        room_id: RoomId,
        /// The row in `room_participant`.
        participant_id: ParticipantId,
        /// Who.
        user_id: UserId,
        /// In, or waiting.
        admission: Admission,
        /// What a guest wants to be called, under the guest's own key; users have their names.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        display_name: Option<Personal>,
    }
    /// Let in from the lobby, or allowed back after a removal.
    ParticipantAdmitted {
        /// Where.
        room_id: RoomId,
        /// Who.
        user_id: UserId,
    }
    /// Somebody went.
    ParticipantLeft {
        /// Where from.
        room_id: RoomId,
        /// Who.
        user_id: UserId,
    }
    /// Somebody was sent away (or refused at the lobby), and does not come back until admitted.
    ParticipantRemoved {
        /// Where from.
        room_id: RoomId,
        /// Who.
        user_id: UserId,
    }
    /// Somebody who was in waits in the lobby again; their consent to captions ended with it.
    ParticipantSentBack {
        /// Where.
        room_id: RoomId,
        /// Who.
        user_id: UserId,
    }
    /// A participant switched captions of their own signing on or off.
    ConsentChanged {
        /// Where.
        room_id: RoomId,
        /// Whose signing.
        user_id: UserId,
        /// To what.
        consent: Consent,
        /// The language they sign, if said (BCP 47 or ISO 639-3, such as `ase`).
        language: Option<String>,
        /// The model they want, if said.
        model: Option<String>,
    }
    /// A chat message.
    MessageSent {
        /// Where.
        room_id: RoomId,
        /// Which.
        message_id: MessageId,
        /// Who wrote it.
        user_id: UserId,
        /// The text.
        text: Personal,
    }
    /// A chat message has another text.
    MessageEdited {
        /// Where.
        room_id: RoomId,
        /// Which.
        message_id: MessageId,
        /// Who wrote it.
        user_id: UserId,
        /// 2 for the first edit.
        revision: u32,
        /// The new text.
        text: Personal,
    }
    /// A chat message is hidden; a tombstone stays.
    MessageDeleted {
        /// Where.
        room_id: RoomId,
        /// Which.
        message_id: MessageId,
        /// Who hid it: its author, the room's owner or an administrator; unknown of the first version.
        deleted_by: Option<UserId>,
    }
    /// A final caption: revision 1 of a segment.
    TranscriptRecorded {
        /// Where.
        room_id: RoomId,
        /// The row in `transcript`.
        transcript_id: TranscriptId,
        /// Who signed or typed it.
        user_id: UserId,
        /// The segment, stable for ever.
        segment_id: SegmentId,
        /// Signed word, spelled word, or typed.
        kind: TranscriptKind,
        /// The text: the model's labels verbatim.
        text: Personal,
        /// Milliseconds since the room was created.
        start_ms: u64,
        /// Milliseconds since the room was created.
        end_ms: u64,
        /// 0 to 1; `None` for typed text.
        confidence: Option<f32>,
        /// Name and version of the model; `None` for typed text.
        model: Option<String>,
    }
    /// A segment has another text, by a person or by a later model.
    TranscriptRevised {
        /// Where.
        room_id: RoomId,
        /// Which.
        transcript_id: TranscriptId,
        /// Who signed it (whose key seals the text).
        user_id: UserId,
        /// 2 for the first revision.
        revision: u32,
        /// The person who corrected it; `None` for a model.
        editor: Option<UserId>,
        /// The model that read it again.
        model: Option<String>,
        /// The new text.
        text: Personal,
    }
    /// The texts of these days are past their retention. Their keys are destroyed after this event.
    TextsExpired {
        /// Where.
        room_id: RoomId,
        /// Transcript rows created before this day lose their text.
        transcripts_before: Option<NaiveDate>,
        /// Message rows created before this day lose their text.
        messages_before: Option<NaiveDate>,
    }
}

/// Whether a participant is in or waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Admission {
    /// In the room.
    Admitted,
    /// In the lobby.
    Waiting,
}

/// What a participant allows to be done with their signing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Consent {
    /// Nothing.
    None,
    /// Captions.
    Captions,
    /// Captions, and keeping the landmarks.
    CaptionsAndKeeping,
}

/// Where a transcript row comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TranscriptKind {
    /// A signed word.
    Gloss,
    /// A word spelled letter by letter.
    Fingerspelling,
    /// Typed by a participant.
    Typed,
}

impl RoomEvent {
    /// The personal fields: texts under the key of their kind, author, room and day, names under
    /// the user's own.
    pub fn personal(&mut self, at: Timestamp) -> Vec<PersonalField<'_>> {
        let text = |kind: TextKind, revision: u32, author, room, row, field| {
            let scope = KeyScope::Text { kind, author, room, day: at.day() };
            let label = format!("{}.{revision}/{row}", kind.as_str());
            vec![PersonalField { scope, label, field }]
        };
        let (message, transcript) = (TextKind::Message, TextKind::Transcript);
        match self {
            Self::MessageSent(e) => {
                text(message, 1, e.user_id, e.room_id, e.message_id.get(), &mut e.text)
            }
            Self::MessageEdited(e) => {
                text(message, e.revision, e.user_id, e.room_id, e.message_id.get(), &mut e.text)
            }
            Self::TranscriptRecorded(e) => {
                text(transcript, 1, e.user_id, e.room_id, e.transcript_id.get(), &mut e.text)
            }
            Self::TranscriptRevised(e) => {
                let row = e.transcript_id.get();
                text(transcript, e.revision, e.user_id, e.room_id, row, &mut e.text)
            }
            Self::ParticipantJoined(e) => {
                let scope = KeyScope::User(e.user_id);
                let label = label("participant.display_name", e.participant_id.get());
                let sealed = |field| PersonalField { scope, label, field };
                e.display_name.as_mut().map(sealed).into_iter().collect()
            }
            Self::Created(_)
            | Self::SettingsChanged(_)
            | Self::HandedOver(_)
            | Self::Closed(_)
            | Self::Deleted(_)
            | Self::ParticipantAdmitted(_)
            | Self::ParticipantLeft(_)
            | Self::ParticipantRemoved(_)
            | Self::ParticipantSentBack(_)
            | Self::ConsentChanged(_)
            | Self::MessageDeleted(_)
            | Self::TextsExpired(_) => Vec::new(),
        }
    }
}

impl RoomEvent {
    /// The row that it made or touched, as the caller of the command heard of it.
    pub(crate) fn created(&self) -> Option<command::Created> {
        use command::Created as Row;
        match self {
            Self::Created(e) => Some(Row::Room(e.room_id)),
            Self::ParticipantJoined(e) => Some(Row::Participant(e.participant_id)),
            Self::MessageSent(e) => Some(Row::Message(e.message_id)),
            Self::MessageEdited(e) => Some(Row::Message(e.message_id)),
            Self::TranscriptRecorded(e) => Some(Row::Transcript(e.transcript_id)),
            Self::TranscriptRevised(e) => Some(Row::Transcript(e.transcript_id)),
            Self::SettingsChanged(_)
            | Self::HandedOver(_)
            | Self::Closed(_)
            | Self::Deleted(_)
            | Self::ParticipantAdmitted(_)
            | Self::ParticipantLeft(_)
            | Self::ParticipantRemoved(_)
            | Self::ParticipantSentBack(_)
            | Self::ConsentChanged(_)
            | Self::MessageDeleted(_)
            | Self::TextsExpired(_) => None,
        }
    }

    /// The room it concerns.
    pub fn room_id(&self) -> RoomId {
        match self {
            Self::Created(e) => e.room_id,
            Self::SettingsChanged(e) => e.room_id,
            Self::HandedOver(e) => e.room_id,
            Self::Closed(e) => e.room_id,
            Self::Deleted(e) => e.room_id,
            Self::ParticipantJoined(e) => e.room_id,
            Self::ParticipantAdmitted(e) => e.room_id,
            Self::ParticipantLeft(e) => e.room_id,
            Self::ParticipantRemoved(e) => e.room_id,
            Self::ParticipantSentBack(e) => e.room_id,
            Self::ConsentChanged(e) => e.room_id,
            Self::MessageSent(e) => e.room_id,
            Self::MessageEdited(e) => e.room_id,
            Self::MessageDeleted(e) => e.room_id,
            Self::TranscriptRecorded(e) => e.room_id,
            Self::TranscriptRevised(e) => e.room_id,
            Self::TextsExpired(e) => e.room_id,
        }
    }
}
