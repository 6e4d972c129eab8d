//! The audit trail: the log itself, read backwards and told without secrets.
//!
//! Nothing is kept for it. What is asked for is found by looking through the log's text from its
//! end on, and only lines that can match are decoded; each request looks through so much and no
//! more, and says where the next one goes on.

use events::stored::StoredEvent;
use events::user::UserEvent;
use events::{
    Actor, BlockNumber, Commit, Event, EventId, Head, KeyScope, Personal, Position, RoomId,
    Subject, SystemRole, Timestamp, UserId,
};
use serde::Serialize;
use serde_json::Value;
use streams::{Log, LogError};

use crate::error::ApiError;
use crate::state::App;

/// Bytes and blocks of the log that one request looks through, at most.
const BYTES_MAX: usize = 32 * 1024 * 1024;
const BLOCKS_MAX: usize = 2048;
/// Low bits of a cursor: an event's place in its commit. The others are the commit's position.
const PLACE_BITS: u32 = 10;
/// What no answer tells, whatever event it is in.
const SECRET: [&str; 5] = ["digest", "username_digest", "email_digest", "password_hash", "secret"];
/// The field that holds what somebody wrote or signed: read where it was said, not here.
const TEXT: &str = "text";
/// The fields that say whom an event concerns.
const PEOPLE: [&str; 4] = ["user_id", "owner_id", "editor", "author"];

/// One event, as administrators see it.
#[derive(Debug, Serialize)]
pub(crate) struct Entry {
    id: EventId,
    position: Position,
    /// Such as `user.blocked`.
    r#type: String,
    created_at: Timestamp,
    /// `user`, `anonymous`, or the part of the system.
    actor: &'static str,
    actor_id: Option<UserId>,
    room_id: Option<RoomId>,
    user_id: Option<UserId>,
    /// The request that asked for it.
    request_id: Option<String>,
    /// Its fields; those that are erased are null.
    data: Value,
}

/// Who did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Actors(Actor);

impl Actors {
    /// A user's id, or the name of who else can act.
    pub(crate) fn read(text: &str) -> Result<Self, ApiError> {
        let named = |actor: &Actor| name(*actor) == text;
        let found = OTHERS.into_iter().find(named);
        let user = || text.parse().ok().map(Actor::User);
        found.or_else(user).map(Self).ok_or_else(|| {
            let detail = "is neither a user's id nor one of anonymous, api, recognizer, reactor, \
                          operator";
            ApiError::field("actor", format!("{text:?} {detail}"))
        })
    }
}

const OTHERS: [Actor; 5] = [
    Actor::Anonymous,
    Actor::System(SystemRole::Api),
    Actor::System(SystemRole::Recognizer),
    Actor::System(SystemRole::Reactor),
    Actor::System(SystemRole::Operator),
];

fn name(actor: Actor) -> &'static str {
    match actor {
        Actor::Anonymous => "anonymous",
        Actor::User(_) => "user",
        Actor::System(SystemRole::Api) => "api",
        Actor::System(SystemRole::Recognizer) => "recognizer",
        Actor::System(SystemRole::Reactor) => "reactor",
        Actor::System(SystemRole::Operator) => "operator",
    }
}

/// Which events are wanted; all that is given must hold.
#[derive(Debug, Default)]
pub(crate) struct Wish {
    /// Done by them.
    pub(crate) actor: Option<Actors>,
    /// In this room.
    pub(crate) room: Option<RoomId>,
    /// About this user.
    pub(crate) user: Option<UserId>,
    /// Done by this user or about them.
    pub(crate) mine: Option<UserId>,
}

/// What was found, and where to go on.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) entries: Vec<Entry>,
    /// `None` when the log's beginning was reached.
    pub(crate) next: Option<u64>,
}

/// Something that is wanted, before its personal fields are opened.
struct Hit {
    position: Position,
    place: usize,
    commit: Commit,
}

impl Hit {
    fn cursor(&self) -> u64 {
        cursor(self.position, self.place)
    }
}

fn cursor(position: Position, place: usize) -> u64 {
    position.get() << PLACE_BITS | place as u64
}

