//! The classes of faults, by name, with the numbers that the list of faults gives them.

use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;

use super::disturb::Plot;
use super::fault::{Fault, PROCESSES, leap};
use super::setup::{Kind, Setup};

/// A class of faults.
#[derive(Clone, Copy)]
pub struct Class {
    /// What it is called.
    pub name: &'static str,
    /// Its numbers in the list of faults, in `docs/explanation/faults.md`.
    pub faults: &'static str,
    /// What happens.
    pub about: &'static str,
    pub(super) way: Way,
}

/// How a run of it goes.
#[derive(Clone, Copy)]
pub(super) enum Way {
    /// Faults under a load on a spread installation.
    Spread(Setup, fn(&mut StdRng) -> Plot),
    /// A course of its own.
    Own(Own),
}

/// Courses of their own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Own {
    DiskFull,
    LogFull,
    PostgresFull,
    TornTail,
    BitFlip,
    StaleFiles,
    Backlog,
    Rebuild,
    Worker,
    SlowReaders,
    Slowloris,
    LoginFlood,
    ModelDamaged,
    WrongWorker,
    FilesRunOut,
    Smuggling,
}

const APIS: [Kind; 2] = [Kind::Api, Kind::SecondApi];
const DECIDERS: [Kind; 2] = [Kind::Decider, Kind::SecondDecider];
const ON_NATS: Setup = Setup::Spread;
const ON_POSTGRES: Setup = Setup::SpreadOnPostgres;

/// All of them.
pub const CLASSES: [Class; 33] = [
    spread("kill-api", "F1", "kill -9 of an API process", ON_NATS, |dice| {
        plot(Fault::Kill(one(&APIS, dice)), 0..500, dice)
    }),
    spread("kill-projector", "F2", "kill -9 of the projector", ON_NATS, |dice| {
        plot(Fault::Kill(Kind::Projector), 0..500, dice)
    }),
    spread("kill-decider", "F1", "kill -9 of a decider", ON_NATS, |dice| {
        plot(Fault::Kill(one(&DECIDERS, dice)), 0..500, dice)
    }),
    own("worker", "F3 F8 F9", "a recognition worker is killed, stopped or cut off", Own::Worker),
    spread("kill-nats", "F4", "kill -9 of nats-server", ON_NATS, |dice| {
        plot(Fault::Kill(Kind::NatsServer), 0..1500, dice)
    }),
    spread("kill-postgres", "F5", "kill -9 of PostgreSQL", ON_POSTGRES, |dice| {
        plot(Fault::Kill(Kind::Postgres), 0..1500, dice)
    }),
    spread("kill-all", "F6", "kill -9 of every process and service", ON_POSTGRES, |dice| {
        plot(Fault::KillAll, 0..500, dice)
    }),
    spread(
        "stop",
        "F8",
        "SIGSTOP of one process or of nats-server, then SIGCONT",
        ON_NATS,
        |dice| {
            let all = [&PROCESSES[..], &[Kind::NatsServer]].concat();
            plot(Fault::Stop(one(&all, dice)), 1000..8000, dice)
        },
    ),
    spread("stop-writer", "F8", "SIGSTOP of one or both deciders", ON_NATS, |dice| {
        let both = dice.random_range(0..3) == 0;
        let first = one(&DECIDERS, dice);
        let mut plot = plot(Fault::Stop(first), 500..5000, dice);
        if both {
            plot.faults = DECIDERS.map(Fault::Stop).to_vec();
        }
        plot
    }),
    spread(
        "partition",
        "F9",
        "the link of one process to NATS is cut, or carries nothing",
        ON_NATS,
        |dice| {
            let kind = one(&PROCESSES, dice);
            let fault = if dice.random() { Fault::Cut(kind) } else { Fault::Silence(kind) };
            plot(fault, 500..8000, dice)
        },
    ),
    spread("partition-all", "F9", "all links to NATS are cut, or carry nothing", ON_NATS, |dice| {
        let fault = if dice.random() { Fault::Cut } else { Fault::Silence };
        Plot { faults: PROCESSES.map(fault).to_vec(), lasts: lasts(500..5000, dice) }
    }),
    spread(
        "slow-log",
        "F10",
        "all links to NATS carry 64 kB/s, half a second late",
        ON_NATS,
        |dice| Plot { faults: PROCESSES.map(Fault::Slow).to_vec(), lasts: lasts(2000..6000, dice) },
    ),
    spread(
        "reset-mid-ack",
        "F11 F18",
        "connections are reset in the middle of acknowledgements",
        ON_NATS,
        |dice| Plot {
            faults: PROCESSES.map(Fault::ResetAcks).to_vec(),
            lasts: lasts(1000..4000, dice),
        },
    ),
    spread(
        "postgres-partition",
        "F9 F14",
        "the links to PostgreSQL are cut, or carry nothing",
        ON_POSTGRES,
        |dice| {
            let fault = if dice.random() { Fault::Cut } else { Fault::Silence };
            plot(fault(Kind::Postgres), 500..8000, dice)
        },
    ),
    spread(
        "postgres-restart",
        "F15",
        "PostgreSQL is stopped in the middle, fast or immediate",
        ON_POSTGRES,
        |dice| {
            let mode = if dice.random() { "fast" } else { "immediate" };
            plot(Fault::StopPostgres(mode), 0..1500, dice)
        },
    ),
    spread(
        "postgres-crowded",
        "F14",
        "PostgreSQL has no connection left to give",
        ON_POSTGRES,
        |dice| plot(Fault::CrowdPostgres, 500..5000, dice),
    ),
    spread("clock", "F17", "the clock of one process leaps, and back", ON_NATS, |dice| {
        let fault = Fault::Clock(one(&PROCESSES, dice), leap(dice));
        plot(fault, 500..4000, dice)
    }),
    own(
        "disk-full",
        "F12 F13",
        "the disk of an embedded log, its tables and vault is full",
        Own::DiskFull,
    ),
    own("log-full", "F12", "the disk of nats-server is full", Own::LogFull),
    own("postgres-full", "F14", "the disk of PostgreSQL is full", Own::PostgresFull),
    own(
        "torn-tail",
        "F21 F24",
        "the log's files end in cut, zeroed or garbage bytes",
        Own::TornTail,
    ),
    own("bit-flip", "F22", "one bit of the log's files is flipped", Own::BitFlip),
    own(
        "stale-files",
        "F23 F24",
        "the log's files are of an earlier time, or gone",
        Own::StaleFiles,
    ),
    own("backlog", "F25", "a projector comes up beside a log full of events", Own::Backlog),
    own("rebuild", "F26", "the tables are made anew under a load", Own::Rebuild),
    own("slow-readers", "F28", "100 WebSockets whose readers never read", Own::SlowReaders),
    own("slowloris", "F29", "300 connections that say nothing, or drip", Own::Slowloris),
    own("login-flood", "F30", "100 log-ins a second", Own::LoginFlood),
    own("model-damaged", "F32", "a model's files are cut or changed", Own::ModelDamaged),
    own("wrong-worker", "F33", "a worker hands in captions that nobody signed", Own::WrongWorker),
    own("files-run-out", "F35", "more connections than file descriptors", Own::FilesRunOut),
    spread("memory-out", "F34", "a process gets no more memory", ON_NATS, |dice| {
        plot(Fault::Starve(one(&PROCESSES, dice)), 1000..5000, dice)
    }),
    own("smuggling", "F40", "requests that two parsers could read in two ways", Own::Smuggling),
];

