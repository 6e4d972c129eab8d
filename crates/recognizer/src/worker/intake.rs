//! Batches into the engines: streams are opened where there is room, parked where there is none,
//! and closed when they are idle, finished or unwanted.

use super::fleet::Fleet;
use super::report::report;
use super::segment::Times;
use super::served::{Seen, sights};
use super::teller::Teller;
use super::{Connections, Event, NOTICES, Routes, WorkerError, wall_us};
use crate::engine::{Arrival, Clock, Command, Health, Overload, Pace, Ticket};
use crate::features::Sight;
use crate::model::library::Offer;
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};
use streams::frames::{FrameBatch, FrameFormat, StreamKey};
use streams::live::LiveMessage;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// Uploads that are recognized at the same time; the others are parked.
const UPLOADS: usize = 8;
/// Batches of a parked stream; past it, the oldest goes.
const PARKED_BATCHES: usize = 256;
/// Streams, parked ones included; past it, batches wait in the buffer.
const STREAMS: usize = 4_096;
/// A stream said to be idle that was fed within this time is not idle.
const FRESH: Duration = Duration::from_secs(5);

/// How long frames wait for a model that may just have been installed, µs.
pub(super) const MODEL_WAIT_US: i64 = 3_000_000;

/// One stream.
struct Lane {
    /// Its name in its engine; none while it is parked.
    place: Option<Place>,
    pace: Pace,
    /// Number of the frame after the last one fed.
    next_seq: u64,
    /// When the API took the newest batch, µs since 1970.
    received_us: i64,
    fed: Instant,
    parked: VecDeque<FrameBatch>,
    /// Whether its sender was told that it is parked.
    told: bool,
    /// It is to go on with another model, as soon as what is open is told.
    switching: bool,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    ticket: Ticket,
    engine: usize,
    model: usize,
}

pub(super) struct Intake {
    fleet: Fleet,
    routes: Routes,
    connections: Connections,
    clock: Clock,
    events: mpsc::Sender<Event>,
    tellers: JoinSet<()>,
    lanes: HashMap<StreamKey, Lane>,
    keys: HashMap<Ticket, StreamKey>,
    next_ticket: u64,
    /// Batches that the API took before this came up are played, not live: none is dropped.
    started_us: i64,
}

impl Intake {
    pub(super) fn new(
        fleet: Fleet,
        routes: Routes,
        connections: Connections,
        clock: Clock,
        events: mpsc::Sender<Event>,
    ) -> Self {
        Self {
            fleet,
            routes,
            connections,
            clock,
            events,
            tellers: JoinSet::new(),
            lanes: HashMap::new(),
            keys: HashMap::new(),
            next_ticket: 0,
            started_us: wall_us(),
        }
    }

    /// Serves other models as soon as they are warm.
    pub(super) fn change(&mut self, models: Vec<Offer>) {
        self.fleet.change(models);
    }

    /// Whether one more stream could be noted.
    pub(super) fn has_room(&self) -> bool {
        self.lanes.len() < STREAMS
    }

