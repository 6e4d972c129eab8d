//! The types of single options: each says how it is written, read, and shown without its secrets.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use streams::frames::Partition;

/// Text that is never printed.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(String);

impl Secret {
    /// The text.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str("(hidden)")
    }
}

/// Where a database or server is; shown without the password.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct ServiceUrl(String);

impl ServiceUrl {
    /// A SQLite file.
    pub(crate) fn sqlite(file: &Path) -> Self {
        Self(format!("sqlite:{}", file.display()))
    }

    /// The whole address, password included.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// The file, if it is a SQLite one.
    pub(crate) fn sqlite_file(&self) -> Option<PathBuf> {
        let path = self.0.strip_prefix("sqlite:")?;
        Some(PathBuf::from(path.trim_start_matches("//").split('?').next()?))
    }
}

impl FromStr for ServiceUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = ["sqlite:", "postgres://", "postgresql://"];
        if known.iter().any(|scheme| text.len() > scheme.len() && text.starts_with(scheme)) {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "{:?} is no database: write sqlite:FILE or postgres://USER@HOST/NAME",
            hide(text)
        ))
    }
}

impl fmt::Display for ServiceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hide(&self.0))
    }
}

impl fmt::Debug for ServiceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `scheme://user:password@host` without the password, in the authority and in the query.
fn hide(url: &str) -> String {
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let shown = match base.split_once("://").and_then(|(scheme, rest)| {
        let (login, place) = rest.rsplit_once('@')?;
        let (user, _) = login.split_once(':')?;
        Some(format!("{scheme}://{user}:(hidden)@{place}"))
    }) {
        Some(hidden) => hidden,
        None => base.to_owned(),
    };
    let secret = |pair: &&str| pair.split('=').next() == Some("password");
    let query: Vec<&str> =
        query.split('&').filter(|pair| !pair.is_empty()).filter(|pair| !secret(pair)).collect();
    if query.is_empty() { shown } else { format!("{shown}?{}", query.join("&")) }
}

/// Where the log lies.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum LogPlace {
    /// In the data folder.
    Embedded,
    /// On NATS JetStream.
    Nats(Secret),
}

impl LogPlace {
    /// Whether it lies in the data folder.
    pub(crate) fn is_embedded(&self) -> bool {
        *self == Self::Embedded
    }
}

impl FromStr for LogPlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "embedded" {
            return Ok(Self::Embedded);
        }
        if ["nats://", "tls://"].iter().any(|scheme| text.starts_with(scheme)) {
            return Ok(Self::Nats(Secret(text.to_owned())));
        }
        Err(format!("{:?} is no place for a log: write embedded or nats://HOST:PORT", hide(text)))
    }
}

impl fmt::Display for LogPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded => f.write_str("embedded"),
            Self::Nats(url) => f.write_str(&hide(url.expose())),
        }
    }
}

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, clap::ValueEnum)]
pub(crate) enum Role {
    /// Faces clients.
    Api,
    /// Writes the log.
    Decider,
    /// Writes the tables.
    Projector,
    /// Writes captions.
    Recognizer,
    /// Does what happens later or outside.
    Reactor,
}

impl Role {
    const ALL: [Self; 5] =
        [Self::Api, Self::Decider, Self::Projector, Self::Recognizer, Self::Reactor];

    fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Decider => "decider",
            Self::Projector => "projector",
            Self::Recognizer => "recognizer",
            Self::Reactor => "reactor",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of roles, written `api,decider`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Roles(BTreeSet<Role>);

impl Roles {
    /// Every role.
    pub(crate) fn all() -> Self {
        Self(Role::ALL.into())
    }

    /// Only one.
    pub(crate) fn only(role: Role) -> Self {
        Self([role].into())
    }

    /// Whether it is among them.
    pub(crate) fn contains(&self, role: Role) -> bool {
        self.0.contains(&role)
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for Roles {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let role = |name: &str| {
            Role::ALL.into_iter().find(|role| role.name() == name).ok_or_else(|| {
                format!("{name:?} is no role: choose from {}, separated by commas", Self::all())
            })
        };
        text.split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(role)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, role) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{role}")?;
        }
        Ok(())
    }
}

/// Which of how many parts, written `2/3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Part {
    /// From 1.
    index: u64,
    of: u64,
}

impl Part {
    /// The only part.
    pub(crate) const ALL: Self = Self { index: 1, of: 1 };

    /// As the frames know it.
    pub(crate) fn partition(self) -> Option<Partition> {
        Partition::new(self.index.checked_sub(1)?, self.of)
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no part: write 1/1, or 2/3 for the second of three");
        let (index, of) = text.split_once('/').ok_or_else(wrong)?;
        let number = |digits: &str| digits.parse().map_err(|_| wrong());
        let part = Self { index: number(index)?, of: number(of)? };
        if part.partition().is_some() { Ok(part) } else { Err(wrong()) }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For programs, one object a line.
    Json,
}

macro_rules! written_as_text {
    ($($name:ident)*) => {$(
        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }
    )*};
}
written_as_text!(ServiceUrl LogPlace Roles Part);
