//! A long, mixed history, the same for the same seed: 70 % messages, 10 transcripts, 8 joins and
//! leaves, 5 rooms, 5 `users.seen`, 2 users. As in life, calls come and go: people talk in the
//! newest rooms, each among a few, and time passes.

use std::collections::VecDeque;
use std::sync::Arc;

use events::block::BLOCK_BYTES_MAX;
use events::room::{self, Admission, RoomEvent, Settings, TranscriptKind};
use events::user::{self, UserEvent};
use events::{
    Actor, Block, CommandId, Commit, Event, MessageId, NameDigest, ParticipantId, Personal,
    RoomCode, RoomId, SegmentId, Subject, SystemRole, Timestamp, TranscriptId, UserId,
};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use streams::Log;
use vault::Vault;

use crate::fixtures::SEED;

/// Calls that go on at once.
const CALLS: usize = 500;
/// Those who are around.
const AROUND: usize = 2000;
/// Between two events, in microseconds: 200 events a second.
const STEP_US: i64 = 5000;
/// Commits sealed and appended at once, at most.
const COMMITS: usize = 400;
const WORDS: [&str; 12] = [
    "hello", "good", "morning", "today", "where", "meeting", "please", "again", "thanks", "später",
    "família", "手話",
];

/// Makes commits, one event each.
pub struct History {
    random: StdRng,
    last_id: u64,
    now: i64,
    users: VecDeque<UserId>,
    calls: VecDeque<(RoomId, Vec<UserId>)>,
}

impl Default for History {
    fn default() -> Self {
        let random = StdRng::seed_from_u64(SEED);
        let (users, calls) = (VecDeque::new(), VecDeque::new());
        Self { random, last_id: 1 << 40, now: 1_767_225_600_000_000, users, calls }
    }
}

impl History {
    /// Appends this many commits, their personal fields sealed.
    pub async fn write(&mut self, log: &Log, vault: &Vault, commits: usize) -> anyhow::Result<()> {
        let mut left = commits;
        while left > 0 {
            let count = left.min(COMMITS);
            let lines = self.lines(vault, count).await?;
            self.append(log, &lines).await?;
            left -= count;
        }
        Ok(())
    }

    /// The lines of so many commits.
    pub async fn lines(&mut self, vault: &Vault, commits: usize) -> anyhow::Result<Vec<String>> {
        let mut commits: Vec<Commit> = (0..commits).map(|_| self.commit()).collect();
        let mut scopes = Vec::new();
        for commit in &mut commits {
            let time = commit.time;
            let fields = commit.events.iter_mut().flat_map(|event| event.personal(time));
            scopes.extend(fields.map(|field| field.scope));
        }
        let keys = vault.keys_for(&scopes).await?;
        let mut lines = Vec::with_capacity(commits.len());
        for commit in &mut commits {
            for event in &mut commit.events {
                keys.seal_fields(event.personal(commit.time))?;
            }
            lines.push(commit.encode()?);
        }
        Ok(lines)
    }

    async fn append(&self, log: &Log, lines: &[String]) -> anyhow::Result<()> {
        let mut from = 0;
        while from < lines.len() {
            let mut bytes = 0;
            let fit = lines[from..].iter().take_while(|line| {
                bytes += line.len() + 1;
                bytes < BLOCK_BYTES_MAX
            });
            let upto = from + fit.count().max(1);
            let block = Block::build(&log.head().await?, &lines[from..upto]);
            log.append(Arc::new(block)).await?;
            from = upto;
        }
        Ok(())
    }

    fn commit(&mut self) -> Commit {
        self.now += STEP_US;
        let time = Timestamp::from_micros(self.now);
        let (actor, subject, event) = match self.random.random_range(0..100) {
            _ if self.users.len() < 10 => self.registers(),
            _ if self.calls.len() < 5 => self.opens_room(),
            0..70 => self.says(),
            70..80 => self.signs(),
            80..88 => self.comes_or_goes(),
            88..93 => self.opens_room(),
            93..98 => self.seen(time),
            _ => self.registers(),
        };
        let command = CommandId::from_uuid(uuid::Uuid::from_bytes(self.random.random()));
        let (correlation, causation, body) = (None, None, None);
        let events = vec![event];
        Commit { command, time, actor, subject, correlation, causation, body, events }
    }

