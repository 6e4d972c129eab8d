//! One hand: its shape in its own frame, its place to the body, its motion. The left hand is
//! mirrored, so that both hands are the same to the net.

use clips::landmarks::{Frame, Point};

use super::body::Anchor;
use super::history::History;

const TIPS: [usize; 5] = [4, 8, 12, 16, 20];
/// Wrist to knuckles and across them: the bones that don't bend.
const PALM: [(usize, usize); 5] = [(0, 5), (0, 9), (0, 13), (0, 17), (5, 17)];
/// Distances that tell hand shapes apart: tips to each other, to the wrist, to their own
/// knuckle, thumb tip to the middle joints and to the knuckles.
const DISTANCES: [(usize, usize); 28] = [
    (4, 8),
    (4, 12),
    (4, 16),
    (4, 20),
    (8, 12),
    (8, 16),
    (8, 20),
    (12, 16),
    (12, 20),
    (16, 20),
    (0, 4),
    (0, 8),
    (0, 12),
    (0, 16),
    (0, 20),
    (1, 4),
    (5, 8),
    (9, 12),
    (13, 16),
    (17, 20),
    (4, 6),
    (4, 10),
    (4, 14),
    (4, 18),
    (4, 5),
    (4, 9),
    (4, 13),
    (4, 17),
];
/// Motion is taken over these times, microseconds.
const LAGS_US: [u64; 3] = [67_000, 200_000, 467_000];
/// The palm's size is averaged with this time constant, seconds.
const PALM_TAU_S: f32 = 0.3;
/// A palm smaller than this, in pixels, is a mistake.
const MIN_PALM: f32 = 2.0;

const PLACE: usize = 60 + DISTANCES.len();
const MOTION: usize = PLACE + 4 + 2 * TIPS.len() + 1;
const TRACKED: usize = 2 * (TIPS.len() + 1);
const ANCHORED: usize = MOTION + TRACKED * LAGS_US.len();
/// Where the flag stands that says whether there is a hand.
pub(super) const PRESENT: usize = ANCHORED + 1;
/// Numbers of a hand.
pub(super) const SIZE: usize = PRESENT + 1;

/// One hand's memory.
#[derive(Clone, Debug)]
pub(super) struct Hand {
    /// 1 for the right hand, −1 for the left: multiplies every x.
    side: f32,
    palm: Option<(u64, f32)>,
    track: History<TRACKED>,
}

impl Hand {
    pub(super) fn new(side: f32) -> Self {
        Self { side, palm: None, track: History::default() }
    }

    /// Writes the hand's numbers; all zero where it was not found.
    pub(super) fn update(
        &mut self,
        frame: &Frame,
        points: Option<&[Point; 21]>,
        anchor: Option<&Anchor>,
        out: &mut [f32],
    ) {
        out.fill(0.0);
        let Some(points) = points.filter(|points| points.iter().all(Point::is_present)) else {
            return;
        };
        let palm = PALM.iter().map(|&(a, b)| distance(&points[a], &points[b])).sum::<f32>()
            / PALM.len() as f32;
        let palm = palm.max(MIN_PALM);
        let wrist = &points[0];
        for (slot, point) in points[1..].iter().enumerate() {
            out[3 * slot] = self.side * (point.x - wrist.x) / palm;
            out[3 * slot + 1] = (point.y - wrist.y) / palm;
            out[3 * slot + 2] = (point.z - wrist.z) / palm;
        }
        for (slot, (a, b)) in DISTANCES.into_iter().enumerate() {
            out[60 + slot] = distance(&points[a], &points[b]) / palm;
        }
        if let Some(anchor) = anchor {
            self.place(points, palm, anchor, &mut out[PLACE..MOTION]);
            out[ANCHORED] = 1.0;
        }
        let slow = self.average(frame.time_us, palm);
        self.track.push(frame.time_us, tracked(points, self.side));
        for (slot, lag) in LAGS_US.into_iter().enumerate() {
            let at = MOTION + TRACKED * slot;
            for (out, moved) in out[at..at + TRACKED].iter_mut().zip(self.track.moved(lag)) {
                *out = moved / slow;
            }
        }
        out[PRESENT] = 1.0;
    }

    /// Wrist from the shoulders and from the nose, tips from the nose, size: in shoulder widths.
    fn place(&self, points: &[Point; 21], palm: f32, anchor: &Anchor, out: &mut [f32]) {
        let from = |point: &Point, x: f32, y: f32| {
            [self.side * (point.x - x) / anchor.width, (point.y - y) / anchor.width]
        };
        out[0..2].copy_from_slice(&from(&points[0], anchor.x, anchor.y));
        out[2..4].copy_from_slice(&from(&points[0], anchor.nose[0], anchor.nose[1]));
        for (slot, tip) in TIPS.into_iter().enumerate() {
            let place = from(&points[tip], anchor.nose[0], anchor.nose[1]);
            out[4 + 2 * slot..6 + 2 * slot].copy_from_slice(&place);
        }
        out[4 + 2 * TIPS.len()] = palm / anchor.width;
    }

    fn average(&mut self, time_us: u64, palm: f32) -> f32 {
        let slow = self.palm.map_or(palm, |(last_us, old)| {
            let dt = time_us.saturating_sub(last_us) as f32 / 1e6;
            old + (palm - old) * (1.0 - (-dt / PALM_TAU_S).exp())
        });
        self.palm = Some((time_us, slow));
        slow
    }
}

fn distance(a: &Point, b: &Point) -> f32 {
    (a.x - b.x).hypot(a.y - b.y).hypot(a.z - b.z)
}

/// Wrist and tips in pixels.
fn tracked(points: &[Point; 21], side: f32) -> [f32; TRACKED] {
    std::array::from_fn(|i| {
        let point = &points[if i < 2 { 0 } else { TIPS[i / 2 - 1] }];
        if i % 2 == 0 { side * point.x } else { point.y }
    })
}
