//! Landmark frames: the one shape that every source of landmarks becomes, with points found by
//! component and point name, never by offset.

use crate::error::{ClipError, ClipFault, Place};

/// Points of a hand.
pub const HAND_POINTS: usize = 21;
/// Points of a body.
pub const BODY_POINTS: usize = 33;
/// Largest magnitude of a coordinate, in pixels; beyond it a number is a fault, not a place.
pub const MAX_COORDINATE: f32 = 1.0e6;

/// One hand, in the order of [`Part::points`].
pub type Hand = [Point; HAND_POINTS];
/// One body, in the order of [`Part::points`].
pub type Body = [Point; BODY_POINTS];

/// A landmark. A point with confidence 0 was not found, and its coordinates are 0.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Point {
    /// Pixels from the left edge of the picture.
    pub x: f32,
    /// Pixels from the upper edge of the picture.
    pub y: f32,
    /// Depth, nearer is smaller; its scale differs between sources.
    pub z: f32,
    /// 0 (not found) to 1.
    pub confidence: f32,
}

impl Point {
    /// A point that was not found.
    pub const MISSING: Self = Self { x: 0.0, y: 0.0, z: 0.0, confidence: 0.0 };

    /// Whether the point was found.
    pub fn is_present(&self) -> bool {
        self.confidence > 0.0
    }

    /// The point as it is to be kept: missing points are zeros, confidence ends at 1; numbers that
    /// are none, or lie beyond [`MAX_COORDINATE`], are refused.
    pub(crate) fn checked(self) -> Result<Self, ClipFault> {
        let limit = MAX_COORDINATE;
        if !self.confidence.is_finite() {
            let value = self.confidence;
            return Err(ClipFault::NotANumber { axis: "confidence", value, limit: 1.0 });
        }
        if self.confidence <= 0.0 {
            return Ok(Self::MISSING);
        }
        for (axis, value) in [("x", self.x), ("y", self.y), ("z", self.z)] {
            if !value.is_finite() || value.abs() > limit {
                return Err(ClipFault::NotANumber { axis, value, limit });
            }
        }
        Ok(Self { confidence: self.confidence.min(1.0), ..self })
    }
}

/// What was seen at one moment. A part that was not found is `None`.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// Capture time, µs, on the sender's own clock.
    pub time_us: u64,
    /// Width of the picture, pixels; above 0.
    pub width: f32,
    /// Height of the picture, pixels; above 0.
    pub height: f32,
    /// The signer's left hand.
    pub left: Option<Hand>,
    /// The signer's right hand.
    pub right: Option<Hand>,
    /// The body, by MediaPipe's pose landmarks.
    pub body: Option<Body>,
}

impl Frame {
    /// A frame in which nothing was found.
    pub fn empty(time_us: u64, width: f32, height: f32) -> Self {
        Self { time_us, width, height, left: None, right: None, body: None }
    }

    /// The points of a part, if it was found.
    pub fn part(&self, part: Part) -> Option<&[Point]> {
        match part {
            Part::Left => self.left.as_ref().map(<[Point; HAND_POINTS]>::as_slice),
            Part::Right => self.right.as_ref().map(<[Point; HAND_POINTS]>::as_slice),
            Part::Body => self.body.as_ref().map(<[Point; BODY_POINTS]>::as_slice),
        }
    }

    /// Sets one point, making its part present.
    pub(crate) fn set(&mut self, part: Part, index: usize, point: Point) {
        match part {
            Part::Left => self.left.get_or_insert([Point::MISSING; HAND_POINTS])[index] = point,
            Part::Right => self.right.get_or_insert([Point::MISSING; HAND_POINTS])[index] = point,
            Part::Body => self.body.get_or_insert([Point::MISSING; BODY_POINTS])[index] = point,
        }
    }

    /// The same frame seen in a mirror: x runs the other way, and left and right change names.
    #[must_use]
    pub fn mirrored(&self) -> Self {
        let flip = |p: &Point| {
            if p.is_present() { Point { x: self.width - p.x, ..*p } } else { Point::MISSING }
        };
        let hand = |h: &Hand| h.each_ref().map(flip);
        Self {
            left: self.right.as_ref().map(hand),
            right: self.left.as_ref().map(hand),
            body: self.body.as_ref().map(|b| std::array::from_fn(|i| flip(&b[BODY_MIRROR[i]]))),
            ..*self
        }
    }
}

/// A part of the signer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// The left hand.
    Left,
    /// The right hand.
    Right,
    /// The body.
    Body,
}

