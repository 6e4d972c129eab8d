//! Who listens where in this process, and who may no longer.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use events::room::{Phase, RoomEvent};
use events::user::UserEvent;
use events::{Event, Position, Rejection, RoomId, Subject, Timestamp, UserId};
use parking_lot::Mutex;
use streams::LiveMessage;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::message::relayed;
use super::room::RoomFeed;
use super::seat::Seat;
use super::{Close, elsewhere};
use crate::access::{self, Need};
use crate::auth::{self, Caller};
use crate::error::ApiError;
use crate::state::App;

/// How often every listener's right to listen is looked at, besides at every commit.
const LOOK_EVERY: Duration = Duration::from_millis(400);
/// Time for the last entry of a call to reach its listeners, in microseconds.
const LAST_WORDS_US: i64 = 700_000;
/// Time for those who come after the end of a call to get what they have missed.
const LAST_READ: Duration = Duration::from_secs(10);

/// All listeners of this process.
#[derive(Default)]
pub(crate) struct Hub(Mutex<Listeners>);

#[derive(Default)]
struct Listeners {
    rooms: HashMap<RoomId, Listened>,
    of_user: HashMap<UserId, usize>,
    all: usize,
    /// Rooms where somebody came or went.
    changed: HashSet<RoomId>,
    next: u64,
    emptied: watch::Sender<()>,
}

struct Listened {
    feed: Arc<RoomFeed>,
    listeners: HashMap<u64, Listener>,
}

struct Listener {
    caller: Caller,
    since: Instant,
    close: watch::Sender<Option<Close>>,
    /// Cuts the connection of an event stream whose reader has stopped reading.
    hang_up: CancellationToken,
}

impl Listener {
    fn came_after(&self, at: Timestamp, now: Timestamp) -> bool {
        let ago_us = now.micros().saturating_sub(at.micros());
        self.since.elapsed().as_micros() < u128::try_from(ago_us).unwrap_or(0)
    }
}

/// Leaves the hub when dropped.
pub(crate) struct Registration {
    app: App,
    room: RoomId,
    number: u64,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.app.hub.leave(self.room, self.number);
    }
}

impl Hub {
    /// Takes a place among a room's listeners.
    pub(crate) fn join(
        app: &App,
        caller: Caller,
        room: RoomId,
        hang_up: CancellationToken,
    ) -> Result<Seat, ApiError> {
        if app.stopping.is_cancelled() {
            return Err(ApiError::Stopping);
        }
        let mut hub = app.hub.0.lock();
        let of_user = hub.of_user.get(&caller.user).copied().unwrap_or(0);
        if of_user >= app.config.sockets_per_user || hub.all >= app.config.sockets_max {
            return Err(ApiError::TooManySockets);
        }
        let (number, user, is_guest) = (hub.next, caller.user, caller.guest_of.is_some());
        hub.next += 1;
        hub.all += 1;
        metrics::gauge!("signcall_sockets").set(hub.all as f64);
        hub.changed.insert(room);
        *hub.of_user.entry(user).or_default() += 1;
        let (since, (close, closed)) = (Instant::now(), watch::channel(None));
        let listened = hub.rooms.entry(room).or_insert_with(|| {
            let feed = RoomFeed::start(app.clone(), room);
            Listened { feed, listeners: HashMap::new() }
        });
        listened.listeners.insert(number, Listener { caller, since, close, hang_up });
        let messages = listened.feed.subscribe();
        drop(hub);
        let registration = Registration { app: app.clone(), room, number };
        Ok(Seat::new(registration, room, (user, is_guest), messages, closed))
    }

    fn leave(&self, room: RoomId, number: u64) {
        let mut hub = self.0.lock();
        let Some(listened) = hub.rooms.get_mut(&room) else { return };
        let Some(listener) = listened.listeners.remove(&number) else { return };
        if listened.listeners.is_empty() {
            listened.feed.stop();
            hub.rooms.remove(&room);
        }
        hub.changed.insert(room);
        let user = listener.caller.user;
        if let Some(count) = hub.of_user.get_mut(&user) {
            *count -= 1;
            if *count == 0 {
                hub.of_user.remove(&user);
            }
        }
        hub.all -= 1;
        metrics::gauge!("signcall_sockets").set(hub.all as f64);
        if hub.all == 0 {
            hub.emptied.send_replace(());
        }
    }

