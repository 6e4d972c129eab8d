//! The aggregate of rooms: calls, their participants, chat, captions.

pub mod command;
mod event;
mod state;
pub(crate) mod stored;

pub use command::RoomCommand;
pub use event::{
    Admission, Closed, Consent, ConsentChanged, Created, Deleted, HandedOver, MessageDeleted,
    MessageEdited, MessageSent, ParticipantAdmitted, ParticipantJoined, ParticipantLeft,
    ParticipantRemoved, ParticipantSentBack, RoomEvent, SettingsChanged, TextsExpired,
    TranscriptKind, TranscriptRecorded, TranscriptRevised,
};
pub use state::{Participant, Phase, Room, Rooms, Settings, TextOf};
