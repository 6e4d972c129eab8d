//! The header of a `.pose` file: which components and points there are, in which order.

use super::Version;
use crate::error::{ClipError, ClipFault};
use crate::landmarks::Part;
use crate::read::Reader;

/// Most components taken in one file; MediaPipe's holistic has five.
pub(super) const MAX_COMPONENTS: usize = 32;
/// Most numbers a point has, its confidence included.
pub(super) const MAX_FORMAT: usize = 8;

/// What a header says, as far as it is needed.
pub(super) struct Header {
    pub(super) version: Version,
    pub(super) width: u16,
    pub(super) height: u16,
    /// The points that are used, wherever they lie.
    pub(super) sources: Vec<Source>,
    /// Points of a person, over all components.
    pub(super) points: u64,
    /// Coordinates of a point in the block layout.
    pub(super) dims: usize,
    /// Bytes of a person in the interleaved layout.
    pub(super) person_bytes: u64,
}

/// Where one of the used points lies within a person.
pub(super) struct Source {
    pub(super) part: Part,
    /// Index in the part.
    pub(super) index: usize,
    /// Index among a person's points.
    pub(super) point: usize,
    /// Byte offset from a person's first point, in the interleaved layout.
    pub(super) person_offset: usize,
    pub(super) format: Format,
}

/// Which number of a point is which.
#[derive(Clone, Copy)]
pub(super) struct Format {
    pub(super) x: usize,
    pub(super) y: usize,
    pub(super) z: Option<usize>,
    pub(super) confidence: usize,
}

impl Format {
    /// The letters name the numbers in their order; the confidence `C` comes last.
    fn parse(letters: &str) -> Option<Self> {
        let confidence = letters.len().checked_sub(1)?;
        let known = (3..=MAX_FORMAT).contains(&letters.len()) && letters.ends_with('C');
        let (x, y) = (letters.find('X')?, letters.find('Y')?);
        known.then_some(Self { x, y, z: letters.find('Z'), confidence })
    }
}

impl Header {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, ClipError> {
        let version = reader.f32("version")?;
        let version = Version::from_number(version).ok_or_else(|| {
            let expected = "0, 0.1 or 0.2";
            ClipFault::Unexpected { what: "version", value: version.to_string(), expected }.at(0)
        })?;
        let (width, height) = (size(reader, "width")?, size(reader, "height")?);
        reader.u16("depth")?;
        let place = reader.offset();
        let components = usize::from(reader.u16("number of components")?);
        if components > MAX_COMPONENTS {
            let (value, limit) = (components as u64, MAX_COMPONENTS as u64);
            return Err(ClipFault::TooMany { what: "number of components", value, limit }.at(place));
        }
        let (sources, points, dims, person_bytes) = (Vec::new(), 0, 0, 0);
        let mut header = Self { version, width, height, sources, points, dims, person_bytes };
        for _ in 0..components {
            header.read_component(reader)?;
        }
        Ok(header)
    }

    fn read_component(&mut self, reader: &mut Reader<'_>) -> Result<(), ClipError> {
        let place = reader.offset();
        let name = reader.string("component's name")?;
        let part = Part::by_name(name);
        if part.is_some_and(|part| self.sources.iter().any(|source| source.part == part)) {
            let (what, expected) = ("component", "each component once");
            return Err(ClipFault::Unexpected { what, value: name.into(), expected }.at(place));
        }
        let place = reader.offset();
        let letters = reader.string("point format")?;
        let format = Format::parse(letters).ok_or_else(|| {
            let expected = "letters such as XYZC or XYC, the confidence last";
            let value = letters.escape_default().to_string();
            ClipFault::Unexpected { what: "point format", value, expected }.at(place)
        })?;
        let points = usize::from(reader.u16("number of points")?);
        let limbs = usize::from(reader.u16("number of limbs")?);
        let colors = usize::from(reader.u16("number of colours")?);
        for index in 0..points {
            let name = reader.string("point's name")?;
            let Some(part) = part else { continue };
            let Some(slot) = part.points().iter().position(|known| *known == name) else {
                continue;
            };
            self.sources.push(Source {
                part,
                index: slot,
                point: self.points as usize + index,
                person_offset: self.person_bytes as usize + index * letters.len() * 4,
                format,
            });
        }
        reader.take(limbs * 4 + colors * 6, "limbs and colours")?;
        self.points += points as u64;
        self.person_bytes += (points * letters.len() * 4) as u64;
        self.dims = self.dims.max(format.confidence);
        Ok(())
    }
}

fn size(reader: &mut Reader<'_>, what: &'static str) -> Result<u16, ClipError> {
    let place = reader.offset();
    match reader.u16(what)? {
        0 => {
            let value = "0".into();
            Err(ClipFault::Unexpected { what, value, expected: "at least one pixel" }.at(place))
        }
        size => Ok(size),
    }
}
