//! What decisions about rooms rest on: who owns, who is in, who wrote what. No text.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::event::{Admission, Consent, RoomEvent};
use crate::id::{MessageId, ParticipantId, RoomCode, RoomId, SegmentId, TranscriptId, UserId};
use crate::time::Timestamp;

/// All rooms, and the ways to find one.
#[derive(Debug, Clone, Default)]
pub struct Rooms {
    by_id: HashMap<RoomId, Room>,
    by_code: HashMap<RoomCode, RoomId>,
    by_member: HashMap<UserId, HashSet<RoomId>>,
}

/// How a room is run; all of it is the owner's choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Takes nobody new in.
    pub locked: bool,
    /// New people wait until they are admitted.
    pub lobby: bool,
    /// People without an account may join with a display name.
    pub guests: bool,
    /// Most participants at once.
    pub capacity: u32,
    /// Days until transcript texts are erased; `None` keeps them.
    pub retention_days: Option<u32>,
    /// The model that captions, if another than the default.
    pub model: Option<String>,
    /// The language signed here, if said.
    pub language: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            locked: false,
            lobby: false,
            guests: false,
            capacity: 100,
            retention_days: Some(30),
            model: None,
            language: None,
        }
    }
}

/// Whether the call goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It goes on.
    Open,
    /// It is over; corrections and tombstones are still possible.
    Closed {
        /// Since when.
        at: Timestamp,
    },
}

/// One room.
#[derive(Debug, Clone)]
pub struct Room {
    /// What people type to find it.
    pub code: RoomCode,
    /// Who may run it.
    pub owner: UserId,
    /// Captions count their milliseconds from here.
    pub created_at: Timestamp,
    /// Open or closed.
    pub phase: Phase,
    /// How it is run.
    pub settings: Settings,
    /// Position-independent counter of changes to the room itself, for `ETag`.
    pub version: u64,
    /// Who is in or waits.
    pub participants: HashMap<UserId, Participant>,
    /// Who was sent away and not admitted since.
    pub removed: HashSet<UserId>,
    messages: HashMap<MessageId, TextOf>,
    transcripts: HashMap<TranscriptId, TextOf>,
    segments: HashMap<SegmentId, TranscriptId>,
}

/// One participant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Participant {
    /// The row in `room_participant`.
    pub id: ParticipantId,
    /// When they came.
    pub joined_at: Timestamp,
    /// In, or waiting.
    pub admission: Admission,
    /// What may be done with their signing.
    pub consent: Consent,
    /// The model they want.
    pub model: Option<String>,
}

/// Whose text a message or a segment is, and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextOf {
    /// Who wrote or signed it.
    pub author: UserId,
    /// The newest revision.
    pub revision: u32,
    /// A person's hand was last on it.
    pub by_person: bool,
    /// A tombstone.
    pub deleted: bool,
    /// When it was first stored.
    pub created_at: Timestamp,
}

impl Room {
    /// Whether the user is in (not waiting).
    pub fn admits(&self, user: UserId) -> bool {
        self.participants.get(&user).is_some_and(|p| p.admission == Admission::Admitted)
    }

    /// Whether this participant's signing may be captioned now.
    pub fn captions(&self, user: UserId) -> bool {
        self.phase == Phase::Open
            && self.participants.get(&user).is_some_and(|p| {
                p.admission == Admission::Admitted && p.consent >= Consent::Captions
            })
    }

    /// A message, tombstones included.
    pub fn message(&self, id: MessageId) -> Option<&TextOf> {
        self.messages.get(&id)
    }

    /// A segment of the transcript.
    pub fn transcript(&self, id: TranscriptId) -> Option<&TextOf> {
        self.transcripts.get(&id)
    }

    /// The row in which a segment was stored.
    pub fn segment(&self, id: SegmentId) -> Option<TranscriptId> {
        self.segments.get(&id).copied()
    }
}

impl Rooms {
    /// The room of that id.
    pub fn get(&self, id: RoomId) -> Option<&Room> {
        self.by_id.get(&id)
    }

    /// The room of that code.
    pub fn by_code(&self, code: RoomCode) -> Option<(RoomId, &Room)> {
        let id = self.by_code.get(&code)?;
        Some((*id, self.by_id.get(id)?))
    }

    /// The rooms a user owns or is in (or waits for).
    pub fn of_member(&self, user: UserId) -> impl Iterator<Item = (RoomId, &Room)> {
        let rooms = self.by_member.get(&user).into_iter().flatten();
        rooms.filter_map(|id| Some((*id, self.by_id.get(id)?)))
    }