    fn id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn text(&mut self, words: usize) -> Personal {
        let count = self.random.random_range(1..=words);
        let words = (0..count).map(|_| WORDS[self.random.random_range(0..WORDS.len())]);
        Personal::Clear(words.collect::<Vec<_>>().join(" "))
    }

    fn digest(&mut self) -> NameDigest {
        NameDigest::from_bytes(self.random.random())
    }

    fn registers(&mut self) -> (Actor, Subject, Event) {
        let id = self.id();
        let event = user::Registered {
            user_id: UserId::new(id),
            username: Personal::Clear(format!("user {id}")),
            username_digest: self.digest(),
            email: Personal::Clear(format!("user{id}@example.org")),
            email_digest: self.digest(),
            password_hash: Personal::Clear("x".repeat(60)),
            is_admin: false,
            guest_of: None,
        };
        let user = event.user_id;
        self.users.push_back(user);
        if self.users.len() > AROUND {
            self.users.pop_front();
        }
        (Actor::Anonymous, Subject::User(user), Event::User(UserEvent::Registered(event)))
    }

    fn somebody(&mut self) -> UserId {
        self.users[self.random.random_range(0..self.users.len())]
    }

    fn opens_room(&mut self) -> (Actor, Subject, Event) {
        let owner = self.somebody();
        let room = RoomId::new(self.id());
        let event = room::Created {
            room_id: room,
            room_code: RoomCode::from_random(self.random.random()),
            owner_id: owner,
            participant_id: ParticipantId::new(self.id()),
            settings: Settings::default(),
        };
        self.calls.push_back((room, vec![owner]));
        if self.calls.len() > CALLS {
            self.calls.pop_front();
        }
        self.in_room(owner, room, RoomEvent::Created(event))
    }

    fn in_room(&self, who: UserId, room: RoomId, event: RoomEvent) -> (Actor, Subject, Event) {
        (Actor::User(who), Subject::Room(room), Event::Room(event))
    }

    fn somebody_in_a_call(&mut self) -> (UserId, RoomId) {
        let (room, members) = &self.calls[self.random.random_range(0..self.calls.len())];
        (members[self.random.random_range(0..members.len())], *room)
    }

    fn says(&mut self) -> (Actor, Subject, Event) {
        let (user_id, room_id) = self.somebody_in_a_call();
        let message_id = MessageId::new(self.id());
        let event = room::MessageSent { room_id, message_id, user_id, text: self.text(16) };
        self.in_room(user_id, room_id, RoomEvent::MessageSent(event))
    }

    fn signs(&mut self) -> (Actor, Subject, Event) {
        let (user_id, room_id) = self.somebody_in_a_call();
        let event = room::TranscriptRecorded {
            room_id,
            transcript_id: TranscriptId::new(self.id()),
            user_id,
            segment_id: SegmentId::from_bytes(self.random.random()),
            kind: TranscriptKind::Gloss,
            text: self.text(3),
            start_ms: 1000,
            end_ms: 2000,
            confidence: Some(0.93),
            model: Some("asl-basic-1".to_owned()),
        };
        let role = Actor::System(SystemRole::Recognizer);
        (role, Subject::Room(room_id), Event::Room(RoomEvent::TranscriptRecorded(event)))
    }

    fn comes_or_goes(&mut self) -> (Actor, Subject, Event) {
        let user_id = self.somebody();
        let participant_id = ParticipantId::new(self.id());
        let call = self.random.random_range(0..self.calls.len());
        let (room_id, members) = &mut self.calls[call];
        let room_id = *room_id;
        // The owner stays; the others go as often as they come.
        let event = if members.len() > 1 && self.random.random() {
            let at = self.random.random_range(1..members.len());
            let user_id = members.swap_remove(at);
            RoomEvent::ParticipantLeft(room::ParticipantLeft { room_id, user_id })
        } else if members.contains(&user_id) {
            return self.says();
        } else {
            members.push(user_id);
            let (admission, display_name) = (Admission::Admitted, None);
            let joined = room::ParticipantJoined {
                room_id,
                participant_id,
                user_id,
                admission,
                display_name,
            };
            RoomEvent::ParticipantJoined(joined)
        };
        self.in_room(user_id, room_id, event)
    }

    fn seen(&mut self, time: Timestamp) -> (Actor, Subject, Event) {
        let seen = (0..8).map(|_| (self.somebody(), time)).collect();
        let event = Event::User(UserEvent::Seen(user::Seen { seen }));
        (Actor::System(SystemRole::Api), Subject::Users, event)
    }
}
