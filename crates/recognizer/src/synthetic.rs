//! Synthetic signing: the average movement of each sign, learned from training clips and kept in a
//! small file, played with varied tempo, place and noise. For demonstrations and load tests; it is
//! not a person, and what shows it must say so.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use clips::landmarks::{Frame, Point};

use crate::train::augment::{between, clock, stretch};
use crate::train::random::Dice;

mod learn;

pub use learn::learn;

/// Key frames of a movement.
const KEYS: usize = 20;
/// Hands and the upper body's points (nose to wrists), three numbers each.
const BODY_POINTS: usize = 17;
const POINTS: usize = 21 + 21 + BODY_POINTS;
/// A key frame: x, y, z of each point, then whether left hand, right hand and body are there.
const NUMBERS: usize = 3 * POINTS + 3;
/// The picture that is played, pixels.
const PICTURE: (f32, f32) = (640.0, 480.0);
/// Middle of the shoulders and their distance in that picture.
const CHEST: (f32, f32, f32) = (320.0, 230.0, 150.0);
/// Frames with the hands down before the first sign and after the last.
const REST: (usize, usize) = (6, 22);
/// Frames on the way from one sign to the next.
const WAY: (usize, usize) = (2, 4);

/// The movements that the shipped model's training clips gave.
const LEARNED: &[u8] = include_bytes!("../models/asl-basic/synthetic.safetensors");

/// Why a sentence can't be signed.
#[derive(Debug, thiserror::Error)]
pub enum SyntheticError {
    /// There is no movement for a label.
    #[error("no movement is known for {label:?}; known are {known}")]
    Unknown {
        /// What was asked for.
        label: String,
        /// What there is.
        known: String,
    },
    /// A movement is not one.
    #[error("the movement of {label:?} is none")]
    Movement {
        /// Whose.
        label: String,
    },
    /// The file of movements can't be read.
    #[error("the file of movements can't be read")]
    File(#[from] candle_core::Error),
}

/// The file of movements of a built-in model, if it has one.
pub fn of_built_in(model: &str) -> Option<&'static [u8]> {
    (model == "asl-basic").then_some(LEARNED)
}

/// The labels that can be signed.
pub fn labels() -> Result<Vec<String>, SyntheticError> {
    Ok(Movements::built_in()?.labels().map(str::to_owned).collect())
}

/// Signs `labels` one after the other at 15 frames a second, from time 0, hands down before and
/// after. The same seed signs the same.
pub fn sentence(labels: &[&str], seed: u64) -> Result<Vec<Frame>, SyntheticError> {
    Movements::built_in()?.sentence(labels, seed)
}

/// The average movement of each label.
pub struct Movements(BTreeMap<String, Vec<f32>>);

impl Movements {
    /// Those that the shipped model's training clips gave.
    pub fn built_in() -> Result<Self, SyntheticError> {
        Self::read(LEARNED)
    }

    /// Those in a file that training left in a model's folder.
    pub fn read(file: &[u8]) -> Result<Self, SyntheticError> {
        let file = candle_core::safetensors::load_buffer(file, &Device::Cpu)?;
        let numbers = |(label, tensor): (String, Tensor)| {
            let numbers = tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
            if numbers.len() != KEYS * NUMBERS || !numbers.iter().all(|n| n.is_finite()) {
                return Err(SyntheticError::Movement { label });
            }
            Ok((label, numbers))
        };
        Ok(Self(file.into_iter().map(numbers).collect::<Result<_, SyntheticError>>()?))
    }

    /// The labels that can be signed.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Signs `labels` one after the other at 15 frames a second, from time 0, hands down before and
    /// after. The same seed signs the same.
    pub fn sentence(&self, labels: &[&str], seed: u64) -> Result<Vec<Frame>, SyntheticError> {
        let mut dice = Dice::new(seed, 0);
        let mut frames: Vec<Frame> = Vec::new();
        for label in labels {
            let Some(movement) = self.0.get(*label) else {
                let known = self.labels().collect::<Vec<_>>().join(", ");
                return Err(SyntheticError::Unknown { label: (*label).to_owned(), known });
            };
            let keys: Vec<Frame> = movement.chunks_exact(NUMBERS).map(frame).collect();
            let played = stretch(&keys, 0.0, (KEYS - 1) as f32, dice.even(0.85, 1.1));
            match frames.last().cloned() {
                Some(last) => {
                    let steps = WAY.0 + dice.below(WAY.1 - WAY.0 + 1);
                    let at = |step: usize| step as f32 / (steps + 1) as f32;
                    frames.extend((1..=steps).map(|step| between(&last, &played[0], at(step))));
                }
                None => frames.extend(std::iter::repeat_n(at_rest(&played[0]), REST.0)),
            }
            frames.extend(played);
        }
        if let Some(last) = frames.last().cloned() {
            frames.extend(std::iter::repeat_n(at_rest(&last), REST.1));
        }
        vary(&mut frames, &mut dice);
        clock(&mut frames);
        Ok(frames)
    }
}

/// The picture of one key frame.
fn frame(key: &[f32]) -> Frame {
    let (x, y, width) = CHEST;
    let points: Vec<Point> = key[..3 * POINTS]
        .chunks_exact(3)
        .map(|p| Point {
            x: x + width * p[0],
            y: y + width * p[1],
            z: width * p[2],
            confidence: 1.0,
        })
        .collect();
    let there = |flag: usize| key[3 * POINTS + flag] > 0.5;
    let mut body = [Point::MISSING; 33];
    body[..BODY_POINTS].copy_from_slice(&points[42..]);
    Frame {
        time_us: 0,
        width: PICTURE.0,
        height: PICTURE.1,
        left: there(0).then(|| std::array::from_fn(|i| points[i])),
        right: there(1).then(|| std::array::from_fn(|i| points[21 + i])),
        body: there(2).then_some(body),
    }
}

fn at_rest(frame: &Frame) -> Frame {
    Frame { left: None, right: None, ..frame.clone() }
}

/// A little noise, and a place in the picture of its own.
fn vary(frames: &mut [Frame], dice: &mut Dice) {
    let shift = (dice.even(-25.0, 25.0), dice.even(-15.0, 15.0));
    for frame in frames {
        crate::train::augment::each(frame, |point| {
            point.x += shift.0 + dice.normal(0.4);
            point.y += shift.1 + dice.normal(0.4);
            point.z += dice.normal(0.4);
        });
    }
}