const fn spread(
    name: &'static str,
    faults: &'static str,
    about: &'static str,
    setup: Setup,
    draw: fn(&mut StdRng) -> Plot,
) -> Class {
    Class { name, faults, about, way: Way::Spread(setup, draw) }
}

const fn own(name: &'static str, faults: &'static str, about: &'static str, own: Own) -> Class {
    Class { name, faults, about, way: Way::Own(own) }
}

fn one(kinds: &[Kind], dice: &mut StdRng) -> Kind {
    kinds[dice.random_range(0..kinds.len())]
}

fn lasts(ms: std::ops::Range<u64>, dice: &mut StdRng) -> Duration {
    Duration::from_millis(dice.random_range(ms))
}

fn plot(fault: Fault, ms: std::ops::Range<u64>, dice: &mut StdRng) -> Plot {
    Plot { faults: vec![fault], lasts: lasts(ms, dice) }
}

/// The classes of these names; all, if none is named.
///
/// # Errors
/// A name that no class has.
pub fn named(names: &[String]) -> anyhow::Result<Vec<Class>> {
    if names.is_empty() {
        return Ok(CLASSES.to_vec());
    }
    let find = |name: &String| {
        let known = || CLASSES.map(|class| class.name).join(" ");
        let found = CLASSES.iter().find(|class| class.name == name).copied();
        found.ok_or_else(|| anyhow::anyhow!("there is no class {name:?}; these exist: {}", known()))
    };
    names.iter().map(find).collect()
}
