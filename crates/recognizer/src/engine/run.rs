//! An engine on a thread of its own, with bounded hand-over both ways, warm-up and health. It takes
//! what waits, makes a step, and again; a step is formed only when the model is free.

use super::meter::Meter;
use super::{Arrival, Engine, Output, Overload, Pace, Stats, StreamRef};
use crate::model::ModelError;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// Commands that may wait for an engine.
const INBOX: usize = 1_024;
/// How long an idle engine waits before it looks for streams that nothing came for.
const IDLE_WAIT: Duration = Duration::from_millis(250);
/// An idle engine proves that its model still works this often, µs.
const PROBE_US: u64 = 5_000_000;
/// A step under way for longer means that the model hangs, µs.
const STALL_US: u64 = 5_000_000;

/// The caller's name for a stream of an engine; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What an engine is asked to do.
#[derive(Debug)]
pub enum Command {
    /// Serve a stream of that room.
    Open {
        /// Its name from now on.
        ticket: Ticket,
        /// Streams of one room share their part of a step.
        room: u64,
        /// How its frames come.
        pace: Pace,
        /// The answer goes here; one who no longer waits for it is no error.
        reply: oneshot::Sender<Result<(), Overload>>,
    },
    /// Frames of a stream, in order.
    Frames {
        /// Whose.
        ticket: Ticket,
        /// The frames.
        arrivals: Vec<Arrival>,
        /// How long they took to read, µs.
        read_us: u64,
    },
    /// Everything sent so far becomes final.
    Flush {
        /// Whose.
        ticket: Ticket,
        /// Number of the frame that comes next.
        next_seq: u64,
    },
    /// Forget the stream; nothing more is told of it.
    Close {
        /// Whose.
        ticket: Ticket,
    },
    /// Make everything final and stop.
    Drain,
}

/// What an engine tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// A stream said something, or came to a mark.
    Said(Ticket, Output),
    /// An upload had more frames than it may; it is closed.
    Refused(Ticket, Overload),
}

impl Notice {
    /// The stream it is about.
    pub fn ticket(&self) -> Ticket {
        match self {
            Self::Said(ticket, _) | Self::Refused(ticket, _) => *ticket,
        }
    }
}

/// How an engine does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// The model is being tried out.
    Warming,
    /// It serves.
    Ready,
    /// A step has been under way for longer than it can take.
    Stalled,
    /// The model failed: play its streams again elsewhere.
    Failed(String),
    /// It was drained.
    Stopped,
}

/// Why a command was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The engine has more to do than it can; try again in a moment.
    #[error("{INBOX} commands are waiting for the engine")]
    Full(Command),
    /// The engine stopped or failed.
    #[error("the engine has stopped")]
    Stopped,
}

/// Microseconds that only ever grow.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

struct Shared {
    health: Health,
    stats: Stats,
    /// When the step under way began, µs.
    step_since_us: Option<u64>,
}

