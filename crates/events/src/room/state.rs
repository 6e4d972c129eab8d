//! What decisions about rooms rest on: who owns, who is in, who wrote what. No text.

mod evolve;
mod texts;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::event::{Admission, Consent, RoomEvent};
use crate::id::{MessageId, ParticipantId, RoomCode, RoomId, SegmentId, TranscriptId, UserId};
use crate::time::Timestamp;

pub use texts::TextOf;
use texts::Texts;

/// Ids lie below 2^53: nothing lies behind this one.
const BEHIND_ALL: u64 = 1 << 53;

/// All rooms, and the ways to find one. A copy shares each room's record until one of both changes
/// it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Rooms {
    all: HashMap<RoomId, Arc<Room>>,
    codes: HashMap<RoomCode, RoomId>,
    members: HashMap<UserId, HashSet<RoomId>>,
}

/// How a room is run; all of it is the owner's choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "switches of their own, each set alone")]
pub struct Settings {
    /// Takes nobody new in.
    pub locked: bool,
    /// New people wait until they are admitted.
    pub lobby: bool,
    /// People without an account may join with a display name.
    pub guests: bool,
    /// Guests read what was said before they came in, too.
    pub guest_history: bool,
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
            guest_history: false,
            capacity: 100,
            retention_days: Some(30),
            model: None,
            language: None,
        }
    }
}

/// Whether the call goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// Who was sent back to the lobby and not admitted since: they wait there, lobby or not.
    pub sent_back: HashSet<UserId>,
    messages: Texts<MessageId>,
    transcripts: Texts<TranscriptId>,
    segments: HashMap<SegmentId, TranscriptId>,
}

/// One participant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participant {
    /// The row in `room_participant`.
    pub id: ParticipantId,
    /// When they came.
    pub joined_at: Timestamp,
    /// In, or waiting.
    pub admission: Admission,
    /// What may be done with their signing.
    pub consent: Consent,
    /// The language they sign, if said.
    pub language: Option<String>,
    /// The model they want.
    pub model: Option<String>,
    /// What was said up to this id was said before they came in.
    pub came_after: u64,
}

impl Room {
    /// Whether the user is in (not waiting).
    pub fn admits(&self, user: UserId) -> bool {
        self.participants.get(&user).is_some_and(|p| p.admission == Admission::Admitted)
    }

    /// Whether one more can be in the call, or in the lobby: each takes as many, so that those who
    /// wait keep nobody out.
    pub fn has_place(&self, admission: Admission) -> bool {
        let there = self.participants.values().filter(|p| p.admission == admission).count();
        there < self.settings.capacity as usize
    }

    /// Whether this participant's signing may be captioned now.
    pub fn captions(&self, user: UserId) -> bool {
        self.phase == Phase::Open
            && self.participants.get(&user).is_some_and(|p| {
                p.admission == Admission::Admitted && p.consent >= Consent::Captions
            })
    }

    /// What a guest may read begins behind this id: guests don't read what was said before they came
    /// in, unless the owner lets them.
    pub fn guest_reads_after(&self, guest: UserId) -> u64 {
        if self.settings.guest_history {
            return 0;
        }
        self.participants.get(&guest).map_or(BEHIND_ALL, |p| p.came_after)
    }

    /// The greatest id of all that was said so far.
    fn said_so_far(&self) -> u64 {
        let message = self.messages.last().map_or(0, MessageId::get);
        message.max(self.transcripts.last().map_or(0, TranscriptId::get))
    }

    /// A message, tombstones included.
    pub fn message(&self, id: MessageId) -> Option<&TextOf> {
        self.messages.get(id)
    }

    /// A segment of the transcript.
    pub fn transcript(&self, id: TranscriptId) -> Option<&TextOf> {
        self.transcripts.get(id)
    }

    /// All segments of the transcript, in no order.
    pub fn transcripts(&self) -> impl Iterator<Item = &TextOf> {
        self.transcripts.values()
    }

    /// The row in which a segment was stored.
    pub fn segment(&self, id: SegmentId) -> Option<TranscriptId> {
        self.segments.get(&id).copied()
    }
}

impl Rooms {
    /// The room of that id.
    pub fn get(&self, id: RoomId) -> Option<&Room> {
        self.all.get(&id).map(Arc::as_ref)
    }

    /// The room of that code.
    pub fn by_code(&self, code: RoomCode) -> Option<(RoomId, &Room)> {
        let id = self.codes.get(&code)?;
        Some((*id, self.all.get(id)?))
    }

