//! Measures of a model on clips, through the serving path (features, gate, model, decoder) under a
//! virtual clock; exactly the measures that README and model cards quote.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::cuda::Place;
use crate::decode::Reliability;

pub mod calibrate;
mod measures;
mod player;
mod run;
mod sentences;
#[cfg(test)]
mod tests;

pub use measures::{Edits, align, edit_distance, forced_scores};
pub use player::{Played, Player};
pub use run::run;

/// What to measure.
#[derive(Clone, Debug)]
pub struct EvaluateOptions {
    /// A built-in model's name, or a model's folder.
    pub model: String,
    /// What it is computed on.
    pub device: Place,
    /// Folders with a `clips.csv`.
    pub clips: Vec<PathBuf>,
    /// `sentence_id,position,path`: clips played one after the other through one stream.
    pub sentences: Option<PathBuf>,
    /// Only these signers' clips; everybody's where empty.
    pub signers: Vec<String>,
    /// Clips with one of these flags are left out.
    pub skip_flags: Vec<String>,
    /// Also plays up to a minute at real pace, for `latency_ms`.
    pub real_pace: bool,
    /// Clips played at once.
    pub threads: usize,
}

/// Measures of one label.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassMeasures {
    /// Clips.
    pub n: usize,
    /// Share whose forced choice is the label.
    pub forced_top1: f64,
    /// Share whose streamed text is exactly the label.
    pub recall: f64,
}

/// Measures of one signer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SignerMeasures {
    /// Clips.
    pub clips: usize,
    /// Share of labelled clips whose forced choice is the label.
    pub forced_top1: Option<f64>,
    /// Share of clips whose streamed text is exactly the label.
    pub stream_exact: Option<f64>,
}

/// Nearest-rank percentiles, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Half are faster.
    pub p50: f64,
    /// 95 of 100 are faster.
    pub p95: f64,
    /// 99 of 100 are faster.
    pub p99: f64,
}

/// Everything measured; `null` where there was nothing to measure it on. Shares are 0–1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The model's name.
    pub model: String,
    /// Clips measured.
    pub clips: usize,
    /// Clips left out of the shares: the model does not have their label.
    pub unknown_label: usize,
    /// Labelled clips whose best label is theirs.
    pub forced_top1: Option<f64>,
    /// Labelled clips with their label among the best five.
    pub forced_top5: Option<f64>,
    /// Clips whose streamed text is exactly their label (nothing, for an empty one).
    pub stream_exact: Option<f64>,
    /// Clips whose text, streamed hop by hop, differs from the text of the whole clip at once.
    pub streamed_differs: usize,
    /// By label; the empty one is "no sign".
    pub per_class: BTreeMap<String, ClassMeasures>,
    /// By signer.
    pub per_signer: BTreeMap<String, SignerMeasures>,
    /// Edit distance over characters, for clips of letters.
    pub cer: Option<f64>,
    /// How far the confidence of what was said is from the share that is right, over 15 bins; what is
    /// said of a clip without a sign is wrong.
    pub ece: Option<f64>,
    /// Tokens in up to 20 groups, the least sure first.
    #[serde(default)]
    pub reliability: Vec<Reliability>,
    /// Edit distance over words (tokens) of the sentences: (sub + del + ins) / reference.
    pub wer: Option<f64>,
    /// Substitutions.
    #[serde(rename = "sub")]
    pub substitutions: Option<usize>,
    /// Deletions.
    #[serde(rename = "del")]
    pub deletions: Option<usize>,
    /// Insertions.
    #[serde(rename = "ins")]
    pub insertions: Option<usize>,
    /// Segments a minute where nobody signs: empty-label clips, idle parts of sentences.
    pub false_emissions_per_min: Option<f64>,
    /// Compute time / media time of one stream.
    pub rtf: f64,
    /// Frames / compute time of one thread.
    pub frames_per_s: f64,
    /// From a token's last frame to its final, at real pace.
    pub latency_ms: Option<Percentiles>,
}

/// Why something can't be evaluated.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// Neither a built-in model nor a folder.
    #[error("there is no model {name}: it is neither built in ({built_in}) nor a folder")]
    NoModel {
        /// What was asked for.
        name: String,
        /// What there is.
        built_in: String,
    },
    /// The model can't be used.
    #[error("the model can't be used")]
    Model(#[from] crate::model::ModelError),
    /// The engine refused a stream.
    #[error("the engine refused a clip")]
    Engine(#[from] crate::engine::Overload),
    /// The clips can't be read.
    #[error("the clips can't be used")]
    Clips(#[from] crate::train::TrainError),
    /// The sentences can't be used.
    #[error("{path}, line {line}: {problem}")]
    Sentences {
        /// The file.
        path: PathBuf,
        /// Counted from 1; 0 for the file as a whole.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// No clip is left to measure.
    #[error("no clip is left to evaluate: check --clips, --signer and --skip-flag")]
    NoClips,
    /// The confidence can't be calibrated.
    #[error(
        "confidence can't be calibrated on {tokens} signs and letters that were told: it takes {}, and \
         the surer ones must be right more often",
        crate::decode::calibration::MIN_TOKENS
    )]
    Calibration {
        /// What was told.
        tokens: usize,
    },
    /// A measuring thread died.
    #[error("a measuring thread stopped")]
    Thread,
}
