//! The serving engine: many streams, one model, batches formed when the model is free.
//!
//! An engine owns its model and the state of every stream. It is synchronous and takes the time
//! from its caller, so that it runs under any clock; [`run`] puts it on a thread of its own. Each
//! step takes the streams that have a hop of frames, most urgent first, and lets nobody's room
//! take more than its share while others wait. A stream has at most one hop in a step, so its
//! captions come in order.
//!
//! What a stream says depends on its frames alone: not on how they were batched, on hops, or on
//! who else is served. At the end of an utterance everything starts from zero, so a worker that
//! takes over plays the frames again from the start of the utterance and says the same.
//!
//! # Layout
//! * [`Engine`]: streams opened, fed, closed; one step.
//! * `stream`: one stream: its waiting frames, its hop, its decoder.
//! * `contract`: what goes in and comes out, and the bounds.
//! * `batch`: who is in the next step; how long a step will take.
//! * `meter`: what each stage of a step took, for metrics.
//! * [`run`]: the engine on its own thread, with bounded hand-over, warm-up and health.

mod batch;
mod contract;
mod meter;
pub mod run;
mod stream;
#[cfg(test)]
pub(crate) mod tests;

pub use contract::{Arrival, FrameAge, Limits, Output, Overload, Pace, Stats, StreamRef};
pub use run::{Clock, Command, EngineThread, Health, Notice, Refused, Ticket};

use crate::model::{Hop, Model, ModelError, ModelSpec};
use batch::{Candidate, FrameCosts, StepTimes};
use stream::{Mark, Stream};

/// Time between two frames a model sees, µs.
const FRAME_US: u64 = crate::features::TICK_US;

/// Streams, a model, and steps.
pub struct Engine {
    model: Box<dyn Model>,
    limits: Limits,
    slots: Vec<Slot>,
    free: Vec<u32>,
    times: StepTimes,
    costs: FrameCosts,
    stats: Stats,
    ages: Vec<FrameAge>,
    log_probs: Vec<Vec<f32>>,
}

#[derive(Default)]
struct Slot {
    generation: u32,
    stream: Option<Box<Stream>>,
}

