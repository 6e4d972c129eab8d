//! A few users and rooms, and any command that any of them could send.

use events::room::command::settings::{Change, ChangeSettings, Changes};
use events::room::command::{admit, captions, close, create, join, leave, message, transcript};
use events::room::{Consent, RoomCommand, Settings, TranscriptKind};
use events::user::command::{account, admin, guest, login, register, reset, token};
use events::user::{TokenKind, UserCommand};
use events::webhook::command::manage;
use events::webhook::{Notice, Scope};
use events::{
    Actor, Clear, Command, MessageId, NameDigest, RoomCode, RoomId, SegmentId, State, SystemRole,
    Timestamp, TokenDigest, TokenId, TranscriptId, UserId, WebhookId,
};

/// What to do, as plain numbers; turned into a command on the state as it is then.
pub(crate) type Choice = (u8, u8, u8, u8);

fn pick<T: Copy + Ord>(all: impl Iterator<Item = T>, choice: u8) -> Option<T> {
    let mut all: Vec<T> = all.collect();
    all.sort_unstable();
    (!all.is_empty()).then(|| all[usize::from(choice) % all.len()])
}

fn name(choice: u8) -> (Clear, NameDigest) {
    let n = choice % 8;
    (Clear::new(format!("name{n}")), NameDigest::from_bytes([n; 16]))
}

fn address(choice: u8) -> (Clear, NameDigest) {
    let n = choice % 8;
    (Clear::new(format!("name{n}@example.org")), NameDigest::from_bytes([100 + n; 16]))
}

fn new_token(serial: u64) -> token::NewToken {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&serial.to_be_bytes());
    let digest = TokenDigest::from_bytes(bytes);
    token::NewToken { digest, kind: TokenKind::Api, lifetime_s: 600, cap_s: 3600 }
}

/// The newest text: where, whose, which.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Newest {
    pub(crate) room: RoomId,
    pub(crate) author: UserId,
    pub(crate) message: MessageId,
    pub(crate) transcript: TranscriptId,
}

impl Default for Newest {
    fn default() -> Self {
        let (room, author) = (RoomId::new(7), UserId::new(7));
        Self { room, author, message: MessageId::new(7), transcript: TranscriptId::new(7) }
    }
}

/// The command of a choice and its actor; `serial` tells codes, tokens and segments apart.
pub(crate) fn command(
    state: &State,
    choice: Choice,
    newest: Newest,
    serial: u64,
    now: Timestamp,
) -> (Actor, Command) {
    let (what, who, whom, other) = choice;
    let none = UserId::new(7);
    let actor = pick(state.users.iter().map(|(id, _)| id), who).unwrap_or(none);
    let user = pick(state.users.iter().map(|(id, _)| id), whom).unwrap_or(none);
    let room = pick(state.rooms.iter().map(|(id, _)| id), other).unwrap_or(RoomId::new(7));
    let command = match what % 5 {
        0 | 1 => of_user(state, what / 5, user, room, other, serial, now),
        2 | 3 => of_room(state, what / 5, user, room, whom, serial, now),
        _ => return of_text(newest, what / 5, actor),
    };
    let actor = match &command {
        Command::Room(RoomCommand::RecordTranscript(_)) => Actor::System(SystemRole::Recognizer),
        Command::User(UserCommand::RecordLoginFailures(_) | UserCommand::RecordSeen(_)) => {
            Actor::System(SystemRole::Api)
        }
        Command::User(UserCommand::ExpireLock(_)) => Actor::System(SystemRole::Reactor),
        Command::User(_) | Command::Room(_) | Command::Webhook(_) if who > 250 => {
            Actor::System(SystemRole::Operator)
        }
        Command::User(_) | Command::Room(_) | Command::Webhook(_) => Actor::User(actor),
    };
    (actor, command)
}

fn of_text(newest: Newest, what: u8, other: UserId) -> (Actor, Command) {
    let Newest { room, author, message, transcript } = newest;
    let (text, expected) = (Clear::new("other"), None);
    let actor = Actor::User(if what.is_multiple_of(7) { other } else { author });
    let command = match what % 4 {
        0 | 1 => message::EditMessage { room, message, text, expected }.into(),
        2 => message::DeleteMessage { room, message, expected }.into(),
        _ => transcript::CorrectTranscript { room, transcript, text, expected }.into(),
    };
    (actor, command)
}

/// Wrong passwords, or the end of the lock that they brought.
fn of_lock(state: &State, user: UserId, now: Timestamp) -> Command {
    match state.users.get(user).and_then(|user| user.login_locked_until) {
        Some(until) if until <= now => login::ExpireLock { user, until }.into(),
        Some(_) | None => {
            login::RecordLoginFailures { user, attempts: 3, lock_after: 5, lock_s: 60 }.into()
        }
    }
}

fn of_webhook(state: &State, what: u8, room: RoomId, other: u8, serial: u64) -> Command {
    let webhook = pick(state.webhooks.iter().map(|(id, _)| id), other);
    let webhook = webhook.unwrap_or(WebhookId::new(7));
    match what {
        18 => manage::CreateWebhook {
            url: Clear::new("https://example.org/"),
            secret: Clear::new("secret"),
            scope: if other.is_multiple_of(2) { Scope::Own } else { Scope::Room(room) },
            events: Notice::ALL.to_vec(),
        }
        .into(),
        19 => manage::DeleteWebhook { webhook }.into(),
        20 => manage::DisableWebhook { webhook }.into(),
        21 => manage::EnableWebhook { webhook }.into(),
        22 => manage::RotateSecret { webhook, secret: Clear::new("other") }.into(),
        23 => manage::TestWebhook { webhook }.into(),
        _ => manage::RetryDelivery { webhook, delivery: serial }.into(),
    }
}

