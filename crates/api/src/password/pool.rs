//! Threads for hashing alone, behind two short queues: those whom the server knows already do not
//! wait behind strangers, however many of them try.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

/// Jobs that may wait in each lane: as many as one address may send at once, so that nobody who
/// keeps to that limit is refused. At the default cost that is 20 seconds of work.
pub(super) const LANE_MAX: usize = 64;

/// Who waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Somebody who is logged in, or whose device logged in before: they come first.
    Known,
    /// Everybody else.
    Strangers,
}

/// What a thread does.
pub(super) type Job = Box<dyn FnOnce() + Send>;

/// The lane is full.
#[derive(Debug)]
pub(super) struct Full;

/// The threads, which end when this is dropped.
pub(super) struct Pool(Arc<Shared>);

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    more: Condvar,
}

#[derive(Default)]
struct Waiting {
    known: VecDeque<Job>,
    strangers: VecDeque<Job>,
    closed: bool,
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.0.waiting.lock().closed = true;
        self.0.more.notify_all();
    }
}

impl Pool {
    /// Starts so many threads.
    pub(super) fn start(threads: usize) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        for index in 0..threads {
            let shared = Arc::clone(&shared);
            let name = format!("password-{index}");
            std::thread::Builder::new().name(name).spawn(move || work(&shared))?;
        }
        Ok(Self(shared))
    }

    /// Lets a job wait, if there is room.
    pub(super) fn push(&self, lane: Lane, job: Job) -> Result<(), Full> {
        let mut waiting = self.0.waiting.lock();
        let lane = match lane {
            Lane::Known => &mut waiting.known,
            Lane::Strangers => &mut waiting.strangers,
        };
        if lane.len() >= LANE_MAX {
            return Err(Full);
        }
        lane.push_back(job);
        drop(waiting);
        self.0.more.notify_one();
        Ok(())
    }
}

fn work(shared: &Shared) {
    while let Some(job) = next(shared) {
        // A panic costs its own caller an answer, and nobody else a thread.
        if catch_unwind(AssertUnwindSafe(job)).is_err() {
            tracing::error!("a password could not be hashed: the hash panicked");
        }
    }
}

fn next(shared: &Shared) -> Option<Job> {
    let mut waiting = shared.waiting.lock();
    loop {
        if waiting.closed {
            return None;
        }
        let job = waiting.known.pop_front();
        if let Some(job) = job.or_else(|| waiting.strangers.pop_front()) {
            return Some(job);
        }
        shared.more.wait(&mut waiting);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn the_known_come_first_and_a_panic_stops_nobody() {
        let pool = Pool::start(1).unwrap();
        let (begin, began) = mpsc::channel::<()>();
        let (tell, told) = mpsc::channel();
        let wait: Job = Box::new(move || began.recv().unwrap());
        pool.push(Lane::Strangers, wait).unwrap();
        let say = |who: &'static str| -> Job {
            let tell = tell.clone();
            Box::new(move || tell.send(who).unwrap())
        };
        pool.push(Lane::Strangers, Box::new(|| panic!("a test's own"))).unwrap();
        pool.push(Lane::Strangers, say("stranger")).unwrap();
        pool.push(Lane::Known, say("known")).unwrap();
        begin.send(()).unwrap();
        assert_eq!((told.recv().unwrap(), told.recv().unwrap()), ("known", "stranger"));
    }

    #[test]
    fn strangers_fill_their_own_lane_alone() {
        let pool = Pool::start(0).unwrap();
        for _ in 0..LANE_MAX {
            pool.push(Lane::Strangers, Box::new(|| {})).unwrap();
        }
        assert!(pool.push(Lane::Strangers, Box::new(|| {})).is_err());
        pool.push(Lane::Known, Box::new(|| {})).unwrap();
    }
}
