//! Shapes of room events that are not written any more, and what they are today. Nothing here ever
//! changes: logs are read for ever.

use serde::{Deserialize, Serialize};

use super::event::{Created, MessageDeleted, SettingsChanged};
use super::state::Settings;
use crate::id::{MessageId, ParticipantId, RoomCode, RoomId, UserId};
use crate::user::payloads;

payloads! {
    /// How a room is run, before guests' reading was a question.
    SettingsV1 {
        /// Takes nobody new in.
        locked: bool,
        /// New people wait until they are admitted.
        lobby: bool,
        /// People without an account may join with a display name.
        guests: bool,
        /// Most participants at once.
        capacity: u32,
        /// Days until transcript texts are erased; `None` keeps them.
        retention_days: Option<u32>,
        /// The model that captions, if another than the default.
        model: Option<String>,
        /// The language signed here, if said.
        language: Option<String>,
    }
    /// A room exists now; its owner is in it.
    CreatedV1 {
        /// Which.
        room_id: RoomId,
        /// What people type to find it.
        room_code: RoomCode,
        /// Who made it.
        owner_id: UserId,
        /// The owner's row in `room_participant`.
        participant_id: ParticipantId,
        /// How it starts.
        settings: SettingsV1,
    }
    /// The owner changed how it is run.
    SettingsChangedV1 {
        /// Which.
        room_id: RoomId,
        /// All settings as they are now.
        settings: SettingsV1,
    }
    /// A chat message is hidden; a tombstone stays.
    MessageDeletedV1 {
        /// Where.
        room_id: RoomId,
        /// Which.
        message_id: MessageId,
    }
}

impl From<SettingsV1> for Settings {
    fn from(old: SettingsV1) -> Self {
        let SettingsV1 { locked, lobby, guests, capacity, retention_days, model, language } = old;
        let guest_history = false;
        Self { locked, lobby, guests, guest_history, capacity, retention_days, model, language }
    }
}

impl From<CreatedV1> for Created {
    fn from(old: CreatedV1) -> Self {
        let CreatedV1 { room_id, room_code, owner_id, participant_id, settings } = old;
        Self { room_id, room_code, owner_id, participant_id, settings: settings.into() }
    }
}

impl From<SettingsChangedV1> for SettingsChanged {
    fn from(old: SettingsChangedV1) -> Self {
        Self { room_id: old.room_id, settings: old.settings.into() }
    }
}

impl From<MessageDeletedV1> for MessageDeleted {
    fn from(old: MessageDeletedV1) -> Self {
        Self { room_id: old.room_id, message_id: old.message_id, deleted_by: None }
    }
}
