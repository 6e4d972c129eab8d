//! Writing batches, for clients.

use super::{
    Confidence, HAS_CONFIDENCE, MAGIC, MIRRORED, Number, PARTS, Schema, Slot, Space,
    WIDE_CONFIDENCE,
};
use crate::images::Image;
use crate::landmarks::{Frame, Part, Point};

/// The shoulders among the body's points.
const SHOULDERS: (usize, usize) = (11, 12);

/// How a landmark batch is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// [`Schema::Compact`] or [`Schema::Holistic`].
    pub schema: Schema,
    /// Whether depth is sent; never with [`Number::U16`].
    pub depth: bool,
    /// How numbers are written.
    pub number: Number,
    /// What they are measured in; always [`Space::Unit`] with [`Number::U16`].
    pub space: Space,
    /// What is said of confidence.
    pub confidence: Confidence,
    /// Whether the points were found in a mirrored picture, and are sent as they are.
    pub mirrored: bool,
}

impl Format {
    /// Nothing of hands and body is lost: 1,209 bytes a frame.
    pub const LOSSLESS: Self = Self {
        schema: Schema::Holistic,
        depth: true,
        number: Number::F32,
        space: Space::Pixels,
        confidence: Confidence::F32,
        mirrored: false,
    };

    /// The small one for live use: 439 bytes a frame.
    pub const COMPACT: Self = Self {
        schema: Schema::Compact,
        depth: false,
        number: Number::F16,
        space: Space::Unit,
        confidence: Confidence::Byte,
        mirrored: false,
    };
}

/// The frames as a batch that loses nothing. All frames are taken to show pictures of the first
/// one's size. A batch of more than [`super::MAX_FRAMES`] frames will be refused.
pub fn encode(frames: &[Frame], seq_first: u32) -> Vec<u8> {
    encode_as(frames, seq_first, Format::LOSSLESS)
}

/// The frames as a batch of that format.
pub fn encode_as(frames: &[Frame], seq_first: u32, format: Format) -> Vec<u8> {
    let (width, height) = frames.first().map_or((1.0, 1.0), |frame| (frame.width, frame.height));
    let slots = format.schema.slots();
    let mut out = Vec::new();
    header(&mut out, format, (width as u16, height as u16), seq_first, frames.len());
    for frame in frames {
        out.extend(frame.time_us.to_le_bytes());
        let there = PARTS.iter().filter(|(part, _)| frame.part(*part).is_some());
        out.push(there.map(|(_, bit)| bit).sum());
        for slot in &slots {
            let p = slot_point(*slot, frame);
            let scale = match format.space {
                Space::Unit => (width, height),
                Space::Pixels => (1.0, 1.0),
            };
            let axes = [p.x / scale.0, p.y / scale.1, p.z / scale.0];
            for value in &axes[..if format.depth { 3 } else { 2 }] {
                number(&mut out, *value, format.number);
            }
        }
        for slot in &slots {
            let confidence = slot_point(*slot, frame).confidence;
            match format.confidence {
                Confidence::None => {}
                // A point that was found stays found.
                Confidence::Byte if confidence > 0.0 => {
                    out.push(((confidence * 255.0).round() as u8).max(1));
                }
                Confidence::Byte => out.push(0),
                Confidence::F32 => out.extend(confidence.to_le_bytes()),
            }
        }
    }
    out
}

/// Pictures as a batch of schema 0. Their capture times and bytes are sent, nothing else.
pub fn encode_images(images: &[Image], seq_first: u32) -> Vec<u8> {
    let size = images.first().map_or((1, 1), |image| (image.width, image.height));
    let mut out = Vec::new();
    out.extend(MAGIC);
    out.extend([0; 8]);
    tail(&mut out, size, seq_first, images.len());
    for image in images {
        out.extend(image.time_us.to_le_bytes());
        out.extend((image.jpeg.len() as u32).to_le_bytes());
        out.extend(&image.jpeg);
    }
    out
}

fn header(out: &mut Vec<u8>, format: Format, size: (u16, u16), seq_first: u32, frames: usize) {
    out.extend(MAGIC);
    out.extend(format.schema.id().to_le_bytes());
    out.extend((format.schema.slots().len() as u16).to_le_bytes());
    out.push(if format.depth { 3 } else { 2 });
    out.push(match format.number {
        Number::F32 => 0,
        Number::F16 => 1,
        Number::U16 => 2,
    });
    out.push(match format.space {
        Space::Unit => 0,
        Space::Pixels => 1,
    });
    let mirrored = if format.mirrored { MIRRORED } else { 0 };
    out.push(match format.confidence {
        Confidence::None => mirrored,
        Confidence::Byte => mirrored | HAS_CONFIDENCE,
        Confidence::F32 => mirrored | HAS_CONFIDENCE | WIDE_CONFIDENCE,
    });
    tail(out, size, seq_first, frames);
}

fn tail(out: &mut Vec<u8>, size: (u16, u16), seq_first: u32, frames: usize) {
    out.extend(size.0.to_le_bytes());
    out.extend(size.1.to_le_bytes());
    out.extend(seq_first.to_le_bytes());
    out.extend((frames as u16).to_le_bytes());
}

fn number(out: &mut Vec<u8>, value: f32, number: Number) {
    match number {
        Number::F32 => out.extend(value.to_le_bytes()),
        Number::F16 => out.extend(half::f16::from_f32(value).to_le_bytes()),
        Number::U16 => {
            out.extend(((value * f32::from(u16::MAX)).round() as u16).to_le_bytes());
        }
    }
}

fn slot_point(slot: Slot, frame: &Frame) -> Point {
    let point = |part, i: usize| frame.part(part).map_or(Point::MISSING, |points| points[i]);
    match slot {
        Slot::Point(part, i) => point(part, i),
        Slot::MidShoulder => {
            let (a, b) = (point(Part::Body, SHOULDERS.0), point(Part::Body, SHOULDERS.1));
            let middle = |a: f32, b: f32| f32::midpoint(a, b);
            Point {
                x: middle(a.x, b.x),
                y: middle(a.y, b.y),
                z: middle(a.z, b.z),
                confidence: a.confidence.min(b.confidence),
            }
        }
        Slot::Face(_) => Point::MISSING,
    }
}
