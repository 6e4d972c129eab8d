//! The model card, written from the run: what it learned from whom, what it reached, what it must
//! not be used for.

use std::fmt::Write;

use super::{Loss, TrainOptions, TrainReport, served};
use crate::evaluate::calibrate::Calibrated;
use crate::model::{Architecture, Kind, ModelSpec};

/// More signers than this are told together.
const MANY: usize = 12;

/// What every model trained here has in common.
const LIMITS: &str = "\
## What it is not

* It writes down **glosses and letters, not a translation**. Grammar, role shift, depicting signs and
  everything the face says are not modelled.
* It is **not a substitute for a qualified interpreter**, least of all in legal, medical, emergency or
  employment settings (World Federation of the Deaf, 2019).
* It knows the labels above and nothing else. Other signs come out as nothing, or as one of these.
* It learned from the signers above. Other people, other varieties of the language, children,
  one-handed signers, hands out of the picture, hands that hide each other, less than 10 frames a
  second: expect it to be worse, and measure (`signcall evaluate`) before relying on it.
* An open caption may change; a final one does not.

## Use

* Only with the consent of everyone who signs, visibly switched on, off by default; nothing is kept
  unless its signer agreed to that too. Landmarks are personal data: they can tell who signs.
* Errors are the system's, not the signer's: let people edit and report captions.
* Deaf people were not involved in making this model. Who deploys it should change that.
";

/// `MODEL_CARD.md`.
pub(crate) fn write(options: &TrainOptions, spec: &ModelSpec, report: &TrainReport) -> String {
    let mut card = format!("# Model card: {} (version {})\n\n", spec.name, spec.version);
    let shape = spec.architecture.shape();
    let (from, front) = match &spec.architecture {
        Architecture::Landmarks(a) => (
            "landmarks of hands and upper body",
            format!("hand encoder {}, body encoder {}", a.hand, a.body),
        ),
        Architecture::Pixels(a) => (
            "pictures (the square in the middle, 64 × 64 grays and their change)",
            format!("convolutions of {:?} channels", a.channels),
        ),
    };
    // Writing to a string can't fail.
    let _ = writeln!(
        card,
        "Streaming recognition from {from}: a causal net of {} weights ({front}, trunk {}, blocks of \
         {} taps at {:?} frames), one frame every 67 ms, no look-ahead.\n",
        report.parameters, shape.width, shape.kernel, shape.dilations
    );
    for (title, kind) in [("Signs", Kind::Word), ("Letters", Kind::Letter)] {
        let labels = spec.vocabulary.iter().filter(|label| label.kind == kind);
        let labels: Vec<&str> = labels.map(|label| label.text.as_str()).collect();
        if !labels.is_empty() {
            let _ = writeln!(card, "{title} ({}): {}\n", labels.len(), labels.join(", "));
        }
    }
    card += "## Training\n\n";
    if !options.command.is_empty() {
        let _ = writeln!(card, "```\n{}\n```\n", options.command);
    }
    let loss = match (options.loss, options.teachers) {
        (Loss::Framewise, 0) => "framewise cross-entropy on sets of allowed classes".to_owned(),
        (Loss::Framewise, teachers) => format!(
            "framewise cross-entropy on sets of allowed classes, and on the mean opinion of nets \
             trained before ({teachers}, with the seeds that follow)"
        ),
        (Loss::Ctc, _) => "connectionist temporal classification".to_owned(),
    };
    let _ = writeln!(
        card,
        "{} clips, {} updates of {} spliced sequences, the weights after {} of them, seed {}, {:.0} s. Loss: {loss}. The last file \
         numbers of each label and signer ({} clips) were kept for validation, and chose when to stop. Data digest `{}`.\n",
        report.clips,
        report.updates,
        options.batch,
        report.best_update,
        options.seed,
        report.seconds,
        report.validation_clips,
        spec.data_hash
    );
    tables(&mut card, spec, report);
    confidence(&mut card, report);
    card += "\nPictures: `learning_curve.svg`, `confusion.svg`.\n\n";
    card + LIMITS
}

/// What its confidence is worth.
fn confidence(card: &mut String, report: &TrainReport) {
    let Some(Calibrated { calibration, tokens, before, after, .. }) = &report.calibrated else {
        *card += "\nConfidence is the mean probability over a sign's frames, not calibrated by the \
                  training: on people it never saw the model is surer than it should be.\n";
        return;
    };
    let _ = writeln!(
        card,
        "\nConfidence is calibrated: the log-odds of the mean probability over a sign's frames, times \
         {:.2}, {:+.2}; fitted to {tokens} signs and letters of the people above. For each of them it is off by {:.1} % when \
         fitted to the others (without: {:.1} %).",
        calibration.slope,
        calibration.bias,
        100.0 * after,
        100.0 * before
    );
}

/// Who it was trained on, and what it reached on whom.
fn tables(card: &mut String, spec: &ModelSpec, report: &TrainReport) {
    *card += "| signer | clips trained on | labels |\n|---|---|---|\n";
    if let [(first, ..), .., (last, ..)] = report.signers.as_slice()
        && report.signers.len() > MANY
    {
        let clips: usize = report.signers.iter().map(|(_, clips, _)| clips).sum();
        let labels = spec.vocabulary.len();
        let signers = report.signers.len();
        let _ = writeln!(card, "| {signers}, {first} to {last} | {clips} | {labels} |");
    } else {
        for (signer, clips, labels) in &report.signers {
            let _ = writeln!(card, "| {signer} | {clips} | {labels} |");
        }
    }
    *card += "\n## Results\n\n| clips | number | forced top-1 |\n|---|---|---|\n";
    let _ = writeln!(
        card,
        "| validation | {} | {:.1} % |",
        report.validation_clips,
        100.0 * report.validation_top1
    );
    served::tables(card, &report.held_out);
}
