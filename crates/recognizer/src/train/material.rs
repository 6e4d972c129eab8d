//! What a model can be trained on: clips of landmarks, or photographs. The training run knows both
//! through this file alone.

use std::path::Path;

use clips::landmarks::Frame;
use sha2::{Digest, Sha256};

use super::data::{self, Clip, VALIDATION_SHARE};
use super::photos::Photos;
use super::random::Dice;
use super::splice::{Corpus, Sequence, extract};
use super::{TrainError, Variety, stats};
use crate::decode::EmissionSettings;
use crate::features::Senses;
use crate::features::picture::Gray;
use crate::model::{Input, Normalization};

/// With fewer clips of a label and signer, whole signers are kept for validation.
const FEW: usize = 8;

/// What is in a clip.
pub trait Material: Sized + Clone {
    /// What its model looks at.
    const INPUT: Input;
    /// The training clips, and how to make sequences from them.
    type Corpus: Source<Self>;

    /// Reads one file; all of its bytes go into the digest.
    fn read(path: &Path, digest: &mut Sha256) -> Result<Self, TrainError>;
    /// Whether a clip is kept for validation.
    fn validates(clip: &Clip<Self>) -> bool;
    /// The numbers a model sees, frame after frame.
    fn features(&self) -> Vec<f32>;
    /// Mean and spread of those numbers.
    fn normalization(clips: &[Clip<Self>]) -> Normalization;
    /// How what is seen becomes text.
    fn emission() -> EmissionSettings;
    /// What else is learned from the clips, written to the model's folder.
    fn finish(clips: &[Clip<Self>], out: &Path) -> Result<(), TrainError>;
}

/// Where training sequences come from.
pub trait Source<T> {
    /// `class` tells the class of a label (blank for the empty one), `variety` what is made up.
    fn new(clips: Vec<Clip<T>>, class: &dyn Fn(&str) -> u32, variety: Variety) -> Self;
    /// The clips it draws from.
    fn clips(&self) -> &[Clip<T>];
    /// One sequence by chance.
    fn sequence(&self, dice: &mut Dice) -> Sequence;
}

impl Material for Vec<Frame> {
    const INPUT: Input = Input::Landmarks;
    type Corpus = Corpus;

    fn read(path: &Path, digest: &mut Sha256) -> Result<Self, TrainError> {
        data::read(path, digest)
    }

    fn validates(clip: &Clip) -> bool {
        !clip.stills && clip.is_late()
    }

    fn features(&self) -> Vec<f32> {
        extract(self)
    }

    fn normalization(clips: &[Clip]) -> Normalization {
        stats::normalization(clips)
    }

    fn emission() -> EmissionSettings {
        EmissionSettings::default()
    }

    fn finish(clips: &[Clip], out: &Path) -> Result<(), TrainError> {
        crate::synthetic::learn(clips, &out.join("synthetic.safetensors")).map(drop)
    }
}

impl Material for Gray {
    const INPUT: Input = Input::Images;
    type Corpus = Photos;

    fn read(path: &Path, digest: &mut Sha256) -> Result<Self, TrainError> {
        data::read_photo(path, digest)
    }

    /// Neighbours are alike, so the last ones are kept; where there are too few, every so many
    /// signers.
    fn validates(clip: &Clip<Self>) -> bool {
        if clip.siblings >= FEW {
            return clip.is_late();
        }
        let digest = Sha256::digest(clip.signer.as_bytes());
        f32::from(digest[0]) < 256.0 * VALIDATION_SHARE
    }

    fn features(&self) -> Vec<f32> {
        let mut senses = Senses::new(Self::INPUT);
        let (_, numbers) = senses.push(&self.small(0).into());
        numbers.unwrap_or_default().to_vec()
    }

    fn normalization(_: &[Clip<Self>]) -> Normalization {
        Normalization::default()
    }

    /// There is nothing but labels of one kind, and a picture held up says the same in every frame.
    fn emission() -> EmissionSettings {
        EmissionSettings { spelling_evidence: 0.0, ..EmissionSettings::default() }
    }

    fn finish(_: &[Clip<Self>], _: &Path) -> Result<(), TrainError> {
        Ok(())
    }
}