impl Engine {
    /// An engine for that model.
    pub fn new(model: Box<dyn Model>, limits: Limits) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            times: StepTimes::default(),
            costs: FrameCosts::default(),
            stats: Stats::default(),
            ages: Vec::new(),
            log_probs: vec![Vec::new(); limits.batch],
            model,
            limits,
        }
    }

    /// The model's description.
    pub fn spec(&self) -> &ModelSpec {
        self.model.spec()
    }

    /// Opens a stream of that room, or says why not: no slot, or a live stream too many for the
    /// model's speed.
    pub fn open(&mut self, room: u64, pace: Pace, now_us: u64) -> Result<StreamRef, Overload> {
        if let Err(overload) = self.check_capacity(pace) {
            self.stats.refused += 1;
            return Err(overload);
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() as u32 - 1
        });
        let stream = Stream::new(self.model.as_ref(), room, pace, now_us);
        let taken = &mut self.slots[slot as usize];
        taken.stream = Some(Box::new(stream));
        self.stats.opened += 1;
        self.stats.streams += 1;
        Ok(StreamRef { slot, generation: taken.generation })
    }

    fn check_capacity(&self, pace: Pace) -> Result<(), Overload> {
        if self.stats.streams >= self.limits.slots {
            return Err(Overload::Slots { slots: self.limits.slots });
        }
        let (streams, hop) = (self.stats.streams + 1, self.spec().hop_frames);
        let step_us = self.times.predict(streams, self.limits.batch)
            + self.costs.predict(streams * hop, self.limits.reading);
        let hop_us = hop as u64 * FRAME_US;
        let late = step_us as f64 > hop_us as f64 * self.limits.load;
        // One stream is always served: only serving shows whether steps are still that slow.
        if pace == Pace::Live && late && self.stats.streams > 0 {
            return Err(Overload::Time { step_us, hop_us });
        }
        Ok(())
    }

    fn stream(&mut self, stream: StreamRef) -> Result<&mut Stream, Overload> {
        let slot = self.slots.get_mut(stream.slot as usize);
        let slot = slot.filter(|slot| slot.generation == stream.generation);
        slot.and_then(|slot| slot.stream.as_deref_mut()).ok_or(Overload::Closed)
    }

    /// Takes a frame. A live stream that is full loses its oldest frame, an upload refuses.
    pub fn push(&mut self, stream: StreamRef, arrival: Arrival) -> Result<(), Overload> {
        let (live_frames, upload_frames) = (self.limits.live_frames, self.limits.upload_frames);
        let dropped = self.stream(stream)?.push(arrival, live_frames, upload_frames)?;
        self.stats.frames_in += 1;
        self.stats.dropped_full += u64::from(dropped);
        Ok(())
    }

    /// Notes how long it took to read so many frames before they were pushed, µs: that time is not
    /// there for steps, and counts when a stream asks to be taken.
    pub fn note_reading(&mut self, frames: usize, time_us: u64) {
        self.costs.reading.add(frames, time_us);
    }

    /// Notes how long it took to push so many frames, µs: the engine has no clock then.
    pub fn note_pushing(&mut self, frames: usize, time_us: u64) {
        self.costs.pushing.add(frames, time_us);
    }

    /// Notes how long it took to pass on what the last step told, µs.
    pub fn note_telling(&mut self, time_us: u64) {
        self.costs.telling.add(0, time_us);
    }

    /// Marks the end of what was pushed so far: everything before it becomes final. `next_seq`
    /// comes back with [`Output::Flushed`].
    pub fn flush(&mut self, stream: StreamRef, next_seq: u64, now_us: u64) -> Result<(), Overload> {
        self.stream(stream)?.mark(Mark::Flush(next_seq), now_us);
        Ok(())
    }

    /// Marks the end of every stream, for a shutdown: step until none is ready, and all is told.
    pub fn flush_all(&mut self, now_us: u64) {
        for stream in self.slots.iter_mut().filter_map(|slot| slot.stream.as_deref_mut()) {
            stream.mark(Mark::Flush(0), now_us);
        }
    }

    /// Tries the model out with steps of one stream, two, four and so on, twice each, and learns
    /// how long they take. `clock` gives µs.
    pub fn warm_up(&mut self, clock: &dyn Fn() -> u64) -> Result<(), ModelError> {
        self.model.warm_up()?;
        let mut rows = 1;
        while rows <= self.limits.batch {
            self.idle_step(rows)?;
            let begun_us = clock();
            self.idle_step(rows)?;
            self.times.add(rows, clock().saturating_sub(begun_us));
            rows *= 2;
        }
        Ok(())
    }

    /// One step of one stream in which nothing is seen: proves that the model works.
    pub fn probe(&mut self) -> Result<(), ModelError> {
        self.idle_step(1)
    }

    fn idle_step(&mut self, rows: usize) -> Result<(), ModelError> {
        let features = vec![0.0; self.spec().hop_frames * self.spec().input.frame_len()];
        let mut states: Vec<_> = (0..rows).map(|_| self.model.new_state()).collect();
        let mut log_probs = vec![Vec::new(); rows];
        let hops = states.iter_mut().zip(&mut log_probs);
        let hop = |(state, log_probs)| Hop { state, features: &features, log_probs };
        self.model.step(&mut hops.map(hop).collect::<Vec<_>>())
    }

    /// Forgets a stream at once: nothing more is said for it.
    pub fn close(&mut self, stream: StreamRef) {
        if self.stream(stream).is_ok() {
            let slot = &mut self.slots[stream.slot as usize];
            slot.stream = None;
            slot.generation = slot.generation.wrapping_add(1);
            self.free.push(stream.slot);
            self.stats.streams -= 1;
        }
    }

    /// What was counted; looking starts [`Stats::worst_age_us`] anew.
    pub fn stats(&mut self) -> Stats {
        let streams = self.slots.iter().filter_map(|slot| slot.stream.as_deref());
        let waiting = streams.map(Stream::waiting).sum();
        let worst_age_us = std::mem::take(&mut self.stats.worst_age_us);
        Stats { waiting, worst_age_us, ..self.stats }
    }

    /// How old the frames of the last step were, one of each stream it served.
    pub fn ages(&self) -> &[FrameAge] {
        &self.ages
    }

    /// One step: gathers hops, asks the model once for all of them, tells what was said. Returns
    /// how many streams were served; 0 where none was ready. `clock` gives µs.
    ///
    /// # Errors
    /// After an error of the model the states of its streams are worth nothing: the engine is to be
    /// given up, and its streams played again elsewhere from their last [`Output::Done`].
    pub fn step(
        &mut self,
        clock: &dyn Fn() -> u64,
        out: &mut Vec<Output>,
    ) -> Result<usize, ModelError> {
        let begun_us = clock();
        let (mut served, sensed) = self.gather(begun_us);
        let sensed_us = clock();
        if sensed > 0 {
            self.costs.sensing.add(sensed, sensed_us.saturating_sub(begun_us));
        }
        let mut hops: Vec<Hop<'_>> = Vec::with_capacity(served.len());
        for ((_, stream), log_probs) in served.iter_mut().zip(&mut self.log_probs) {
            log_probs.clear();
            hops.extend(stream.hop(log_probs));
        }
        let rows = hops.len();
        if rows > 0 {
            self.model.step(&mut hops)?;
        }
        let now_us = clock();
        if rows > 0 {
            self.stats.steps += 1;
            self.stats.rows += rows as u64;
            self.stats.step_us += now_us.saturating_sub(sensed_us);
            self.times.add(rows, now_us.saturating_sub(sensed_us));
        }
        let steps = served.len();
        self.tell(served, [begun_us, now_us], clock, out);
        Ok(steps)
    }

    /// Decodes what the model said of those streams, tells it, and puts them back in their slots.
    /// `begun_us` and `computed_us`: when the step began, and when the model was done.
    fn tell(
        &mut self,
        served: Vec<(StreamRef, Box<Stream>)>,
        [begun_us, computed_us]: [u64; 2],
        clock: &dyn Fn() -> u64,
        out: &mut Vec<Output>,
    ) {
        let classes = self.model.spec().classes();
        let told = out.len();
        let (mut frames, mut told_us) = (0, computed_us);
        self.ages.clear();
        for ((name, mut stream), log_probs) in served.into_iter().zip(&self.log_probs) {
            frames += stream.rows();
            let age_us = stream.oldest_us().map_or(0, |oldest| computed_us.saturating_sub(oldest));
            self.stats.worst_age_us = self.stats.worst_age_us.max(age_us);
            let arrived_us = stream.arrived_us();
            stream.decode(name, log_probs, classes, computed_us, out);
            told_us = clock();
            self.ages.extend(arrived_us.map(|(oldest_us, newest_us)| FrameAge {
                oldest_us,
                newest_us,
                begun_us,
                computed_us,
                told_us,
            }));
            self.slots[name.slot as usize].stream = Some(stream);
        }
        self.stats.frames_out += frames as u64;
        if frames > 0 {
            self.costs.telling.add(frames, told_us.saturating_sub(computed_us));
        }
        let is_final = |output: &&Output| match output {
            Output::Caption { caption, .. } => caption.is_final,
            Output::Done { .. } | Output::Flushed { .. } | Output::Idle { .. } => false,
        };
        self.stats.finals += out[told..].iter().filter(is_final).count() as u64;
    }

    /// Lifts the streams of the next step out of their slots, their hops filled; and how many
    /// frames came into hops, those of other streams too.
    fn gather(&mut self, now_us: u64) -> (Vec<(StreamRef, Box<Stream>)>, usize) {
        let hop = self.model.spec().hop_frames;
        let (mut ready, mut sensed) = (Vec::new(), 0);
        for (index, slot) in self.slots.iter_mut().enumerate() {
            let Some(stream) = slot.stream.as_deref_mut() else { continue };
            stream.expire(now_us, self.limits.idle_us);
            let rows = stream.rows();
            self.stats.dropped_stale += stream.fill(hop, now_us, self.limits.stale_us);
            sensed += stream.rows() - rows;
            if stream.is_ready(hop) {
                let budget_us = match stream.pace() {
                    Pace::Live => self.limits.live_budget_us,
                    Pace::Upload => self.limits.upload_budget_us,
                };
                let due_us = stream.oldest_us().unwrap_or(0).saturating_add(budget_us);
                ready.push(Candidate { slot: index, room: stream.room(), due_us });
            }
        }
        let chosen = batch::choose(ready, self.limits.batch, self.limits.room_share);
        let lift = |index: usize| {
            let slot = &mut self.slots[index];
            let name = StreamRef { slot: index as u32, generation: slot.generation };
            slot.stream.take().map(|stream| (name, stream))
        };
        (chosen.into_iter().filter_map(lift).collect(), sensed)
    }
}
