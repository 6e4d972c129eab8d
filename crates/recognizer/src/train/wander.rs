//! Hands that move and say nothing: there are few such clips, and they are what a signing system
//! meets most. Made of real poses in an order, at places and turns in which nobody signs them, too
//! quick to be held.

use clips::landmarks::{Frame, Point};

use super::augment::{between, shoulders, turn};
use super::data::Clip;
use super::random::Dice;

/// Poses that the hands go through.
const POSES: (usize, usize) = (3, 5);
/// Frames from one pose to the next.
const WAY: (usize, usize) = (3, 8);
/// How far a pose lies from where it was taken, in shoulder widths.
const SHIFT: f32 = 0.35;
/// How far a hand is turned from how it was held, radians.
const TURN: f32 = 0.6;

/// Hands on their way between poses of `clips`, before the body of the first.
pub(super) fn wander(clips: &[&Clip], dice: &mut Dice) -> Vec<Frame> {
    let Some((first, others)) = clips.split_first() else { return Vec::new() };
    let base = &first.frames[dice.below(first.frames.len())];
    let scene = Scene::of(base, first);
    let mut poses = vec![pose(base, &scene, &scene, dice)];
    for clip in others {
        let frame = &clip.frames[dice.below(clip.frames.len())];
        poses.push(pose(frame, &Scene::of(frame, clip), &scene, dice));
    }
    let mut frames = Vec::new();
    for pair in poses.windows(2) {
        let steps = WAY.0 + dice.below(WAY.1 - WAY.0 + 1);
        for step in 0..steps {
            let share = step as f32 / steps as f32;
            let eased = 0.5 - 0.5 * (std::f32::consts::PI * share).cos();
            let mut frame = between(&pair[0], &pair[1], eased);
            follow(&mut frame, base);
            frames.push(frame);
        }
    }
    frames
}

/// How many clips [`wander`] is to be given.
pub(super) fn poses(dice: &mut Dice) -> usize {
    POSES.0 + dice.below(POSES.1 - POSES.0 + 1)
}

/// Where the shoulders are, and how far apart, pixels.
struct Scene {
    middle: [f32; 2],
    width: f32,
}

impl Scene {
    fn of(frame: &Frame, clip: &Clip) -> Self {
        let width = shoulders(&clip.frames).unwrap_or(0.25 * frame.width).max(1.0);
        let middle = frame.body.as_ref().map(|body| {
            [f32::midpoint(body[11].x, body[12].x), f32::midpoint(body[11].y, body[12].y)]
        });
        Self { middle: middle.unwrap_or([frame.width / 2.0, frame.height / 2.0]), width }
    }
}

/// The hands of `frame` where `to` has its shoulders, moved and turned.
fn pose(frame: &Frame, from: &Scene, to: &Scene, dice: &mut Dice) -> Frame {
    let mut frame = frame.clone();
    let size = to.width / from.width;
    for hand in [&mut frame.left, &mut frame.right].into_iter().flatten() {
        let shift = [dice.normal(SHIFT) * to.width, dice.normal(SHIFT) * to.width];
        for point in hand.iter_mut() {
            point.x = to.middle[0] + (point.x - from.middle[0]) * size + shift[0];
            point.y = to.middle[1] + (point.y - from.middle[1]) * size + shift[1];
            point.z *= size;
        }
        turn(hand, dice.normal(TURN));
    }
    frame
}

/// Gives a frame the body of another, its arms where the hands are.
fn follow(frame: &mut Frame, base: &Frame) {
    frame.body = base.body;
    let Some(body) = &mut frame.body else { return };
    for (side, hand) in [&frame.left, &frame.right].into_iter().enumerate() {
        let Some(hand) = hand else { continue };
        let moved = [hand[0].x - body[15 + side].x, hand[0].y - body[15 + side].y];
        if body[13 + side].is_present() {
            body[13 + side].x += 0.5 * moved[0];
            body[13 + side].y += 0.5 * moved[1];
        }
        let confidence = body[15 + side].confidence.max(0.8);
        body[15 + side] = Point { x: hand[0].x, y: hand[0].y, z: body[15 + side].z, confidence };
    }
}
