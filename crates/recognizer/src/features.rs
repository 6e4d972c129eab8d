//! From landmark frames to the numbers a model sees: causal, anchored on the shoulders, the left
//! hand mirrored onto the right, motion by time and not by frame count, absence as a flag. From
//! pictures: [`picture`]; of either kind: [`Senses`].
//!
//! A signer may send any frame rate; the extractor keeps at most one frame per `TICK_US`, so that
//! the net always sees movement at about the speed it was trained on.

use clips::landmarks::Frame;

mod body;
mod hand;
mod history;
pub mod picture;
mod senses;
#[cfg(test)]
mod tests;

pub use senses::{Senses, Sight};

use crate::decode::Gate;
use body::Body;
use hand::Hand;

/// Numbers of one hand.
pub const HAND: usize = hand::SIZE;
/// Numbers of the body and of the hands' relation to each other.
pub const BODY: usize = body::SIZE;
/// Numbers a frame: right hand, left hand (mirrored), body.
pub const FEATURES: usize = 2 * HAND + BODY;
/// Where in a hand's numbers its presence (0 or 1) stands.
pub const HAND_PRESENT: usize = hand::PRESENT;
/// Where in the body's numbers its presence (0 or 1) stands.
pub const BODY_PRESENT: usize = body::PRESENT;
/// The time between the frames a model sees, microseconds: 15 a second.
pub const TICK_US: u64 = 66_667;
/// A frame may come this much before its tick and still counts.
const TICK_SLACK_US: u64 = 13_333;
/// No feature is larger; a wild landmark stays a landmark.
const LIMIT: f32 = 8.0;

/// Which of a stream's frames a model sees.
#[derive(Clone, Debug, Default)]
struct Ticks {
    next_us: Option<u64>,
}

impl Ticks {
    /// Whether the frame of that time is one of them; ask for every frame, in order.
    fn takes(&mut self, time_us: u64) -> bool {
        if self.next_us.is_some_and(|next| time_us + TICK_SLACK_US < next) {
            return false;
        }
        let due = self.next_us.map_or(time_us, |next| next.max(time_us.saturating_sub(TICK_US)));
        self.next_us = Some(due + TICK_US);
        true
    }
}

/// Turns one stream's frames into features; feed it every frame, in order.
#[derive(Clone, Debug)]
pub struct Extractor {
    ticks: Ticks,
    body: Body,
    right: Hand,
    left: Hand,
    out: Vec<f32>,
}

impl Default for Extractor {
    fn default() -> Self {
        Self::new()
    }
}

impl Extractor {
    /// An extractor that has seen nothing.
    pub fn new() -> Self {
        Self {
            ticks: Ticks::default(),
            body: Body::default(),
            right: Hand::new(1.0),
            left: Hand::new(-1.0),
            out: vec![0.0; FEATURES],
        }
    }

    /// The `FEATURES` numbers of `frame`, or `None` where the stream is faster than the model and
    /// this frame is left out.
    pub fn push(&mut self, frame: &Frame) -> Option<&[f32]> {
        if !self.ticks.takes(frame.time_us) {
            return None;
        }
        let (hands, body) = self.out.split_at_mut(2 * HAND);
        let (right, left) = hands.split_at_mut(HAND);
        let anchor = self.body.update(frame, body);
        self.right.update(frame, frame.right.as_ref(), anchor.as_ref(), right);
        self.left.update(frame, frame.left.as_ref(), anchor.as_ref(), left);
        for value in &mut self.out {
            *value = if value.is_finite() { value.clamp(-LIMIT, LIMIT) } else { 0.0 };
        }
        Some(&self.out)
    }
}
