//! Picture frames: JPEGs in a live batch, for models that look at pixels. They are framed and
//! measured here; whoever recognizes decodes them.

use crate::error::{ClipError, ClipFault};
use crate::live_wire::check_time;
use crate::read::Reader;

/// Most bytes of one picture.
pub const MAX_JPEG_BYTES: usize = 256 * 1024;
/// Widest picture taken, pixels.
pub const MAX_WIDTH: u16 = 1_920;
/// Highest picture taken, pixels.
pub const MAX_HEIGHT: u16 = 1_080;

/// One picture, still compressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Capture time, µs, on the sender's own clock.
    pub time_us: u64,
    /// Width, pixels, as the JPEG says.
    pub width: u16,
    /// Height, pixels, as the JPEG says.
    pub height: u16,
    /// Whether the picture was mirrored when it was taken.
    pub mirrored: bool,
    /// The JPEG.
    pub jpeg: Vec<u8>,
}

impl Image {
    /// A picture from a JPEG, whose header is read for its size; nothing is decoded.
    pub fn new(time_us: u64, mirrored: bool, jpeg: &[u8]) -> Result<Self, ClipFault> {
        if jpeg.len() > MAX_JPEG_BYTES {
            let (value, limit) = (jpeg.len() as u64, MAX_JPEG_BYTES as u64);
            return Err(ClipFault::TooMany { what: "JPEG length", value, limit });
        }
        let picture = |error: image::ImageError| ClipFault::Picture { reason: error.to_string() };
        let reader =
            image::ImageReader::with_format(std::io::Cursor::new(jpeg), image::ImageFormat::Jpeg);
        let (width, height) = reader.into_dimensions().map_err(picture)?;
        for (what, value, limit) in
            [("picture's width", width, MAX_WIDTH), ("picture's height", height, MAX_HEIGHT)]
        {
            if value > u32::from(limit) {
                return Err(ClipFault::TooMany { what, value: value.into(), limit: limit.into() });
            }
        }
        let (width, height) = (width as u16, height as u16);
        Ok(Self { time_us, width, height, mirrored, jpeg: jpeg.to_vec() })
    }
}

/// Reads the pictures of a batch.
pub(crate) fn read(
    reader: &mut Reader<'_>,
    frames: usize,
    mirrored: bool,
) -> Result<Vec<Image>, ClipError> {
    let mut images: Vec<Image> = Vec::new();
    for index in 0..frames {
        let place = reader.offset();
        let time_us = reader.u64("capture time")?;
        check_time(time_us, images.last().map(|image| image.time_us), place, index)?;
        let length = reader.u32("JPEG length")? as usize;
        let place = reader.offset();
        let jpeg = reader.take(length, "JPEG")?;
        let image =
            Image::new(time_us, mirrored, jpeg).map_err(|fault| fault.in_frame(place, index))?;
        images.push(image);
    }
    Ok(images)
}
