//! One stream's eyes: whatever a sender may show, turned into what a model may look at, and whether
//! anything moves. All of it starts from zero with an utterance.

use clips::Frame;

use super::picture::{self, Picture};
use super::{Extractor, Gate};
use crate::model::Input;

/// What is seen at one moment.
#[derive(Clone, Debug, PartialEq)]
pub enum Sight {
    /// Points of hands and body.
    Landmarks(Box<Frame>),
    /// A picture.
    Picture(Picture),
}

impl Sight {
    /// Capture time, µs.
    pub fn time_us(&self) -> u64 {
        match self {
            Self::Landmarks(frame) => frame.time_us,
            Self::Picture(picture) => picture.time_us,
        }
    }

    /// The same, seen at another time.
    #[must_use]
    pub fn at(mut self, time_us: u64) -> Self {
        match &mut self {
            Self::Landmarks(frame) => frame.time_us = time_us,
            Self::Picture(picture) => picture.time_us = time_us,
        }
        self
    }
}

impl From<Frame> for Sight {
    fn from(frame: Frame) -> Self {
        Self::Landmarks(Box::new(frame))
    }
}

impl From<&Frame> for Sight {
    fn from(frame: &Frame) -> Self {
        Self::from(frame.clone())
    }
}

impl From<Picture> for Sight {
    fn from(picture: Picture) -> Self {
        Self::Picture(picture)
    }
}

/// Watches one stream for a model that looks at one kind of thing.
#[derive(Clone, Debug)]
pub enum Senses {
    /// For landmarks.
    Landmarks(Box<(Extractor, Gate)>),
    /// For pictures.
    Images(Box<picture::Extractor>),
}

impl Senses {
    /// Senses that have seen nothing.
    pub fn new(input: Input) -> Self {
        match input {
            Input::Landmarks => Self::Landmarks(Box::default()),
            Input::Images => Self::Images(Box::default()),
        }
    }

    /// Takes the next sight: whether something moves, and the frame's numbers, `None` where the
    /// stream is faster than the model. A sight of the wrong kind is not seen at all.
    pub fn push(&mut self, sight: &Sight) -> (bool, Option<&[f32]>) {
        match (self, sight) {
            (Self::Landmarks(both), Sight::Landmarks(frame)) => {
                let (extractor, gate) = both.as_mut();
                (gate.push(frame), extractor.push(frame))
            }
            (Self::Images(extractor), Sight::Picture(picture)) => {
                let seen = extractor.push(picture).is_some();
                (extractor.moves(), seen.then(|| extractor.seen()))
            }
            (Self::Landmarks(_), Sight::Picture(_)) | (Self::Images(_), Sight::Landmarks(_)) => {
                (false, None)
            }
        }
    }
}
