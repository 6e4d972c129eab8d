//! The schemas of the live wire: which point lies where in a frame.

use super::{FACE, PARTS};
use crate::landmarks::Part;

/// What a batch carries, and in which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// 0: JPEG pictures.
    Images,
    /// 1, 86 points: left hand 21, right hand 21, twelve body points (`NOSE`, `LEFT_EYE`, `RIGHT_EYE`,
    /// `MOUTH_LEFT`, `MOUTH_RIGHT`, shoulders, elbows, wrists, left before right, then the middle of the
    /// shoulders), and 32 points of MediaPipe's face mesh: lips, brows, lids.
    Compact,
    /// 2, 75 points: left hand 21, right hand 21, body 33, each in MediaPipe's order. What a `.pose`
    /// file says of hands and body goes through it without loss.
    Holistic,
}

/// What one point of a schema is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// A point of a hand or of the body, by its index in the part.
    Point(Part, usize),
    /// The middle of the shoulders; checked, and not used: both shoulders are sent.
    MidShoulder,
    /// A point of MediaPipe's face mesh, by its index there; checked, and not used.
    Face(u16),
}

const COMPACT_BODY: [usize; 11] = [0, 2, 5, 9, 10, 11, 12, 13, 14, 15, 16];
const COMPACT_FACE: [u16; 32] = [
    61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91, 78, 81, 13, 311, 308, 402, 14, 178, 70, 63,
    105, 107, 336, 334, 293, 300, 159, 145, 386, 374,
];

impl Schema {
    /// All schemas.
    pub const ALL: [Self; 3] = [Self::Images, Self::Compact, Self::Holistic];

    /// The number that stands for it on the wire.
    pub fn id(self) -> u16 {
        match self {
            Self::Images => 0,
            Self::Compact => 1,
            Self::Holistic => 2,
        }
    }

    pub(super) fn from_id(id: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|schema| schema.id() == id)
    }

    /// Its points, in their order on the wire; none for images.
    pub fn slots(self) -> Vec<Slot> {
        let all = |part: Part| (0..part.points().len()).map(move |i| Slot::Point(part, i));
        let hands = || all(Part::Left).chain(all(Part::Right));
        match self {
            Self::Images => Vec::new(),
            Self::Compact => hands()
                .chain(COMPACT_BODY.map(|i| Slot::Point(Part::Body, i)))
                .chain([Slot::MidShoulder])
                .chain(COMPACT_FACE.map(Slot::Face))
                .collect(),
            Self::Holistic => hands().chain(all(Part::Body)).collect(),
        }
    }
}

impl Slot {
    /// Component and point, as errors name them.
    pub fn name(self) -> String {
        match self {
            Self::Point(part, index) => format!("{} {}", part.name(), part.points()[index]),
            Self::MidShoulder => format!("{} MID_SHOULDER", Part::Body.name()),
            Self::Face(index) => format!("FACE_LANDMARKS {index}"),
        }
    }

    /// The bit that says whether its part is there.
    pub(super) fn bit(self) -> u8 {
        let of = |part| PARTS.iter().find(|(p, _)| *p == part).map_or(0, |(_, bit)| *bit);
        match self {
            Self::Point(part, _) => of(part),
            Self::MidShoulder => of(Part::Body),
            Self::Face(_) => FACE,
        }
    }
}
