//! Table `room`: the call sessions.

use events::room::{RoomEvent, Settings};
use events::user::UserEvent;
use events::{Event, RoomCode, RoomId, Timestamp, UserId};
use serde::Serialize;

use super::At;
use crate::error::StoreError;
use crate::read::{Listing, Order, Page};
use crate::store::Store;
use crate::value::{Value, record, text_fields};
use crate::work::Work;

record! {
    /// A row of `room`.
    pub RoomRow of "room", key 1 {
        /// Below 2^53.
        id: RoomId,
        /// What people type to find it.
        room_code: RoomCode,
        /// When it was created; captions count their milliseconds from here.
        created_at: Timestamp,
        /// Who may run it.
        owner_id: UserId,
        /// Open, locked or closed.
        state: RoomState,
        /// New people wait until they are admitted.
        lobby: bool,
        /// People without an account may join.
        guests: bool,
        /// Most participants at once.
        capacity: u32,
        /// Days until transcript texts are erased; `None` keeps them.
        retention_days: Option<u32>,
        /// The model that captions, if another than the default.
        model: Option<String>,
        /// The language signed here, if said.
        language: Option<String>,
        /// Counts changes to the room itself, from 1; for `ETag`.
        version: u64,
        /// The newest sequence in `room_feed`, 0 when there is none.
        #[serde(skip)]
        feed_seq: u64,
        /// Guests read what was said before they came in, too.
        guest_history: bool,
    }
}

/// Whether a room takes people in, and whether the call goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RoomState {
    /// It takes people in.
    Open,
    /// It takes nobody new in.
    Locked,
    /// The call is over.
    Closed,
}

text_fields! {
    RoomState { Open => "open", Locked => "locked", Closed => "closed" }
}

pub(crate) fn apply(work: &mut Work, event: &Event, at: At) {
    match event {
        Event::User(UserEvent::Deleted(e)) => {
            let owned = work.rooms.iter().filter(|(_, row)| row.owner_id == e.user_id);
            for room in owned.map(|(id, _)| *id).collect::<Vec<_>>() {
                work.delete_room(room);
            }
        }
        Event::User(_) | Event::Webhook(_) => {}
        Event::Room(event) => apply_room(work, event, at),
    }
}

fn apply_room(work: &mut Work, event: &RoomEvent, at: At) {
    match event {
        RoomEvent::Created(e) => {
            let mut row = RoomRow {
                id: e.room_id,
                room_code: e.room_code,
                created_at: at.time,
                owner_id: e.owner_id,
                state: RoomState::Open,
                lobby: false,
                guests: false,
                capacity: 0,
                retention_days: None,
                model: None,
                language: None,
                version: 1,
                feed_seq: 0,
                guest_history: false,
            };
            row.set(&e.settings);
            work.rooms.insert(e.room_id, row);
        }
        RoomEvent::SettingsChanged(e) => {
            if let Some(row) = work.rooms.edit(&e.room_id) {
                row.set(&e.settings);
                row.version += 1;
            }
        }
        RoomEvent::HandedOver(e) => {
            if let Some(row) = work.rooms.edit(&e.room_id) {
                row.owner_id = e.owner_id;
                row.version += 1;
            }
        }
        RoomEvent::Closed(e) => {
            if let Some(row) = work.rooms.edit(&e.room_id) {
                row.state = RoomState::Closed;
                row.version += 1;
            }
        }
        RoomEvent::Deleted(e) => work.delete_room(e.room_id),
        RoomEvent::ParticipantJoined(_)
        | RoomEvent::ParticipantAdmitted(_)
        | RoomEvent::ParticipantLeft(_)
        | RoomEvent::ParticipantRemoved(_)
        | RoomEvent::ParticipantSentBack(_)
        | RoomEvent::ConsentChanged(_)
        | RoomEvent::MessageSent(_)
        | RoomEvent::MessageEdited(_)
        | RoomEvent::MessageDeleted(_)
        | RoomEvent::TranscriptRecorded(_)
        | RoomEvent::TranscriptRevised(_)
        | RoomEvent::TextsExpired(_) => {}
    }
}

impl RoomRow {
    fn set(&mut self, settings: &Settings) {
        self.state = match self.state {
            RoomState::Closed => RoomState::Closed,
            RoomState::Open | RoomState::Locked if settings.locked => RoomState::Locked,
            RoomState::Open | RoomState::Locked => RoomState::Open,
        };
        self.lobby = settings.lobby;
        self.guests = settings.guests;
        self.guest_history = settings.guest_history;
        self.capacity = settings.capacity;
        self.retention_days = settings.retention_days;
        self.model.clone_from(&settings.model);
        self.language.clone_from(&settings.language);
    }
}

impl Store {
    /// The room of that id.
    pub async fn room(&self, id: RoomId) -> Result<Option<RoomRow>, StoreError> {
        self.find("WHERE id = $1", vec![Value::Int(id.get() as i64)]).await
    }

    /// All rooms, newest first.
    pub async fn rooms(&self, page: Page<RoomId>) -> Result<Listing<RoomRow>, StoreError> {
        self.page("TRUE", vec![], Order::NewestFirst, page).await
    }

    /// The rooms that a user owns or is in (or waits for), newest first.
    pub async fn rooms_of(
        &self,
        user: UserId,
        page: Page<RoomId>,
    ) -> Result<Listing<RoomRow>, StoreError> {
        const MINE: &str = "(owner_id = $1 OR id IN (SELECT rp_room_id FROM room_participant WHERE rp_user_id = $1))";
        self.page(MINE, vec![Value::Int(user.get() as i64)], Order::NewestFirst, page).await
    }
}