/// An engine at work.
pub struct EngineThread {
    inbox: SyncSender<Command>,
    shared: Arc<Mutex<Shared>>,
    clock: Clock,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl EngineThread {
    /// Starts the thread. `tell` is called on it; while `tell` waits, the engine waits.
    pub fn start(
        engine: Engine,
        clock: Clock,
        tell: impl FnMut(Notice) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (inbox, commands) = std::sync::mpsc::sync_channel(INBOX);
        let shared =
            Shared { health: Health::Warming, stats: Stats::default(), step_since_us: None };
        let shared = Arc::new(Mutex::new(shared));
        let server = Server {
            engine,
            clock: clock.clone(),
            tell,
            shared: shared.clone(),
            names: HashMap::new(),
            tickets: HashMap::new(),
            draining: false,
            meter: Meter::new(),
        };
        let thread = std::thread::Builder::new()
            .name("recognizer".into())
            .spawn(move || server.serve(&commands))?;
        Ok(Self { inbox, shared, clock, thread: Mutex::new(Some(thread)) })
    }

    /// Hands over a command without waiting.
    pub fn send(&self, command: Command) -> Result<(), Refused> {
        self.inbox.try_send(command).map_err(|error| match error {
            TrySendError::Full(command) => Refused::Full(command),
            TrySendError::Disconnected(_) => Refused::Stopped,
        })
    }

    /// How it does: ready only while steps end in time and the model works.
    pub fn health(&self) -> Health {
        let shared = self.shared.lock();
        let stalled = |since: u64| {
            (self.clock)().saturating_sub(since) > STALL_US && shared.health == Health::Ready
        };
        match shared.step_since_us {
            Some(since) if stalled(since) => Health::Stalled,
            Some(_) | None => shared.health.clone(),
        }
    }

    /// What was counted; looking starts [`Stats::worst_age_us`] anew.
    pub fn stats(&self) -> Stats {
        let mut shared = self.shared.lock();
        let stats = shared.stats;
        shared.stats.worst_age_us = 0;
        stats
    }

    /// Makes everything final, tells it, and waits for the thread's end. Blocks.
    pub fn drain(&self) {
        // Waiting for room in the inbox is right here: the engine empties it, or is gone.
        let _ = self.inbox.send(Command::Drain);
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

struct Server<T> {
    engine: Engine,
    clock: Clock,
    tell: T,
    shared: Arc<Mutex<Shared>>,
    names: HashMap<Ticket, StreamRef>,
    tickets: HashMap<StreamRef, Ticket>,
    draining: bool,
    meter: Meter,
}

impl<T: FnMut(Notice)> Server<T> {
    fn serve(mut self, commands: &Receiver<Command>) {
        let health = match self.work(commands) {
            Ok(()) => Health::Stopped,
            Err(error) => {
                tracing::error!(%error, "the model failed; its streams must be played again");
                Health::Failed(error.to_string())
            }
        };
        self.shared.lock().health = health;
    }

    fn work(&mut self, commands: &Receiver<Command>) -> Result<(), ModelError> {
        let clock = self.clock.clone();
        self.engine.warm_up(&|| clock())?;
        self.shared.lock().health = Health::Ready;
        let mut probed_us = clock();
        loop {
            while let Ok(command) = commands.try_recv() {
                self.obey(command);
            }
            let served = self.step()?;
            if served > 0 {
                probed_us = clock();
                continue;
            }
            if self.draining {
                return Ok(());
            }
            match commands.recv_timeout(IDLE_WAIT) {
                Ok(command) => self.obey(command),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            if clock().saturating_sub(probed_us) >= PROBE_US {
                probed_us = clock();
                self.shared.lock().step_since_us = Some(probed_us);
                self.engine.probe()?;
                self.shared.lock().step_since_us = None;
            }
        }
    }

    fn step(&mut self) -> Result<usize, ModelError> {
        let clock = self.clock.clone();
        let mut out = Vec::new();
        self.shared.lock().step_since_us = Some(clock());
        let served = self.engine.step(&|| clock(), &mut out)?;
        let stepped_us = clock();
        self.meter.note(self.engine.ages());
        let mut shared = self.shared.lock();
        let worst_age_us = shared.stats.worst_age_us;
        shared.stats = self.engine.stats();
        shared.stats.worst_age_us = shared.stats.worst_age_us.max(worst_age_us);
        shared.step_since_us = None;
        drop(shared);
        for output in out {
            let name = output.stream();
            let Some(ticket) = self.tickets.get(&name).copied() else { continue };
            (self.tell)(Notice::Said(ticket, output));
        }
        if served > 0 {
            self.engine.note_telling(clock().saturating_sub(stepped_us));
        }
        Ok(served)
    }

    fn obey(&mut self, command: Command) {
        let now_us = (self.clock)();
        match command {
            Command::Open { ticket, room, pace, reply } => {
                let opened = self.engine.open(room, pace, now_us);
                let answer = opened.map(|name| {
                    self.names.insert(ticket, name);
                    self.tickets.insert(name, ticket);
                });
                let _ = reply.send(answer);
            }
            Command::Frames { ticket, arrivals, read_us } => {
                let frames = arrivals.len();
                self.engine.note_reading(frames, read_us);
                let Some(name) = self.names.get(&ticket).copied() else { return };
                let push = |arrival| self.engine.push(name, arrival);
                let pushed = arrivals.into_iter().try_for_each(push);
                self.engine.note_pushing(frames, (self.clock)().saturating_sub(now_us));
                if let Err(overload) = pushed {
                    self.forget(ticket);
                    (self.tell)(Notice::Refused(ticket, overload));
                }
            }
            Command::Flush { ticket, next_seq } => {
                if let Some(name) = self.names.get(&ticket) {
                    // The name was just looked up, so the stream is open.
                    let _ = self.engine.flush(*name, next_seq, now_us);
                }
            }
            Command::Close { ticket } => self.forget(ticket),
            Command::Drain => {
                self.engine.flush_all(now_us);
                self.draining = true;
            }
        }
    }

    fn forget(&mut self, ticket: Ticket) {
        if let Some(name) = self.names.remove(&ticket) {
            self.tickets.remove(&name);
            self.engine.close(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Shows, frames, toy};
    use super::super::{Engine, Limits};
    use super::*;
    use std::sync::mpsc;
    use std::time::Instant;

    /// An engine on a thread, and what it tells.
    fn start(limits: Limits) -> (EngineThread, mpsc::Receiver<Notice>) {
        let begun = Instant::now();
        let clock: Clock = Arc::new(move || begun.elapsed().as_micros() as u64);
        let (told, notices) = mpsc::channel();
        let tell = move |notice| {
            let _ = told.send(notice);
        };
        (EngineThread::start(Engine::new(toy(4), limits), clock, tell).expect("a thread"), notices)
    }

    fn arrivals(script: &[(Shows, usize)]) -> Vec<Arrival> {
        let arrival = |(seq, frame): (usize, clips::Frame)| Arrival {
            seq: seq as u64,
            sight: frame.into(),
            arrived_us: 0,
            keep: true,
        };
        frames(script).into_iter().enumerate().map(arrival).collect()
    }

    fn given(ticket: Ticket, arrivals: Vec<Arrival>) -> Command {
        Command::Frames { ticket, arrivals, read_us: 0 }
    }

    fn open(thread: &EngineThread, ticket: Ticket) -> Result<(), Overload> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Open { ticket, room: 1, pace: Pace::Live, reply };
        thread.send(command).expect("room");
        answer.blocking_recv().expect("an answer")
    }

    const WAIT: Duration = Duration::from_secs(20);

    #[test]
    fn a_stream_is_opened_fed_flushed_and_drained() {
        let (thread, notices) = start(Limits::default());
        let ticket = Ticket(7);
        assert_eq!(open(&thread, ticket), Ok(()));
        let script = [(Shows::Right, 14), (Shows::Nothing, 5), (Shows::Left, 12)];
        thread.send(given(ticket, arrivals(&script))).expect("room");
        thread.send(Command::Flush { ticket, next_seq: 31 }).expect("room");
        let mut finals = Vec::new();
        loop {
            match notices.recv_timeout(WAIT).expect("the flush mark comes back") {
                Notice::Said(_, Output::Caption { caption, .. }) if caption.is_final => {
                    finals.push(caption.text);
                }
                Notice::Said(_, Output::Flushed { .. }) => break,
                Notice::Said(t, _) => assert_eq!(t, ticket),
                Notice::Refused(_, overload) => panic!("{overload}"),
            }
        }
        assert_eq!(finals, ["coffee", "tea"]);
        assert_eq!(thread.health(), Health::Ready);
        assert_eq!(thread.stats().finals, 2);

        thread.send(given(ticket, arrivals(&script))).expect("room");
        thread.drain();
        let rest: Vec<Notice> = notices.try_iter().collect();
        assert!(matches!(rest.last(), Some(Notice::Said(_, Output::Flushed { .. }))), "{rest:?}");
    }

    #[test]
    fn a_stream_too_many_is_refused_and_a_closed_one_silent() {
        let (thread, notices) = start(Limits { slots: 1, ..Limits::default() });
        assert_eq!(open(&thread, Ticket(1)), Ok(()));
        assert_eq!(open(&thread, Ticket(2)), Err(Overload::Slots { slots: 1 }));
        let all = arrivals(&[(Shows::Right, 14)]);
        thread.send(Command::Close { ticket: Ticket(1) }).expect("room");
        thread.send(given(Ticket(1), all)).expect("room");
        thread.drain();
        assert_eq!(notices.try_iter().count(), 0);
    }
}
