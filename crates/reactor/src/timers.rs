//! What is due and when, as a fold of the log. Pure: the time is handed in.

use std::collections::HashMap;

use events::command::SystemRole;
use events::room::command::{close, expire};
use events::room::{Phase, RoomEvent};
use events::user::command::{account, login};
use events::{
    Actor, Command, CommandId, Commit, Envelope, Event, EventId, RoomId, State, Timestamp,
};
use uuid::Uuid;

/// A room that nobody is in closes after this many seconds.
const ABANDONED_AFTER_S: i64 = 3600;
/// Names the reactor's commands.
const NAMESPACE: Uuid = Uuid::from_u128(0x5d1c_0b5e_7a3f_4d6e_9b0a_2f41_9c33_e7d2);

/// The fold of the log that timers rest on.
#[derive(Debug, Clone, Default)]
pub struct Timers {
    state: State,
    /// When the last one left a room that is open, and by which event.
    last_left: HashMap<RoomId, (Timestamp, EventId)>,
}

impl Timers {
    /// What the log comes to.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Takes one commit in; `look` sees the state just before each of its events.
    pub fn take(&mut self, commit: &Commit, mut look: impl FnMut(&State, usize)) {
        for (place, event) in commit.events.iter().enumerate() {
            look(&self.state, place);
            self.state.evolve(event, commit.time);
            if let Event::Room(event) = event {
                self.note(event, commit.time, EventId::of(commit.command, place));
            }
        }
    }

    fn note(&mut self, event: &RoomEvent, at: Timestamp, id: EventId) {
        let room = event.room_id();
        let open = self.state.rooms.get(room).is_some_and(|room| room.phase == Phase::Open);
        let empty = self.state.rooms.get(room).is_none_or(|room| room.participants.is_empty());
        if open && empty {
            self.last_left.insert(room, (at, id));
        } else {
            self.last_left.remove(&room);
        }
    }

    /// The commands that are due at `now`. Their ids are the same for the same reason.
    pub fn due(&self, now: Timestamp) -> Vec<Envelope> {
        let abandoned = self
            .last_left
            .iter()
            .filter(|(_, (left, _))| now.seconds_since(*left) >= ABANDONED_AFTER_S);
        let closing = abandoned.map(|(room, (left, leaving))| Envelope {
            causation: Some(*leaving),
            ..envelope(&format!("close/{room}/{left}"), close::Close { room: *room })
        });
        closing
            .chain(self.expiring(now))
            .chain(self.departing())
            .chain(self.unlocking(now))
            .collect()
    }

    /// Accounts that strangers were locked out of for long enough.
    fn unlocking(&self, now: Timestamp) -> impl Iterator<Item = Envelope> {
        self.state.users.iter().filter_map(move |(user, found)| {
            let until = found.login_locked_until.filter(|until| *until <= now)?;
            Some(envelope(&format!("unlock/{user}/{until}"), login::ExpireLock { user, until }))
        })
    }

    /// Guests whose room is over: they were there for it alone.
    fn departing(&self) -> impl Iterator<Item = Envelope> {
        self.state.users.iter().filter_map(|(user, found)| {
            let room = self.state.rooms.get(found.guest_of?);
            let over = room.is_none_or(|room| room.phase != Phase::Open);
            let delete = account::DeleteUser { user, erase_content: false };
            over.then(|| envelope(&format!("depart/{user}"), delete))
        })
    }

    fn expiring(&self, now: Timestamp) -> impl Iterator<Item = Envelope> {
        self.state.rooms.iter().filter_map(move |(room, found)| {
            let days = chrono::Days::new(u64::from(found.settings.retention_days?));
            let before = now.day().checked_sub_days(days)?;
            let due = found.transcripts().any(|text| text.day() < before);
            due.then(|| {
                envelope(&format!("expire/{room}/{before}"), expire::ExpireTexts { room, before })
            })
        })
    }
}

