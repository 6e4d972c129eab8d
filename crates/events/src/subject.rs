//! The only place where subject text is formed and parsed. Ids in subjects are hexadecimal, so
//! that no character of theirs can mean anything to a broker.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::{IdError, RoomId, UserId};

/// What a commit concerns: one user, one room, or (only `users.seen`) many users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// One user.
    User(UserId),
    /// One room.
    Room(RoomId),
    /// Many users at once: the batched `users.seen`.
    Users,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(f, "user.{:x}", id.get()),
            Self::Room(id) => write!(f, "room.{:x}", id.get()),
            Self::Users => f.write_str("users"),
        }
    }
}

impl FromStr for Subject {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let hexadecimal = |digits| u64::from_str_radix(digits, 16).ok();
        let parsed = match text.split_once('.') {
            Some(("user", digits)) => hexadecimal(digits).map(|n| Self::User(UserId::new(n))),
            Some(("room", digits)) => hexadecimal(digits).map(|n| Self::Room(RoomId::new(n))),
            None if text == "users" => Some(Self::Users),
            Some(_) | None => None,
        };
        parsed.ok_or_else(|| IdError {
            what: "subject",
            expected: "user.<hex>, room.<hex> or users",
            value: text.to_owned(),
        })
    }
}

impl Serialize for Subject {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Subject {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What can be said about frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FramesKind {
    /// Batches of live frames.
    Live,
    /// Uploaded files.
    Upload,
    /// Up to where a stream is done.
    Done,
}

impl FramesKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Live => "frames",
            Self::Upload => "uploads",
            Self::Done => "frames_done",
        }
    }
}

/// Subjects on NATS, all below one prefix so that several installations can share a cluster.
#[derive(Debug, Clone)]
pub struct Subjects {
    prefix: String,
}

impl Subjects {
    /// `prefix` is lower-case letters, digits and underscores, `signcall` by default.
    pub fn new(prefix: &str) -> Result<Self, IdError> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if prefix.is_empty() || !prefix.bytes().all(allowed) {
            return Err(IdError {
                what: "subject prefix",
                expected: "lower-case letters, digits and underscores",
                value: prefix.to_owned(),
            });
        }
        Ok(Self { prefix: prefix.to_owned() })
    }

    /// Name of the stream that holds the log.
    pub fn log_stream(&self) -> String {
        format!("{}_log", self.prefix)
    }

    /// The one subject of the log's blocks.
    pub fn log(&self) -> String {
        format!("{}.log", self.prefix)
    }

    /// Where the server tells of each block that is in the log.
    pub fn log_appended(&self) -> String {
        format!("{}.log_appended", self.prefix)
    }

    /// Name of a stream that frames need.
    pub fn frames_stream(&self, kind: FramesKind) -> String {
        format!("{}_{}", self.prefix, kind.name())
    }

    /// What concerns one stream of frames, named by `stream` (letters, digits, `-`, `_`).
    pub fn frames(&self, kind: FramesKind, room: RoomId, user: UserId, stream: &str) -> String {
        format!("{}.{}.{:x}.{:x}.{stream}", self.prefix, kind.name(), room.get(), user.get())
    }

    /// What concerns all frames of one participant.
    pub fn frames_of(&self, kind: FramesKind, room: RoomId, user: UserId) -> String {
        self.frames(kind, room, user, "*")
    }

    /// What concerns all frames of one user, in any room.
    pub fn frames_by(&self, kind: FramesKind, user: UserId) -> String {
        format!("{}.{}.*.{:x}.*", self.prefix, kind.name(), user.get())
    }

    /// What concerns all frames.
    pub fn frames_all(&self, kind: FramesKind) -> String {
        format!("{}.{}.>", self.prefix, kind.name())
    }

    /// Where workers that may not read frames by themselves ask for a reader.
    pub fn frames_wanted(&self) -> String {
        format!("{}.frames_wanted", self.prefix)
    }

    /// Commands to whichever decider is up.
    pub fn commands(&self) -> String {
        format!("{}.commands", self.prefix)
    }

    /// Commands to one decider, from other deciders; `decider` is hexadecimal.
    pub fn commands_at(&self, decider: &str) -> String {
        format!("{}.commands.at.{decider}", self.prefix)
    }

    /// Where deciders tell each other what they wrote last.
    pub fn commands_wrote(&self) -> String {
        format!("{}.commands.wrote", self.prefix)
    }

    /// What a recognition worker hands in: here only its captions are taken.
    pub fn results(&self) -> String {
        format!("{}.results", self.prefix)
    }

    /// Ephemeral messages of one room.
    pub fn live(&self, room: RoomId) -> String {
        format!("{}.live.room.{:x}", self.prefix, room.get())
    }

    /// What a recognition worker says of one room: here only captions are taken.
    pub fn live_captions(&self, room: RoomId) -> String {
        format!("{}.live.captions.{:x}", self.prefix, room.get())
    }

    /// Whether a subject is one of those where only captions are taken.
    pub fn is_live_captions(&self, subject: &str) -> bool {
        let rest = subject.strip_prefix(&self.prefix);
        rest.is_some_and(|rest| rest.starts_with(".live.captions."))
    }

    /// Ephemeral messages of all rooms.
    pub fn live_all(&self) -> String {
        format!("{}.live.>", self.prefix)
    }
}

impl Default for Subjects {
    fn default() -> Self {
        Self { prefix: "signcall".to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_read_back() {
        for subject in
            [Subject::User(UserId::new(10)), Subject::Room(RoomId::new(255)), Subject::Users]
        {
            assert_eq!(subject.to_string().parse::<Subject>().unwrap(), subject);
        }
        assert!("user.zz".parse::<Subject>().is_err());
        assert!("cat.1".parse::<Subject>().is_err());
        assert!("cats".parse::<Subject>().is_err());
    }

    /// `deploy/nats/roles.conf` has them too.
    #[test]
    fn subjects_on_nats_have_the_names_that_permissions_know() {
        let (to, room, user) = (Subjects::default(), RoomId::new(255), UserId::new(10));
        let streams = [FramesKind::Live, FramesKind::Upload, FramesKind::Done];
        let streams = streams.map(|kind| to.frames_stream(kind));
        assert_eq!(streams, ["signcall_frames", "signcall_uploads", "signcall_frames_done"]);
        assert_eq!(to.log_stream(), "signcall_log");
        let kind = FramesKind::Live;
        let all = [
            (to.log(), "log"),
            (to.log_appended(), "log_appended"),
            (to.frames(kind, room, user, "s1"), "frames.ff.a.s1"),
            (to.frames_of(kind, room, user), "frames.ff.a.*"),
            (to.frames_by(kind, user), "frames.*.a.*"),
            (to.frames_all(kind), "frames.>"),
            (to.frames_wanted(), "frames_wanted"),
            (to.commands(), "commands"),
            (to.commands_at("1f"), "commands.at.1f"),
            (to.commands_wrote(), "commands.wrote"),
            (to.results(), "results"),
            (to.live(room), "live.room.ff"),
            (to.live_captions(room), "live.captions.ff"),
            (to.live_all(), "live.>"),
        ];
        for (subject, name) in all {
            assert_eq!(subject, format!("signcall.{name}"));
            assert_eq!(to.is_live_captions(&subject), name.starts_with("live.captions."));
        }
        assert!(!to.is_live_captions("other.live.captions.ff"));
        assert!(Subjects::new("").is_err() && Subjects::new("a.b").is_err());
        assert_eq!(Subjects::new("a_1").unwrap().log(), "a_1.log");
    }
}
