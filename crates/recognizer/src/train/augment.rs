//! Changes that leave a sign the same sign: another place, camera, size of hand, tempo, a signer
//! who is left-handed, parts that were not found. On landmarks, before the features.

use clips::landmarks::{Frame, Point};

use super::random::Dice;
use crate::features::TICK_US;

/// Pairs of body points that change places in a mirror.
const BODY_PAIRS: [(usize, usize); 16] = [
    (1, 4),
    (2, 5),
    (3, 6),
    (7, 8),
    (9, 10),
    (11, 12),
    (13, 14),
    (15, 16),
    (17, 18),
    (19, 20),
    (21, 22),
    (23, 24),
    (25, 26),
    (27, 28),
    (29, 30),
    (31, 32),
];
/// Where each finger begins: its first point after the wrist.
const FINGERS: [usize; 5] = [1, 5, 9, 13, 17];

/// The longest time between two frames of a slow camera, in ticks.
const SLOWEST: f32 = 1.5;
/// How far a frame's time may lie from where it belongs, in ticks.
const JITTER: f32 = 0.09;

/// What is the same for a whole sequence: the signer, the camera.
pub(crate) struct Scene {
    mirrored: bool,
    drop_body: bool,
    turn: [f32; 4],
    depth: f32,
    bones: [[f32; 4]; 5],
    stature: [f32; 2],
}

impl Scene {
    /// A signer and a camera by chance.
    pub(crate) fn random(dice: &mut Dice) -> Self {
        let mirrored = dice.chance(0.35);
        let drop_body = dice.chance(0.1);
        let angle = dice.even(-0.3, 0.3);
        let (wide, high) = (dice.even(0.88, 1.13), dice.even(0.88, 1.13));
        let shear = dice.even(-0.1, 0.1);
        let (sin, cos) = angle.sin_cos();
        let turn = [wide * cos, -sin + shear, sin, high * cos];
        let depth = if dice.chance(0.07) { 0.0 } else { dice.even(0.75, 1.25) };
        let bones = std::array::from_fn(|_| std::array::from_fn(|_| dice.even(0.92, 1.08)));
        let stature = [dice.even(0.88, 1.12), dice.even(0.9, 1.1)];
        Self { mirrored, drop_body, turn, depth, bones, stature }
    }

    /// Films `frames` in this scene.
    pub(crate) fn film(&self, frames: &mut [Frame]) {
        for frame in frames {
            if self.drop_body {
                frame.body = None;
            }
            if self.mirrored {
                mirror(frame);
            }
            let middle = (frame.width / 2.0, frame.height / 2.0);
            for hand in [&mut frame.left, &mut frame.right].into_iter().flatten() {
                self.grow(hand);
            }
            if let Some(body) = &mut frame.body {
                self.stand(body);
            }
            each(frame, |point| {
                let (x, y) = (point.x - middle.0, point.y - middle.1);
                point.x = middle.0 + self.turn[0] * x + self.turn[1] * y;
                point.y = middle.1 + self.turn[2] * x + self.turn[3] * y;
                point.z *= self.depth;
            });
        }
    }

    /// Other lengths of the hand's bones, joint by joint outward.
    fn grow(&self, hand: &mut [Point; 21]) {
        let old = *hand;
        for (finger, first) in FINGERS.into_iter().enumerate() {
            for bone in 0..4 {
                let (from, to) = (if bone == 0 { 0 } else { first + bone - 1 }, first + bone);
                let factor = self.bones[finger][bone];
                hand[to].x = hand[from].x + (old[to].x - old[from].x) * factor;
                hand[to].y = hand[from].y + (old[to].y - old[from].y) * factor;
                hand[to].z = hand[from].z + (old[to].z - old[from].z) * factor;
            }
        }
    }

    /// Other shoulders, another neck: the body's points move a little against the hands.
    fn stand(&self, body: &mut [Point; 33]) {
        let middle = f32::midpoint(body[11].x, body[12].x);
        let height = f32::midpoint(body[11].y, body[12].y);
        for point in &mut body[..13] {
            point.x = middle + (point.x - middle) * self.stature[0];
            point.y = height + (point.y - height) * self.stature[1];
        }
    }
}

/// Left becomes right.
pub(crate) fn mirror(frame: &mut Frame) {
    let width = frame.width;
    each(frame, |point| point.x = width - point.x);
    std::mem::swap(&mut frame.left, &mut frame.right);
    if let Some(body) = &mut frame.body {
        for (a, b) in BODY_PAIRS {
            body.swap(a, b);
        }
    }
}