/// A command of the reactor's, whose id follows from its reason.
pub(crate) fn envelope(reason: &str, command: impl Into<Command>) -> Envelope {
    Envelope {
        id: CommandId::derived(NAMESPACE, reason),
        actor: Actor::System(SystemRole::Reactor),
        correlation: None,
        causation: None,
        body: None,
        command: command.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use events::room::command::settings::{Change, ChangeSettings, Changes};
    use events::room::command::{create, leave, transcript};
    use events::scenario::Scenario;
    use events::user::TokenKind;
    use events::user::command::token::NewToken;
    use events::user::command::{guest, register};
    use events::{Clear, NameDigest, RoomCode, SegmentId, Subject, TokenDigest, UserId};

    fn new_token(digest: u8) -> NewToken {
        let digest = TokenDigest::from_bytes([digest; 16]);
        NewToken { digest, kind: TokenKind::Api, lifetime_s: 3600, cap_s: 43_200 }
    }

    /// One user who owns one room; commits go to the scenario and to the timers alike.
    struct Story {
        scenario: Scenario,
        timers: Timers,
        user: UserId,
        room: RoomId,
    }

    impl Story {
        fn new() -> Self {
            let mut story = Self {
                scenario: Scenario::new(),
                timers: Timers::default(),
                user: UserId::new(0),
                room: RoomId::new(0),
            };
            let subject = story.act(
                Actor::Anonymous,
                register::Register {
                    username: Clear::new("ada"),
                    username_digest: NameDigest::from_bytes([1; 16]),
                    email: Clear::new("ada@example.org"),
                    email_digest: NameDigest::from_bytes([2; 16]),
                    password_hash: Clear::new("hash"),
                    bootstrap: false,
                    token: new_token(3),
                },
            );
            let Subject::User(user) = subject else { panic!("{subject}") };
            story.user = user;
            let code = RoomCode::from_random(5);
            let create = create::Create { code, settings: events::room::Settings::default() };
            let Subject::Room(room) = story.act(Actor::User(user), create) else { panic!() };
            story.room = room;
            story
        }

        fn act(&mut self, actor: Actor, command: impl Into<Command>) -> Subject {
            let envelope = envelope("test", command);
            let decision = self.scenario.when(actor, envelope.command).unwrap();
            let commit = Commit {
                command: envelope.id,
                time: self.scenario.now(),
                actor,
                subject: decision.subject,
                correlation: None,
                causation: None,
                body: None,
                events: decision.events,
            };
            self.timers.take(&commit, |_, _| {});
            decision.subject
        }

        fn due(&mut self, after_s: i64) -> Vec<Envelope> {
            self.timers.due(self.scenario.wait(after_s).now())
        }
    }

    #[test]
    fn an_abandoned_room_closes_once() {
        let mut story = Story::new();
        assert!(story.due(ABANDONED_AFTER_S).is_empty());
        story.act(Actor::User(story.user), leave::Leave { room: story.room });
        assert!(story.due(ABANDONED_AFTER_S - 1).is_empty());
        let due = story.due(1);
        assert_eq!(due.len(), 1);
        assert_eq!(due[0].id, story.due(60)[0].id, "the same reason gives the same id");
        let leaving = EventId::of(CommandId::derived(NAMESPACE, "test"), 0);
        assert_eq!(due[0].causation, Some(leaving));
        story.act(due[0].actor, due[0].command.clone());
        assert!(story.due(60).is_empty());
    }

    #[test]
    fn transcripts_expire_after_the_rooms_retention() {
        let mut story = Story::new();
        let segment = SegmentId::from_bytes([9; 16]);
        let text = Clear::new("coffee");
        story.act(
            Actor::User(story.user),
            transcript::TypeCaption { room: story.room, segment, text },
        );
        assert!(story.due(30 * 86_400).is_empty(), "the thirtieth day is kept");
        let due = story.due(86_400);
        assert_eq!(due.len(), 1);
        story.act(due[0].actor, due[0].command.clone());
        assert!(story.due(86_400).is_empty());
    }

    #[test]
    fn a_lock_ends_once_and_with_the_same_id_at_every_reactor() {
        let mut story = Story::new();
        let failed = login::RecordLoginFailures {
            user: story.user,
            attempts: 10,
            lock_after: 10,
            lock_s: 1800,
        };
        story.act(Actor::System(SystemRole::Api), failed);
        assert!(story.due(1799).is_empty());
        let due = story.due(1);
        assert_eq!(due.len(), 1);
        assert_eq!(due[0].id, story.due(60)[0].id);
        story.act(due[0].actor, due[0].command.clone());
        assert!(story.due(60).is_empty());
        // Another one, later, is another reason.
        story.act(Actor::System(SystemRole::Api), failed);
        assert_ne!(story.due(1800)[0].id, due[0].id);
    }

    #[test]
    fn guests_go_when_their_room_is_over() {
        let mut story = Story::new();
        let (owner, room) = (Actor::User(story.user), story.room);
        let changes = Changes { guests: Change::To(true), ..Changes::default() };
        story.act(owner, ChangeSettings { room, changes, owner: None, expected: None });
        story.act(Actor::Anonymous, guest::RegisterGuest { room, token: new_token(9) });
        assert!(story.due(0).is_empty());
        story.act(owner, close::Close { room });
        let due = story.due(0);
        assert_eq!(due.len(), 1);
        story.act(due[0].actor, due[0].command.clone());
        assert!(story.due(0).is_empty());
    }
}