impl Wish {
    /// Texts of which a line must hold one of each group, or it can't be wanted.
    fn needles(&self) -> Vec<Vec<String>> {
        let about = |user: UserId| vec![format!(":{user}"), Subject::User(user).to_string()];
        let mut all = Vec::new();
        all.extend(self.actor.map(|Actors(actor)| {
            vec![format!("\"actor\":{}", serde_json::to_string(&actor).unwrap_or_default())]
        }));
        all.extend(self.room.map(|room| vec![format!(":{room}"), Subject::Room(room).to_string()]));
        all.extend(self.user.map(about));
        all.extend(self.mine.map(|user| {
            let seen = format!("[{user},");
            about(user).into_iter().chain([seen]).collect()
        }));
        all
    }

    fn holds(&self, commit: &Commit, event: &Event) -> bool {
        let by = |user| commit.actor == Actor::User(user);
        self.actor.is_none_or(|Actors(actor)| commit.actor == actor)
            && self.room.is_none_or(|room| room_of(commit, event) == Some(room))
            && self.user.is_none_or(|user| concerns(commit, event, user))
            && self.mine.is_none_or(|user| {
                by(user) || concerns(commit, event, user) || was_seen(event, user)
            })
    }
}

fn room_of(commit: &Commit, event: &Event) -> Option<RoomId> {
    match (event, commit.subject) {
        (Event::Room(event), _) => Some(event.room_id()),
        (Event::User(_) | Event::Webhook(_), Subject::Room(room)) => Some(room),
        (Event::User(_) | Event::Webhook(_), Subject::User(_) | Subject::Users) => None,
    }
}

/// Whether an event is about a user. Activity, written down for many at once, is about nobody.
fn concerns(commit: &Commit, event: &Event, user: UserId) -> bool {
    let data = fields(event);
    let named = |field: &str| data.get(field).and_then(Value::as_u64) == Some(user.get());
    commit.subject == Subject::User(user) || PEOPLE.iter().any(|field| named(field))
}

/// Whether an event says when a user was last active, among others.
fn was_seen(event: &Event, user: UserId) -> bool {
    match event {
        Event::User(UserEvent::Seen(e)) => e.seen.iter().any(|(seen, _)| *seen == user),
        Event::User(_) | Event::Room(_) | Event::Webhook(_) => false,
    }
}

/// Leaves of an event of many users what is about this one.
fn only(event: &mut Event, user: UserId) {
    match event {
        Event::User(UserEvent::Seen(e)) => e.seen.retain(|(seen, _)| *seen == user),
        Event::User(_) | Event::Room(_) | Event::Webhook(_) => {}
    }
}

/// An event's fields as they are stored: personal ones sealed.
fn fields(event: &Event) -> Value {
    let mut stored = serde_json::to_value(StoredEvent::from(event.clone())).unwrap_or_default();
    stored.get_mut("data").map(Value::take).unwrap_or_default()
}

/// Looks for events from the log's end, or from `below` on, towards its beginning.
pub(crate) async fn read_back(
    app: &App,
    wish: &Wish,
    below: Option<u64>,
    limit: usize,
) -> Result<Found, ApiError> {
    let log = app.follower.log();
    let (hits, next) = search(log, wish, below, limit).await.map_err(|error| unreadable(&error))?;
    let mut entries = Vec::with_capacity(hits.len());
    for mut hit in hits {
        if let Some(user) = wish.mine {
            only(&mut hit.commit.events[hit.place], user);
        }
        entries.push(entry(app, hit).await?);
    }
    Ok(Found { entries, next })
}

/// What a log that can't be read makes of a request.
pub(crate) fn unreadable(error: &LogError) -> ApiError {
    match error {
        LogError::Unreachable { .. } => ApiError::LogUnreachable,
        LogError::Damaged { .. }
        | LogError::Missing { .. }
        | LogError::TailLost { .. }
        | LogError::Replaced { .. }
        | LogError::Unsuitable { .. } => ApiError::Internal(error.to_string()),
    }
}

