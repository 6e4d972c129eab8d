//! One listener's place in a room's sequence: what comes next for it, without gap or repeat.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::extract::ws::Utf8Bytes;
use events::{MessageId, RoomId, TranscriptId, UserId, room};
use projector::{Cursor, FeedEntry, Page, TranscriptFilter};
use serde_json::json;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::watch;

use super::Close;
use super::hub::Registration;
use super::message::{Entry, Out, ready};
use super::room::READ_MAX;
use crate::error::ApiError;
use crate::state::App;

/// Messages and segments of a snapshot, each.
const SNAPSHOT_ROWS: u32 = 50;

/// A listener's place.
pub(crate) struct Seat {
    _registration: Registration,
    room: RoomId,
    user: UserId,
    is_guest: bool,
    messages: broadcast::Receiver<Arc<Out>>,
    closed: watch::Receiver<Option<Close>>,
    /// The last sequence that was handed out.
    last: u64,
    /// What was read and not yet handed out.
    waiting: VecDeque<Entry>,
    /// The call is over, and the tables hold its end: what they have is all that comes.
    is_over: bool,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Reads from the tables what it has missed; tells that it is done, the first time.
    CatchingUp { first: bool },
    /// Gets everything as it comes. `late` until the first message came in time: what arrived
    /// while it caught up may have been too much to be kept for it.
    Live { late: bool },
    /// The call's last entry was handed out.
    Ended,
}

/// What a listener gets next.
#[derive(Debug)]
pub(crate) enum Next {
    /// This, with the place in the sequence from which to go on after it, if it tells one.
    Send(Utf8Bytes, Option<u64>),
    /// Nothing more.
    Close(Close),
}

impl Seat {
    pub(crate) fn new(
        registration: Registration,
        room: RoomId,
        (user, is_guest): (UserId, bool),
        messages: broadcast::Receiver<Arc<Out>>,
        closed: watch::Receiver<Option<Close>>,
    ) -> Self {
        Self {
            _registration: registration,
            room,
            user,
            is_guest,
            messages,
            closed,
            last: 0,
            waiting: VecDeque::new(),
            is_over: false,
            phase: Phase::CatchingUp { first: true },
        }
    }

    /// Goes on behind the last sequence that the client saw; without one, from now on. When that
    /// is not possible, the client gets a snapshot to begin with.
    pub(crate) async fn resume(
        &mut self,
        app: &App,
        after: Option<u64>,
    ) -> Result<Option<Utf8Bytes>, ApiError> {
        let is_closed = app.look(|state| {
            state.rooms.get(self.room).is_some_and(|found| found.phase != room::Phase::Open)
        });
        // From now on: what is in the log already is no news, and what ended a call is the last of it.
        let reads = is_closed || after.is_none();
        let read = reads && app.caught_up(app.follower.position()).await.is_ok();
        self.is_over = is_closed && read;
        let newest = app.store.feed_seq(self.room).await?;
        self.last = after.unwrap_or(newest);
        if self.last <= newest && !self.has_gap(app).await? {
            return Ok(None);
        }
        self.last = newest;
        self.snapshot(app).await.map(Some)
    }

    /// The place in the sequence from which this listener goes on.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Whether what should come next is not there any more.
    async fn has_gap(&self, app: &App) -> Result<bool, ApiError> {
        let next = app.store.feed(self.room, self.last, 1).await?;
        Ok(next.rows.first().is_some_and(|entry| entry.seq != self.last + 1))
    }

    async fn snapshot(&self, app: &App) -> Result<Utf8Bytes, ApiError> {
        let limit = SNAPSHOT_ROWS;
        let page = Page { cursor: Cursor::Before(MessageId::new(1 << 53)), limit };
        let mut messages = app.store.messages(self.room, page).await?.rows;
        let page = Page { cursor: Cursor::Before(TranscriptId::new(1 << 53)), limit };
        let filter = TranscriptFilter::default();
        let mut transcripts = app.store.transcripts(self.room, filter, page).await?.rows;
        let from = self.reads_after(app);
        messages.retain(|row| row.id.get() > from);
        transcripts.retain(|row| row.id.get() > from);
        let participants = app.participants(self.room).await?;
        let data = json!({
            "seq": self.last,
            "room": app.room_row(self.room)?,
            "participants": participants,
            "messages": messages,
            "transcripts": transcripts,
        });
        Ok(json!({ "type": "reset", "ephemeral": true, "data": data }).to_string().into())
    }

