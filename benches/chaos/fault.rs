//! Faults of an installation that begin, last and end, so that several can be there at once.

use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;
use rustix::process::Signal;

use super::proxy::Mode;
use super::setup::Kind;
use super::world::World;

/// The slow link of the fault list: half a second, 64 kB/s.
const SLOW: Mode = Mode::Slow { delay: Duration::from_millis(500), bytes_per_s: 64_000 };
/// Processes of a spread installation.
pub(super) const PROCESSES: [Kind; 5] =
    [Kind::Decider, Kind::SecondDecider, Kind::Projector, Kind::Api, Kind::SecondApi];

/// One fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Killed, and started again at the end.
    Kill(Kind),
    /// All processes and services are killed, and started again at the end.
    KillAll,
    /// Stopped by SIGSTOP, and let go on at the end.
    Stop(Kind),
    /// It gets no more memory than it has, and is started again at the end.
    Starve(Kind),
    /// Connections of this one to its server are reset and refused.
    Cut(Kind),
    /// They stay and carry nothing.
    Silence(Kind),
    /// They are slow.
    Slow(Kind),
    /// They are reset in the middle of acknowledgements.
    ResetAcks(Kind),
    /// PostgreSQL is stopped in this mode of `pg_ctl`, and started again at the end.
    StopPostgres(&'static str),
    /// PostgreSQL has no connection left to give.
    CrowdPostgres,
    /// Its clock leaps by so many seconds, and back at the end.
    Clock(Kind, i64),
}

impl Fault {
    /// In words.
    pub(super) fn tell(self) -> String {
        match self {
            Self::Kill(kind) => format!("kill {}", kind.name()),
            Self::KillAll => "kill everything".to_owned(),
            Self::Stop(kind) => format!("stop {}", kind.name()),
            Self::Starve(kind) => format!("give no more memory to {}", kind.name()),
            Self::Cut(kind) => format!("cut the link of {}", kind.name()),
            Self::Silence(kind) => format!("silence the link of {}", kind.name()),
            Self::Slow(kind) => format!("slow down the link of {}", kind.name()),
            Self::ResetAcks(kind) => format!("reset acknowledgements to {}", kind.name()),
            Self::StopPostgres(mode) => format!("stop postgres, {mode}"),
            Self::CrowdPostgres => "take all connections of postgres".to_owned(),
            Self::Clock(kind, ahead_s) => {
                format!("set the clock of {} by {ahead_s} s", kind.name())
            }
        }
    }

    /// Whom it befalls: two faults at once befall different ones.
    fn victim(self) -> Option<Kind> {
        match self {
            Self::Kill(kind)
            | Self::Stop(kind)
            | Self::Starve(kind)
            | Self::Cut(kind)
            | Self::Silence(kind)
            | Self::Slow(kind)
            | Self::ResetAcks(kind)
            | Self::Clock(kind, _) => Some(kind),
            Self::KillAll => None,
            Self::StopPostgres(_) | Self::CrowdPostgres => Some(Kind::Postgres),
        }
    }

    pub(super) async fn begin(self, world: &mut World) -> anyhow::Result<()> {
        match self {
            Self::Kill(kind) => world.kill(kind).await,
            Self::KillAll => {
                for kind in everything(world) {
                    world.kill(kind).await?;
                }
                Ok(())
            }
            Self::Stop(kind) => world.signal(kind, Signal::STOP),
            Self::Starve(kind) => world.starve(kind),
            Self::Cut(kind) => world.link(kind, Mode::Cut),
            Self::Silence(kind) => world.link(kind, Mode::Silent),
            Self::Slow(kind) => world.link(kind, SLOW),
            Self::ResetAcks(kind) => world.link(kind, Mode::ResetAcks),
            Self::StopPostgres(mode) => {
                world.postgres()?.stop(mode);
                Ok(())
            }
            Self::CrowdPostgres => world.crowd_postgres(true).await,
            Self::Clock(kind, ahead_s) => world.set_clock(kind, ahead_s),
        }
    }

    pub(super) async fn end(self, world: &mut World) -> anyhow::Result<()> {
        match self {
            Self::Kill(kind) | Self::Starve(kind) => world.restart(kind).await,
            Self::KillAll => {
                for kind in everything(world) {
                    world.restart(kind).await?;
                }
                Ok(())
            }
            Self::Stop(kind) => world.signal(kind, Signal::CONT),
            Self::Cut(kind) | Self::Silence(kind) | Self::Slow(kind) | Self::ResetAcks(kind) => {
                world.link(kind, Mode::Pass)
            }
            Self::StopPostgres(_) => world.restart(Kind::Postgres).await,
            Self::CrowdPostgres => world.crowd_postgres(false).await,
            Self::Clock(kind, _) => world.set_clock(kind, 0),
        }
    }

    /// Whether it has to end before others do: they wait for it to start.
    pub(super) fn ends_first(self) -> bool {
        match self {
            Self::Kill(kind) => kind.is_service(),
            Self::KillAll | Self::Starve(_) => false,
            Self::Stop(_)
            | Self::Cut(_)
            | Self::Silence(_)
            | Self::Slow(_)
            | Self::ResetAcks(_)
            | Self::StopPostgres(_)
            | Self::CrowdPostgres
            | Self::Clock(..) => true,
        }
    }
}

/// Services first, then the processes that wait for them.
fn everything(world: &World) -> Vec<Kind> {
    let services = [world.setup.is_spread().then_some(Kind::NatsServer)];
    let postgres = [world.has_postgres().then_some(Kind::Postgres)];
    let services = services.into_iter().chain(postgres).flatten();
    services.chain(world.processes.iter().map(|(kind, _)| *kind)).collect()
}

/// Draws one to three faults that befall different parts.
pub(super) fn some(world: &World, random: &mut StdRng) -> Vec<Fault> {
    let count = random.random_range(1..=3);
    let mut faults: Vec<Fault> = Vec::new();
    while faults.len() < count {
        let fault = any(world, random);
        if faults.iter().all(|known| known.victim() != fault.victim()) {
            faults.push(fault);
        }
    }
    faults
}

/// A leap of a clock, in seconds: back by as much as one likes, forward by less than tokens are good for.
pub(super) fn leap(random: &mut StdRng) -> i64 {
    const LEAPS_S: [i64; 6] = [-315_360_000, -3600, -61, 61, 600, 1800];
    LEAPS_S[random.random_range(0..LEAPS_S.len())]
}

fn any(world: &World, random: &mut StdRng) -> Fault {
    let process = PROCESSES[random.random_range(0..PROCESSES.len())];
    let nats_too = if random.random_range(0..3) == 0 { Kind::NatsServer } else { process };
    match random.random_range(0..9) {
        0 | 1 => Fault::Kill(nats_too),
        2 => Fault::Stop(nats_too),
        3 => Fault::Cut(process),
        4 => Fault::Silence(process),
        5 => Fault::Slow(process),
        6 => Fault::ResetAcks(process),
        7 => Fault::Clock(process, leap(random)),
        _ if world.has_postgres() => match random.random_range(0..5) {
            0 => Fault::Kill(Kind::Postgres),
            1 => Fault::StopPostgres("fast"),
            2 => Fault::Cut(Kind::Postgres),
            3 => Fault::CrowdPostgres,
            _ => Fault::Silence(Kind::Postgres),
        },
        _ => Fault::Kill(process),
    }
}
