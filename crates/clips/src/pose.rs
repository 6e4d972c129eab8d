//! `.pose` files, v0, v0.1 and v0.2: read whole from untrusted bytes, and written.
//!
//! A header names components and their points; a body holds every point of every frame. The
//! layout follows the format's specification, as the Python and JavaScript readers have it.
//! Hands and body are kept, found by name; all other components are read over. Where a file shows
//! several people, the first is kept.

mod header;
#[cfg(test)]
mod tests;
mod write;

pub use write::{Version, write};

use crate::error::{ClipError, ClipFault};
use crate::landmarks::{Frame, Point};
use crate::read::Reader;
use header::{Header, Source};

/// Most frames in a file: ten minutes at 15 frames/s.
pub const MAX_FRAMES: usize = 9_000;
/// Most bytes in a file.
pub const MAX_BYTES: usize = 8 * 1024 * 1024;
/// Slowest frame rate taken, frames/s.
pub const MIN_FPS: f32 = 1.0;
/// Fastest frame rate taken, frames/s.
pub const MAX_FPS: f32 = 240.0;

const F32: u64 = 4;

/// A whole file: frames at an even pace, the first at time 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Clip {
    /// Width of the picture, pixels.
    pub width: u16,
    /// Height of the picture, pixels.
    pub height: u16,
    /// Frames per second, as the file says.
    pub fps: f32,
    /// The frames, in order.
    pub frames: Vec<Frame>,
}

/// Capture time of a frame in a file of that pace, µs.
pub fn time_us(index: usize, fps: f32) -> u64 {
    (index as f64 * 1.0e6 / f64::from(fps)).round() as u64
}

/// Reads a whole file. Refused: counts that the bytes don't bear out, more than [`MAX_FRAMES`] or
/// [`MAX_BYTES`], unknown versions, NaN and infinities in points that are there.
pub fn parse(bytes: &[u8]) -> Result<Clip, ClipError> {
    if bytes.len() > MAX_BYTES {
        let (value, limit) = (bytes.len() as u64, MAX_BYTES as u64);
        return Err(ClipFault::TooMany { what: "file length", value, limit }.at(0));
    }
    let mut reader = Reader::new(bytes);
    let header = Header::read(&mut reader)?;
    let body = match header.version {
        Version::V0_0 => Body::read_v0(&mut reader, &header)?,
        Version::V0_1 | Version::V0_2 => Body::read_v1(&mut reader, &header)?,
    };
    let mut frames = Vec::with_capacity(body.starts.len());
    for (index, start) in body.starts.iter().enumerate() {
        let mut frame =
            Frame::empty(time_us(index, body.fps), header.width.into(), header.height.into());
        if let Some(start) = start {
            for source in &header.sources {
                let point = source.point(bytes, &body.layout, *start);
                let checked = point
                    .0
                    .checked()
                    .map_err(|fault| source.part.fault(fault, point.1, index, source.index))?;
                if checked.is_present() {
                    frame.set(source.part, source.index, checked);
                }
            }
        }
        frames.push(frame);
    }
    Ok(Clip { width: header.width, height: header.height, fps: body.fps, frames })
}

/// Where the numbers of a body lie.
struct Body {
    fps: f32,
    layout: Layout,
    /// Per frame, where its first person starts: a byte offset (v0), or the index of the person's
    /// first point among all points of the body. `None` where nobody is in the frame.
    starts: Vec<Option<usize>>,
}

/// How one point is found from its person's start.
enum Layout {
    /// Each person's points one after the other, each with its confidence.
    Interleaved,
    /// All coordinates of the file, then all confidences.
    Blocks { data: usize, confidence: usize, dims: usize },
}