/// What differs from sign to sign: tempo, cut, place of hands and body, noise, gaps. `interval` is
/// the time between two frames, in ticks; the frames keep their order, and have no times yet.
pub(crate) fn perform(frames: &[Frame], interval: f32, dice: &mut Dice) -> Vec<Frame> {
    let count = frames.len();
    let cut = |dice: &mut Dice| dice.even(0.0, 0.15) * count as f32;
    let (first, last) = (cut(dice), count as f32 - 1.0 - cut(dice));
    let tempo = interval * dice.even(0.65, 1.4);
    let mut played = stretch(frames, first, last, tempo);
    let width = shoulders(&played).unwrap_or(0.25 * played[0].width);
    let place = Place::random(dice, width);
    let turns = [dice.even(-0.2, 0.2), dice.even(-0.2, 0.2)];
    let noise = [dice.even(0.0, 0.012), dice.even(0.0, 0.01) * width];
    for frame in &mut played {
        place.reach(frame);
        for (side, hand) in [&mut frame.left, &mut frame.right].into_iter().enumerate() {
            let Some(points) = hand else { continue };
            let size = palm(points);
            turn(points, turns[side]);
            for point in points.iter_mut() {
                point.x += dice.normal(noise[0] * size);
                point.y += dice.normal(noise[0] * size);
                point.z += dice.normal(noise[0] * size);
            }
        }
        for point in frame.body.iter_mut().flatten().filter(|point| point.is_present()) {
            point.x += dice.normal(noise[1]);
            point.y += dice.normal(noise[1]);
        }
    }
    lose(&mut played, dice);
    played
}

/// Where a signer holds a sign: higher or lower, wider or narrower.
struct Place {
    /// Left hand, right hand: pixels.
    shift: [[f32; 2]; 2],
    /// Distances from the chest are multiplied by this.
    reach: [f32; 2],
}

impl Place {
    fn random(dice: &mut Dice, width: f32) -> Self {
        let common = [dice.normal(0.12) * width, dice.normal(0.12) * width];
        let mut own = || common.map(|common| common + dice.normal(0.04) * width);
        let shift = [own(), own()];
        Self { shift, reach: [dice.even(0.8, 1.25), dice.even(0.8, 1.25)] }
    }

    /// Moves hands, wrists and elbows; hands keep their size.
    fn reach(&self, frame: &mut Frame) {
        let chest = frame.body.as_ref().map(|body| {
            let (x, y) = (body[11].x + body[12].x, body[11].y + body[12].y);
            [x / 2.0, y / 2.0 + 0.6 * (body[11].x - body[12].x).hypot(body[11].y - body[12].y)]
        });
        for (side, hand) in [&mut frame.left, &mut frame.right].into_iter().enumerate() {
            let wrist = match (&hand, &frame.body) {
                (Some(hand), _) => [hand[0].x, hand[0].y],
                (None, Some(body)) => [body[15 + side].x, body[15 + side].y],
                (None, None) => continue,
            };
            let moved: [f32; 2] = std::array::from_fn(|axis| {
                let stretched =
                    chest.map_or(0.0, |c| (wrist[axis] - c[axis]) * (self.reach[axis] - 1.0));
                self.shift[side][axis] + stretched
            });
            for point in hand.iter_mut().flatten() {
                point.x += moved[0];
                point.y += moved[1];
            }
            if let Some(body) = &mut frame.body {
                for (index, share) in [(13 + side, 0.5), (15 + side, 1.0)] {
                    if body[index].is_present() {
                        body[index].x += share * moved[0];
                        body[index].y += share * moved[1];
                    }
                }
            }
        }
    }
}

/// A hand that is not found for a moment, or not at all where another remains.
fn lose(frames: &mut [Frame], dice: &mut Dice) {
    for left in [true, false] {
        if dice.chance(0.15) {
            let len = 1 + dice.below(4);
            let start = dice.below(frames.len());
            for frame in frames.iter_mut().skip(start).take(len) {
                *(if left { &mut frame.left } else { &mut frame.right }) = None;
            }
        }
    }
    if dice.chance(0.05) {
        let left = dice.chance(0.5);
        let both = |frame: &Frame| frame.left.is_some() && frame.right.is_some();
        for frame in frames.iter_mut().filter(|frame| both(frame)) {
            *(if left { &mut frame.left } else { &mut frame.right }) = None;
        }
    }
}

