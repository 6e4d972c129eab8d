//! Whether somebody is moving their hands, from the landmarks alone: what keeps an utterance open
//! while the model has nothing to say yet.

use clips::landmarks::{Frame, Hand};

/// Speed at which hands count as moving, in palm lengths a second.
const ON: f32 = 1.0;
/// Speed below which they no longer do.
const OFF: f32 = 0.5;
/// Time constant of the speed's average, seconds.
const TAU_S: f32 = 0.15;
/// A hand seen again after a longer time is a hand that appeared, µs.
const LOST_US: u64 = 300_000;
/// A palm is never shorter than this, pixels.
const MIN_PALM: f32 = 4.0;
/// Wrist and middle knuckle: the ends of the palm.
const PALM: (usize, usize) = (0, 9);

/// Watches one stream's hands. Feed it every frame, in order.
#[derive(Debug, Clone, Default)]
pub struct Gate {
    left: Watch,
    right: Watch,
    last_us: Option<u64>,
    speed: f32,
    on: bool,
}

#[derive(Debug, Clone, Default)]
struct Watch {
    seen: Option<(u64, Hand)>,
}

impl Gate {
    /// Whether the hands move, with hysteresis. A hand that appears counts as moving.
    pub fn push(&mut self, frame: &Frame) -> bool {
        let left = self.left.speed(frame.time_us, frame.left.as_ref());
        let right = self.right.speed(frame.time_us, frame.right.as_ref());
        let elapsed = self.last_us.map_or(0, |last| frame.time_us.saturating_sub(last));
        let share = 1.0 - (-(elapsed as f32 / 1e6) / TAU_S).exp();
        self.last_us = Some(frame.time_us);
        self.speed += (left.max(right) - self.speed) * share;
        self.on = self.speed >= if self.on { OFF } else { ON };
        self.on
    }
}

impl Watch {
    /// Mean speed of the hand's points since it was last seen, palm lengths a second.
    fn speed(&mut self, time_us: u64, hand: Option<&Hand>) -> f32 {
        let Some(hand) = hand else { return 0.0 };
        let before = self.seen.replace((time_us, *hand));
        let Some((then_us, before)) = before else { return ON };
        let elapsed_us = time_us.saturating_sub(then_us);
        if elapsed_us == 0 {
            return 0.0;
        }
        if elapsed_us > LOST_US {
            return ON;
        }
        let palm = distance(hand, PALM.0, hand, PALM.1).max(MIN_PALM);
        let moved: f32 = (0..hand.len()).map(|i| distance(hand, i, &before, i)).sum();
        moved / hand.len() as f32 / palm / (elapsed_us as f32 / 1e6)
    }
}

fn distance(a: &Hand, i: usize, b: &Hand, j: usize) -> f32 {
    (a[i].x - b[j].x).hypot(a[i].y - b[j].y)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clips::Point;

    /// A hand whose palm is 40 pixels long, its wrist at (x, 100).
    fn frame(time_us: u64, x: f32) -> Frame {
        let point =
            |i: usize| Point { x, y: 100.0 - 40.0 / 9.0 * i as f32, z: 0.0, confidence: 1.0 };
        let mut frame = Frame::empty(time_us, 640.0, 480.0);
        frame.right = Some(std::array::from_fn(point));
        frame
    }

    #[test]
    fn moving_hands_are_seen_and_resting_or_absent_ones_are_not() {
        let mut gate = Gate::default();
        // A second of 400 pixels (10 palms), a second at rest, a second without hands.
        let mut seen = Vec::new();
        for i in 0..45u64 {
            let time_us = i * 66_667;
            let moving = frame(time_us, 100.0 + 400.0 / 15.0 * i.min(15) as f32);
            seen.push(gate.push(&if i < 30 {
                moving
            } else {
                Frame::empty(time_us, 640.0, 480.0)
            }));
        }
        assert!(seen[2..16].iter().all(|on| *on), "{seen:?}");
        assert!(seen[25..].iter().all(|on| !on), "{seen:?}");
    }
}