    /// What comes next. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self, app: &App) -> Next {
        loop {
            if let Some(close) = *self.closed.borrow_and_update() {
                return Next::Close(close);
            }
            if let Some(entry) = self.waiting.pop_front() {
                return self.hand_out(app, &entry);
            }
            match self.phase {
                Phase::Ended => return Next::Close(Close::RoomClosed),
                Phase::Live { late } => {
                    if let Some(next) = self.live(app, late).await {
                        return next;
                    }
                }
                Phase::CatchingUp { first } => {
                    // Boxed: a listener that only waits need not hold the memory of a read.
                    let feed = Box::pin(app.store.feed(self.room, self.last, READ_MAX));
                    let read = tokio::select! {
                        read = feed => read,
                        _ = self.closed.changed() => continue,
                    };
                    let Ok(found) = read else { return Next::Close(Close::Broken) };
                    if !self.keep(&found.rows) {
                        // The client comes back and gets a snapshot.
                        return Next::Close(Close::Broken);
                    }
                    if !found.has_more && self.waiting.is_empty() {
                        self.phase =
                            if self.is_over { Phase::Ended } else { Phase::Live { late: true } };
                        if first {
                            return Next::Send(ready(self.last), Some(self.last));
                        }
                    }
                }
            }
        }
    }

    /// Keeps what was read, if it follows on what was handed out.
    fn keep(&mut self, rows: &[FeedEntry]) -> bool {
        let follows = rows.iter().zip(self.last + 1..).all(|(entry, seq)| entry.seq == seq);
        self.waiting.extend(rows.iter().map(Entry::new));
        follows
    }

    fn hand_out(&mut self, app: &App, entry: &Entry) -> Next {
        self.last = entry.seq;
        if entry.ends && !self.is_over {
            self.phase = Phase::Ended;
        }
        let hidden = entry.said.is_some_and(|id| id <= self.reads_after(app));
        let text = if hidden { entry.bare() } else { entry.text.clone() };
        Next::Send(text, Some(entry.seq))
    }

    /// What this listener may read begins behind this id.
    fn reads_after(&self, app: &App) -> u64 {
        if !self.is_guest {
            return 0;
        }
        let of = |room: &room::Room| room.guest_reads_after(self.user);
        app.look(|state| state.rooms.get(self.room).map_or(0, of))
    }

    /// What came in; `None` when it was not for this listener, or has to be read first.
    async fn live(&mut self, app: &App, late: bool) -> Option<Next> {
        let received = tokio::select! {
            _ = self.closed.changed() => return None,
            received = self.messages.recv() => received,
        };
        match received {
            Err(RecvError::Lagged(_)) if late => {
                self.phase = Phase::CatchingUp { first: false };
                None
            }
            Err(RecvError::Lagged(_)) => Some(Next::Close(Close::TooSlow)),
            Err(RecvError::Closed) => Some(Next::Close(Close::Stopping)),
            Ok(out) => self.came_in(app, &out),
        }
    }

    fn came_in(&mut self, app: &App, out: &Out) -> Option<Next> {
        self.phase = Phase::Live { late: false };
        match out {
            Out::Entry(entry) if entry.seq == self.last + 1 => Some(self.hand_out(app, entry)),
            Out::Entry(Entry { seq, .. }) | Out::Head(seq) => {
                if *seq > self.last {
                    self.phase = Phase::CatchingUp { first: false };
                }
                None
            }
            Out::Ephemeral { text, to } => {
                to.is_none_or(|to| to == self.user).then(|| Next::Send(text.clone(), None))
            }
        }
    }

    /// Waits until this listener is to go.
    pub(crate) async fn closed(&self) -> Close {
        let mut closed = self.closed.clone();
        match closed.wait_for(Option::is_some).await {
            Ok(close) => close.unwrap_or(Close::Stopping),
            Err(_) => Close::Stopping,
        }
    }
}
