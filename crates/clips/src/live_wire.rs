//! The live wire `SLF1`: batches of frames that a client sends while somebody signs.
//!
//! Little-endian throughout:
//! ```text
//! "SLF1" | u16 schema | u16 points | u8 dims (2, 3) | u8 numbers (0 f32, 1 f16, 2 u16) | u8 space (0: 0..1, 1: pixels) | u8 flags
//! u16 width | u16 height | u32 seq_first | u16 frames
//! landmarks, per frame: u64 capture time, µs | u8 parts | points × dims numbers | points × confidence
//! images, per frame:    u64 capture time, µs | u32 length | JPEG
//! ```
//! * **schema** 0 is images (no points, dims, numbers or space: zeros), 1 and 2 are landmarks; see [`Schema`] for
//!   the order of their points.
//! * **flags**: 1 the picture was mirrored (it is mirrored back here), 2 a `u8` confidence a point
//!   follows (0 not found, 255 sure), 4 is kept for crops and refused, 8 with flag 2: confidences are
//!   `f32`. Without flag 2 every point of a part that is there counts as sure.
//! * **parts**: 1 left hand, 2 right hand, 4 body, 8 face. The numbers of an absent part are there,
//!   and are not looked at.
//! * Numbers of kind `u16` are 65535ths of the picture's size, so they need two dims and space 0.
//!   In space 0 depth is in widths of the picture.
//! * **`seq_first`** numbers the first frame within the sender's stream, so that a batch sent twice
//!   is known as such; capture times are the sender's clock and may not run backwards.

mod encode;
mod schema;
#[cfg(test)]
mod tests;

pub use encode::{Format, encode, encode_as, encode_images};
pub use schema::{Schema, Slot};

use crate::error::{ClipError, ClipFault, Place};
use crate::images::{self, Image};
use crate::landmarks::{Frame, Part, Point};
use crate::read::Reader;

/// The four bytes a batch starts with.
pub const MAGIC: [u8; 4] = *b"SLF1";
/// Most frames in a batch.
pub const MAX_FRAMES: usize = 256;
/// Latest capture time taken, µs: what JSON carries exactly, 285 years.
pub const MAX_TIME_US: u64 = 1 << 53;
/// Most bytes in a batch.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;

/// How numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    /// 32-bit floating point.
    F32,
    /// 16-bit floating point.
    F16,
    /// 65535ths of the picture's width or height.
    U16,
}

/// What coordinates are measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Space {
    /// Fractions of the picture's width and height; depth in widths.
    Unit,
    /// Pixels.
    Pixels,
}

/// What is said about how sure each point is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confidence {
    /// Nothing: every point of a part that is there is sure.
    None,
    /// 255ths.
    Byte,
    /// 32-bit floating point.
    F32,
}

const MIRRORED: u8 = 1;
const HAS_CONFIDENCE: u8 = 2;
const HAS_CROPS: u8 = 4;
const WIDE_CONFIDENCE: u8 = 8;

const FACE: u8 = 8;
const PARTS: [(Part, u8); 3] = [(Part::Left, 1), (Part::Right, 2), (Part::Body, 4)];

/// A checked batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Number of the first frame within its stream; the others count on from there.
    pub seq_first: u32,
    /// The frames, in order of capture.
    pub frames: Frames,
}

/// What a batch carries.
#[derive(Debug, Clone, PartialEq)]
pub enum Frames {
    /// Landmark frames.
    Landmarks(Vec<Frame>),
    /// Pictures.
    Images(Vec<Image>),
}

impl Frames {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Landmarks(frames) => frames.len(),
            Self::Images(images) => images.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Capture time of the first and the last, µs.
    pub fn times_us(&self) -> Option<(u64, u64)> {
        match self {
            Self::Landmarks(frames) => Some((frames.first()?.time_us, frames.last()?.time_us)),
            Self::Images(images) => Some((images.first()?.time_us, images.last()?.time_us)),
        }
    }
}

/// What stands before the frames.
struct Header {
    schema: Schema,
    dims: usize,
    number: Number,
    space: Space,
    confidence: Confidence,
    mirrored: bool,
    width: u16,
    height: u16,
    seq_first: u32,
    frames: usize,
}

