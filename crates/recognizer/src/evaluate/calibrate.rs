//! Calibration of a model's confidence on people it never saw.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{EvaluateError, EvaluateOptions, Evaluation, run};
use crate::decode::{Calibration, Reliability};
use crate::model::{Files, ModelError};

/// A calibration and what it is worth. Errors are the mean distance of confidence from the share
/// that is right, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Calibrated {
    /// The line.
    pub calibration: Calibration,
    /// Tokens it was fitted to.
    pub tokens: usize,
    /// The error without it.
    pub before: f64,
    /// The error with it, each measurement corrected by what the others taught; where there is only
    /// one, by what it taught itself.
    pub after: f64,
}

/// Fits one calibration to several measurements, each of people the model in it never saw.
pub fn fit(measured: &[&Evaluation]) -> Option<Calibrated> {
    let bins = |chosen: &dyn Fn(usize) -> bool| -> Vec<Reliability> {
        let chosen = measured.iter().enumerate().filter(|(index, _)| chosen(*index));
        chosen.flat_map(|(_, of)| of.reliability.iter().copied()).collect()
    };
    let all = bins(&|_| true);
    let calibration = Calibration::fit(&all)?;
    let tokens = |bins: &[Reliability]| bins.iter().map(|bin| bin.tokens).sum::<usize>();
    let error = |index: usize| {
        let own = bins(&|other| other == index);
        let line = Calibration::fit(&bins(&|other| other != index)).unwrap_or(calibration);
        line.error(&own) * tokens(&own) as f64
    };
    let after = (0..measured.len()).map(error).sum::<f64>() / tokens(&all) as f64;
    let before = Calibration::default().error(&all);
    Some(Calibrated { calibration, tokens: tokens(&all), before, after })
}

/// Measures the model in the folder `options.model` on clips of people it never saw, and writes what
/// its confidence is to be corrected by to its `model.json`.
///
/// # Errors
/// As [`run`]; a built-in model; too few tokens, or confidence that says nothing.
pub fn by_clips(options: &EvaluateOptions) -> Result<Calibrated, EvaluateError> {
    let folder = Path::new(&options.model);
    // Minutes of measuring are for a folder that can be written to afterwards.
    Files::read(folder)?.parse()?;
    let measured = run(options)?;
    let whose = match options.signers.as_slice() {
        [] => "everybody in the clips".to_owned(),
        signers => signers.join(", "),
    };
    correct(folder, &[&measured], &whose)
}

/// Writes to the `model.json` in `folder` what its confidence is to be corrected by, as trainings of
/// the same kind without one signer told of those whom they left out.
///
/// # Errors
/// A built-in model; a training that left out nobody; too few tokens, or confidence that says nothing.
pub fn by_others(folder: &Path, trainings: &[PathBuf]) -> Result<Calibrated, EvaluateError> {
    let figures = crate::train::figures_of(trainings)?;
    let measured: Vec<&Evaluation> = figures.iter().map(|of| &of.measured).collect();
    let mut signers: Vec<&str> = figures.iter().map(|of| of.signer.as_str()).collect();
    signers.dedup();
    let whose = format!("{}, each by a training without them", signers.join(", "));
    correct(folder, &measured, &whose)
}

fn correct(
    folder: &Path,
    measured: &[&Evaluation],
    whose: &str,
) -> Result<Calibrated, EvaluateError> {
    let (mut spec, _) = Files::read(folder)?.parse()?;
    let calibrated = fit(measured).ok_or_else(|| EvaluateError::Calibration {
        tokens: measured.iter().flat_map(|of| &of.reliability).map(|bin| bin.tokens).sum(),
    })?;
    let before = spec.emission.calibration;
    spec.emission.calibration = calibrated.calibration.after(&before);
    if !spec.emission.calibration.is_sound() {
        return Err(EvaluateError::Calibration { tokens: calibrated.tokens });
    }
    let json = serde_json::to_string_pretty(&spec).map_err(ModelError::from)?;
    let (path, aside) = (folder.join("model.json"), folder.join("model.json.new"));
    let written = std::fs::write(&aside, json + "\n").and_then(|()| std::fs::rename(&aside, &path));
    written.map_err(|source| ModelError::Write { path, source })?;
    note(folder, whose, spec.emission.calibration, &calibrated)?;
    Ok(calibrated)
}

/// Adds what was done to the model's card, if it has one.
fn note(
    folder: &Path,
    whose: &str,
    line: Calibration,
    calibrated: &Calibrated,
) -> Result<(), ModelError> {
    let path = folder.join("MODEL_CARD.md");
    let Ok(mut card) = std::fs::read_to_string(&path) else { return Ok(()) };
    let Calibrated { tokens, before, after, .. } = calibrated;
    let (before, after) = (100.0 * before, 100.0 * after);
    // Writing to a string can't fail.
    let _ = writeln!(
        card,
        "\n## Calibration\n\nConfidence is the log-odds of the mean probability over a sign's frames, times \
         {:.2}, {:+.2}; fitted to {tokens} signs and letters told of {whose}. It is off by {after:.1} % \
         (before: {before:.1} %).",
        line.slope, line.bias,
    );
    std::fs::write(&path, card).map_err(|source| ModelError::Write { path, source })
}
