//! The new model's folder: the weights with a row more, the movements with one more, a card.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use candle_core::{Device, Tensor};

use super::fit::Row;
use super::{Count, Lessons, TeachError, TeachOptions, TeachReport};
use crate::model::library::MOVEMENTS;
use crate::model::{ModelError, ModelSpec};
use crate::synthetic;

pub(super) fn write(
    options: &TeachOptions,
    before: &ModelSpec,
    taught: &ModelSpec,
    mut weights: BTreeMap<String, Tensor>,
    row: &Row,
    lessons: &Lessons,
    report: &TeachReport,
) -> Result<(), TeachError> {
    let failed = |source| TeachError::Write { path: options.out.clone(), source };
    std::fs::create_dir_all(&options.out).map_err(failed)?;
    // The row is fitted to what is divided by the temperature.
    let row: Vec<f32> = row.0.iter().map(|weight| weight * before.temperature).collect();
    let (column, bias) = row.split_at(row.len().saturating_sub(1));
    for (name, more, dim) in [("head.weight", column, 1), ("head.bias", bias, 0)] {
        let missing = || ModelError::Mismatch(format!("the weight {name} is missing"));
        let old = weights.get(name).ok_or_else(missing)?;
        let shape = if dim == 1 { vec![more.len(), 1] } else { vec![1] };
        let more = Tensor::from_vec(more.to_vec(), shape, &Device::Cpu)?;
        let both = Tensor::cat(&[old, &more], dim)?;
        weights.insert(name.to_owned(), both);
    }
    let weights: HashMap<String, Tensor> = weights.into_iter().collect();
    candle_core::safetensors::save(&weights, options.out.join("weights.safetensors"))?;
    let json = serde_json::to_string_pretty(taught).map_err(ModelError::from)?;
    std::fs::write(options.out.join("model.json"), json + "\n").map_err(failed)?;
    movements(options, lessons)?;
    let card = card(options, before, taught, report);
    std::fs::write(options.out.join("MODEL_CARD.md"), card).map_err(failed)
}

/// The movements of all labels, the new one's too, so that the next sign can be told from it.
fn movements(options: &TeachOptions, lessons: &Lessons) -> Result<(), TeachError> {
    let file = options.out.join(MOVEMENTS);
    synthetic::learn(&lessons.taught, &file)?;
    let mut all = candle_core::safetensors::load(&file, &Device::Cpu)?;
    if let Some(known) = &options.movements {
        all.extend(candle_core::safetensors::load_buffer(known, &Device::Cpu)?);
    }
    Ok(candle_core::safetensors::save(&all, file)?)
}

fn card(
    options: &TeachOptions,
    before: &ModelSpec,
    taught: &ModelSpec,
    report: &TeachReport,
) -> String {
    let mut card = format!("# {}\n\n", taught.name);
    let TeachReport { clips, recognized, others, mistaken, changed, extra_evidence, .. } = report;
    let seconds = report.seconds;
    let label = &options.label;
    let _ = write!(
        card,
        "{} {}, with one more sign: **{label}**, learned from {clips} clips in {seconds:.1} s.\n\
         All other labels are said by the same weights as before.\n\n\
         | measure | figure |\n|---|---|\n\
         | clips of {label} read as exactly that, by what the other clips taught | {recognized} of {clips} |\n\
         | clips of other signs in which {label} is said | {mistaken} of {others} |\n\
         | clips of other signs that are read otherwise than before | {changed} of {others} |\n\
         | evidence that {label} must bring beyond its kind's | {extra_evidence} nats |\n\n\
         {}\
         Other signs are {}. Few clips, mostly of one person: measure it on people that it never saw\n\
         (`signcall evaluate`) before you rely on it.\n",
        before.name,
        before.version,
        confused(report),
        if options.beside.is_empty() { "synthetic" } else { "synthetic and from clips" },
    );
    card
}

/// What the sign is taken for, and what is taken for it.
fn confused(report: &TeachReport) -> String {
    let list = |counts: &[Count]| {
        let one = |count: &Count| {
            let text = if count.text.is_empty() { "nothing" } else { &count.text };
            format!("{text} ({})", count.clips)
        };
        counts.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    let mut told = String::new();
    if !report.read_as.is_empty() {
        let _ = write!(told, "Instead of it is read: {}.\n\n", list(&report.read_as));
    }
    if !report.mistaken_in.is_empty() {
        let _ = write!(told, "It is said of: {}.\n\n", list(&report.mistaken_in));
    }
    told
}