/// Reads and checks a batch. The same check serves whoever accepts a batch and whoever recognizes it.
pub fn parse(bytes: &[u8]) -> Result<Batch, ClipError> {
    if bytes.len() > MAX_BYTES {
        let (value, limit) = (bytes.len() as u64, MAX_BYTES as u64);
        return Err(ClipFault::TooMany { what: "batch length", value, limit }.at(0));
    }
    let mut reader = Reader::new(bytes);
    let header = read_header(&mut reader)?;
    let frames = match header.schema {
        Schema::Images => {
            Frames::Images(images::read(&mut reader, header.frames, header.mirrored)?)
        }
        Schema::Compact | Schema::Holistic => {
            Frames::Landmarks(read_landmarks(&mut reader, &header)?)
        }
    };
    reader.finish()?;
    Ok(Batch { seq_first: header.seq_first, frames })
}

fn read_header(reader: &mut Reader<'_>) -> Result<Header, ClipError> {
    let magic = reader.take(MAGIC.len(), "magic")?;
    if magic != MAGIC {
        return Err(unexpected("magic", &magic.escape_ascii(), "SLF1", 0));
    }
    let place = reader.offset();
    let id = reader.u16("schema")?;
    let schema = Schema::from_id(id).ok_or_else(|| {
        let expected = "0 (images), 1 (86 points) or 2 (hands and body)";
        unexpected("schema", &id, expected, place)
    })?;
    let place = reader.offset();
    let points = reader.u16("number of points")?;
    if usize::from(points) != schema.slots().len() {
        let expected = "the schema's number of points: 0, 86 or 75";
        return Err(unexpected("number of points", &points, expected, place));
    }
    let place = reader.offset();
    let (dims, number, space) = (reader.u8("dims")?, reader.u8("numbers")?, reader.u8("space")?);
    let (dims, number, space) = match (schema, dims, number, space) {
        (Schema::Images, 0, 0, 0) => (0, Number::F32, Space::Unit),
        (Schema::Compact | Schema::Holistic, 2 | 3, 0 | 1, 0 | 1) => {
            let number = if number == 0 { Number::F32 } else { Number::F16 };
            let space = if space == 0 { Space::Unit } else { Space::Pixels };
            (usize::from(dims), number, space)
        }
        (Schema::Compact | Schema::Holistic, 2, 2, 0) => (2, Number::U16, Space::Unit),
        (Schema::Images | Schema::Compact | Schema::Holistic, ..) => {
            let value = format!("{dims}, {number}, {space}");
            let expected = "2 or 3 dims, f32 (0) or f16 (1), space 0 or 1; or 2, 2, 0 for u16; \
                            or zeros for images";
            return Err(unexpected("dims, numbers, space", &value, expected, place));
        }
    };
    let place = reader.offset();
    let flags = reader.u8("flags")?;
    let confidence = match flags & !MIRRORED {
        0 => Confidence::None,
        HAS_CONFIDENCE => Confidence::Byte,
        f if f == HAS_CONFIDENCE | WIDE_CONFIDENCE => Confidence::F32,
        f if f & HAS_CROPS != 0 => {
            return Err(unexpected("flags", &flags, "no crops: they are not taken", place));
        }
        _ => return Err(unexpected("flags", &flags, "a sum of 1, 2 and, with 2, 8", place)),
    };
    let (width, height) = (size(reader, "width")?, size(reader, "height")?);
    let seq_first = reader.u32("first sequence number")?;
    let place = reader.offset();
    let frames = usize::from(reader.u16("number of frames")?);
    if frames > MAX_FRAMES {
        let (value, limit) = (frames as u64, MAX_FRAMES as u64);
        return Err(ClipFault::TooMany { what: "number of frames", value, limit }.at(place));
    }
    if seq_first.checked_add(frames as u32).is_none() {
        let expected = "one that leaves room for the frames below 2^32";
        return Err(unexpected("first sequence number", &seq_first, expected, place - 4));
    }
    let mirrored = flags & MIRRORED != 0;
    Ok(Header {
        schema,
        dims,
        number,
        space,
        confidence,
        mirrored,
        width,
        height,
        seq_first,
        frames,
    })
}

