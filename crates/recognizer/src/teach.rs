//! Few-shot: one more sign for a model that is trained already, from a handful of clips, in seconds.
//!
//! The net stays as it is, and so does everything it says of the labels that it knows: the new label
//! gets a row of the last layer of its own. Against a fixed net that is a logistic regression on what
//! the last layer looks at, with the evidence for all other labels as its offset, so it has one best
//! answer, found in a few Newton steps. What is not the new sign comes from the movements that
//! training left in the model's folder, and from clips, if there are any at hand. The evidence that
//! the label must bring before it is said is chosen on clips that the row has not seen.
//!
//! # Layout
//! * [`Lesson`]: what a model of the library is to learn; the command line and a server begin here.
//! * `fit`: the regression.
//! * `view`: what the last layer looks at, read from the model that serves.
//! * `calibrate`: how much evidence the label must bring.
//! * `write`: the new model's folder.

mod calibrate;
mod fit;
mod lesson;
#[cfg(test)]
mod tests;
mod view;
mod write;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clips::landmarks::Frame;
use sha2::{Digest as _, Sha256};

use crate::model::verify::{LABEL_RULE, NAME_RULE, is_label, is_name};
use crate::model::{BLANK, Files, Input, Kind, Label, ModelError, ModelSpec};
use crate::synthetic::{Movements, SyntheticError};
use crate::train::data::{self, Clip};
use crate::train::material::Source as _;
use crate::train::random::Dice;
use crate::train::splice::Corpus;
use crate::train::{TrainError, Variety};
use fit::Row;
pub use lesson::Lesson;
use view::{Seen, View};

/// Clips that it takes at least, and may be at most.
const CLIPS: (usize, usize) = (4, 200);
/// Parts that the clips are divided into; what one is judged by was learned from the others.
const FOLDS: usize = 5;
/// Sequences that are made from each part.
const SEQUENCES: usize = 72;
/// How often each clip stands in the pot that sequences are drawn from, clips of other signs once.
const COPIES: usize = 4;
/// Synthetic clips of every label that the model knows: to learn from, and to be judged by.
const SYNTHETIC: (u64, u64) = (4, 2);
/// Clips that are read of what is beside, of each label.
const BESIDE: usize = 12;
/// The class of everything that is neither blank nor the new sign.
const OTHER: u32 = u32::MAX;

/// A clip of the new sign.
#[derive(Clone, Debug)]
pub struct Sample {
    /// What it is called when something is wrong with it; nothing is read from there.
    pub name: PathBuf,
    /// The `.pose` file.
    pub bytes: Vec<u8>,
}

impl Sample {
    /// Reads one from a file.
    pub fn read(path: &Path) -> Result<Self, TeachError> {
        let failed = |source| TrainError::File { action: "read", path: path.to_owned(), source };
        let bytes = std::fs::read(path).map_err(failed)?;
        Ok(Self { name: path.to_owned(), bytes })
    }
}

/// What to teach, and to whom.
#[derive(Clone, Debug)]
pub struct TeachOptions {
    /// The model to begin with.
    pub base: Files,
    /// The movements that its training left, if there are.
    pub movements: Option<Vec<u8>>,
    /// The new sign.
    pub label: String,
    /// A sign, or a letter.
    pub kind: Kind,
    /// Clips of it.
    pub clips: Vec<Sample>,
    /// Folders with a `clips.csv`, with what the model knows already.
    pub beside: Vec<PathBuf>,
    /// The new model's name.
    pub name: String,
    /// Where the model folder is written.
    pub out: PathBuf,
    /// Of every random choice.
    pub seed: u64,
}

