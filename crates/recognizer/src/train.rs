//! Training: clips or photographs in, a model folder out. Augment, splice clips into sentences,
//! framewise cross-entropy on sets of allowed classes; the same seed gives the same weights on the
//! CPU.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::evaluate::calibrate::Calibrated;

pub mod augment;
mod best;
mod card;
mod ctc;
pub mod data;
mod fit;
mod learn;
mod loss;
pub mod material;
mod optimizer;
mod photos;
mod pictures;
pub(crate) mod random;
mod served;
pub(crate) mod splice;
mod stats;
#[cfg(test)]
mod tests;
mod wander;

pub use fit::run;
pub use served::{Figures, of_others as figures_of};

/// What a sequence is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Loss {
    /// The classes that each frame may be: cross-entropy, frame by frame.
    #[default]
    Framewise,
    /// The signs in their order alone: connectionist temporal classification.
    Ctc,
}

/// What is made up besides the clips; nothing by default.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Variety {
    /// How often hands that only move about, and say nothing, take a clip's place: 0 to 1.
    pub wander: f32,
    /// How often a sequence has fewer frames a second, at times that are not quite even: 0 to 1.
    pub slow: f32,
}

/// What to train on, and how long.
#[derive(Clone, Debug)]
pub struct TrainOptions {
    /// Folders with a `clips.csv`.
    pub clips: Vec<PathBuf>,
    /// Where the model folder is written.
    pub out: PathBuf,
    /// The model's name; the folder's name where empty.
    pub name: String,
    /// Signers kept out of training, reported at the end.
    pub hold_out: BTreeSet<String>,
    /// Clips with one of these flags are left out.
    pub skip_flags: BTreeSet<String>,
    /// Clips with one of these labels are left out.
    pub skip_labels: BTreeSet<String>,
    /// What the net is to say of a sequence.
    pub loss: Loss,
    /// What is made up.
    pub variety: Variety,
    /// Nets that are trained first, with the seeds that follow, and whose mean opinion is most of what
    /// the net is compared with.
    pub teachers: usize,
    /// Of every random choice.
    pub seed: u64,
    /// Goes on from the last checkpoint in `out`.
    pub resume: bool,
    /// Weight updates.
    pub steps: usize,
    /// Spliced sequences an update.
    pub batch: usize,
    /// Trainings without one signer, whose figures the card tells.
    pub cross: Vec<PathBuf>,
    /// The command line, for the model card.
    pub command: String,
}

impl TrainOptions {
    /// Defaults with which a model of this size trains in under 25 minutes on two cores.
    pub fn new(clips: Vec<PathBuf>, out: PathBuf) -> Self {
        Self {
            clips,
            out,
            name: String::new(),
            hold_out: BTreeSet::new(),
            skip_flags: BTreeSet::new(),
            skip_labels: BTreeSet::new(),
            loss: Loss::default(),
            variety: Variety::default(),
            teachers: 0,
            seed: 1,
            resume: false,
            steps: 1_200,
            batch: 24,
            cross: Vec::new(),
            command: String::new(),
        }
    }
}

/// How training tells what it is doing.
pub trait Progress {
    /// A phase has begun; it has `steps` parts.
    fn begin(&mut self, phase: &str, steps: usize);
    /// One part is done; `note` says how it looks (loss, accuracy).
    fn advance(&mut self, note: &str);
}

/// What a training reached, on clips it did not train on.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct TrainReport {
    /// Clips trained on.
    pub clips: usize,
    /// The signers among them: (signer, clips, labels).
    pub signers: Vec<(String, usize, usize)>,
    /// Weights that were learned.
    pub parameters: usize,
    /// Clips of the training signers kept for validation.
    pub validation_clips: usize,
    /// Their forced top-1, 0–1.
    pub validation_top1: f32,
    /// Updates that were made.
    pub updates: usize,
    /// The last update after which the validation clips were told apart as well as ever: its weights
    /// are the model.
    pub best_update: usize,
    /// Wall time of the updates, seconds.
    pub seconds: f64,
    /// What was reached on those who were left out, here and in the trainings of `cross`.
    pub held_out: Vec<Figures>,
    /// What the trainings of `cross` taught about confidence; `None` where there were none, or where
    /// they said too little.
    pub calibrated: Option<Calibrated>,
}

/// Why a training can't go on.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A file can't be read or written.
    #[error("can't {action} {path}")]
    File {
        /// "read" or "write".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A clip is not a `.pose` file.
    #[error("{path} is not a clip that can be used")]
    Clip {
        /// The file.
        path: PathBuf,
        /// Where the fault lies.
        source: Box<clips::ClipError>,
    },
    /// A photograph can't be used.
    #[error("{path} is not a photograph that can be used: {problem}")]
    Photo {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A line of `clips.csv` is wrong.
    #[error("{path}, line {line}: {problem}")]
    Csv {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// The clips can't be trained on.
    #[error("{0}")]
    Data(String),
    /// The checkpoint to resume from is missing or of another training.
    #[error("can't resume: {0}")]
    Resume(String),
    /// A picture could not be drawn.
    #[error("can't draw {path}: {problem}")]
    Picture {
        /// The file.
        path: PathBuf,
        /// What the drawing library said.
        problem: String,
    },
    /// The model could not be measured on those who were left out.
    #[error("the model can't be measured")]
    Measure(#[source] Box<crate::evaluate::EvaluateError>),
    /// The net could not be computed.
    #[error("the net can't be computed")]
    Compute(#[from] candle_core::Error),
    /// The model does not fit together.
    #[error("the model can't be built")]
    Model(#[from] crate::model::ModelError),
}