fn read_landmarks(reader: &mut Reader<'_>, header: &Header) -> Result<Vec<Frame>, ClipError> {
    let slots = header.schema.slots();
    let confidence = match header.confidence {
        Confidence::None => 0,
        Confidence::Byte => 1,
        Confidence::F32 => 4,
    };
    let frame_bytes = 8 + 1 + slots.len() * (header.dims * header.number.bytes() + confidence);
    reader.need((header.frames * frame_bytes) as u64, "frames")?;
    let mut frames: Vec<Frame> = Vec::with_capacity(header.frames);
    for index in 0..header.frames {
        let place = reader.offset();
        let time_us = reader.u64("capture time")?;
        check_time(time_us, frames.last().map(|frame| frame.time_us), place, index)?;
        let mut frame = Frame::empty(time_us, header.width.into(), header.height.into());
        read_points(reader, header, &slots, &mut frame, index)?;
        frames.push(if header.mirrored { frame.mirrored() } else { frame });
    }
    Ok(frames)
}

fn read_points(
    reader: &mut Reader<'_>,
    header: &Header,
    slots: &[Slot],
    frame: &mut Frame,
    index: usize,
) -> Result<(), ClipError> {
    let place = reader.offset();
    let parts = reader.u8("parts")?;
    if parts & !(FACE | PARTS.iter().map(|(_, bit)| bit).sum::<u8>()) != 0 {
        let expected = "a sum of 1, 2, 4 and 8";
        return Err(ClipFault::Unexpected { what: "parts", value: parts.to_string(), expected }
            .in_frame(place, index));
    }
    let mut points = Vec::with_capacity(slots.len());
    let start = reader.offset();
    for _ in slots {
        let mut axes = [0.0; 3];
        for axis in &mut axes[..header.dims] {
            *axis = header.number.read(reader)?;
        }
        if header.space == Space::Unit {
            axes = [axes[0] * frame.width, axes[1] * frame.height, axes[2] * frame.width];
        }
        let [x, y, z] = axes;
        points.push(Point { x, y, z, confidence: 1.0 });
    }
    for (slot, point) in slots.iter().zip(&mut points) {
        point.confidence = match header.confidence {
            Confidence::None => 1.0,
            Confidence::Byte => f32::from(reader.u8("confidence")?) / 255.0,
            Confidence::F32 => reader.f32("confidence")?,
        };
        if parts & slot.bit() == 0 {
            *point = Point::MISSING;
        }
    }
    let stride = header.dims * header.number.bytes();
    for (i, (slot, point)) in slots.iter().zip(points).enumerate() {
        let checked = point.checked().map_err(|fault| {
            let place =
                Place { offset: start + i * stride, frame: Some(index), point: Some(slot.name()) };
            ClipError { fault, place }
        })?;
        if let (Slot::Point(part, i), true) = (slot, checked.is_present()) {
            frame.set(*part, *i, checked);
        }
    }
    Ok(())
}

impl Number {
    fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::U16 => 2,
        }
    }

    fn read(self, reader: &mut Reader<'_>) -> Result<f32, ClipError> {
        Ok(match self {
            Self::F32 => reader.f32("coordinate")?,
            Self::F16 => half::f16::from_bits(reader.u16("coordinate")?).to_f32(),
            Self::U16 => f32::from(reader.u16("coordinate")?) / f32::from(u16::MAX),
        })
    }
}

pub(crate) fn check_time(
    time_us: u64,
    previous: Option<u64>,
    offset: usize,
    frame: usize,
) -> Result<(), ClipError> {
    if time_us > MAX_TIME_US {
        let (value, limit) = (time_us, MAX_TIME_US);
        return Err(
            ClipFault::TooMany { what: "capture time", value, limit }.in_frame(offset, frame)
        );
    }
    match previous {
        Some(previous_us) if time_us < previous_us => {
            Err(ClipFault::TimeBackwards { time_us, previous_us }.in_frame(offset, frame))
        }
        Some(_) | None => Ok(()),
    }
}

fn size(reader: &mut Reader<'_>, what: &'static str) -> Result<u16, ClipError> {
    let place = reader.offset();
    match reader.u16(what)? {
        0 => Err(unexpected(what, &0, "at least one pixel", place)),
        size => Ok(size),
    }
}

fn unexpected(
    what: &'static str,
    value: &dyn ToString,
    expected: &'static str,
    offset: usize,
) -> ClipError {
    ClipFault::Unexpected { what, value: value.to_string(), expected }.at(offset)
}
