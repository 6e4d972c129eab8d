//! Rows for answers that come from the Follower or from a command itself, so that they need not
//! wait for the tables; those that come from the tables are the same types.

use std::collections::{HashMap, HashSet};

use events::room::{self, Phase, Room, RoomEvent, Rooms};
use events::user::{Standing, Token, TokenKind};
use events::{KeyScope, Personal, RoomId, Timestamp, TokenId, UserId};
use projector::{Participant, ParticipantRow, RoomRow, RoomState, UserRow};
use serde::Serialize;

use crate::error::ApiError;
use crate::state::App;

/// The field of a participant that a guest's name is sealed as.
const DISPLAY_NAME: &str = "participant.display_name";

/// A participant with the names that the others see.
#[derive(Debug, Serialize)]
pub(crate) struct Person {
    #[serde(flatten)]
    pub(crate) participant: Participant,
    /// What a guest wants to be called.
    display_name: Option<String>,
}

/// A token, without its secret.
#[derive(Debug, Serialize)]
pub(crate) struct TokenAnswer {
    pub(crate) id: TokenId,
    kind: TokenKind,
    created_at: Timestamp,
    token_expiration: Timestamp,
    renewable_until: Timestamp,
    current: bool,
}

impl TokenAnswer {
    pub(crate) fn new(token: &Token, current: TokenId) -> Self {
        Self {
            id: token.id,
            kind: token.kind,
            created_at: token.issued_at,
            token_expiration: token.expires_at,
            renewable_until: token.cap_at,
            current: token.id == current,
        }
    }
}

/// A room as it was when it was created: what that event alone makes.
pub(crate) fn new_room_row(created: room::Created, at: Timestamp) -> Option<RoomRow> {
    let (id, mut rooms) = (created.room_id, Rooms::default());
    rooms.evolve(&RoomEvent::Created(created), at);
    rooms.get(id).map(|room| room_row(id, room))
}

pub(crate) fn room_row(id: RoomId, room: &Room) -> RoomRow {
    let settings = &room.settings;
    let state = match room.phase {
        Phase::Closed { .. } => RoomState::Closed,
        Phase::Open if settings.locked => RoomState::Locked,
        Phase::Open => RoomState::Open,
    };
    RoomRow {
        id,
        room_code: room.code,
        created_at: room.created_at,
        owner_id: room.owner,
        state,
        lobby: settings.lobby,
        guests: settings.guests,
        capacity: settings.capacity,
        retention_days: settings.retention_days,
        model: settings.model.clone(),
        language: settings.language.clone(),
        version: room.version,
        feed_seq: 0,
        guest_history: settings.guest_history,
    }
}

impl App {
    /// A user as the Follower knows them, without hash and digest.
    pub(crate) async fn user_row(&self, id: UserId) -> Result<UserRow, ApiError> {
        let user = self.look(|state| state.users.get(id).cloned());
        let user = user.ok_or(events::Rejection::NotFound("user"))?;
        let reason = match &user.standing {
            Standing::Good => Personal::Erased,
            Standing::Blocked { reason } => reason.clone(),
        };
        let newest = user.tokens.iter().rfind(|token| match token.kind {
            TokenKind::Api | TokenKind::Guest => true,
            TokenKind::Session => false,
        });
        let scope = KeyScope::User(id);
        let keys = self.vault.keys(&[scope]).await?;
        let open = |field: &str, sealed: &Personal| match sealed {
            Personal::Clear(text) => Ok(Some(text.clone())),
            Personal::Sealed(bytes) => {
                let label = events::sealed::label(field, id.get());
                Ok::<_, ApiError>(keys.open(scope, &label, bytes)?.into_text())
            }
            Personal::Erased => Ok(None),
        };
        Ok(UserRow {
            id,
            username: open("user.username", &user.username)?.unwrap_or_default(),
            email: open("user.email", &user.email)?.unwrap_or_default(),
            password_hash: String::new(),
            last_seen: user.last_seen,
            is_admin: user.is_admin,
            is_blocked: user.is_blocked(),
            failed_login_attempts: user.failed_login_attempts,
            created_at: user.created_at,
            token: None,
            token_expiration: newest.map(|token| token.expires_at),
            token_id: None,
            login_locked_until: user.login_locked_until,
            is_guest: user.guest_of.is_some(),
            block_reason: open("user.block_reason", &reason)?,
            folded: None,
        })
    }

