//! Random history: what people do in the town, by dice that fall the same every time.

use events::command::Created;
use events::room::command::{close, leave, message, transcript};
use events::room::{
    HandedOver, RoomEvent, Settings, SettingsChanged, TextsExpired, TranscriptKind,
};
use events::user::command::{account, admin, login, token};
use events::user::{UserEvent, UsernameChanged};
use events::{
    Actor, Clear, Event, NameDigest, Personal, RoomId, SegmentId, Subject, SystemRole, UserId,
};

use crate::world::{OPERATOR, RECOGNIZER, World};

const API: Actor = Actor::System(SystemRole::Api);
const REACTOR: Actor = Actor::System(SystemRole::Reactor);
const DAY_S: i64 = 24 * 3600;

/// Numbers that look random and are the same every time.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1)
    }

    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides.max(1) as u64) as usize
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        of.get(self.roll(of.len())).copied()
    }
}

impl World {
    /// One more thing happens to somebody, whatever it is; many are refused, as in life.
    pub(crate) async fn anything(&mut self, dice: &mut Dice) {
        let users: Vec<UserId> = sorted(self.state.users.iter().map(|(id, _)| id));
        let rooms: Vec<RoomId> = sorted(self.state.rooms.iter().map(|(id, _)| id));
        let (Some(user), Some(other)) = (dice.pick(&users), dice.pick(&users)) else {
            self.register().await;
            return;
        };
        let Some(room) = dice.pick(&rooms) else {
            self.try_create_room(user).await;
            return;
        };
        match dice.roll(100) {
            0..5 => drop(self.register().await),
            5..8 => drop(self.try_create_room(user).await),
            8..18 => self.join(room, user).await,
            18..68 => self.say_something(dice, room).await,
            68..80 => self.in_a_room(dice, room, user, other).await,
            80..96 => self.about_a_user(dice, user, other).await,
            96..98 => self.wait(DAY_S / 3),
            _ => self.expire(dice, room).await,
        }
    }

    async fn say_something(&mut self, dice: &mut Dice, room: RoomId) {
        let Some(found) = self.state.rooms.get(room) else {
            return;
        };
        let start = found.created_at;
        let members = sorted(found.participants.keys().copied());
        let Some(user) = dice.pick(&members) else {
            return;
        };
        let actor = Actor::User(user);
        let text = Clear::new(format!("text {} by {user}", dice.roll(1000)));
        let segment = SegmentId::from_bytes(self.digest());
        let (said, signed) = (dice.pick(&self.said), dice.pick(&self.signed));
        match (dice.roll(9), said, signed) {
            (0, Some((room, author, message)), _) => {
                let edit = message::EditMessage { room, message, text, expected: None };
                self.act(Actor::User(author), edit).await;
            }
            (1, Some((room, author, message)), _) if dice.roll(3) == 0 => {
                let delete = message::DeleteMessage { room, message, expected: None };
                let owner = self.state.rooms.get(room).map(|room| room.owner);
                let by = owner.filter(|_| dice.roll(2) == 0).unwrap_or(author);
                self.act(Actor::User(by), delete).await;
            }
            (2, _, Some((room, transcript))) => {
                let correct =
                    transcript::CorrectTranscript { room, transcript, text, expected: None };
                self.act(actor, correct).await;
            }
            (3 | 4, ..) => {
                self.consent(room, user).await;
                let record = transcript::RecordTranscript {
                    room,
                    user,
                    segment,
                    kind: TranscriptKind::Fingerspelling,
                    text,
                    start,
                    end: self.now,
                    confidence: 0.1 + dice.roll(9) as f32 / 10.0,
                    model: "asl-basic-1".to_owned(),
                };
                if let Some(Created::Transcript(id)) = self.act(RECOGNIZER, record).await {
                    self.signed.push((room, id));
                }
            }
            (5, ..) => drop(self.act(actor, transcript::TypeCaption { room, segment, text }).await),
            _ => {
                let send = message::SendMessage { room, text };
                if let Some(Created::Message(id)) = self.act(actor, send).await {
                    self.said.push((room, user, id));
                }
            }
        }
    }

