//! One stream of an engine: frames that wait, the hop under way, the decoder.

use super::{Arrival, Output, Overload, Pace, StreamRef};
use crate::decode::{Caption, Decoder};
use crate::features::Senses;
use crate::model::{Hop, Input, Model, StreamState};
use std::collections::VecDeque;

/// Why everything before a place in the stream becomes final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// The sender, or a shutdown, asked for it; the number of the frame that comes next.
    Flush(u64),
    /// Nothing came for too long.
    Expire,
}

/// What waits, in order.
#[derive(Debug)]
enum Item {
    Frame(Box<Arrival>),
    Mark(Mark, u64),
}

/// What ends a hop before it is full.
#[derive(Debug, Clone, Copy)]
enum End {
    Mark(Mark, u64),
    /// The next frame is of another utterance: too late after this one, or before it.
    Gap,
}

/// A frame the model will see.
#[derive(Debug, Clone, Copy)]
struct Row {
    /// Its index in `taken`.
    taken: usize,
    /// Whether the hands move.
    active: bool,
}

pub(super) struct Stream {
    room: u64,
    pace: Pace,
    input: Input,
    /// A gap of capture time that ends the utterance, µs.
    gap_us: u64,
    waiting: VecDeque<Item>,
    /// Frames of the hop, with those that the features left out.
    taken: Vec<Arrival>,
    rows: Vec<Row>,
    features: Vec<f32>,
    end: Option<End>,
    /// Everything that starts from zero with an utterance.
    senses: Senses,
    state: StreamState,
    decoder: Decoder,
    /// Number of the utterance's first frame; capture time of the last one taken, µs.
    utterance: Option<(u64, u64)>,
    /// Capture time, ms, and arrival, µs, of the utterance's frames.
    arrivals: VecDeque<(u64, u64)>,
    /// Number of the frame after the last one taken.
    next_seq: Option<u64>,
    heard_us: u64,
}

impl Stream {
    pub(super) fn new(model: &dyn Model, room: u64, pace: Pace, now_us: u64) -> Self {
        let spec = model.spec();
        Self {
            room,
            pace,
            input: spec.input,
            gap_us: u64::from(spec.emission.idle_ms) * 1_000,
            waiting: VecDeque::new(),
            taken: Vec::new(),
            rows: Vec::new(),
            features: Vec::new(),
            end: None,
            senses: Senses::new(spec.input),
            state: model.new_state(),
            decoder: Decoder::new(spec),
            utterance: None,
            arrivals: VecDeque::new(),
            next_seq: None,
            heard_us: now_us,
        }
    }

    pub(super) fn room(&self) -> u64 {
        self.room
    }

    pub(super) fn pace(&self) -> Pace {
        self.pace
    }