fn of_user(
    state: &State,
    what: u8,
    user: UserId,
    room: RoomId,
    other: u8,
    serial: u64,
    now: Timestamp,
) -> Command {
    let token = new_token(serial);
    let token_of = |user| state.users.get(user).and_then(|user| user.tokens.first());
    let token_id = token_of(user).map_or(TokenId::new(7), |token| token.id);
    let password_hash = Clear::new("hash");
    let ((username, username_digest), (email, email_digest)) = (name(other), address(other / 8));
    match what % 25 {
        18..25 => of_webhook(state, what % 25, room, other, serial),
        0..3 => {
            let bootstrap = other.is_multiple_of(4);
            register::Register {
                username,
                username_digest,
                email,
                email_digest,
                password_hash,
                bootstrap,
                token,
            }
            .into()
        }
        3 => {
            let rehashed = other.is_multiple_of(2).then_some(password_hash);
            let passwords = state.users.get(user).map_or(1, |user| user.passwords);
            login::LogIn { user, token, passwords, known_device: false, rehashed }.into()
        }
        4 => of_lock(state, user, now),
        5 => login::RecordSeen { seen: vec![(user, now)] }.into(),
        6 => token::RenewToken { user, token: token_id, lifetime_s: 600, when_left_s: 60 }.into(),
        7 => token::RevokeToken { token: token_id }.into(),
        8 => token::RevokeTokens {}.into(),
        9 => account::ChangePassword { user, password_hash, passwords: None }.into(),
        10 => account::DeleteUser { user, erase_content: other.is_multiple_of(2) }.into(),
        11 => admin::GrantAdmin { user }.into(),
        12 => admin::RevokeAdmin { user }.into(),
        13 => admin::Block { user, reason: Clear::new("why") }.into(),
        14 if other.is_multiple_of(2) => {
            let (base, model) = ("asl-basic".to_owned(), "asl-basic-tea".to_owned());
            admin::NoteTaught { base, model, clips: 10 }.into()
        }
        14 => admin::Unblock { user }.into(),
        15 => {
            let email = other.is_multiple_of(4).then_some((email, email_digest));
            let username = Some((username, username_digest));
            account::ChangeNames { username, email }.into()
        }
        16 if other < 128 => {
            account::ChangeNames { username: None, email: Some((email, email_digest)) }.into()
        }
        16 => guest::RegisterGuest { room, token }.into(),
        _ => {
            let digest =
                state.users.get(user).and_then(|user| user.reset).map(|reset| reset.digest);
            match digest {
                Some(digest) => reset::ResetPassword { digest, password_hash }.into(),
                None => reset::RequestReset { user, digest: token.digest, lifetime_s: 600 }.into(),
            }
        }
    }
}

fn of_room(
    state: &State,
    what: u8,
    user: UserId,
    room: RoomId,
    whom: u8,
    serial: u64,
    now: Timestamp,
) -> Command {
    let text = Clear::new("text");
    let segment = SegmentId::from_bytes([whom % 16; 16]);
    let settings = Settings {
        locked: whom.is_multiple_of(5),
        lobby: whom.is_multiple_of(3),
        guests: whom.is_multiple_of(2),
        capacity: 2 + u32::from(whom % 4),
        ..Settings::default()
    };
    let version = state.rooms.get(room).map(|room| room.version);
    let expected = version.filter(|_| whom.is_multiple_of(2));
    match what % 16 {
        0 => create::Create { code: RoomCode::from_random(serial), settings }.into(),
        1 | 2 => join::Join { room }.into(),
        3 => {
            let (display_name, name_digest) = name(whom);
            join::JoinAsGuest { room, display_name, name_digest }.into()
        }
        4 => leave::Leave { room }.into(),
        5 if whom < 80 => leave::SendBack { room, user }.into(),
        5 => leave::Remove { room, user }.into(),
        6 if whom < 40 => close::Close { room }.into(),
        6 if whom < 80 => close::Delete { room }.into(),
        6 => admit::Admit { room, user, admit: whom.is_multiple_of(2) }.into(),
        7 => admit::Admit { room, user, admit: true }.into(),
        8 | 9 => {
            let changes = Changes {
                locked: Change::To(settings.locked),
                lobby: if whom < 128 { Change::To(settings.lobby) } else { Change::Keep },
                guests: Change::To(settings.guests),
                capacity: Change::To(settings.capacity),
                ..Changes::default()
            };
            let owner = what.is_multiple_of(2).then_some(user);
            ChangeSettings { room, changes, owner, expected }.into()
        }
        10 => {
            let consent = if whom < 128 { Consent::Captions } else { Consent::None };
            captions::SetCaptions { room, consent, language: None, model: None }.into()
        }
        11 => message::SendMessage { room, text }.into(),
        12 | 13 => transcript::RecordTranscript {
            room,
            user,
            segment,
            kind: TranscriptKind::Gloss,
            text,
            start: now,
            end: now,
            confidence: 0.5,
            model: "m".into(),
        }
        .into(),
        _ => transcript::TypeCaption { room, segment, text }.into(),
    }
}
