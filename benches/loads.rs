//! What the load bench plays: landmarks of real signing, or photographs that are shown for a second
//! each and decoded when they are due, as a server decodes them.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use clips::{Frame, Image};
use recognizer::features::Sight;
use recognizer::features::picture::Gray;
use recognizer::model::Input;

use crate::clipset::{Clipset, photographs};

/// Frames that a photograph is shown, and that nothing is shown between two.
const SHOWN: (usize, usize) = (15, 12);
/// Edge of the picture that shows nothing.
const EDGE: u32 = 100;

/// One frame as it comes in.
#[derive(Clone)]
pub enum Coming {
    /// Points.
    Points(Box<Frame>),
    /// A JPEG picture.
    Picture(Arc<[u8]>),
}

impl Coming {
    /// What is seen, at that time; pictures are decoded.
    pub fn sight(&self, time_us: u64) -> anyhow::Result<Sight> {
        Ok(match self {
            Self::Points(frame) => Sight::from(frame.as_ref()).at(time_us),
            Self::Picture(jpeg) => {
                let image = Image::new(time_us, false, jpeg);
                let image = image.map_err(|fault| anyhow::anyhow!("{fault}"))?;
                Gray::decode(&image)?.small(time_us).into()
            }
        })
    }
}

/// Scenes that streams play one after the other, each from a place of its own.
pub struct Load(Vec<Vec<Coming>>);

impl Load {
    /// The load for a model that looks at that.
    pub fn of(input: Input) -> anyhow::Result<Self> {
        let scenes: Vec<Vec<Coming>> = match input {
            Input::Landmarks => {
                let Clipset { words, idle } = Clipset::read()?;
                let both = words.into_iter().zip(idle.into_iter().cycle());
                let points = |clip: crate::clipset::Clip| -> Vec<Coming> {
                    clip.frames.into_iter().map(|frame| Coming::Points(Box::new(frame))).collect()
                };
                both.flat_map(|(word, idle)| [points(word), points(idle)]).collect()
            }
            Input::Images => {
                let mut jpeg = Vec::new();
                let empty = image::GrayImage::from_pixel(EDGE, EDGE, image::Luma([128]));
                let encoder = image::codecs::jpeg::JpegEncoder::new(&mut jpeg);
                empty.write_with_encoder(encoder).context("cannot write a picture")?;
                let empty: Arc<[u8]> = jpeg.into();
                let scene = |photo: Vec<u8>| -> Vec<Coming> {
                    let photo: Arc<[u8]> = photo.into();
                    let shown = std::iter::repeat_n(photo, SHOWN.0);
                    let rest = std::iter::repeat_n(empty.clone(), SHOWN.1);
                    shown.chain(rest).map(Coming::Picture).collect()
                };
                photographs()?.into_iter().map(scene).collect()
            }
        };
        ensure!(!scenes.is_empty(), "there is nothing to play");
        Ok(Self(scenes))
    }

    /// Frame `n` of stream `stream`.
    pub fn frame(&self, stream: usize, place: &mut Place) -> &Coming {
        let scene = &self.0[(stream * 7 + place.scene) % self.0.len()];
        let frame = &scene[place.frame.min(scene.len() - 1)];
        place.frame += 1;
        if place.frame >= scene.len() {
            *place = Place { scene: place.scene + 1, frame: 0 };
        }
        frame
    }
}

/// Where a stream is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    scene: usize,
    frame: usize,
}