    /// Takes a batch.
    pub(super) async fn take(&mut self, batch: FrameBatch) -> Result<(), WorkerError> {
        // Numbers that run backwards under a newer time: the sender began anew.
        let began_anew = |lane: &Lane| {
            let again = batch.count > 0 && batch.first_seq < lane.next_seq;
            again && batch.received_us > lane.received_us
        };
        if self.lanes.get(&batch.key).is_some_and(began_anew) {
            self.close(&batch.key.clone()).await?;
        }
        if !self.lanes.contains_key(&batch.key) {
            let status = self.connections.frames.status(&batch.key).await;
            if batch.count == 0 {
                return self.let_go(&batch.key, status.done_seq).await;
            }
            let pace = match batch.format {
                FrameFormat::Landmarks | FrameFormat::Images => Pace::Live,
                FrameFormat::Pose => Pace::Upload,
            };
            let lane = Lane {
                place: None,
                pace,
                next_seq: status.done_seq,
                received_us: batch.received_us,
                fed: Instant::now(),
                parked: VecDeque::new(),
                told: false,
                switching: false,
            };
            self.lanes.insert(batch.key.clone(), lane);
        }
        let key = batch.key.clone();
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.received_us = batch.received_us;
            lane.parked.push_back(batch);
            if lane.pace == Pace::Live && lane.parked.len() > PARKED_BATCHES {
                lane.parked.pop_front();
            }
        }
        self.advance(&key).await
    }

    /// Tries parked streams again, and looks after the engines.
    pub(super) async fn retry(&mut self) -> Result<(), WorkerError> {
        let parked = |lane: &&Lane| !lane.parked.is_empty();
        let mut keys: Vec<(i64, StreamKey)> = self
            .lanes
            .iter()
            .filter(|(_, lane)| parked(lane))
            .map(|(key, lane)| (lane.received_us, key.clone()))
            .collect();
        keys.sort_unstable();
        self.fleet.look_after();
        report(&self.fleet.monitor.stats(), keys.len());
        for (_, key) in keys {
            self.advance(&key).await?;
        }
        while self.tellers.try_join_next().is_some() {}
        match self.fleet.monitor.health() {
            Health::Failed(error) => Err(WorkerError::Engine(error)),
            Health::Warming | Health::Ready | Health::Stalled | Health::Stopped => Ok(()),
        }
    }

    /// Does what a teller's report asks for.
    pub(super) async fn settle(&mut self, event: Event) -> Result<(), WorkerError> {
        let (Event::Idle(ticket) | Event::Flushed(ticket, _) | Event::Unwanted(ticket)) = event;
        let Some(key) = self.keys.get(&ticket).cloned() else { return Ok(()) };
        let Some(lane) = self.lanes.get(&key) else { return Ok(()) };
        let over = match event {
            Event::Idle(_) => lane.fed.elapsed() >= FRESH && lane.parked.is_empty(),
            Event::Flushed(_, next_seq) if lane.switching => {
                if next_seq < lane.next_seq {
                    return Ok(());
                }
                self.leave(&key).await?;
                return self.advance(&key).await;
            }
            Event::Flushed(..) => lane.pace == Pace::Upload,
            Event::Unwanted(_) => true,
        };
        if !over {
            return Ok(());
        }
        let next_seq = lane.next_seq;
        self.close(&key).await?;
        self.let_go(&key, next_seq).await
    }

    /// Waits until everything is told; to be called when the engines have been drained.
    pub(super) async fn finish(mut self) {
        self.routes.lock().clear();
        drop(self.events);
        while self.tellers.join_next().await.is_some() {}
    }

    /// Feeds a stream's parked batches, opening it where that is possible.
    async fn advance(&mut self, key: &StreamKey) -> Result<(), WorkerError> {
        while let Some(lane) = self.lanes.get_mut(key) {
            let Some(batch) = lane.parked.pop_front() else { return Ok(()) };
            let place = lane.place;
            let chosen = match place {
                Some(place) if batch.count == 0 => Ok(place.model),
                Some(_) | None => self.fleet.served.choose(&batch),
            };
            let young = || wall_us().saturating_sub(batch.received_us) < MODEL_WAIT_US;
            if chosen.is_err() && !self.fleet.served.has_wanted(&batch) && young() {
                lane.parked.push_front(batch);
                return Ok(());
            }
            if let (Some(place), Ok(model)) = (place, &chosen)
                && place.model != *model
            {
                lane.parked.push_front(batch);
                return self.switch(key, place).await;
            }
            let (batch, read) = match chosen {
                Ok(model) => sights(batch, model).await?,
                Err(reason) => (batch, Err(reason)),
            };
            let seen = match read {
                Ok(seen) => seen,
                Err(reason) => {
                    self.refuse(key, reason, batch.end()).await?;
                    continue;
                }
            };
            let place = match place {
                Some(place) => place,
                None => match self.open(key, &batch, &seen.sights, seen.model).await? {
                    Ok(place) => place,
                    Err(overload) => {
                        self.park(key, batch, &overload);
                        return Ok(());
                    }
                },
            };
            self.feed(key, place, &batch, seen).await?;
        }
        Ok(())
    }

    /// Puts a batch back that no engine has room for.
    fn park(&mut self, key: &StreamKey, batch: FrameBatch, overload: &Overload) {
        tracing::debug!(%overload, room = %key.room, "a stream is parked");
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.parked.push_front(batch);
            if lane.pace == Pace::Live && !std::mem::replace(&mut lane.told, true) {
                self.degraded(key, overload.to_string());
            }
        }
    }

    /// Lets what is open become final, so that the stream can go on with another model.
    async fn switch(&mut self, key: &StreamKey, place: Place) -> Result<(), WorkerError> {
        let Some(lane) = self.lanes.get_mut(key) else { return Ok(()) };
        if std::mem::replace(&mut lane.switching, true) {
            return Ok(());
        }
        let (ticket, next_seq) = (place.ticket, lane.next_seq);
        self.fleet.send(place.engine, Command::Flush { ticket, next_seq }).await
    }

    /// Opens a stream in the model's engine that has the fewest; `Err` inside: there is no room now.
    async fn open(
        &mut self,
        key: &StreamKey,
        batch: &FrameBatch,
        sights: &[Sight],
        model: usize,
    ) -> Result<Result<Place, Overload>, WorkerError> {
        let Some(pace) = self.lanes.get(key).map(|lane| lane.pace) else {
            return Ok(Err(Overload::Closed));
        };
        let uploads = self.lanes.values().filter(|l| l.pace == Pace::Upload && l.place.is_some());
        if pace == Pace::Upload && uploads.count() >= UPLOADS {
            return Ok(Err(Overload::Slots { slots: UPLOADS }));
        }
        let engine = self.fleet.emptiest(model);
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        // A live frame was captured just before it came; an upload begins when it comes.
        let captured = match pace {
            Pace::Live => sights.last(),
            Pace::Upload => sights.first(),
        };
        let captured_us = captured.map_or(0, |sight| sight.time_us() as i64);
        let times = Times { offset_us: batch.received_us.saturating_sub(captured_us) };
        let (route, notices) = mpsc::channel(NOTICES);
        self.routes.lock().insert(ticket, route);
        let (reply, answer) = oneshot::channel();
        let room = key.room.get();
        self.fleet.send(engine, Command::Open { ticket, room, pace, reply }).await?;
        match answer.await {
            Ok(Ok(())) => {}
            Ok(Err(overload)) => {
                self.routes.lock().remove(&ticket);
                return Ok(Err(overload));
            }
            Err(_) => return Err(WorkerError::Engine("it gave no answer".into())),
        }
        let teller = Teller {
            ticket,
            key: key.clone(),
            model: self.fleet.served.text(model),
            times,
            connections: self.connections.clone(),
            events: self.events.clone(),
        };
        self.tellers.spawn(teller.run(notices));
        let place = Place { ticket, engine, model };
        self.keys.insert(ticket, key.clone());
        self.fleet.board(engine);
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.place = Some(place);
        }
        Ok(Ok(place))
    }

    /// Hands a batch's new frames, and its flush mark, to the engine.
    async fn feed(
        &mut self,
        key: &StreamKey,
        place: Place,
        batch: &FrameBatch,
        seen: Seen,
    ) -> Result<(), WorkerError> {
        let Some(lane) = self.lanes.get_mut(key) else { return Ok(()) };
        let age_us = wall_us().saturating_sub(batch.received_us).max(0).unsigned_abs();
        let arrived_us = (self.clock)().saturating_sub(age_us);
        let keep = batch.received_us < self.started_us;
        let first_new = lane.next_seq;
        let numbered = (batch.first_seq..).zip(seen.sights);
        let arrivals: Vec<Arrival> = numbered
            .filter(|(seq, _)| *seq >= first_new)
            .map(|(seq, sight)| Arrival { seq, sight, arrived_us, keep })
            .collect();
        lane.next_seq = arrivals.last().map_or(first_new, |last| last.seq + 1);
        lane.fed = Instant::now();
        let flush = batch.flush || lane.pace == Pace::Upload;
        let Place { ticket, engine, .. } = place;
        let next_seq = lane.next_seq;
        if !arrivals.is_empty() {
            self.fleet
                .send(engine, Command::Frames { ticket, arrivals, read_us: seen.read_us })
                .await?;
        }
        if flush {
            self.fleet.send(engine, Command::Flush { ticket, next_seq }).await?;
        }
        Ok(())
    }

    /// Frames that can't be recognized here: told, and let go.
    async fn refuse(
        &mut self,
        key: &StreamKey,
        reason: String,
        end: u64,
    ) -> Result<(), WorkerError> {
        tracing::warn!(reason, room = %key.room, "frames were not recognized");
        self.degraded(key, reason);
        self.close(key).await?;
        self.let_go(key, end).await
    }

    fn degraded(&self, key: &StreamKey, reason: String) {
        let (room, user) = (key.room, key.user);
        self.connections.live.publish(LiveMessage::Degraded { room, user, reason });
    }

    /// Forgets a stream; what it has not told yet is not told.
    async fn close(&mut self, key: &StreamKey) -> Result<(), WorkerError> {
        self.leave(key).await?;
        self.lanes.remove(key);
        Ok(())
    }

    /// Takes a stream out of its engine; what waits for it goes on waiting.
    async fn leave(&mut self, key: &StreamKey) -> Result<(), WorkerError> {
        let Some(lane) = self.lanes.get_mut(key) else { return Ok(()) };
        lane.switching = false;
        let Some(Place { ticket, engine, .. }) = lane.place.take() else { return Ok(()) };
        self.keys.remove(&ticket);
        self.routes.lock().remove(&ticket);
        self.fleet.alight(engine);
        self.fleet.send(engine, Command::Close { ticket }).await
    }

    async fn let_go(&self, key: &StreamKey, next_seq: u64) -> Result<(), WorkerError> {
        if let Err(error) = self.connections.frames.done(key, next_seq).await {
            tracing::warn!(%error, "frames that are done with could not be let go");
        }
        Ok(())
    }
}