impl Part {
    /// All parts.
    pub const ALL: [Self; 3] = [Self::Left, Self::Right, Self::Body];

    /// MediaPipe's name of the component.
    pub fn name(self) -> &'static str {
        match self {
            Self::Left => "LEFT_HAND_LANDMARKS",
            Self::Right => "RIGHT_HAND_LANDMARKS",
            Self::Body => "POSE_LANDMARKS",
        }
    }

    /// MediaPipe's names of the points, in the order of [`Frame`]'s arrays.
    pub fn points(self) -> &'static [&'static str] {
        match self {
            Self::Left | Self::Right => &HAND_NAMES,
            Self::Body => &BODY_NAMES,
        }
    }

    /// The part with this component name, if it is one that is used here.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.name() == name)
    }

    /// A fault at one of this part's points.
    pub(crate) fn fault(
        self,
        fault: ClipFault,
        offset: usize,
        frame: usize,
        index: usize,
    ) -> ClipError {
        let point = Some(format!("{} {}", self.name(), self.points()[index]));
        ClipError { fault, place: Place { offset, frame: Some(frame), point } }
    }
}

/// Names of a hand's points.
pub const HAND_NAMES: [&str; HAND_POINTS] = [
    "WRIST",
    "THUMB_CMC",
    "THUMB_MCP",
    "THUMB_IP",
    "THUMB_TIP",
    "INDEX_FINGER_MCP",
    "INDEX_FINGER_PIP",
    "INDEX_FINGER_DIP",
    "INDEX_FINGER_TIP",
    "MIDDLE_FINGER_MCP",
    "MIDDLE_FINGER_PIP",
    "MIDDLE_FINGER_DIP",
    "MIDDLE_FINGER_TIP",
    "RING_FINGER_MCP",
    "RING_FINGER_PIP",
    "RING_FINGER_DIP",
    "RING_FINGER_TIP",
    "PINKY_MCP",
    "PINKY_PIP",
    "PINKY_DIP",
    "PINKY_TIP",
];

/// Names of a body's points.
pub const BODY_NAMES: [&str; BODY_POINTS] = [
    "NOSE",
    "LEFT_EYE_INNER",
    "LEFT_EYE",
    "LEFT_EYE_OUTER",
    "RIGHT_EYE_INNER",
    "RIGHT_EYE",
    "RIGHT_EYE_OUTER",
    "LEFT_EAR",
    "RIGHT_EAR",
    "MOUTH_LEFT",
    "MOUTH_RIGHT",
    "LEFT_SHOULDER",
    "RIGHT_SHOULDER",
    "LEFT_ELBOW",
    "RIGHT_ELBOW",
    "LEFT_WRIST",
    "RIGHT_WRIST",
    "LEFT_PINKY",
    "RIGHT_PINKY",
    "LEFT_INDEX",
    "RIGHT_INDEX",
    "LEFT_THUMB",
    "RIGHT_THUMB",
    "LEFT_HIP",
    "RIGHT_HIP",
    "LEFT_KNEE",
    "RIGHT_KNEE",
    "LEFT_ANKLE",
    "RIGHT_ANKLE",
    "LEFT_HEEL",
    "RIGHT_HEEL",
    "LEFT_FOOT_INDEX",
    "RIGHT_FOOT_INDEX",
];

/// For each body point, the one whose place it takes in a mirror.
const BODY_MIRROR: [usize; BODY_POINTS] = [
    0, 4, 5, 6, 1, 2, 3, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15, 18, 17, 20, 19, 22, 21, 24, 23, 26,
    25, 28, 27, 30, 29, 32, 31,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_swaps_exactly_the_names_left_and_right() {
        for (i, name) in BODY_NAMES.iter().enumerate() {
            let swapped = match name {
                n if n.contains("LEFT") => n.replace("LEFT", "RIGHT"),
                n => n.replace("RIGHT", "LEFT"),
            };
            assert_eq!(BODY_NAMES[BODY_MIRROR[i]], swapped);
        }
    }

    #[test]
    fn mirrored_twice_is_the_same_frame() {
        let at = |i: usize| Point { x: i as f32, y: 1.0, z: 2.0, confidence: 1.0 };
        let mut frame = Frame::empty(7, 64.0, 48.0);
        frame.left = Some(std::array::from_fn(at));
        frame.body = Some(std::array::from_fn(at));
        let mirrored = frame.mirrored();
        assert!(mirrored.left.is_none());
        assert_eq!(mirrored.right.map(|h| h[3].x), Some(61.0));
        assert_eq!(mirrored.mirrored(), frame);
    }
}
