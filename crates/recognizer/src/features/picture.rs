//! From pictures to the numbers a model sees: the square in the middle, gray, small, brought to the
//! same brightness and contrast, and what changed since the picture before.

use clips::Image;
use image::{ImageError, ImageFormat, ImageReader, Limits};

use super::Ticks;

/// Edge of what the model sees, pixels.
pub const EDGE: usize = 64;
/// Numbers a pixel: its gray, and the change of its gray.
pub const CHANNELS: usize = 2;
/// Numbers a frame, channels innermost.
pub const PIXELS: usize = EDGE * EDGE * CHANNELS;
/// Added to the contrast, gray levels: an empty wall stays an empty wall.
const NOISE: f32 = 6.0;
/// Mean change of a pixel, gray levels, at which something counts as moving.
const MOVES: f32 = 4.0;
/// Change below which it no longer does.
const RESTS: f32 = 2.0;
/// Memory that decoding one picture may take.
const DECODE_BYTES: u64 = 16 << 20;

/// A gray picture of any size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gray {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Gray {
    /// A picture from its pixels, row by row; `None` where they are not `width · height`, or none.
    pub fn new(width: usize, height: usize, pixels: Vec<u8>) -> Option<Self> {
        let fits = !pixels.is_empty() && width.checked_mul(height) == Some(pixels.len());
        fits.then_some(Self { width, height, pixels })
    }

    /// The square in the middle of a JPEG, the signer's left on the viewer's right.
    pub fn decode(image: &Image) -> Result<Self, ImageError> {
        let mut reader =
            ImageReader::with_format(std::io::Cursor::new(&image.jpeg), ImageFormat::Jpeg);
        let mut limits = Limits::default();
        limits.max_image_width = Some(clips::images::MAX_WIDTH.into());
        limits.max_image_height = Some(clips::images::MAX_HEIGHT.into());
        limits.max_alloc = Some(DECODE_BYTES);
        reader.limits(limits);
        let decoded = reader.decode()?.into_luma8();
        let (width, height) = (decoded.width() as usize, decoded.height() as usize);
        let whole = Self { width, height, pixels: decoded.into_raw() };
        let mut square = whole.square();
        if image.mirrored {
            square.pixels.chunks_exact_mut(square.width).for_each(<[u8]>::reverse);
        }
        Ok(square)
    }

    /// The largest square around the middle.
    fn square(&self) -> Self {
        let edge = self.width.min(self.height);
        let (left, top) = ((self.width - edge) / 2, (self.height - edge) / 2);
        let rows = self.pixels.chunks_exact(self.width.max(1)).skip(top).take(edge);
        let pixels = rows.flat_map(|row| &row[left..left + edge]).copied().collect();
        Self { width: edge, height: edge, pixels }
    }

    /// Width, pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height, pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The gray at a place, in pixels and fractions, between the pixels around it; what lies outside
    /// is as the nearest pixel inside.
    pub(crate) fn at(&self, x: f32, y: f32) -> f32 {
        let clamp = |v: f32, n: usize| v.clamp(0.0, (n - 1) as f32);
        let (x, y) = (clamp(x, self.width), clamp(y, self.height));
        let (left, top) = (x as usize, y as usize);
        let (right, below) = ((left + 1).min(self.width - 1), (top + 1).min(self.height - 1));
        let (across, down) = (x - left as f32, y - top as f32);
        let pixel = |x: usize, y: usize| f32::from(self.pixels[y * self.width + x]);
        let upper = pixel(left, top) + (pixel(right, top) - pixel(left, top)) * across;
        let lower = pixel(left, below) + (pixel(right, below) - pixel(left, below)) * across;
        upper + (lower - upper) * down
    }

    /// As the model sees it, every pixel the mean of what it covers.
    pub fn small(&self, time_us: u64) -> Picture {
        let square = self.square();
        let across = spans(square.width);
        let mut rows = vec![0.0f32; square.height * EDGE];
        for (row, out) in square.pixels.chunks_exact(square.width).zip(rows.chunks_exact_mut(EDGE))
        {
            for (out, span) in out.iter_mut().zip(&across) {
                *out = span.iter().map(|&(at, share)| f32::from(row[at]) * share).sum();
            }
        }
        let mut pixels = Vec::with_capacity(EDGE * EDGE);
        for span in spans(square.height) {
            for column in 0..EDGE {
                let part = |&(at, share): &(usize, f32)| rows[at * EDGE + column] * share;
                pixels.push(span.iter().map(part).sum::<f32>().round() as u8);
            }
        }
        Picture { time_us, pixels: pixels.into() }
    }
}

/// Which of `count` pixels each of `EDGE` pixels covers, and by what share of itself.
fn spans(count: usize) -> Vec<Vec<(usize, f32)>> {
    let size = count as f32 / EDGE as f32;
    let span = |index: usize| {
        let (from, to) = (index as f32 * size, (index + 1) as f32 * size);
        let last = (to.ceil() as usize).min(count);
        let share = |at: usize| ((at + 1) as f32).min(to) - (at as f32).max(from);
        (from as usize..last).map(|at| (at, share(at) / size)).collect()
    };
    (0..EDGE).map(span).collect()
}