    /// Who listens to the rooms where that changed since it was asked last, or to all.
    pub(super) fn to_tell(&self, all: bool) -> Vec<(RoomId, Vec<UserId>)> {
        let mut hub = self.0.lock();
        let mut rooms = std::mem::take(&mut hub.changed);
        if all {
            rooms.extend(hub.rooms.keys());
        }
        let users = |room| {
            let listened: Option<&Listened> = hub.rooms.get(&room);
            let listeners = listened.into_iter().flat_map(|room| room.listeners.values());
            let users: HashSet<UserId> = listeners.map(|one| one.caller.user).collect();
            (room, users.into_iter().collect())
        };
        rooms.into_iter().map(users).collect()
    }

    /// The users who listen to a room, in this process.
    pub(crate) fn online(&self, room: RoomId) -> HashSet<UserId> {
        let hub = self.0.lock();
        let listeners = hub.rooms.get(&room).into_iter().flat_map(|room| room.listeners.values());
        listeners.map(|listener| listener.caller.user).collect()
    }

    /// Waits until nobody listens any more.
    pub(crate) async fn emptied(&self) {
        let mut emptied = self.0.lock().emptied.subscribe();
        while self.0.lock().all > 0 && emptied.changed().await.is_ok() {}
    }

    fn feed(&self, room: RoomId) -> Option<Arc<RoomFeed>> {
        self.0.lock().rooms.get(&room).map(|listened| Arc::clone(&listened.feed))
    }

    fn feeds(&self) -> Vec<Arc<RoomFeed>> {
        self.0.lock().rooms.values().map(|listened| Arc::clone(&listened.feed)).collect()
    }
}

/// Passes on what comes between processes, and looks at every commit, until the server stops.
pub(crate) async fn run(app: App, mut live: Receiver<Arc<LiveMessage>>) {
    let mut commits = app.follower.subscribe();
    let mut tick = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            () = app.stopping.cancelled() => {
                close_all(&app, Close::Stopping);
                return;
            }
            message = live.recv() => match message {
                Ok(message) => pass_on(&app, &message),
                Err(RecvError::Lagged(lost)) => {
                    tracing::warn!(lost, "ephemeral messages were lost");
                    app.hub.feeds().iter().for_each(|feed| feed.read_on());
                }
                Err(RecvError::Closed) => return,
            },
            commit = commits.recv() => match commit {
                Ok(applied) => {
                    let (position, commit) = &*applied;
                    committed(&app, *position, commit.subject, &commit.events);
                }
                // The next tick looks at everybody anyway.
                Err(RecvError::Lagged(_)) => {
                    let end = app.follower.position();
                    app.hub.feeds().iter().for_each(|feed| feed.expect_more(end));
                }
                Err(RecvError::Closed) => return,
            },
            _ = tick.tick() => {
                look(&app, |_, _| true);
                elsewhere::tell(&app);
            }
        }
    }
}

fn pass_on(app: &App, message: &LiveMessage) {
    if let LiveMessage::Present { room, process, users } = message {
        return app.elsewhere.hear(*room, *process, users);
    }
    if let LiveMessage::TicketUsed { digest, expires_at } = message {
        app.tickets.note(*digest, *expires_at, app.now());
        return;
    }
    let Some(feed) = app.hub.feed(message.room()) else { return };
    if let LiveMessage::Feed { .. } = message {
        feed.read_on();
    } else if let Some(out) = app.look(|state| relayed(message, state)) {
        feed.send(out);
    }
}

fn committed(app: &App, position: Position, subject: Subject, events: &[Event]) {
    match subject {
        Subject::Room(room) => {
            if let Some(feed) = app.hub.feed(room) {
                feed.expect_more(position);
            }
            if events.iter().any(ends_listening) {
                look(app, |listened, _| listened == room);
            }
        }
        Subject::User(user) => {
            if events.iter().any(erases_texts) {
                // In any room; nothing else about it says so.
                app.hub.feeds().iter().for_each(|feed| feed.expect_more(position));
            }
            look(app, |_, caller| caller.user == user);
        }
        Subject::Users => {}
    }
}