/// Clips that have something in common.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Count {
    /// What they have in common: what is read of them, or what they show; empty for nothing.
    pub text: String,
    /// How many there are.
    pub clips: usize,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct TeachReport {
    /// Clips of the new sign.
    pub clips: usize,
    /// Those that are read as exactly the sign, by what the others taught.
    pub recognized: usize,
    /// What is read of the rest of them, the commonest first.
    pub read_as: Vec<Count>,
    /// Clips of other signs or of none that it was tried on.
    pub others: usize,
    /// Those in which the new sign is said, though it is not there.
    pub mistaken: usize,
    /// What those show, the commonest first.
    pub mistaken_in: Vec<Count>,
    /// Those that are read otherwise than before.
    pub changed: usize,
    /// Evidence that the label must bring beyond its kind's, nats.
    pub extra_evidence: f32,
    /// Wall time, seconds.
    pub seconds: f64,
}

/// Why a sign can't be taught.
#[derive(Debug, thiserror::Error)]
pub enum TeachError {
    /// The model can't be taught.
    #[error("this model can't be taught: {0}")]
    Model(String),
    /// What was asked for makes no sense.
    #[error("{0}")]
    Asked(String),
    /// The label is none, or the model has it.
    #[error("{0}")]
    Label(String),
    /// The new model's name is none.
    #[error("{0}")]
    Name(String),
    /// The model can't be opened.
    #[error(transparent)]
    Open(#[from] ModelError),
    /// Clips can't be read.
    #[error(transparent)]
    Clips(#[from] TrainError),
    /// The movements can't be read.
    #[error(transparent)]
    Movements(#[from] SyntheticError),
    /// A tensor could not be computed.
    #[error("the new weights can't be made")]
    Compute(#[from] candle_core::Error),
    /// The model can't be written.
    #[error("can't write to {path}")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// The clips to learn from and to be judged by.
struct Lessons {
    taught: Vec<Clip>,
    others: Vec<Clip>,
    /// Other signs that nothing is learned from.
    judges: Vec<Clip>,
    digest: String,
}

/// Teaches a model a sign, and writes the new model to `options.out`.
pub fn run(options: &TeachOptions) -> Result<TeachReport, TeachError> {
    let begun = Instant::now();
    let (spec, weights) = options.base.parse()?;
    check(options, &spec)?;
    let movements = options.movements.as_deref().map(Movements::read).transpose()?;
    let lessons = lessons(options, &spec, movements.as_ref())?;
    let mut view = View::of(&spec, &weights)?;
    let seen = see(options, &spec, &mut view, &lessons)?;
    let whole = fit::fit(seen.iter(), None);
    let without = |fold: usize| {
        let others = seen.iter().enumerate().filter(move |(part, _)| *part != fold);
        fit::fit(others.map(|(_, seen)| seen), Some(&whole))
    };
    let folds: Vec<Row> = (0..seen.len()).map(without).collect();
    let mut taught = spec.clone();
    taught.name.clone_from(&options.name);
    taught.vocabulary.push(Label { text: options.label.clone(), kind: options.kind });
    let judged = calibrate::judge(&spec, &mut taught, &mut view, &folds, &whole, &lessons)?;
    taught.data_hash = hex::encode(Sha256::digest(format!("{}{}", spec.data_hash, lessons.digest)));
    let report = TeachReport { seconds: begun.elapsed().as_secs_f64(), ..judged };
    taught.verify()?;
    write::write(options, &spec, &taught, weights, &whole, &lessons, &report)?;
    Ok(report)
}

fn check(options: &TeachOptions, spec: &ModelSpec) -> Result<(), TeachError> {
    if spec.input != Input::Landmarks {
        let problem = "it looks at pictures; models that look at landmarks can be taught";
        return Err(TeachError::Model(problem.to_owned()));
    }
    let known = |label: &&Label| label.text == options.label && label.kind == options.kind;
    if spec.vocabulary.iter().any(|label| known(&label)) {
        return Err(TeachError::Label(format!("{} knows {:?} already", spec.name, options.label)));
    }
    if !is_label(&options.label) {
        let problem = format!("the label {:?} should be {LABEL_RULE}", options.label);
        return Err(TeachError::Label(problem));
    }
    if !is_name(&options.name) {
        let problem = format!("the new model's name {:?} should be {NAME_RULE}", options.name);
        return Err(TeachError::Name(problem));
    }
    let (least, most) = CLIPS;
    let found = options.clips.len();
    if !(least..=most).contains(&found) {
        return Err(TeachError::Asked(format!(
            "{found} clips were given; it takes {least} to {most}"
        )));
    }
    if options.movements.is_none() && options.beside.is_empty() {
        let problem = "nothing shows what is not the new sign: its folder has no synthetic.safetensors, \
                       so give clips of what it knows (--clips)";
        return Err(TeachError::Model(problem.to_owned()));
    }
    Ok(())
}

/// Reads and makes the clips.
fn lessons(
    options: &TeachOptions,
    spec: &ModelSpec,
    movements: Option<&Movements>,
) -> Result<Lessons, TeachError> {
    let mut digest = Sha256::new();
    let clip = |label: &str, frames: Vec<Frame>| Clip {
        path: PathBuf::new(),
        label: label.to_owned(),
        signer: "all".to_owned(),
        number: 0,
        siblings: 1,
        stills: false,
        frames,
    };
    let mut taught = Vec::new();
    for sample in &options.clips {
        let frames = data::parse(&sample.name, &sample.bytes, &mut digest)?;
        taught.push(clip(&options.label, frames));
    }
    let (mut others, mut judges) = (Vec::new(), Vec::new());
    if let Some(movements) = movements {
        let known = |label: &&str| spec.vocabulary.iter().any(|known| known.text == **label);
        for label in movements.labels().filter(known) {
            for seed in 0..SYNTHETIC.0 + SYNTHETIC.1 {
                let frames = movements.sentence(&[label], options.seed.wrapping_add(seed))?;
                let list = if seed < SYNTHETIC.0 { &mut others } else { &mut judges };
                list.push(clip(label, frames));
            }
        }
    }
    let none = BTreeSet::new();
    let (beside, _) = data::load::<Vec<Frame>>(&options.beside, &none, &none)?;
    let fits = |clip: &&Clip| {
        let known = spec.vocabulary.iter().any(|label| label.text == clip.label);
        !clip.stills && (known || clip.label.is_empty())
    };
    let mut counts = std::collections::BTreeMap::<(String, String), usize>::new();
    for found in beside.iter().filter(fits) {
        let count = counts.entry((found.label.clone(), found.signer.clone())).or_default();
        *count += 1;
        if *count <= BESIDE {
            let list = if count.is_multiple_of(3) { &mut judges } else { &mut others };
            list.push(clip(&found.label, found.frames.clone()));
        }
    }
    // Nobody signs: the taught clips with the hands down.
    for taught in &taught {
        let rest = |frame: &Frame| Frame { left: None, right: None, ..frame.clone() };
        others.push(clip("", taught.frames.iter().map(rest).collect()));
    }
    Ok(Lessons { taught, others, judges, digest: hex::encode(digest.finalize()) })
}

/// What the last layer looks at in sequences made from each part of the clips.
fn see(
    options: &TeachOptions,
    spec: &ModelSpec,
    view: &mut View,
    lessons: &Lessons,
) -> Result<Vec<Seen>, TeachError> {
    let new = spec.classes() as u32;
    let class = |label: &str| match label {
        "" => BLANK as u32,
        label if label == options.label => new,
        _ => OTHER,
    };
    let parts = FOLDS.min(lessons.taught.len());
    let mut all = Vec::with_capacity(parts);
    for part in 0..parts {
        let own = lessons.taught.iter().skip(part).step_by(parts);
        let copies = own.flat_map(|clip| std::iter::repeat_n(clip.clone(), COPIES * parts));
        let corpus = Corpus::new(
            copies.chain(lessons.others.iter().cloned()).collect(),
            &class,
            Variety::default(),
        );
        let mut seen = Seen::default();
        for sequence in 0..SEQUENCES {
            let number = (part * SEQUENCES + sequence) as u64;
            let sequence = corpus.sequence(&mut Dice::new(options.seed, number));
            view.see(&sequence, new, &mut seen)?;
        }
        all.push(seen);
    }
    Ok(all)
}
