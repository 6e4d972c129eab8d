//! Which processes an installation has.

use rand::RngExt as _;
use rand::rngs::StdRng;
use streams::testing::find_nats_server;

/// Which processes there are, and on what they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setup {
    /// One process on the embedded log.
    AllInOne,
    /// The embedded log, and the projector in a process of its own.
    ProjectorApart,
    /// Every role in a process of its own, the log on NATS.
    OnNats,
    /// One process that answers before its log is durable.
    Sabotaged,
    /// Two deciders, two API processes and a projector, as on machines of their own: each has a link
    /// to NATS that can be disturbed.
    Spread,
    /// The same, with tables and vault on PostgreSQL, behind one more link.
    SpreadOnPostgres,
    /// A process for each role, a recognition worker among them, each with a link.
    Signing,
}

/// One part of an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    AllInOne,
    Projector,
    NatsServer,
    Decider,
    SecondDecider,
    Api,
    SecondApi,
    Worker,
    Postgres,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::AllInOne => "all_in_one",
            Self::Projector => "projector",
            Self::NatsServer => "nats_server",
            Self::Decider => "decider",
            Self::SecondDecider => "second_decider",
            Self::Api => "api",
            Self::SecondApi => "second_api",
            Self::Worker => "worker",
            Self::Postgres => "postgres",
        }
    }

    /// Whether processes stand on it.
    pub(super) fn is_service(self) -> bool {
        matches!(self, Self::NatsServer | Self::Postgres)
    }
}

impl Setup {
    /// What can run here of the kill cycles: without nats-server, the embedded log alone.
    pub(super) fn possible(sabotage: bool) -> &'static [Self] {
        match (sabotage, find_nats_server()) {
            (true, _) => &[Self::Sabotaged],
            (false, Some(_)) => &[Self::AllInOne, Self::ProjectorApart, Self::OnNats],
            (false, None) => &[Self::AllInOne, Self::ProjectorApart],
        }
    }

    /// Whether every process has links.
    pub(super) fn is_spread(self) -> bool {
        matches!(self, Self::Spread | Self::SpreadOnPostgres | Self::Signing)
    }

    /// Draws a victim of a kill cycle.
    pub(super) fn draw(self, random: &mut StdRng) -> Kind {
        let kinds: &[Kind] = match self {
            Self::AllInOne | Self::Sabotaged => &[Kind::AllInOne],
            Self::ProjectorApart => &[Kind::Projector],
            // The server more often: it holds the log.
            Self::OnNats | Self::Spread | Self::SpreadOnPostgres | Self::Signing => {
                &[Kind::NatsServer, Kind::NatsServer, Kind::Decider, Kind::Api, Kind::Projector]
            }
        };
        kinds[random.random_range(0..kinds.len())]
    }

    /// Roles by process; those whom others wait for first.
    pub(super) fn processes(self) -> &'static [(Kind, &'static str)] {
        match self {
            Self::AllInOne | Self::Sabotaged => {
                &[(Kind::AllInOne, "api,decider,projector,reactor")]
            }
            Self::ProjectorApart => {
                &[(Kind::Projector, "projector"), (Kind::Decider, "api,decider,reactor")]
            }
            Self::OnNats => &[
                (Kind::Decider, "decider"),
                (Kind::Projector, "projector,reactor"),
                (Kind::Api, "api"),
            ],
            Self::Spread | Self::SpreadOnPostgres => &[
                (Kind::Decider, "decider"),
                (Kind::SecondDecider, "decider"),
                (Kind::Projector, "projector,reactor"),
                (Kind::Api, "api"),
                (Kind::SecondApi, "api"),
            ],
            Self::Signing => &[
                (Kind::Decider, "decider"),
                (Kind::Projector, "projector,reactor"),
                (Kind::Api, "api"),
                (Kind::Worker, "recognizer"),
            ],
        }
    }
}
