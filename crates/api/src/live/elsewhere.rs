//! Who listens at other API processes: each tells the others who is in its rooms, when that changes
//! and now and then; what a process said last counts until it says otherwise or falls silent.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use events::{RoomId, UserId};
use parking_lot::Mutex;
use streams::LiveMessage;
use uuid::Uuid;

use crate::state::App;

/// How often everything is told again.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// A process that said nothing of a room for this long has nobody in it.
const SILENT_MAX: Duration = Duration::from_secs(25);
/// Rooms of other processes that are remembered, at most.
const ROOMS_MAX: usize = 100_000;

/// What other processes said.
pub(crate) struct Elsewhere {
    process: Uuid,
    heard: Mutex<HashMap<RoomId, Vec<Said>>>,
    told: Mutex<Instant>,
}

struct Said {
    process: Uuid,
    users: Vec<UserId>,
    at: Instant,
}

impl Said {
    fn is_fresh(&self) -> bool {
        self.at.elapsed() < SILENT_MAX
    }
}

impl Default for Elsewhere {
    fn default() -> Self {
        let (process, heard) = (Uuid::new_v4(), Mutex::default());
        Self { process, heard, told: Mutex::new(Instant::now()) }
    }
}

impl Elsewhere {
    /// Takes in what a process says; its own words come back and are nothing new.
    pub(super) fn hear(&self, room: RoomId, process: Uuid, users: &[UserId]) {
        if process == self.process {
            return;
        }
        let mut heard = self.heard.lock();
        if heard.len() >= ROOMS_MAX && !heard.contains_key(&room) {
            return;
        }
        let here = heard.entry(room).or_default();
        here.retain(|said| said.process != process);
        if !users.is_empty() {
            here.push(Said { process, users: users.to_vec(), at: Instant::now() });
        } else if here.is_empty() {
            heard.remove(&room);
        }
    }

    /// The users who listen to a room at other processes.
    pub(crate) fn online(&self, room: RoomId) -> HashSet<UserId> {
        let heard = self.heard.lock();
        let here = heard.get(&room).into_iter().flatten().filter(|said| said.is_fresh());
        here.flat_map(|said| said.users.iter().copied()).collect()
    }
}

/// Tells the others what changed here, and everything when it is time.
pub(super) fn tell(app: &App) {
    let all = {
        let mut told = app.elsewhere.told.lock();
        let due = told.elapsed() >= TELL_EVERY;
        if due {
            *told = Instant::now();
            app.elsewhere.heard.lock().retain(|_, here| here.iter().any(Said::is_fresh));
        }
        due
    };
    let process = app.elsewhere.process;
    for (room, users) in app.hub.to_tell(all) {
        app.live.publish(LiveMessage::Present { room, process, users });
    }
}