/// Whether texts go with an account.
fn erases_texts(event: &Event) -> bool {
    matches!(event, Event::User(UserEvent::Deleted(deleted)) if deleted.erase_content)
}

/// Whether an event can take somebody's right to listen.
fn ends_listening(event: &Event) -> bool {
    match event {
        Event::User(_) => true,
        Event::Webhook(_) => false,
        Event::Room(event) => match event {
            RoomEvent::Closed(_)
            | RoomEvent::Deleted(_)
            | RoomEvent::HandedOver(_)
            | RoomEvent::ParticipantLeft(_)
            | RoomEvent::ParticipantRemoved(_)
            | RoomEvent::ParticipantSentBack(_) => true,
            RoomEvent::Created(_)
            | RoomEvent::SettingsChanged(_)
            | RoomEvent::ParticipantJoined(_)
            | RoomEvent::ParticipantAdmitted(_)
            | RoomEvent::ConsentChanged(_)
            | RoomEvent::MessageSent(_)
            | RoomEvent::MessageEdited(_)
            | RoomEvent::MessageDeleted(_)
            | RoomEvent::TranscriptRecorded(_)
            | RoomEvent::TranscriptRevised(_)
            | RoomEvent::TextsExpired(_) => false,
        },
    }
}

/// Looks at these listeners: closes those who may no longer, keeps the log-ins of the others alive.
fn look(app: &App, whom: impl Fn(RoomId, &Caller) -> bool) {
    let mut due = HashMap::new();
    let hub = app.hub.0.lock();
    for (room, listened) in &hub.rooms {
        for listener in listened.listeners.values().filter(|one| whom(*room, &one.caller)) {
            if listener.close.borrow().is_some() {
                // Told before, and still here: it does not read.
                listener.hang_up.cancel();
                continue;
            }
            match verdict(app, listener, *room) {
                Ok(login) => {
                    app.activity.seen(login.user, login.last_seen, app.now());
                    if auth::is_due(app, &login) {
                        due.insert(login.token, (login, listener.caller.context.clone()));
                    }
                }
                Err(close) => drop(listener.close.send_replace(Some(close))),
            }
        }
    }
    drop(hub);
    for (login, context) in due.into_values() {
        tokio::spawn(auth::renew(app.clone(), login, context));
    }
}

/// Whether somebody may still listen to a room.
fn verdict(app: &App, listener: &Listener, room: RoomId) -> Result<auth::LogIn, Close> {
    let caller = &listener.caller;
    let login = auth::standing(app, caller.user, caller.token).map_err(|error| {
        if matches!(error, ApiError::LogUnreachable) {
            Close::LogUnreachable
        } else if matches!(error, ApiError::Rejected(Rejection::Blocked)) {
            Close::Blocked
        } else if matches!(error, ApiError::Expired) {
            Close::Expired
        } else {
            Close::LoggedOut
        }
    })?;
    // Rights may have changed since the socket was opened.
    let caller = Caller { is_admin: login.is_admin, ..caller.clone() };
    let now = app.now();
    app.look(|state| {
        let found = state.rooms.get(room).ok_or(Close::RoomClosed)?;
        access::check(state, room, &caller, Need::Read).map_err(|refused| {
            let waits = matches!(refused, ApiError::Rejected(Rejection::NotAdmitted));
            if waits { Close::SentBack } else { Close::Removed }
        })?;
        match found.phase {
            Phase::Closed { at } if now.micros() - at.micros() > LAST_WORDS_US => {
                // Who came later reads to the end and goes by itself.
                let reads = listener.came_after(at, now) && listener.since.elapsed() < LAST_READ;
                if reads { Ok(login) } else { Err(Close::RoomClosed) }
            }
            Phase::Closed { .. } | Phase::Open => Ok(login),
        }
    })
}

fn close_all(app: &App, close: Close) {
    let hub = app.hub.0.lock();
    for listener in hub.rooms.values().flat_map(|room| room.listeners.values()) {
        listener.close.send_replace(Some(close));
    }
}