    /// A personal field of a user; `None` when it is erased.
    pub(crate) async fn opened(
        &self,
        user: UserId,
        field: &str,
        sealed: &Personal,
    ) -> Result<Option<String>, ApiError> {
        let label = events::sealed::label(field, user.get());
        Ok(self.vault.read(KeyScope::User(user), &label, sealed).await?.into_text())
    }

    /// A room as the Follower knows it.
    pub(crate) fn room_row(&self, id: RoomId) -> Result<RoomRow, ApiError> {
        let room = self.look(|state| Some(room_row(id, state.rooms.get(id)?)));
        room.ok_or(ApiError::NO_ROOM)
    }

    /// The participants of a room as the Follower knows them, in the order they came.
    pub(crate) async fn participants(&self, room: RoomId) -> Result<Vec<Person>, ApiError> {
        let found = self.look(|state| {
            let participants = state.rooms.get(room)?.participants.iter();
            let with_name = |(user, participant): (&UserId, &room::Participant)| {
                Some((*user, participant.clone(), state.users.get(*user)?.username.clone()))
            };
            Some(participants.filter_map(with_name).collect::<Vec<_>>())
        });
        let mut found = found.ok_or(ApiError::NO_ROOM)?;
        found.sort_unstable_by_key(|(_, participant, _)| participant.id);
        let mut people = Vec::with_capacity(found.len());
        for (user, participant, name) in found {
            people.push(self.person(room, user, participant, &name).await?);
        }
        Ok(people)
    }

    /// One participant as the Follower knows them.
    pub(crate) async fn participant(&self, room: RoomId, user: UserId) -> Result<Person, ApiError> {
        let found = self.look(|state| {
            let participant = state.rooms.get(room)?.participants.get(&user)?.clone();
            Some((participant, state.users.get(user)?.username.clone()))
        });
        let (found, name) = found.ok_or(events::Rejection::NotFound("participant"))?;
        self.person(room, user, found, &name).await
    }

    /// A participant as they were when they joined.
    pub(crate) async fn as_joined(
        &self,
        first: &room::ParticipantJoined,
        at: Timestamp,
    ) -> Result<Person, ApiError> {
        let user = first.user_id;
        let name = self.look(|state| Some(state.users.get(user)?.username.clone()));
        let joined = room::Participant {
            id: first.participant_id,
            joined_at: at,
            admission: first.admission,
            consent: room::Consent::None,
            language: None,
            model: None,
            came_after: 0,
        };
        let name = name.ok_or(events::Rejection::NotFound("participant"))?;
        self.person(first.room_id, user, joined, &name).await
    }

    async fn person(
        &self,
        room: RoomId,
        user: UserId,
        found: room::Participant,
        name: &Personal,
    ) -> Result<Person, ApiError> {
        let row = ParticipantRow {
            id: found.id,
            rp_user_id: user,
            rp_room_id: room,
            joined_at: found.joined_at,
            consent: found.consent,
            admission: found.admission,
            language: found.language,
            model: found.model,
        };
        let username = self.opened(user, "user.username", name).await?;
        let display_name = self.guest_name(user).await?;
        Ok(Person { participant: Participant { row, username }, display_name })
    }

    /// What a guest is called; nobody else is called other than by their own name.
    pub(crate) async fn guest_name(&self, user: UserId) -> Result<Option<String>, ApiError> {
        let called = self.look(|state| state.users.get(user)?.display_name.clone());
        let Some(called) = called else { return Ok(None) };
        let label = events::sealed::label(DISPLAY_NAME, called.participant.get());
        Ok(self.vault.read(KeyScope::User(user), &label, &called.name).await?.into_text())
    }

    /// What these people are called, whether or not they are still in the room.
    pub(crate) async fn names(
        &self,
        users: HashSet<UserId>,
    ) -> Result<HashMap<UserId, String>, ApiError> {
        let users: Vec<UserId> = users.into_iter().collect();
        let mut names = self.store.usernames(&users).await?;
        for user in users {
            names.extend(self.guest_name(user).await?.map(|name| (user, name)));
        }
        Ok(names)
    }
}
