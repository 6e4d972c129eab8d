//! What a model is to the rest of the program: its description, the state of a stream, one step.
//! The decoder, the engine, training and evaluation know models through this file alone.

pub use crate::decode::{EmissionSettings, Rule};
use serde::{Deserialize, Serialize};

pub mod landmarks;
pub mod layers;
pub mod library;
pub mod net;
pub mod pixels;
pub mod store;
#[cfg(test)]
mod tests;
pub mod trunk;
pub(crate) mod verify;

pub use library::Library;
pub use net::Architecture;
pub use store::{BUILT_IN, Files, built_in, built_in_on, files, load, load_on, parse, reference};

/// The class that means "nothing is being said"; label `i` of the vocabulary is class `i + 1`.
pub const BLANK: usize = 0;

/// What a label is: a sign, or a fingerspelled letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A sign; a segment of its own.
    Word,
    /// A letter; neighbours join into a spelled word.
    Letter,
}

/// One thing a model can say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// As it appears in a caption.
    pub text: String,
    /// Sign or letter.
    pub kind: Kind,
}

/// What a model looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Input {
    /// `features::FEATURES` numbers a frame.
    Landmarks,
    /// `features::picture::PIXELS` numbers a frame.
    Images,
}

impl Input {
    /// Numbers of a frame.
    pub fn frame_len(self) -> usize {
        match self {
            Self::Landmarks => crate::features::FEATURES,
            Self::Images => crate::features::picture::PIXELS,
        }
    }
}

/// `(x − mean) · scale` for each feature, learned from the training clips; empty for pictures,
/// each of which is brought to the same brightness and contrast by itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Normalization {
    /// One mean a feature.
    pub mean: Vec<f32>,
    /// One factor a feature (1 / standard deviation).
    pub scale: Vec<f32>,
}

/// Everything about a model except its weights; the content of `model.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelSpec {
    /// `asl-basic`.
    pub name: String,
    /// Rises with every training that ships.
    pub version: String,
    /// The shape of the net.
    pub architecture: Architecture,
    /// What it looks at.
    pub input: Input,
    /// The sign language it was trained on (BCP 47 or ISO 639-3, such as `ase`), if said; streams in
    /// another language are not for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// What it can say; class 0 is blank and not in here.
    pub vocabulary: Vec<Label>,
    /// Frames the server gathers before a step.
    pub hop_frames: usize,
    /// The decoder's settings.
    pub emission: EmissionSettings,
    /// Logits are divided by this before the softmax.
    pub temperature: f32,
    /// Of the features.
    pub normalization: Normalization,
    /// SHA-256 over the training clips, hexadecimal.
    pub data_hash: String,
}

impl ModelSpec {
    /// Labels and blank.
    pub fn classes(&self) -> usize {
        self.vocabulary.len() + 1
    }

    /// The label of a class; `None` for blank and for classes that don't exist.
    pub fn label(&self, class: usize) -> Option<&Label> {
        class.checked_sub(1).and_then(|index| self.vocabulary.get(index))
    }
}

/// What a model remembers of one stream between steps, made by `Model::new_state`: plain numbers,
/// or, where the model keeps them on a device, whether there is something to remember and where.
#[derive(Debug, PartialEq)]
pub struct StreamState(pub(crate) Vec<f32>, pub(crate) Option<crate::cuda::Row>);

impl StreamState {
    /// Back to the start of an utterance.
    pub fn reset(&mut self) {
        self.0.fill(0.0);
    }
}

/// One stream's part of a step.
#[derive(Debug)]
pub struct Hop<'a> {
    /// Carried on by the step.
    pub state: &'a mut StreamState,
    /// `n · Input::frame_len` numbers, frame after frame; `n` may differ from hop to hop.
    pub features: &'a [f32],
    /// Receives `n · classes` natural logarithms of probabilities, appended.
    pub log_probs: &'a mut Vec<f32>,
}

/// A streaming model. Causal: what it says of a frame never depends on later frames, on how frames
/// were grouped into hops, or on who else is in the batch.
pub trait Model: Send {
    /// Its description.
    fn spec(&self) -> &ModelSpec;
    /// The state of a stream in which nothing has happened.
    fn new_state(&self) -> StreamState;
    /// One step for all `hops`. After an error their states are worth nothing: reset them.
    fn step(&mut self, hops: &mut [Hop<'_>]) -> Result<(), ModelError>;
    /// Whatever is better done before anybody waits, on the thread that will step.
    fn warm_up(&mut self) -> Result<(), ModelError> {
        Ok(())
    }
}

/// Why a model can't be loaded or can't step.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The net could not be computed.
    #[error("the model's step failed")]
    Compute(#[from] candle_core::Error),
    /// A hop does not hold whole frames.
    #[error("a hop holds {found} numbers, which is no multiple of {frame} (one frame)")]
    Features {
        /// Numbers in the hop.
        found: usize,
        /// Numbers in a frame.
        frame: usize,
    },
    /// A state made by another model.
    #[error("the stream's state holds {found} numbers, this model's holds {expected}")]
    State {
        /// Numbers in the state.
        found: usize,
        /// Numbers this model keeps.
        expected: usize,
    },
    /// A model file can't be read.
    #[error("can't read {path}")]
    Read {
        /// The file.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A model can't be written.
    #[error("can't write to {path}")]
    Write {
        /// The file or folder.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is a model of that name, and it was not to be replaced.
    #[error("there is a model {0} already: give the new one another name")]
    Exists(String),
    /// There are as many models as there may be.
    #[error("{} models are installed; remove one first", library::INSTALLED_MAX)]
    Full,
    /// `model.json` is not what it should be.
    #[error("model.json is not a model description")]
    Json(#[from] serde_json::Error),
    /// The parts of a model don't fit together, or don't fit this program.
    #[error("the model can't be used: {0}")]
    Mismatch(String),
}
