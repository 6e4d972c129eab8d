//! What the API asks of the models of its process. It knows none itself: the binary hands them in.

use std::sync::Arc;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

/// One model, as people choose it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelInfo {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Whether it is for streams that name none.
    pub default: bool,
    /// Whether a sign can be taught to it, in this process.
    pub teachable: bool,
    /// The signs that it can say.
    pub words: Vec<String>,
    /// The letters that it can say.
    pub letters: Vec<String>,
}

/// A sign that a model is to learn. What it is made of was checked as far as the API can.
#[derive(Debug)]
pub struct Lesson {
    /// The model that learns it.
    pub model: String,
    /// The sign, as it will appear in captions.
    pub label: String,
    /// The new model's name; without one, a free one is made up.
    pub name: Option<String>,
    /// Clips of the sign, each a whole `.pose` file.
    pub clips: Vec<Vec<u8>>,
    /// Cancelled when nobody waits for the new model any more: then it must not come to be.
    pub unwanted: CancellationToken,
}

/// Clips that have something in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alike {
    /// What is read of them, or what they show; empty for nothing.
    pub text: String,
    /// How many there are.
    pub clips: usize,
}

/// A new model, and how well it tells the sign apart.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Taught {
    /// The new model's name.
    pub model: String,
    /// Its version.
    pub version: String,
    /// The model that it was made from.
    pub base: String,
    /// The sign.
    pub label: String,
    /// Clips of it.
    pub clips: usize,
    /// Those that are read as exactly the sign, by what the others taught.
    pub recognized: usize,
    /// What is read of the rest, the commonest first.
    pub read_as: Vec<Alike>,
    /// Clips of other signs or of none that it was tried on.
    pub others: usize,
    /// Those in which the sign is said, though it is not there.
    pub mistaken: usize,
    /// What those show, the commonest first.
    pub mistaken_in: Vec<Alike>,
    /// Those that are read otherwise than before.
    pub changed: usize,
    /// What learning took, seconds.
    pub seconds: f64,
}

/// Why a sign was not taught. Where there is a text, it says what is wrong and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotTaught {
    /// This process has no recognizer, so what it would make would be served nowhere.
    #[error("this process has no recognizer")]
    NoRecognizer,
    /// There is no model of that name.
    #[error("there is no such model")]
    NoModel,
    /// The model is of a kind that can't be taught.
    #[error("{0}")]
    NotTeachable(String),
    /// There is a model of the new one's name.
    #[error("there is a model {0} already")]
    Exists(String),
    /// There are as many models as there may be.
    #[error("{0}")]
    Full(String),
    /// The label is none, or the model has it.
    #[error("{0}")]
    Label(String),
    /// The new model's name is none.
    #[error("{0}")]
    Name(String),
    /// What the clips show can't be learned from.
    #[error("{0}")]
    Clips(String),
    /// Nobody waited any more.
    #[error("nobody waited for it any more")]
    Unwanted,
    /// Something broke.
    #[error("{0}")]
    Failed(String),
}

/// The models of a process.
pub trait Models: Send + Sync {
    /// The names of those that can write captions now; people choose one of them. Quick.
    fn names(&self) -> Vec<String>;

    /// What each of them can say. Reads files.
    fn describe(&self) -> Vec<ModelInfo>;

    /// Makes a new model out of one and a sign. Takes seconds of a core; never replaces a model, and
    /// never makes one the default.
    fn teach(&self, lesson: Lesson) -> Result<Taught, NotTaught>;
}

/// Shared by all who ask.
pub type SharedModels = Arc<dyn Models>;