    async fn in_a_room(&mut self, dice: &mut Dice, room: RoomId, user: UserId, other: UserId) {
        let actor = Actor::User(user);
        let member = self.state.rooms.get(room).is_some_and(|room| room.admits(other));
        match dice.roll(9) {
            0 => drop(self.act(actor, leave::Leave { room }).await),
            7 => drop(self.act(actor, leave::SendBack { room, user: other }).await),
            2 => drop(self.act(actor, leave::Remove { room, user: other }).await),
            3 => drop(self.act(actor, close::Close { room }).await),
            4 if dice.roll(4) == 0 => drop(self.act(actor, close::Delete { room }).await),
            1 | 5 => {
                let locked = dice.roll(2) == 0;
                let guest_history = dice.roll(2) == 0;
                let settings = Settings { locked, guest_history, ..Settings::default() };
                let changed = SettingsChanged { room_id: room, settings };
                self.happen(room, RoomEvent::SettingsChanged(changed)).await;
            }
            6 if member => {
                let handed = HandedOver { room_id: room, owner_id: other };
                self.happen(room, RoomEvent::HandedOver(handed)).await;
            }
            _ => self.consent(room, user).await,
        }
    }

    async fn about_a_user(&mut self, dice: &mut Dice, user: UserId, other: UserId) {
        let actor = Actor::User(user);
        match dice.roll(12) {
            0 | 1 => {
                let token = self.token();
                let passwords = self.state.users.get(user).map_or(1, |user| user.passwords);
                let (known_device, rehashed) = (false, None);
                let log_in = login::LogIn { user, token, passwords, known_device, rehashed };
                self.act(Actor::Anonymous, log_in).await;
            }
            2 => {
                let failed =
                    login::RecordLoginFailures { user, attempts: 4, lock_after: 10, lock_s: 1800 };
                self.act(API, failed).await;
                let locked = self.state.users.get(user).and_then(|user| user.login_locked_until);
                if let Some(until) = locked.filter(|_| dice.roll(2) == 0) {
                    self.now = self.now.max(until);
                    self.act(REACTOR, login::ExpireLock { user, until }).await;
                }
            }
            3 => drop(self.act(actor, token::RevokeTokens {}).await),
            4 => {
                let password_hash = Clear::new(format!("$2b$12$new{}", dice.roll(100)));
                let change = account::ChangePassword { user, password_hash, passwords: None };
                self.act(actor, change).await;
            }
            5 => {
                let seen = vec![(user, self.now), (other, self.now)];
                self.act(API, login::RecordSeen { seen }).await;
            }
            6 => {
                let reason = Clear::new("enough");
                self.act(OPERATOR, admin::Block { user, reason }).await;
            }
            7 => drop(self.act(OPERATOR, admin::Unblock { user }).await),
            8 => drop(self.act(OPERATOR, admin::GrantAdmin { user }).await),
            9 if user != other => self.swap_names(user, other).await,
            10 if dice.roll(2) == 0 => {
                let erase_content = dice.roll(2) == 0;
                self.act(actor, account::DeleteUser { user, erase_content }).await;
            }
            _ => drop(self.act(OPERATOR, admin::RevokeAdmin { user }).await),
        }
    }

    /// Two users take each other's names: the hardest case for a unique column.
    async fn swap_names(&mut self, user: UserId, other: UserId) {
        let aside = format!("aside{}", self.names);
        let names = [self.name(user).await, self.name(other).await];
        let moves = [(user, aside), (other, names[0].clone()), (user, names[1].clone())];
        for (user_id, name) in moves {
            let username_digest = NameDigest::from_bytes(self.digest());
            let username = Personal::Clear(name);
            let renamed = UsernameChanged { user_id, username, username_digest };
            let event = Event::User(UserEvent::UsernameChanged(renamed));
            self.commit(OPERATOR, Subject::User(user_id), vec![event]).await;
        }
    }

    async fn name(&self, user: UserId) -> String {
        let scope = events::KeyScope::User(user);
        let label = events::sealed::label("user.username", user.get());
        let sealed = &self.state.users.get(user).unwrap().username;
        self.vault.read(scope, &label, sealed).await.unwrap().into_text().unwrap()
    }

    pub(crate) async fn expire(&mut self, dice: &mut Dice, room: RoomId) {
        let day = self.now.plus_seconds(-(dice.roll(4) as i64) * DAY_S).day();
        let (transcripts_before, messages_before) = match dice.roll(3) {
            0 => (Some(day), None),
            1 => (None, Some(day)),
            _ => (Some(day), Some(day)),
        };
        let expired = TextsExpired { room_id: room, transcripts_before, messages_before };
        self.happen(room, RoomEvent::TextsExpired(expired)).await;
    }
}

fn sorted<T: Ord>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut items: Vec<T> = items.collect();
    items.sort_unstable();
    items
}
