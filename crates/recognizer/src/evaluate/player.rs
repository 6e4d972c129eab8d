//! One stream through the serving path without the engine around it: the same features, gate,
//! hops, resets and decoder, on the frames' own clock.

use std::time::{Duration, Instant};

use crate::decode::{Caption, Decoder};
use crate::features::{Senses, Sight};
use crate::model::{Hop, Model, ModelError, StreamState};

/// What a stream brought forth.
#[derive(Clone, Debug, Default)]
pub struct Played {
    /// Finals, in order.
    pub finals: Vec<Caption>,
    /// `classes` natural logarithms for every frame the model saw.
    pub log_probs: Vec<f32>,
    /// Frames taken.
    pub frames: usize,
    /// Time spent computing.
    pub compute: Duration,
}

impl Played {
    /// The finals' texts, joined by spaces.
    pub fn text(&self) -> String {
        let texts: Vec<&str> = self.finals.iter().map(|caption| caption.text.as_str()).collect();
        texts.join(" ")
    }
}

/// Plays frames into a model, `hop` at a time.
pub struct Player<'m> {
    model: &'m mut dyn Model,
    hop: usize,
    senses: Senses,
    state: StreamState,
    decoder: Decoder,
    waiting: Vec<Sight>,
    out: Vec<Caption>,
    played: Played,
}

impl<'m> Player<'m> {
    /// A stream at its start. `hop` is the model's own for serving; more frames than the stream
    /// has make everything one step, which must not change a word.
    pub fn new(model: &'m mut dyn Model, hop: usize) -> Self {
        Self {
            hop: hop.max(1),
            senses: Senses::new(model.spec().input),
            state: model.new_state(),
            decoder: Decoder::new(model.spec()),
            waiting: Vec::new(),
            out: Vec::new(),
            played: Played::default(),
            model,
        }
    }

    /// Takes a frame; computes when a hop is full. Returns how many finals there are by now.
    pub fn push(&mut self, sight: impl Into<Sight>) -> Result<usize, ModelError> {
        self.waiting.push(sight.into());
        self.played.frames += 1;
        if self.waiting.len() >= self.hop {
            self.step()?;
        }
        Ok(self.played.finals.len())
    }

    /// Ends the stream: what is open becomes final.
    pub fn finish(mut self) -> Result<Played, ModelError> {
        self.step()?;
        self.decoder.flush(&mut self.out);
        self.collect();
        Ok(self.played)
    }

    /// All waiting frames; where an utterance ends among them, the rest begins a new one.
    fn step(&mut self) -> Result<(), ModelError> {
        let begun = Instant::now();
        while !self.waiting.is_empty() {
            let used = self.utterance()?;
            self.waiting.drain(..used);
        }
        self.played.compute += begun.elapsed();
        self.collect();
        Ok(())
    }

    /// Waiting frames up to the end of the utterance; how many they were.
    fn utterance(&mut self) -> Result<usize, ModelError> {
        let (mut features, mut seen) = (Vec::new(), Vec::new());
        for (index, sight) in self.waiting.iter().enumerate() {
            let (active, numbers) = self.senses.push(sight);
            if let Some(numbers) = numbers {
                features.extend_from_slice(numbers);
                seen.push((index, sight.time_us(), active));
            }
        }
        let mut log_probs = Vec::new();
        let state = &mut self.state;
        self.model.step(&mut [Hop { state, features: &features, log_probs: &mut log_probs }])?;
        let classes = self.model.spec().classes();
        for ((index, time_us, active), row) in seen.into_iter().zip(log_probs.chunks(classes)) {
            self.played.log_probs.extend_from_slice(row);
            if self.decoder.push(time_us, row, active, &mut self.out) {
                self.state.reset();
                self.senses = Senses::new(self.model.spec().input);
                return Ok(index + 1);
            }
        }
        Ok(self.waiting.len())
    }

    fn collect(&mut self) {
        self.played.finals.extend(self.out.drain(..).filter(|caption| caption.is_final));
    }
}