/// Plays `first..=last` (frames, with fractions) at `tempo`: points move on straight lines.
pub(crate) fn stretch(frames: &[Frame], first: f32, last: f32, tempo: f32) -> Vec<Frame> {
    let count = (((last - first) / tempo).floor().max(1.0)) as usize + 1;
    let at = |i: usize| (first + i as f32 * tempo).clamp(0.0, frames.len() as f32 - 1.0);
    (0..count)
        .map(|i| {
            let place = at(i);
            let before = place.floor() as usize;
            let after = (before + 1).min(frames.len() - 1);
            between(&frames[before], &frames[after], place - before as f32)
        })
        .collect()
}

/// The frame at `share` of the way from `a` to `b`; a part that only one of them has comes from
/// the nearer one.
pub(crate) fn between(a: &Frame, b: &Frame, share: f32) -> Frame {
    let nearer = if share < 0.5 { a } else { b };
    let mut frame = nearer.clone();
    mix(&mut frame.left, a.left.as_ref(), b.left.as_ref(), share);
    mix(&mut frame.right, a.right.as_ref(), b.right.as_ref(), share);
    mix(&mut frame.body, a.body.as_ref(), b.body.as_ref(), share);
    frame
}

fn mix<const N: usize>(
    out: &mut Option<[Point; N]>,
    a: Option<&[Point; N]>,
    b: Option<&[Point; N]>,
    share: f32,
) {
    let (Some(out), Some(a), Some(b)) = (out, a, b) else { return };
    for (point, (a, b)) in out.iter_mut().zip(a.iter().zip(b)) {
        if a.is_present() && b.is_present() {
            point.x = a.x + (b.x - a.x) * share;
            point.y = a.y + (b.y - a.y) * share;
            point.z = a.z + (b.z - a.z) * share;
            point.confidence = a.confidence + (b.confidence - a.confidence) * share;
        }
    }
}

/// The time between two frames of a sequence, in ticks: mostly one; with probability `slow` that of
/// a camera or a connection that is slower.
pub(crate) fn interval(slow: f32, dice: &mut Dice) -> f32 {
    if dice.chance(slow) { dice.even(1.0, SLOWEST) } else { 1.0 }
}

/// Gives frames the times of a stream with that many ticks between frames, not quite even.
pub(crate) fn film_at(interval: f32, frames: &mut [Frame], dice: &mut Dice) {
    for (index, frame) in frames.iter_mut().enumerate() {
        let at = (index as f32 + 0.5) * interval + dice.even(-JITTER, JITTER);
        frame.time_us = (f64::from(at) * TICK_US as f64) as u64;
    }
}

/// Gives frames the times of an even stream, one a tick.
pub(crate) fn clock(frames: &mut [Frame]) {
    for (index, frame) in frames.iter_mut().enumerate() {
        frame.time_us = index as u64 * TICK_US;
    }
}

/// Mean distance of the shoulders, pixels.
pub(crate) fn shoulders(frames: &[Frame]) -> Option<f32> {
    let widths = frames.iter().filter_map(|frame| frame.body.as_ref());
    let widths: Vec<f32> =
        widths.map(|body| (body[11].x - body[12].x).hypot(body[11].y - body[12].y)).collect();
    (!widths.is_empty()).then(|| widths.iter().sum::<f32>() / widths.len() as f32)
}

/// Wrist to middle knuckle, pixels.
pub(crate) fn palm(hand: &[Point; 21]) -> f32 {
    (hand[0].x - hand[9].x).hypot(hand[0].y - hand[9].y)
}

/// Turns a hand about its wrist, in the picture's plane only: depths are too rough to be turned
/// into places.
pub(crate) fn turn(hand: &mut [Point; 21], angle: f32) {
    let (sin, cos) = angle.sin_cos();
    let wrist = hand[0];
    for point in hand {
        let (x, y) = (point.x - wrist.x, point.y - wrist.y);
        point.x = wrist.x + cos * x - sin * y;
        point.y = wrist.y + sin * x + cos * y;
    }
}

/// Calls `change` for every point that was found.
pub(crate) fn each(frame: &mut Frame, mut change: impl FnMut(&mut Point)) {
    let hands = [&mut frame.left, &mut frame.right].into_iter().flatten().flatten();
    let body = frame.body.iter_mut().flatten();
    for point in hands.chain(body).filter(|point| point.is_present()) {
        change(point);
    }
}
