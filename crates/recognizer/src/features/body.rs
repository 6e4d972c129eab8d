//! The body: a slow average of the shoulders that everything is measured from, the upper body's
//! points, and where the hands are to each other.

use clips::landmarks::{Frame, Point};

use super::history::History;

/// Nose, mouth, shoulders, elbows, wrists of MediaPipe's 33 points.
const POINTS: [usize; 9] = [0, 9, 10, 11, 12, 13, 14, 15, 16];
/// Points whose visibility is a feature: elbows and wrists.
const VISIBILITY: [usize; 4] = [13, 14, 15, 16];
const LEFT_SHOULDER: usize = 11;
const RIGHT_SHOULDER: usize = 12;
const LEFT_WRIST: usize = 15;
const RIGHT_WRIST: usize = 16;
const NOSE: usize = 0;
/// Motion of the wrists is taken over these times, microseconds.
const LAGS_US: [u64; 2] = [133_000, 400_000];
/// The anchor follows the shoulders with this time constant, seconds.
const ANCHOR_TAU_S: f32 = 0.5;
/// A point seen less surely than this is not used.
const MIN_CONFIDENCE: f32 = 0.3;
/// Shoulders closer than this, in pixels, are a mistake.
const MIN_WIDTH: f32 = 4.0;

const MOTION: usize = 2 * POINTS.len() + VISIBILITY.len();
const HANDS: usize = MOTION + 4 * LAGS_US.len();
/// Where the flag stands that says whether there is a body.
pub(super) const PRESENT: usize = HANDS + 3;
/// Numbers of the body.
pub(super) const SIZE: usize = PRESENT + 1;

/// What positions are measured from: middle and distance of the shoulders, and the nose, in pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Anchor {
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) width: f32,
    pub(super) nose: [f32; 2],
}

impl Anchor {
    /// A point in shoulder widths from the middle of the shoulders.
    fn place(&self, point: &Point) -> [f32; 2] {
        [(point.x - self.x) / self.width, (point.y - self.y) / self.width]
    }
}

/// The body's memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Body {
    anchor: Option<(u64, Anchor)>,
    wrists: History<4>,
}

impl Body {
    /// Moves the anchor, writes the body's numbers; the anchor if this frame has a body.
    pub(super) fn update(&mut self, frame: &Frame, out: &mut [f32]) -> Option<Anchor> {
        out.fill(0.0);
        if let (Some(right), Some(left)) = (&frame.right, &frame.left) {
            let width = self.anchor.map_or(frame.width / 4.0, |(_, anchor)| anchor.width);
            out[HANDS] = (right[0].x - left[0].x) / width;
            out[HANDS + 1] = (right[0].y - left[0].y) / width;
            out[HANDS + 2] = 1.0;
        }
        let points = frame.body.as_ref()?;
        let anchor = self.follow(frame.time_us, points)?;
        for (slot, index) in POINTS.into_iter().enumerate() {
            let point = &points[index];
            if point.is_present() {
                out[2 * slot..2 * slot + 2].copy_from_slice(&anchor.place(point));
            }
        }
        for (slot, index) in VISIBILITY.into_iter().enumerate() {
            out[2 * POINTS.len() + slot] = points[index].confidence;
        }
        let [left, right] = [LEFT_WRIST, RIGHT_WRIST].map(|index| anchor.place(&points[index]));
        self.wrists.push(frame.time_us, [left[0], left[1], right[0], right[1]]);
        for (slot, lag) in LAGS_US.into_iter().enumerate() {
            let at = MOTION + 4 * slot;
            out[at..at + 4].copy_from_slice(&self.wrists.moved(lag));
        }
        out[PRESENT] = 1.0;
        Some(anchor)
    }

    fn follow(&mut self, time_us: u64, points: &[Point; 33]) -> Option<Anchor> {
        let (left, right) = (&points[LEFT_SHOULDER], &points[RIGHT_SHOULDER]);
        let width = (left.x - right.x).hypot(left.y - right.y);
        let seen = left.confidence.min(right.confidence) >= MIN_CONFIDENCE && width >= MIN_WIDTH;
        if seen {
            let (x, y) = (f32::midpoint(left.x, right.x), f32::midpoint(left.y, right.y));
            let nose = [points[NOSE].x, points[NOSE].y];
            let new = Anchor { x, y, width, nose };
            let moved = self.anchor.map_or(new, |(last_us, old)| {
                let dt = time_us.saturating_sub(last_us) as f32 / 1e6;
                let share = 1.0 - (-dt / ANCHOR_TAU_S).exp();
                let toward = |from: f32, to: f32| from + (to - from) * share;
                Anchor {
                    x: toward(old.x, x),
                    y: toward(old.y, y),
                    width: toward(old.width, width),
                    nose,
                }
            });
            self.anchor = Some((time_us, moved));
        }
        self.anchor.map(|(_, anchor)| anchor)
    }
}
