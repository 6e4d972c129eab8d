//! What a model reaches on the people who were left out, through the serving path: what its card
//! tells, also of models that were trained the same way without one signer.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::data::{Row, STILLS, rows};
use super::random::Dice;
use super::{TrainError, TrainOptions};
use crate::cuda::Place;
use crate::evaluate::{EvaluateOptions, Evaluation, run};
use crate::model::{Kind, ModelSpec};

/// Figures of a training, beside its model.
const FILE: &str = "held_out.json";
/// Sentences made of a signer's clips, and their signs.
const SENTENCES: usize = 100;
const SIGNS: usize = 5;
/// More people than this are measured together.
const MANY: usize = 12;

/// What was reached on the clips of one folder by signers who were left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// The signer, or how many they are.
    pub signer: String,
    /// The folder's name.
    pub clips: String,
    /// The measures.
    pub measured: Evaluation,
}

/// Measures the model in `options.out` on everybody left out, folder by folder; keeps the figures
/// there.
pub(super) fn measure(
    options: &TrainOptions,
    spec: &ModelSpec,
) -> Result<Vec<Figures>, TrainError> {
    let mut all = Vec::new();
    let people: Vec<Vec<String>> = if options.hold_out.len() > MANY {
        vec![options.hold_out.iter().cloned().collect()]
    } else {
        options.hold_out.iter().map(|signer| vec![signer.clone()]).collect()
    };
    for signers in people {
        for folder in &options.clips {
            let mut own = rows(folder)?;
            own.retain(|row| signers.contains(&row.signer) && row.flag != STILLS);
            own.retain(|row| !options.skip_flags.contains(&row.flag));
            if own.is_empty() {
                continue;
            }
            let who = match signers.as_slice() {
                [one] => one.clone(),
                many => format!("{} people", many.len()),
            };
            let sentences = sentences(options, spec, &own, &who)?;
            let asked = EvaluateOptions {
                model: options.out.display().to_string(),
                device: Place::Cpu,
                clips: vec![folder.clone()],
                sentences,
                signers: signers.clone(),
                skip_flags: options.skip_flags.iter().cloned().collect(),
                real_pace: false,
                threads: 1,
            };
            let measured = run(&asked).map_err(|error| TrainError::Measure(Box::new(error)))?;
            let clips = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            all.push(Figures { signer: who, clips, measured });
        }
    }
    let path = options.out.join(FILE);
    let json = serde_json::to_string_pretty(&all).map_err(crate::model::ModelError::from)?;
    std::fs::write(&path, json + "\n").map_err(|source| write_error(path, source))?;
    Ok(all)
}

/// The figures of other trainings on those whom they left out.
///
/// # Errors
/// A folder that no training wrote.
pub fn of_others(folders: &[PathBuf]) -> Result<Vec<Figures>, TrainError> {
    let mut all = Vec::new();
    for folder in folders {
        let path = folder.join(FILE);
        let read = |source| TrainError::File { action: "read", path: path.clone(), source };
        let text = std::fs::read_to_string(&path).map_err(read)?;
        let figures: Vec<Figures> =
            serde_json::from_str(&text).map_err(crate::model::ModelError::from)?;
        all.extend(figures);
    }
    Ok(all)
}

fn write_error(path: PathBuf, source: std::io::Error) -> TrainError {
    TrainError::File { action: "write", path, source }
}

/// Writes sentences of the signer's words, where the clips are of words.
fn sentences(
    options: &TrainOptions,
    spec: &ModelSpec,
    own: &[Row],
    who: &str,
) -> Result<Option<PathBuf>, TrainError> {
    let word = |row: &&Row| {
        spec.vocabulary.iter().any(|label| label.kind == Kind::Word && label.text == row.label)
    };
    if 2 * own.iter().filter(word).count() < own.len() {
        return Ok(None);
    }
    let known: Vec<&Row> =
        own.iter().filter(|r| spec.vocabulary.iter().any(|l| l.text == r.label)).collect();
    let labels: BTreeSet<&str> = known.iter().map(|row| row.label.as_str()).collect();
    if labels.len() < 2 {
        return Ok(None);
    }
    let path = options.out.join(format!("sentences-{who}.csv"));
    let text = spliced(&known, options.seed);
    std::fs::write(&path, text).map_err(|source| write_error(path.clone(), source))?;
    Ok(Some(path))
}