async fn search(
    log: &Log,
    wish: &Wish,
    below: Option<u64>,
    limit: usize,
) -> Result<(Vec<Hit>, Option<u64>), LogError> {
    let (needles, below) = (wish.needles(), below.unwrap_or(u64::MAX));
    let mut number = block_below(log, log.head().await?, below).await?.get();
    let (mut hits, mut bytes, mut blocks) = (Vec::new(), 0, 0);
    while number > 0 {
        let Some(block) = log.block(BlockNumber::new(number)).await? else { break };
        let first = block.header.first;
        if bytes >= BYTES_MAX || blocks >= BLOCKS_MAX {
            return Ok((hits, Some(cursor(block.head().position.next(), 0))));
        }
        bytes += block.bytes.len();
        blocks += 1;
        let text = String::from_utf8_lossy(&block.bytes);
        let lines: Vec<&str> = text.split('\n').skip(1).collect();
        for (index, line) in lines.into_iter().enumerate().rev() {
            let position = Position::new(first.get() + index as u64);
            let wanted = |any: &Vec<String>| any.iter().any(|needle| line.contains(needle));
            if cursor(position, 0) >= below || !needles.iter().all(wanted) {
                continue;
            }
            let commit = Commit::decode(line).map_err(|source| LogError::Damaged {
                place: log.kind().to_owned(),
                source: events::BlockError::Commit { block: block.header.block, position, source },
            })?;
            for (place, event) in commit.events.iter().enumerate().rev() {
                if cursor(position, place) < below && wish.holds(&commit, event) {
                    if hits.len() == limit {
                        let last = hits.last().map(Hit::cursor);
                        return Ok((hits, last));
                    }
                    hits.push(Hit { position, place, commit: commit.clone() });
                }
            }
        }
        number -= 1;
    }
    Ok((hits, None))
}

/// The last block that holds an event in front of this cursor: blocks rise with positions.
async fn block_below(log: &Log, end: Head, below: u64) -> Result<BlockNumber, LogError> {
    let (mut low, mut high) = (0, end.block.get());
    if cursor(end.position, 0) < below {
        return Ok(end.block);
    }
    while low < high {
        let middle = (low + high).div_ceil(2);
        match log.block(BlockNumber::new(middle)).await? {
            Some(block) if cursor(block.header.first, 0) < below => low = middle,
            Some(_) | None => high = middle - 1,
        }
    }
    Ok(BlockNumber::new(low))
}

async fn entry(app: &App, hit: Hit) -> Result<Entry, ApiError> {
    let Hit { position, place, mut commit } = hit;
    let (time, room_id) = (commit.time, room_of(&commit, &commit.events[place]));
    let event = &mut commit.events[place];
    let mut data = fields(event);
    let tag = StoredEvent::from(event.clone()).tag();
    let Some(shown) = data.as_object_mut() else {
        return Err(ApiError::Internal(format!("the event {tag} has no fields")));
    };
    shown.retain(|field, _| field != TEXT && !SECRET.contains(&field.as_str()));
    for personal in event.personal(time) {
        let Personal::Sealed(_) = personal.field else { continue };
        let sealed = serde_json::to_value(&*personal.field).unwrap_or_default();
        let field = shown.iter_mut().find(|(_, value)| **value == sealed);
        let (Some((_, value)), KeyScope::User(_)) = (field, personal.scope) else { continue };
        let opened = app.vault.read(personal.scope, &personal.label, personal.field).await?;
        *value = opened.into_text().into();
    }
    let subject = if let Subject::User(user) = commit.subject { Some(user) } else { None };
    let named = PEOPLE.iter().find_map(|field| shown.get(*field)?.as_u64()).map(UserId::new);
    let r#type = tag.rsplit_once(".v").map_or(tag, |(name, _)| name).to_owned();
    Ok(Entry {
        id: EventId::of(commit.command, place),
        position,
        r#type,
        created_at: time,
        actor: name(commit.actor),
        actor_id: commit.actor.user(),
        room_id,
        user_id: named.or(subject),
        request_id: commit.correlation,
        data,
    })
}
