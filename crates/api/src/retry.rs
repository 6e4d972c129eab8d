//! Retries under an idempotency key: the first answer, whatever has become of things since. Its
//! sender may have left the room or been sent away, the room may be closed or deleted. What the answer
//! said is read from the commit, which holds what was decided then.

use axum::extract::{FromRequestParts as _, MatchedPath, RawPathParams};
use axum::http::StatusCode;
use axum::http::request::Parts;
use events::room::RoomEvent;
use events::room::command::close::Close;
use events::{Command, Commit, Event, Position, Rejection, RoomCode, RoomId, Subject};
use streams::Accepted;

use crate::access::Need;
use crate::audit::unreadable;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::router::BASE;
use crate::state::{App, Ask};

/// The id of no room.
const NO_ROOM: RoomId = RoomId::new(0);

/// The address that a key is good for: the route, and what it names, however that was spelled.
pub(crate) async fn address(parts: &mut Parts) -> String {
    let route = parts.extensions.get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let named = RawPathParams::from_request_parts(parts, &()).await;
    let (Some(route), Ok(named)) = (route, named) else { return parts.uri.path().to_owned() };
    let below = route.strip_prefix(BASE).unwrap_or(&route);
    let piece = |piece: &str| {
        let name = piece.strip_prefix('{').and_then(|piece| piece.strip_suffix('}'));
        let value = name.and_then(|name| named.iter().find(|(of, _)| *of == name));
        value.map_or_else(|| piece.to_owned(), |(name, value)| canonical(name, value))
    };
    below.split('/').map(piece).collect::<Vec<_>>().join("/")
}

fn canonical(name: &str, value: &str) -> String {
    let spelled = match name {
        "code" => value.parse::<RoomCode>().ok().map(|code| code.as_str().to_owned()),
        _ => value.parse::<u64>().ok().map(|id| id.to_string()),
    };
    spelled.unwrap_or_else(|| value.to_owned())
}

impl App {
    /// Asks for something in a room where its sender needs some right. A retry of what was done gets
    /// its first answer, also when the right is gone since.
    pub(crate) async fn ask_in_room<C: Into<Command>>(
        &self,
        (caller, ask): (&Caller, &Ask),
        code: &str,
        need: Need,
        command: impl FnOnce(RoomId) -> C,
    ) -> Result<(RoomId, Accepted), ApiError> {
        match self.room(caller, code, need) {
            Ok(room) => Ok((room, self.submit(ask, command(room)).await?)),
            Err(refusal) => {
                let accepted = self.done_before(ask, refusal).await?;
                let Subject::Room(room) = self.commit(accepted.position).await?.subject else {
                    return Err(ApiError::Internal(
                        "a room's command made no room's commit".into(),
                    ));
                };
                Ok((room, accepted))
            }
        }
    }

    /// As [`Self::ask_in_room`], where the answer says nothing.
    pub(crate) async fn do_in_room<C: Into<Command>>(
        &self,
        by: (&Caller, &Ask),
        code: &str,
        need: Need,
        command: impl FnOnce(RoomId) -> C,
    ) -> Result<StatusCode, ApiError> {
        self.ask_in_room(by, code, need, command).await?;
        Ok(StatusCode::NO_CONTENT)
    }

    /// A refusal, unless the same command was accepted when it was first sent.
    pub(crate) async fn done_before(
        &self,
        ask: &Ask,
        refusal: ApiError,
    ) -> Result<Accepted, ApiError> {
        if ask.body.is_none() {
            return Err(refusal);
        }
        // What was decided under this key is answered as it was; else there is no such room.
        match self.submit(ask, Close { room: NO_ROOM }).await {
            Err(ApiError::Rejected(Rejection::NotFound(_))) => Err(refusal),
            answer => answer,
        }
    }

    /// What happened first of all that a repeated command did; `None` when it is no repeat.
    pub(crate) async fn first_event(
        &self,
        accepted: &Accepted,
    ) -> Result<Option<RoomEvent>, ApiError> {
        if !accepted.repeated {
            return Ok(None);
        }
        let first = self.commit(accepted.position).await?.events.into_iter().next();
        match first {
            Some(Event::Room(event)) => Ok(Some(event)),
            Some(Event::User(_) | Event::Webhook(_)) | None => Ok(None),
        }
    }

    /// The commit at a position, its personal fields sealed.
    async fn commit(&self, position: Position) -> Result<Commit, ApiError> {
        let log = self.follower.log();
        let head = log.before(position).await.map_err(|error| unreadable(&error))?;
        let number = head.map(|head| head.block.next());
        let block = match number {
            Some(number) => log.block(number).await.map_err(|error| unreadable(&error))?,
            None => None,
        };
        let missing = || ApiError::Internal(format!("the log has nothing at position {position}"));
        let commits = block.ok_or_else(missing)?.commits();
        let commits = commits.map_err(|error| ApiError::Internal(error.to_string()))?;
        let found = commits.into_iter().find(|(at, _)| *at == position);
        found.map(|(_, commit)| commit).ok_or_else(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_is_the_same_however_it_is_spelled() {
        assert_eq!(canonical("code", "k3w-9qx-7tm"), "K3W9QX7TM");
        assert_eq!(canonical("code", "no code"), "no code");
        assert_eq!(canonical("id", "0017"), "17");
        assert_eq!(canonical("model", "asl-basic"), "asl-basic");
    }
}