/// A picture at the size the model sees it in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Capture time, µs.
    pub time_us: u64,
    /// `EDGE · EDGE` grays, row by row.
    pixels: Box<[u8]>,
}

impl Picture {
    /// A picture of these `EDGE · EDGE` grays; `None` of another number.
    pub fn new(time_us: u64, pixels: Vec<u8>) -> Option<Self> {
        (pixels.len() == EDGE * EDGE).then(|| Self { time_us, pixels: pixels.into() })
    }
}

/// Turns one stream's pictures into features, and watches for movement; feed it every picture.
#[derive(Clone, Debug)]
pub struct Extractor {
    ticks: Ticks,
    /// The grays of the picture before, and the same as the model saw them.
    before: Option<(Box<[u8]>, Vec<f32>)>,
    moves: bool,
    out: Vec<f32>,
}

impl Default for Extractor {
    fn default() -> Self {
        Self { ticks: Ticks::default(), before: None, moves: false, out: vec![0.0; PIXELS] }
    }
}

impl Extractor {
    /// The `PIXELS` numbers of a picture, or `None` where the stream is faster than the model and
    /// this one is left out.
    pub fn push(&mut self, picture: &Picture) -> Option<&[f32]> {
        if !self.ticks.takes(picture.time_us) {
            return None;
        }
        let grays = level(&picture.pixels);
        if let Some((pixels, before)) = &self.before {
            let changes =
                pixels.iter().zip(&picture.pixels).map(|(a, b)| u32::from(a.abs_diff(*b)));
            let change = changes.sum::<u32>() as f32 / pixels.len() as f32;
            self.moves = change >= if self.moves { RESTS } else { MOVES };
            for ((out, now), before) in self.out.chunks_exact_mut(CHANNELS).zip(&grays).zip(before)
            {
                out[0] = *now;
                out[1] = now - before;
            }
        } else {
            for (out, now) in self.out.chunks_exact_mut(CHANNELS).zip(&grays) {
                out[0] = *now;
                out[1] = 0.0;
            }
        }
        self.before = Some((picture.pixels.clone(), grays));
        Some(&self.out)
    }

    /// The numbers of the last picture that was not left out.
    pub(super) fn seen(&self) -> &[f32] {
        &self.out
    }

    /// Whether something moved from the last picture but one to the last, with hysteresis.
    pub fn moves(&self) -> bool {
        self.moves
    }
}

/// Mean 0 and spread about 1, whatever the light.
fn level(pixels: &[u8]) -> Vec<f32> {
    let count = pixels.len() as f32;
    let mean = pixels.iter().map(|&p| u32::from(p)).sum::<u32>() as f32 / count;
    let square: f32 = pixels.iter().map(|&p| (f32::from(p) - mean).powi(2)).sum();
    let scale = 1.0 / ((square / count).sqrt() + NOISE);
    pixels.iter().map(|&p| (f32::from(p) - mean) * scale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_cut_square_and_shrunk_to_means() {
        // 192 × 128: left and right of the square in the middle is black, the square is striped.
        let pixel = |i: usize| match i % 192 {
            32..160 => [100, 200][(i % 192) % 2],
            _ => 0,
        };
        let gray = Gray::new(192, 128, (0..192 * 128).map(pixel).collect()).expect("a picture");
        assert!(gray.small(7).pixels.iter().all(|&p| p == 150));
        // 100 pixels don't divide by 64; brightness is kept all the same.
        let ramp = (0..100 * 100).map(|i| (i % 100) as u8).collect();
        let small = Gray::new(100, 100, ramp).expect("a picture").small(7);
        let sum: u32 = small.pixels.iter().map(|&p| u32::from(p)).sum();
        assert!((49.0..=50.0).contains(&(sum as f32 / 4096.0)), "{sum}");
        assert_eq!((small.pixels[0], small.pixels[63]), (0, 99));
        assert!(Gray::new(3, 2, vec![0; 5]).is_none());
    }

    #[test]
    fn light_does_not_matter_and_change_is_seen() {
        let dark: Vec<u8> = (0..EDGE * EDGE).map(|i| (i % 97) as u8).collect();
        let bright = dark.iter().map(|p| 60 + 2 * p).collect();
        let still: Vec<f32> = {
            let mut extractor = Extractor::default();
            let picture = Picture::new(0, dark.clone()).expect("a picture");
            extractor.push(&picture).expect("the first").to_vec()
        };
        let mut extractor = Extractor::default();
        let seen = extractor.push(&Picture::new(0, bright).expect("a picture")).expect("the first");
        let worst = seen.iter().zip(&still).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 0.2, "{worst}");
        assert!(seen.chunks_exact(CHANNELS).all(|pixel| pixel[1] == 0.0));
        assert!(!extractor.moves());
        let next = Picture::new(super::super::TICK_US, dark).expect("a picture");
        assert!(extractor.push(&next).is_some() && extractor.moves());
        let early = Picture { time_us: super::super::TICK_US + 9_000, ..next };
        assert!(extractor.push(&early).is_none());
    }
}