/// Sentences of clips by chance, no two alike in a row: `sentence_id,position,path`.
fn spliced(clips: &[&Row], seed: u64) -> String {
    let mut dice = Dice::new(seed, 0);
    let mut text = "sentence_id,position,path\n".to_owned();
    for sentence in 1..=SENTENCES {
        let mut before = "";
        for position in 1..=SIGNS {
            let others: Vec<&&Row> = clips.iter().filter(|row| row.label != before).collect();
            let row = others[dice.below(others.len())];
            before = &row.label;
            let path = short(&row.path);
            // Writing to a string can't fail.
            let _ = writeln!(text, "{sentence},{position},{}", path.display());
        }
    }
    text
}

/// The last two parts of a path: how clips are called within their folder.
fn short(path: &Path) -> PathBuf {
    let parts: Vec<_> = path.components().collect();
    parts[parts.len().saturating_sub(2)..].iter().collect()
}

/// The card's tables.
pub(super) fn tables(card: &mut String, figures: &[Figures]) {
    if figures.is_empty() {
        return;
    }
    *card += "\nNever trained on, through the serving path (`signcall evaluate`). Sentences: five \
              clips of words one after the other, no two alike in a row.\n\n\
              | signer | clips | best label | among 5 | streamed text exact | letters wrong | \
              confidence off by | \
              WER (S, D, I) | said without a sign, a minute |\n|---|---|---|---|---|---|---|---|---|\n";
    let percent =
        |share: Option<f64>| share.map_or("–".to_owned(), |s| format!("{:.1} %", 100.0 * s));
    for Figures { signer, clips, measured: m } in figures {
        let wer = match (m.wer, m.substitutions, m.deletions, m.insertions) {
            (Some(wer), Some(s), Some(d), Some(i)) => {
                format!("{:.1} % ({s}, {d}, {i})", 100.0 * wer)
            }
            _ => "–".to_owned(),
        };
        let rate = m.false_emissions_per_min.map_or("–".to_owned(), |rate| format!("{rate:.1}"));
        let known = m.clips - m.unknown_label;
        let _ = writeln!(
            card,
            "| {signer} | {known} of {clips} | {} | {} | {} | {} | {} | {wer} | {rate} |",
            percent(m.forced_top1),
            percent(m.forced_top5),
            percent(m.stream_exact),
            percent(m.cer),
            percent(m.ece)
        );
    }
    let differs: usize = figures.iter().map(|f| f.measured.streamed_differs).sum();
    let _ = writeln!(card, "\nStreamed text unlike the whole clip's: {differs}.");
    weakest(card, figures);
}

/// The labels that were right least often, each signer's.
fn weakest(card: &mut String, figures: &[Figures]) {
    const SHOWN: usize = 5;
    const FEW: usize = 5;
    for Figures { signer, clips, measured } in figures {
        let classes: &BTreeMap<_, _> = &measured.per_class;
        let mut all: Vec<_> = classes.iter().filter(|(_, class)| class.n >= FEW).collect();
        all.sort_by(|a, b| a.1.recall.total_cmp(&b.1.recall));
        let told: Vec<String> = all
            .iter()
            .take(SHOWN)
            .filter(|(_, class)| class.recall < 0.95)
            .map(|(label, class)| {
                let label = if label.is_empty() { "no sign" } else { label };
                format!("{label} {:.0} %", 100.0 * class.recall)
            })
            .collect();
        if !told.is_empty() {
            let _ = writeln!(card, "Least often exact, {signer}, {clips}: {}.\n", told.join(", "));
        }
    }
}