    /// All rooms, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (RoomId, &Room)> {
        self.by_id.iter().map(|(id, room)| (*id, room))
    }

    /// A deleted user's own rooms go; elsewhere the user is no participant any more.
    pub(crate) fn forget_user(&mut self, user: UserId) {
        let rooms: Vec<RoomId> = self.by_member.remove(&user).into_iter().flatten().collect();
        for id in rooms {
            let Some(room) = self.by_id.get_mut(&id) else { continue };
            if room.owner == user {
                self.delete(id);
            } else {
                room.participants.remove(&user);
                room.removed.remove(&user);
            }
        }
    }

    /// Takes one event in.
    pub fn evolve(&mut self, event: &RoomEvent, at: Timestamp) {
        match event {
            RoomEvent::Created(e) => {
                let owner = Participant {
                    id: e.participant_id,
                    joined_at: at,
                    admission: Admission::Admitted,
                    consent: Consent::None,
                    model: None,
                };
                self.by_code.insert(e.room_code, e.room_id);
                self.by_member.entry(e.owner_id).or_default().insert(e.room_id);
                self.by_id.insert(
                    e.room_id,
                    Room {
                        code: e.room_code,
                        owner: e.owner_id,
                        created_at: at,
                        phase: Phase::Open,
                        settings: e.settings.clone(),
                        version: 1,
                        participants: HashMap::from([(e.owner_id, owner)]),
                        removed: HashSet::new(),
                        messages: HashMap::new(),
                        transcripts: HashMap::new(),
                        segments: HashMap::new(),
                    },
                );
            }
            RoomEvent::Deleted(e) => self.delete(e.room_id),
            RoomEvent::ParticipantJoined(e) => {
                self.by_member.entry(e.user_id).or_default().insert(e.room_id);
                self.evolve_one(e.room_id, event, at);
            }
            RoomEvent::ParticipantLeft(e) => self.part(e.room_id, e.user_id, event, at),
            RoomEvent::ParticipantRemoved(e) => self.part(e.room_id, e.user_id, event, at),
            RoomEvent::SettingsChanged(_)
            | RoomEvent::HandedOver(_)
            | RoomEvent::Closed(_)
            | RoomEvent::ParticipantAdmitted(_)
            | RoomEvent::ConsentChanged(_)
            | RoomEvent::MessageSent(_)
            | RoomEvent::MessageEdited(_)
            | RoomEvent::MessageDeleted(_)
            | RoomEvent::TranscriptRecorded(_)
            | RoomEvent::TranscriptRevised(_)
            | RoomEvent::TextsExpired(_) => self.evolve_one(event.room_id(), event, at),
        }
    }

    fn part(&mut self, room: RoomId, user: UserId, event: &RoomEvent, at: Timestamp) {
        let owned = self.by_id.get(&room).is_some_and(|room| room.owner == user);
        if !owned && let Some(rooms) = self.by_member.get_mut(&user) {
            rooms.remove(&room);
        }
        self.evolve_one(room, event, at);
    }

    fn evolve_one(&mut self, id: RoomId, event: &RoomEvent, at: Timestamp) {
        if let Some(room) = self.by_id.get_mut(&id) {
            room.evolve(event, at);
        }
    }

    fn delete(&mut self, id: RoomId) {
        let Some(room) = self.by_id.remove(&id) else { return };
        self.by_code.remove(&room.code);
        for user in room.participants.keys().chain([&room.owner]) {
            if let Some(rooms) = self.by_member.get_mut(user) {
                rooms.remove(&id);
            }
        }
    }
}

impl Room {
    fn evolve(&mut self, event: &RoomEvent, at: Timestamp) {
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
                        model: None,
                    },
                );
            }
            RoomEvent::ParticipantAdmitted(e) => {
                self.removed.remove(&e.user_id);
                if let Some(participant) = self.participants.get_mut(&e.user_id) {
                    participant.admission = Admission::Admitted;
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
        let first = |author, by_person| TextOf {
            author,
            revision: 1,
            by_person,
            deleted: false,
            created_at: at,
        };
        match event {
            RoomEvent::MessageSent(e) => {
                self.messages.insert(e.message_id, first(e.user_id, true));
            }
            RoomEvent::MessageEdited(e) => {
                if let Some(message) = self.messages.get_mut(&e.message_id) {
                    message.revision = e.revision;
                }
            }
            RoomEvent::MessageDeleted(e) => {
                if let Some(message) = self.messages.get_mut(&e.message_id) {
                    message.deleted = true;
                }
            }
            RoomEvent::TranscriptRecorded(e) => {
                self.segments.insert(e.segment_id, e.transcript_id);
                self.transcripts.insert(e.transcript_id, first(e.user_id, e.model.is_none()));
            }
            RoomEvent::TranscriptRevised(e) => {
                if let Some(transcript) = self.transcripts.get_mut(&e.transcript_id) {
                    transcript.revision = e.revision;
                    transcript.by_person = e.editor.is_some();
                }
            }
            RoomEvent::TextsExpired(e) => {
                if let Some(day) = e.transcripts_before {
                    self.transcripts.retain(|_, text| text.created_at.day() >= day);
                    let kept = &self.transcripts;
                    self.segments.retain(|_, id| kept.contains_key(id));
                }
                if let Some(day) = e.messages_before {
                    self.messages.retain(|_, text| text.created_at.day() >= day);
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
            | RoomEvent::ConsentChanged(_) => {}
        }
    }
}

impl RoomEvent {
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