impl Body {
    fn read_v0(reader: &mut Reader<'_>, header: &Header) -> Result<Self, ClipError> {
        let fps = fps(reader.offset(), f32::from(reader.u16("frame rate")?))?;
        let place = reader.offset();
        let frames = usize::from(reader.u16("number of frames")?);
        limit_frames(place, frames as u64)?;
        let mut starts = Vec::new();
        for _ in 0..frames {
            let mut first = None;
            for person in 0..reader.u16("number of people")? {
                reader.take(2, "person's id")?;
                if person == 0 {
                    first = Some(reader.offset());
                }
                reader.need(header.person_bytes, "person")?;
                reader.take(header.person_bytes as usize, "person")?;
            }
            starts.push(first);
        }
        if reader.left() > 0 {
            return Err(ClipFault::Trailing { bytes: reader.left() as u64 }.at(reader.offset()));
        }
        Ok(Self { fps, layout: Layout::Interleaved, starts })
    }

    fn read_v1(reader: &mut Reader<'_>, header: &Header) -> Result<Self, ClipError> {
        let place = reader.offset();
        let (rate, stated) = match header.version {
            Version::V0_0 | Version::V0_1 => {
                (f32::from(reader.u16("frame rate")?), u64::from(reader.u16("number of frames")?))
            }
            Version::V0_2 => {
                (reader.f32("frame rate")?, u64::from(reader.u32("number of frames")?))
            }
        };
        let fps = fps(place, rate)?;
        let people = usize::from(reader.u16("number of people")?);
        // At most 2^16 components of 2^16 points, 2^16 people and 2^4 numbers: below 2^54.
        let points = people as u64 * header.points;
        let frame_bytes = points * (header.dims as u64 + 1) * F32;
        let start = reader.offset();
        // v0.1 counts frames in 16 bits and wraps around, so there the bytes themselves count; but
        // fewer than stated means that the end is missing.
        let held = (reader.left() as u64).checked_div(frame_bytes).unwrap_or(stated);
        let frames = match header.version {
            Version::V0_0 | Version::V0_1 => held.max(stated),
            Version::V0_2 => stated,
        };
        limit_frames(place, frames)?;
        reader.need(frames * frame_bytes, "frames")?;
        if (reader.left() as u64) > frames * frame_bytes {
            let bytes = reader.left() as u64 - frames * frame_bytes;
            return Err(ClipFault::Trailing { bytes }.at(start + (frames * frame_bytes) as usize));
        }
        let dims = header.dims;
        let confidence = start + (frames * points * dims as u64 * F32) as usize;
        let first = |frame: u64| (points > 0).then_some((frame * points) as usize);
        let starts = (0..frames).map(first).collect();
        Ok(Self { fps, layout: Layout::Blocks { data: start, confidence, dims }, starts })
    }
}

impl Source {
    /// The point and the byte offset of its coordinates. The bounds were checked with the counts.
    fn point(&self, bytes: &[u8], layout: &Layout, start: usize) -> (Point, usize) {
        let at = |offset: usize| {
            let mut word = [0; 4];
            word.copy_from_slice(&bytes[offset..offset + 4]);
            f32::from_le_bytes(word)
        };
        let (data, confidence) = match layout {
            Layout::Interleaved => {
                let data = start + self.person_offset;
                (data, data + 4 * self.format.confidence)
            }
            Layout::Blocks { data, confidence, dims } => {
                let point = start + self.point;
                (data + 4 * point * dims, confidence + 4 * point)
            }
        };
        let z = self.format.z.map_or(0.0, |z| at(data + 4 * z));
        let (x, y) = (at(data + 4 * self.format.x), at(data + 4 * self.format.y));
        (Point { x, y, z, confidence: at(confidence) }, data)
    }
}

fn fps(offset: usize, fps: f32) -> Result<f32, ClipError> {
    if (MIN_FPS..=MAX_FPS).contains(&fps) {
        return Ok(fps);
    }
    let expected = "between 1 and 240 frames a second";
    Err(ClipFault::Unexpected { what: "frame rate", value: fps.to_string(), expected }.at(offset))
}

fn limit_frames(offset: usize, value: u64) -> Result<(), ClipError> {
    let limit = MAX_FRAMES as u64;
    if value > limit {
        return Err(ClipFault::TooMany { what: "number of frames", value, limit }.at(offset));
    }
    Ok(())
}
