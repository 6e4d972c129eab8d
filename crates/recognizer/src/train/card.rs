//! The model card, written from the run.

use super::{TrainOptions, TrainReport};
use crate::model::ModelSpec;

/// `MODEL_CARD.md`.
pub(crate) fn write(options: &TrainOptions, spec: &ModelSpec, report: &TrainReport) -> String {
    format!("# {}\n\n{} clips, `{}`\n", spec.name, report.clips, options.command)
}
