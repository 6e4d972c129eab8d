//! Table `room_participant`: who is in which room, or waits for it.

use events::room::{Admission, Consent, RoomEvent};
use events::user::UserEvent;
use events::{Event, ParticipantId, RoomId, Timestamp, UserId};
use serde::Serialize;

use super::At;
use crate::error::StoreError;
use crate::read::{Listing, Order, Page};
use crate::store::Store;
use crate::value::{Value, record};
use crate::work::Work;

record! {
    /// A row of `room_participant`.
    pub ParticipantRow of "room_participant", key 1 {
        /// Below 2^53.
        id: ParticipantId,
        /// Who.
        rp_user_id: UserId,
        /// Where.
        rp_room_id: RoomId,
        /// Since when.
        joined_at: Timestamp,
        /// What may be done with their signing.
        consent: Consent,
        /// In, or waiting in the lobby.
        admission: Admission,
        /// The language they sign, if said.
        language: Option<String>,
        /// The model they want, if said.
        model: Option<String>,
    }
}

/// A participant with the name that the others see.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Participant {
    /// The row.
    #[serde(flatten)]
    pub row: ParticipantRow,
    /// The user's name as shown.
    pub username: Option<String>,
}

pub(crate) fn apply(work: &mut Work, event: &Event, at: At) {
    match event {
        Event::User(UserEvent::Deleted(e)) => {
            for key in work.rooms_with(e.user_id) {
                part(work, key.0, key.1);
            }
        }
        Event::User(_) | Event::Webhook(_) => {}
        Event::Room(event) => apply_room(work, event, at),
    }
}

fn apply_room(work: &mut Work, event: &RoomEvent, at: At) {
    let joins = |id, user, room, admission| ParticipantRow {
        id,
        rp_user_id: user,
        rp_room_id: room,
        joined_at: at.time,
        consent: Consent::None,
        admission,
        language: None,
        model: None,
    };
    match event {
        RoomEvent::Created(e) => {
            let row = joins(e.participant_id, e.owner_id, e.room_id, Admission::Admitted);
            work.participants.insert((e.room_id, e.owner_id), row);
        }
        RoomEvent::ParticipantJoined(e) => {
            if work.rooms.get(&e.room_id).is_some() {
                part(work, e.room_id, e.user_id);
                let row = joins(e.participant_id, e.user_id, e.room_id, e.admission);
                work.participants.insert((e.room_id, e.user_id), row);
            }
        }
        RoomEvent::ParticipantAdmitted(e) => {
            if let Some(row) = work.participants.edit(&(e.room_id, e.user_id)) {
                row.admission = Admission::Admitted;
            }
        }
        RoomEvent::ParticipantSentBack(e) => {
            if let Some(row) = work.participants.edit(&(e.room_id, e.user_id)) {
                row.admission = Admission::Waiting;
                row.consent = Consent::None;
            }
        }
        RoomEvent::ParticipantLeft(e) => part(work, e.room_id, e.user_id),
        RoomEvent::ParticipantRemoved(e) => part(work, e.room_id, e.user_id),
        RoomEvent::ConsentChanged(e) => {
            if let Some(row) = work.participants.edit(&(e.room_id, e.user_id)) {
                row.consent = e.consent;
                row.language.clone_from(&e.language);
                row.model.clone_from(&e.model);
            }
        }
        RoomEvent::SettingsChanged(_)
        | RoomEvent::HandedOver(_)
        | RoomEvent::Closed(_)
        | RoomEvent::Deleted(_)
        | RoomEvent::MessageSent(_)
        | RoomEvent::MessageEdited(_)
        | RoomEvent::MessageDeleted(_)
        | RoomEvent::TranscriptRecorded(_)
        | RoomEvent::TranscriptRevised(_)
        | RoomEvent::TextsExpired(_) => {}
    }
}

fn part(work: &mut Work, room: RoomId, user: UserId) {
    if let Some(row) = work.participants.remove(&(room, user)) {
        work.sweep.participants.push(row.id);
    }
}

impl Store {
    /// Who is in a room or waits for it, oldest first.
    pub async fn participants(
        &self,
        room: RoomId,
        page: Page<ParticipantId>,
    ) -> Result<Listing<Participant>, StoreError> {
        let args = vec![Value::Int(room.get() as i64)];
        let found = self.page("rp_room_id = $1", args, Order::OldestFirst, page).await?;
        Ok(Listing { rows: self.named(found.rows).await?, has_more: found.has_more })
    }

    /// One participant of a room.
    pub async fn participant(
        &self,
        room: RoomId,
        user: UserId,
    ) -> Result<Option<Participant>, StoreError> {
        let args = vec![Value::Int(room.get() as i64), Value::Int(user.get() as i64)];
        let row = self.find("WHERE rp_room_id = $1 AND rp_user_id = $2", args).await?;
        Ok(self.named(row.into_iter().collect()).await?.pop())
    }

    /// Puts the users' names to rows.
    pub(crate) async fn named(
        &self,
        rows: Vec<ParticipantRow>,
    ) -> Result<Vec<Participant>, StoreError> {
        let users: Vec<UserId> = rows.iter().map(|row| row.rp_user_id).collect();
        let mut names = self.usernames(&users).await?;
        let named = |row: ParticipantRow| {
            let username = names.remove(&row.rp_user_id);
            Participant { row, username }
        };
        Ok(rows.into_iter().map(named).collect())
    }
}
