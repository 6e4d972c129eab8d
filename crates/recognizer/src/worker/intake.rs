//! Batches into the engines: streams are opened where there is room, parked where there is none,
//! and closed when they are idle, finished or unwanted.

use super::report::report;
use super::segment::Times;
use super::teller::Teller;
use super::{
    Connections, Event, ModelName, Monitor, NOTICES, Routes, Worker, WorkerError, wall_us,
};
use crate::engine::{
    Arrival, Clock, Command, EngineThread, Health, Overload, Pace, Refused, Ticket,
};
use crate::model::Input;
use clips::Frame;
use clips::live_wire::{self, Frames as WireFrames};
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
/// Pause before a command that did not fit is offered to its engine again.
const INBOX_RETRY: Duration = Duration::from_millis(5);

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
}

#[derive(Debug, Clone, Copy)]
struct Place {
    ticket: Ticket,
    engine: usize,
}

pub(super) struct Intake {
    monitor: Monitor,
    routes: Routes,
    connections: Connections,
    model: ModelName,
    clock: Clock,
    events: mpsc::Sender<Event>,
    tellers: JoinSet<()>,
    lanes: HashMap<StreamKey, Lane>,
    keys: HashMap<Ticket, StreamKey>,
    /// Streams of each engine.
    loads: Vec<usize>,
    next_ticket: u64,
    /// Batches that the API took before this came up are played, not live: none is dropped.
    started_us: i64,
}

impl Intake {
    pub(super) fn new(worker: Worker, events: mpsc::Sender<Event>) -> Self {
        let Worker { monitor, routes, connections, model, clock } = worker;
        Self {
            loads: vec![0; monitor.0.len()],
            monitor,
            routes,
            connections,
            model,
            clock,
            events,
            tellers: JoinSet::new(),
            lanes: HashMap::new(),
            keys: HashMap::new(),
            next_ticket: 0,
            started_us: wall_us(),
        }
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
        report(&self.monitor.stats(), keys.len());
        for (_, key) in keys {
            self.advance(&key).await?;
        }
        while self.tellers.try_join_next().is_some() {}
        match self.monitor.health() {
            Health::Failed(error) => Err(WorkerError::Engine(error)),
            Health::Warming | Health::Ready | Health::Stalled | Health::Stopped => Ok(()),
        }
    }

    /// Does what a teller's report asks for.
    pub(super) async fn settle(&mut self, event: Event) -> Result<(), WorkerError> {
        let (Event::Idle(ticket) | Event::Flushed(ticket) | Event::Unwanted(ticket)) = event;
        let Some(key) = self.keys.get(&ticket).cloned() else { return Ok(()) };
        let Some(lane) = self.lanes.get(&key) else { return Ok(()) };
        let over = match event {
            Event::Idle(_) => lane.fed.elapsed() >= FRESH && lane.parked.is_empty(),
            Event::Flushed(_) => lane.pace == Pace::Upload,
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
            let frames = match landmarks(&batch, self.model.input) {
                Ok(frames) => frames,
                Err(reason) => {
                    self.refuse(key, reason, batch.end()).await?;
                    continue;
                }
            };
            let place = match lane.place {
                Some(place) => place,
                None => match self.open(key, &batch, &frames).await? {
                    Ok(place) => place,
                    Err(overload) => {
                        tracing::debug!(%overload, room = %key.room, "a stream is parked");
                        if let Some(lane) = self.lanes.get_mut(key) {
                            lane.parked.push_front(batch);
                            if lane.pace == Pace::Live && !std::mem::replace(&mut lane.told, true) {
                                self.degraded(key, overload.to_string());
                            }
                        }
                        return Ok(());
                    }
                },
            };
            self.feed(key, place, &batch, frames).await?;
        }
        Ok(())
    }