    /// The rooms a user owns or is in (or waits for).
    pub fn of_member(&self, user: UserId) -> impl Iterator<Item = (RoomId, &Room)> {
        let rooms = self.members.get(&user).into_iter().flatten();
        rooms.filter_map(|id| Some((*id, self.get(*id)?)))
    }

    /// All rooms, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (RoomId, &Room)> {
        self.all.iter().map(|(id, room)| (*id, &**room))
    }

    /// A deleted user's own rooms go; elsewhere the user is no participant any more.
    pub(crate) fn forget_user(&mut self, user: UserId) {
        for id in self.members.remove(&user).into_iter().flatten() {
            let Some(room) = self.all.get_mut(&id).map(Arc::make_mut) else { continue };
            room.participants.remove(&user);
            if room.owner == user {
                self.delete(id);
            }
        }
    }

    /// Makes these rooms what they are in `from`, where all others are the same already.
    pub(crate) fn restore(&mut self, from: &Self, touched: &HashSet<RoomId>) {
        for id in touched {
            self.delete(*id);
        }
        for (id, room) in touched.iter().filter_map(|id| Some((*id, from.all.get(id)?))) {
            self.codes.insert(room.code, id);
            for user in room.participants.keys().chain([&room.owner]) {
                self.link(*user, id);
            }
            self.all.insert(id, Arc::clone(room));
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
                    language: None,
                    model: None,
                    came_after: 0,
                };
                self.codes.insert(e.room_code, e.room_id);
                self.link(e.owner_id, e.room_id);
                let room = Room {
                    code: e.room_code,
                    owner: e.owner_id,
                    created_at: at,
                    phase: Phase::Open,
                    settings: e.settings.clone(),
                    version: 1,
                    participants: HashMap::from([(e.owner_id, owner)]),
                    removed: HashSet::new(),
                    sent_back: HashSet::new(),
                    messages: Texts::default(),
                    transcripts: Texts::default(),
                    segments: HashMap::new(),
                };
                self.all.insert(e.room_id, Arc::new(room));
            }
            RoomEvent::Deleted(e) => self.delete(e.room_id),
            RoomEvent::ParticipantJoined(e) => {
                self.evolve_one(e.room_id, event, at);
                self.relink(e.user_id, e.room_id);
            }
            RoomEvent::HandedOver(e) => {
                let before = self.all.get(&e.room_id).map(|room| room.owner);
                self.evolve_one(e.room_id, event, at);
                for user in before.into_iter().chain([e.owner_id]) {
                    self.relink(user, e.room_id);
                }
            }
            RoomEvent::ParticipantLeft(e) => {
                self.evolve_one(e.room_id, event, at);
                self.relink(e.user_id, e.room_id);
            }
            RoomEvent::ParticipantRemoved(e) => {
                self.evolve_one(e.room_id, event, at);
                self.relink(e.user_id, e.room_id);
            }
            RoomEvent::SettingsChanged(_)
            | RoomEvent::Closed(_)
            | RoomEvent::ParticipantAdmitted(_)
            | RoomEvent::ParticipantSentBack(_)
            | RoomEvent::ConsentChanged(_)
            | RoomEvent::MessageSent(_)
            | RoomEvent::MessageEdited(_)
            | RoomEvent::MessageDeleted(_)
            | RoomEvent::TranscriptRecorded(_)
            | RoomEvent::TranscriptRevised(_)
            | RoomEvent::TextsExpired(_) => self.evolve_one(event.room_id(), event, at),
        }
    }

    fn link(&mut self, user: UserId, room: RoomId) {
        self.members.entry(user).or_default().insert(room);
    }

    /// Puts the index right after somebody came or went: members own the room or are in it.
    fn relink(&mut self, user: UserId, id: RoomId) {
        let Some(room) = self.all.get(&id) else { return };
        if room.owner == user || room.participants.contains_key(&user) {
            self.link(user, id);
        } else {
            self.unlink(user, id);
        }
    }

    fn unlink(&mut self, user: UserId, room: RoomId) {
        if let Some(rooms) = self.members.get_mut(&user) {
            rooms.remove(&room);
            if rooms.is_empty() {
                self.members.remove(&user);
            }
        }
    }

    fn evolve_one(&mut self, id: RoomId, event: &RoomEvent, at: Timestamp) {
        if let Some(room) = self.all.get_mut(&id).map(Arc::make_mut) {
            room.evolve(event, at);
        }
    }

    fn delete(&mut self, id: RoomId) {
        let Some(room) = self.all.remove(&id) else { return };
        self.codes.remove(&room.code);
        for user in room.participants.keys().chain([&room.owner]) {
            self.unlink(*user, id);
        }
    }
}
