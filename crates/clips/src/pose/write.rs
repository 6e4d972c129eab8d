//! Writing `.pose` files: hands and body, one person.

use super::Clip;
use crate::landmarks::{Part, Point};

/// A version of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// People and confidences interleaved frame by frame; whole frame rates.
    V0_0,
    /// Coordinates and confidences in two blocks; whole frame rates.
    V0_1,
    /// As v0.1, with fractional frame rates and 32-bit counts.
    V0_2,
}

impl Version {
    /// All versions.
    pub const ALL: [Self; 3] = [Self::V0_0, Self::V0_1, Self::V0_2];

    pub(super) fn from_number(number: f32) -> Option<Self> {
        Self::ALL.into_iter().find(|version| (version.number() - number).abs() < 0.0005)
    }

    fn number(self) -> f32 {
        match self {
            Self::V0_0 => 0.0,
            Self::V0_1 => 0.1,
            Self::V0_2 => 0.2,
        }
    }
}

/// The clip as a file of that version. Versions below v0.2 round the frame rate to a whole number.
/// Capture times are not part of the format: only their pace is.
pub fn write(clip: &Clip, version: Version) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(version.number().to_le_bytes());
    for size in [clip.width, clip.height, 0, Part::ALL.len() as u16] {
        out.extend(size.to_le_bytes());
    }
    for part in Part::ALL {
        string(&mut out, part.name());
        string(&mut out, "XYZC");
        for count in [part.points().len() as u16, 0, 0] {
            out.extend(count.to_le_bytes());
        }
        part.points().iter().for_each(|name| string(&mut out, name));
    }
    let frames = clip.frames.len();
    match version {
        Version::V0_0 | Version::V0_1 => {
            out.extend((clip.fps.round() as u16).to_le_bytes());
            out.extend((frames as u16).to_le_bytes());
        }
        Version::V0_2 => {
            out.extend(clip.fps.to_le_bytes());
            out.extend((frames as u32).to_le_bytes());
        }
    }
    match version {
        Version::V0_0 => interleaved(&mut out, clip),
        Version::V0_1 | Version::V0_2 => blocks(&mut out, clip),
    }
    out
}

fn interleaved(out: &mut Vec<u8>, clip: &Clip) {
    let mut points = points(clip);
    for _ in &clip.frames {
        out.extend(1u16.to_le_bytes());
        out.extend(0i16.to_le_bytes());
        for point in points.by_ref().take(person_points()) {
            for number in [point.x, point.y, point.z, point.confidence] {
                out.extend(number.to_le_bytes());
            }
        }
    }
}

fn blocks(out: &mut Vec<u8>, clip: &Clip) {
    out.extend(1u16.to_le_bytes());
    for point in points(clip) {
        for number in [point.x, point.y, point.z] {
            out.extend(number.to_le_bytes());
        }
    }
    for point in points(clip) {
        out.extend(point.confidence.to_le_bytes());
    }
}

fn person_points() -> usize {
    Part::ALL.iter().map(|part| part.points().len()).sum()
}

fn points(clip: &Clip) -> impl Iterator<Item = Point> + '_ {
    clip.frames.iter().flat_map(|frame| {
        Part::ALL.into_iter().flat_map(move |part| {
            let found = frame.part(part);
            (0..part.points().len()).map(move |i| found.map_or(Point::MISSING, |p| p[i]))
        })
    })
}

fn string(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u16).to_le_bytes());
    out.extend(text.as_bytes());
}