    /// Opens a stream in the engine that has the fewest; `Err` inside: there is no room now.
    async fn open(
        &mut self,
        key: &StreamKey,
        batch: &FrameBatch,
        frames: &[Frame],
    ) -> Result<Result<Place, Overload>, WorkerError> {
        let Some(pace) = self.lanes.get(key).map(|lane| lane.pace) else {
            return Ok(Err(Overload::Closed));
        };
        let uploads = self.lanes.values().filter(|l| l.pace == Pace::Upload && l.place.is_some());
        if pace == Pace::Upload && uploads.count() >= UPLOADS {
            return Ok(Err(Overload::Slots { slots: UPLOADS }));
        }
        let engine = (0..self.loads.len()).min_by_key(|i| self.loads[*i]).unwrap_or(0);
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        // A live frame was captured just before it came; an upload begins when it comes.
        let captured = match pace {
            Pace::Live => frames.last(),
            Pace::Upload => frames.first(),
        };
        let captured_us = captured.map_or(0, |frame| frame.time_us as i64);
        let times = Times { offset_us: batch.received_us.saturating_sub(captured_us) };
        let (route, notices) = mpsc::channel(NOTICES);
        self.routes.lock().insert(ticket, route);
        let (reply, answer) = oneshot::channel();
        let room = key.room.get();
        self.send(engine, Command::Open { ticket, room, pace, reply }).await?;
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
            model: self.model.text.clone(),
            times,
            connections: self.connections.clone(),
            events: self.events.clone(),
        };
        self.tellers.spawn(teller.run(notices));
        let place = Place { ticket, engine };
        self.keys.insert(ticket, key.clone());
        self.loads[engine] += 1;
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
        frames: Vec<Frame>,
    ) -> Result<(), WorkerError> {
        let Some(lane) = self.lanes.get_mut(key) else { return Ok(()) };
        let age_us = wall_us().saturating_sub(batch.received_us).max(0).unsigned_abs();
        let arrived_us = (self.clock)().saturating_sub(age_us);
        let keep = batch.received_us < self.started_us;
        let first_new = lane.next_seq;
        let numbered = (batch.first_seq..).zip(frames);
        let arrivals: Vec<Arrival> = numbered
            .filter(|(seq, _)| *seq >= first_new)
            .map(|(seq, frame)| Arrival { seq, frame, arrived_us, keep })
            .collect();
        lane.next_seq = arrivals.last().map_or(first_new, |last| last.seq + 1);
        lane.fed = Instant::now();
        let flush = batch.flush || lane.pace == Pace::Upload;
        let Place { ticket, engine } = place;
        let next_seq = lane.next_seq;
        if !arrivals.is_empty() {
            self.send(engine, Command::Frames { ticket, arrivals }).await?;
        }
        if flush {
            self.send(engine, Command::Flush { ticket, next_seq }).await?;
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
        let Some(lane) = self.lanes.remove(key) else { return Ok(()) };
        let Some(Place { ticket, engine }) = lane.place else { return Ok(()) };
        self.keys.remove(&ticket);
        self.routes.lock().remove(&ticket);
        self.loads[engine] -= 1;
        self.send(engine, Command::Close { ticket }).await
    }

    async fn let_go(&self, key: &StreamKey, next_seq: u64) -> Result<(), WorkerError> {
        if let Err(error) = self.connections.frames.done(key, next_seq).await {
            tracing::warn!(%error, "frames that are done with could not be let go");
        }
        Ok(())
    }

    /// Hands a command to an engine, waiting while its inbox is full.
    async fn send(&self, engine: usize, mut command: Command) -> Result<(), WorkerError> {
        let engine: &EngineThread = &self.monitor.0[engine];
        loop {
            command = match engine.send(command) {
                Ok(()) => return Ok(()),
                Err(Refused::Full(command)) => command,
                Err(Refused::Stopped) => {
                    return Err(WorkerError::Engine(format!("{:?}", engine.health())));
                }
            };
            tokio::time::sleep(INBOX_RETRY).await;
        }
    }
}

/// The frames of a batch, or why there are none for this model. They were checked when they were
/// taken; this is the same check.
fn landmarks(batch: &FrameBatch, input: Input) -> Result<Vec<Frame>, String> {
    let wrong = |error: clips::ClipError| format!("the frames can't be read: {error}");
    let frames = match batch.format {
        _ if batch.count == 0 => Vec::new(),
        FrameFormat::Pose => clips::pose::parse(&batch.payload).map_err(wrong)?.frames,
        FrameFormat::Landmarks | FrameFormat::Images => {
            match live_wire::parse(&batch.payload).map_err(wrong)?.frames {
                WireFrames::Landmarks(frames) => frames,
                WireFrames::Images(_) => {
                    return Err("the model that serves here reads landmarks, not pictures".into());
                }
            }
        }
    };
    if input != Input::Landmarks && !frames.is_empty() {
        return Err("the model that serves here reads pictures, not landmarks".into());
    }
    if frames.len() != batch.count as usize {
        return Err(format!("the batch announces {} frames, it has {}", batch.count, frames.len()));
    }
    Ok(frames)
}