    /// Frames that wait, those of the hop included.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len() + self.taken.len()
    }

    /// Frames of the hop that the model sees.
    pub(super) fn rows(&self) -> usize {
        self.rows.len()
    }

    /// When the oldest and the newest frame of the hop came, µs.
    pub(super) fn arrived_us(&self) -> Option<(u64, u64)> {
        Some((self.taken.first()?.arrived_us, self.taken.last()?.arrived_us))
    }

    /// When the oldest frame or mark that waits came, µs.
    pub(super) fn oldest_us(&self) -> Option<u64> {
        let first = self.taken.first().map(|arrival| arrival.arrived_us);
        let mark = || match self.end {
            Some(End::Mark(_, at_us)) => Some(at_us),
            Some(End::Gap) | None => None,
        };
        let next = || match self.waiting.front() {
            Some(Item::Frame(arrival)) => Some(arrival.arrived_us),
            Some(Item::Mark(_, at_us)) => Some(*at_us),
            None => None,
        };
        first.or_else(mark).or_else(next)
    }

    /// Queues a frame; whether the oldest one had to go for it.
    pub(super) fn push(
        &mut self,
        arrival: Arrival,
        live_frames: usize,
        upload_frames: usize,
    ) -> Result<bool, Overload> {
        let waiting = self.waiting.len();
        let full = match self.pace {
            Pace::Live => waiting >= live_frames,
            Pace::Upload if waiting >= upload_frames => {
                return Err(Overload::Frames { waiting, limit: upload_frames });
            }
            Pace::Upload => false,
        };
        let frame = |item: &Item| matches!(item, Item::Frame(_));
        let oldest = if full { self.waiting.iter().position(frame) } else { None };
        let dropped = oldest.and_then(|index| self.waiting.remove(index)).is_some();
        self.heard_us = self.heard_us.max(arrival.arrived_us);
        self.waiting.push_back(Item::Frame(Box::new(arrival)));
        Ok(dropped)
    }

    /// Marks this place in the stream. Of marks with nothing between them, the last one stands.
    pub(super) fn mark(&mut self, mark: Mark, now_us: u64) {
        if let Some(Item::Mark(before, _)) = self.waiting.back_mut() {
            *before = mark;
        } else {
            self.waiting.push_back(Item::Mark(mark, now_us));
        }
    }

    /// Marks the end where nothing came for too long.
    pub(super) fn expire(&mut self, now_us: u64, idle_us: u64) {
        let idle = now_us.saturating_sub(self.heard_us) >= idle_us;
        if idle && self.waiting.is_empty() && self.end.is_none() {
            self.heard_us = now_us;
            self.mark(Mark::Expire, now_us);
        }
    }

    /// Fills the hop from what waits; how many frames were dropped as stale.
    pub(super) fn fill(&mut self, hop: usize, now_us: u64, stale_us: u64) -> u64 {
        let mut dropped = 0;
        while self.rows.len() < hop && self.end.is_none() {
            let arrival = match self.waiting.pop_front() {
                None => break,
                Some(Item::Mark(mark, at_us)) => {
                    self.end = Some(End::Mark(mark, at_us));
                    break;
                }
                Some(Item::Frame(arrival)) => *arrival,
            };
            let late = now_us.saturating_sub(arrival.arrived_us) > stale_us;
            if late && self.pace == Pace::Live && !arrival.keep {
                dropped += 1;
                continue;
            }
            let time_us = arrival.sight.time_us();
            let apart = |last: u64| time_us < last || time_us - last >= self.gap_us;
            if self.utterance.is_some_and(|(_, last_us)| apart(last_us)) {
                self.end = Some(End::Gap);
                self.waiting.push_front(Item::Frame(Box::new(arrival)));
                break;
            }
            self.take(arrival);
        }
        dropped
    }

    fn take(&mut self, arrival: Arrival) {
        let sight = &arrival.sight;
        let (first, _) = self.utterance.unwrap_or((arrival.seq, 0));
        self.utterance = Some((first, sight.time_us()));
        let (active, features) = self.senses.push(sight);
        if let Some(features) = features {
            self.features.extend_from_slice(features);
            self.rows.push(Row { taken: self.taken.len(), active });
        }
        self.taken.push(arrival);
    }

    /// Whether the hop is full, or will not get fuller.
    pub(super) fn is_ready(&self, hop: usize) -> bool {
        self.rows.len() >= hop || self.end.is_some()
    }

    /// The hop as the model takes it; none where there is nothing for the model to see.
    pub(super) fn hop<'a>(&'a mut self, log_probs: &'a mut Vec<f32>) -> Option<Hop<'a>> {
        let hop = Hop { state: &mut self.state, features: &self.features, log_probs };
        (!self.rows.is_empty()).then_some(hop)
    }

    /// Decodes the hop and tells what was said. Where an utterance ends, the frames behind its end
    /// go back to those that wait, and all starts from zero.
    pub(super) fn decode(
        &mut self,
        name: StreamRef,
        log_probs: &[f32],
        classes: usize,
        now_us: u64,
        out: &mut Vec<Output>,
    ) {
        let mut captions = Vec::new();
        let rows = std::mem::take(&mut self.rows);
        for (row, log_probs) in rows.iter().zip(log_probs.chunks_exact(classes)) {
            let arrival = &self.taken[row.taken];
            let time_us = arrival.sight.time_us();
            self.arrivals.push_back((time_us / 1_000, arrival.arrived_us));
            let ended = self.decoder.push(time_us, log_probs, row.active, &mut captions);
            self.tell(name, &mut captions, now_us, out);
            if ended {
                self.give_back(row.taken + 1);
                return self.finish(name, out);
            }
        }
        let end = self.end.take();
        if let Some(last) = self.taken.last() {
            self.next_seq = Some(last.seq + 1);
        }
        self.taken.clear();
        self.features.clear();
        if end.is_some() {
            self.decoder.flush(&mut captions);
            self.tell(name, &mut captions, now_us, out);
            self.finish(name, out);
        }
        match end {
            Some(End::Mark(Mark::Flush(next_seq), _)) => {
                out.push(Output::Flushed { stream: name, next_seq });
            }
            Some(End::Mark(Mark::Expire, _)) => out.push(Output::Idle { stream: name }),
            Some(End::Gap) | None => {}
        }
    }

    /// Puts the hop's frames from `index` on, and its mark, back in front of those that wait.
    fn give_back(&mut self, index: usize) {
        if let Some(End::Mark(mark, at_us)) = self.end.take() {
            self.waiting.push_front(Item::Mark(mark, at_us));
        }
        for arrival in self.taken.drain(index..).rev() {
            self.waiting.push_front(Item::Frame(Box::new(arrival)));
        }
        if let Some(last) = self.taken.last() {
            self.next_seq = Some(last.seq + 1);
        }
        self.taken.clear();
        self.features.clear();
    }

    /// Starts the next utterance from zero.
    fn finish(&mut self, name: StreamRef, out: &mut Vec<Output>) {
        self.senses = Senses::new(self.input);
        self.state.reset();
        self.utterance = None;
        self.arrivals.clear();
        if let Some(next_seq) = self.next_seq.take() {
            out.push(Output::Done { stream: name, next_seq });
        }
    }

    fn tell(
        &self,
        name: StreamRef,
        captions: &mut Vec<Caption>,
        now_us: u64,
        out: &mut Vec<Output>,
    ) {
        let utterance_seq = self.utterance.map_or(0, |(first, _)| first);
        for caption in captions.drain(..) {
            let end_ms = caption.end_ms();
            let at_end = self.arrivals.iter().rev().find(|(time_ms, _)| *time_ms == end_ms);
            let arrived_us = at_end.or(self.arrivals.back()).map_or(now_us, |(_, us)| *us);
            let latency_us = now_us.saturating_sub(arrived_us);
            out.push(Output::Caption { stream: name, utterance_seq, caption, latency_us });
        }
    }
}
