//! The training run: read, split, update, validate, write.

use std::collections::{BTreeMap, BTreeSet};

use candle_core::{D, Device, Tensor};
use clips::landmarks::Frame;

use super::data::{self, Clip};
use super::learn::{Learned, Lessons};
use super::material::{Material, Source};
use super::{Loss, Progress, TrainError, TrainOptions, TrainReport, card, pictures, served};
use crate::evaluate::calibrate;
use crate::features::picture::Gray;
use crate::model::net::Net;
use crate::model::{Architecture, BLANK, Kind, Label, ModelSpec, Normalization};

/// Clips measured at once.
const MEASURE_BATCH: usize = 64;
/// Frames the server gathers before a step.
const HOP_FRAMES: usize = 2;

/// One point of the learning curve.
pub(crate) struct Look {
    pub(crate) step: usize,
    pub(crate) loss: f32,
    pub(crate) top1: f32,
}

/// What `measure` saw.
pub(crate) struct Measured {
    pub(crate) top1: f32,
    /// How surprising the right labels were: mean of −ln of their share of all labels' scores.
    pub(crate) loss: f32,
    /// (label, best label of the model), for labelled clips the model knows.
    pub(crate) pairs: Vec<(String, String)>,
}

struct Split<T> {
    train: Vec<Clip<T>>,
    validation: Vec<Clip<T>>,
    held_out: Vec<Clip<T>>,
}

/// Trains a model and writes `model.json`, `weights.safetensors`, `MODEL_CARD.md`, the learning
/// curve and the confusion matrix to `options.out`.
pub fn run(options: &TrainOptions, progress: &mut dyn Progress) -> Result<TrainReport, TrainError> {
    if options.teachers > 0 && options.loss != Loss::Framewise {
        let problem = "teachers tell what each frame is: they need the framewise loss";
        return Err(TrainError::Data(problem.to_owned()));
    }
    let mut photos = 0;
    let mut files = 0;
    for folder in &options.clips {
        let rows = data::rows(folder)?;
        files += rows.len();
        photos += rows.iter().filter(|row| data::is_photo(&row.path)).count();
    }
    if photos == 0 {
        return train::<Vec<Frame>>(options, progress);
    }
    if photos == files {
        return train::<Gray>(options, progress);
    }
    let problem = format!(
        "{photos} of {files} clips are photographs: a model looks at photographs or at .pose clips, \
         not at both"
    );
    Err(TrainError::Data(problem))
}

fn train<T: Material>(
    options: &TrainOptions,
    progress: &mut dyn Progress,
) -> Result<TrainReport, TrainError> {
    let write = |source| TrainError::File { action: "write", path: options.out.clone(), source };
    std::fs::create_dir_all(&options.out).map_err(write)?;
    progress.begin("reading clips", 0);
    let skip = (&options.skip_flags, &options.skip_labels);
    let (clips, data_hash) = data::load::<T>(&options.clips, skip.0, skip.1)?;
    let split = split(clips, options)?;
    let mut spec = describe(options, &split.train, data_hash);
    spec.normalization = T::normalization(&split.train);
    let class: BTreeMap<String, u32> =
        (1..).zip(&spec.vocabulary).map(|(c, l)| (l.text.clone(), c)).collect();
    let validation = split.validation;
    let signers = signers(&split.train);
    let class = |label: &str| class.get(label).copied().unwrap_or(BLANK as u32);
    let corpus = T::Corpus::new(split.train, &class, options.variety);
    let lessons = Lessons { options, spec: &spec, corpus: &corpus, validation: &validation };
    let learned = lessons.learn(progress)?;
    T::finish(corpus.clips(), &options.out)?;
    finish(options, &spec, (learned, signers), &validation, &split.held_out)
}

/// Measures the best weights and writes the model.
fn finish<T: Material>(
    options: &TrainOptions,
    spec: &ModelSpec,
    (done, signers): (Learned, Vec<(String, usize, usize)>),
    validation: &[Clip<T>],
    held_out: &[Clip<T>],
) -> Result<TrainReport, TrainError> {
    let weights = done.best.weights;
    let on_validation = measure(spec, &weights, validation)?;
    let mut report = TrainReport {
        clips: signers.iter().map(|(_, clips, _)| clips).sum(),
        signers,
        parameters: weights.values().map(Tensor::elem_count).sum(),
        validation_clips: validation.len(),
        validation_top1: on_validation.top1,
        updates: done.updates,
        best_update: done.best.step,
        seconds: done.seconds,
        held_out: Vec::new(),
        calibrated: None,
    };
    let pairs = match measure(spec, &weights, held_out)?.pairs {
        none if none.is_empty() => on_validation.pairs,
        pairs => pairs,
    };
    let file = |name: &str| options.out.join(name);
    let failed = |name: &str| {
        let path = file(name);
        move |source| TrainError::File { action: "write", path, source }
    };
    let weights: std::collections::HashMap<String, Tensor> = weights.into_iter().collect();
    candle_core::safetensors::save(&weights, file("weights.safetensors"))?;
    let describe = |spec: &ModelSpec| {
        let json = serde_json::to_string_pretty(spec).map_err(crate::model::ModelError::from)?;
        std::fs::write(file("model.json"), json + "\n").map_err(failed("model.json"))
    };
    describe(spec)?;
    report.held_out = served::measure(options, spec)?;
    let others = served::of_others(&options.cross)?;
    let mut spec = spec.clone();
    report.calibrated = calibrate::fit(&others.iter().map(|of| &of.measured).collect::<Vec<_>>());
    if let Some(calibrated) = &report.calibrated {
        spec.emission.calibration = calibrated.calibration;
        describe(&spec)?;
    }
    report.held_out.extend(others);
    let card = card::write(options, &spec, &report);
    std::fs::write(file("MODEL_CARD.md"), card).map_err(failed("MODEL_CARD.md"))?;
    pictures::learning_curve(&file("learning_curve.svg"), &done.curve)?;
    pictures::confusion(&file("confusion.svg"), &pairs)?;
    Ok(report)
}

/// Each signer's clips and labels.
fn signers<T>(clips: &[Clip<T>]) -> Vec<(String, usize, usize)> {
    let mut all: BTreeMap<&str, (usize, BTreeSet<&str>)> = BTreeMap::new();
    for clip in clips {
        let (count, labels) = all.entry(&clip.signer).or_default();
        *count += 1;
        labels.extend(Some(clip.label.as_str()).filter(|label| !label.is_empty()));
    }
    all.into_iter().map(|(signer, (n, labels))| (signer.to_owned(), n, labels.len())).collect()
}

fn split<T: Material>(clips: Vec<Clip<T>>, options: &TrainOptions) -> Result<Split<T>, TrainError> {
    let mut split = Split { train: Vec::new(), validation: Vec::new(), held_out: Vec::new() };
    for clip in clips {
        if options.hold_out.contains(&clip.signer) {
            split.held_out.push(clip);
        } else if T::validates(&clip) {
            split.validation.push(clip);
        } else {
            split.train.push(clip);
        }
    }
    if split.train.iter().all(|clip| clip.label.is_empty()) {
        return Err(TrainError::Data("no labelled clip is left to train on".to_owned()));
    }
    Ok(split)
}

/// The model's description: the labels of the clips, words first.
fn describe<T: Material>(
    options: &TrainOptions,
    clips: &[Clip<T>],
    data_hash: String,
) -> ModelSpec {
    let mut texts: Vec<&str> = clips.iter().map(|clip| clip.label.as_str()).collect();
    texts.sort_unstable();
    texts.dedup();
    let kind = |text: &str| if text.chars().count() == 1 { Kind::Letter } else { Kind::Word };
    let mut vocabulary: Vec<Label> = texts
        .into_iter()
        .filter(|text| !text.is_empty())
        .map(|text| Label { text: text.to_owned(), kind: kind(text) })
        .collect();
    vocabulary.sort_by_key(|label| label.kind == Kind::Letter);
    let folder = options.out.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = Some(options.name.clone()).filter(|name| !name.is_empty()).or(folder);
    ModelSpec {
        name: name.unwrap_or_default(),
        version: "1".to_owned(),
        architecture: Architecture::of(T::INPUT),
        input: T::INPUT,
        vocabulary,
        hop_frames: HOP_FRAMES,
        emission: T::emission(),
        temperature: 1.0,
        normalization: Normalization::default(),
        data_hash,
        language: None,
    }
}

/// The forced choice for each labelled clip, without streaming: quick enough for during training.
pub(crate) fn measure<T: Material>(
    spec: &ModelSpec,
    weights: &BTreeMap<String, Tensor>,
    clips: &[Clip<T>],
) -> Result<Measured, TrainError> {
    let device = Device::Cpu;
    let net = Net::new(&spec.architecture, &spec.normalization, weights, &device)?;
    let frame = spec.input.frame_len();
    let known = |clip: &&Clip<T>| spec.vocabulary.iter().any(|label| label.text == clip.label);
    let mut by_length: BTreeMap<usize, Vec<(&str, Vec<f32>)>> = BTreeMap::new();
    for clip in clips.iter().filter(|clip| !clip.stills).filter(known) {
        let features = clip.frames.features();
        by_length.entry(features.len() / frame).or_default().push((&clip.label, features));
    }
    let mut pairs = Vec::with_capacity(clips.len());
    let mut surprise = 0.0;
    for (frames, equal) in by_length {
        for group in equal.chunks(MEASURE_BATCH) {
            let x: Vec<f32> = group.iter().flat_map(|(_, features)| features).copied().collect();
            let x = Tensor::from_vec(x, (group.len(), frames, frame), &device)?;
            let (logits, _) = net.forward(&x, &net.no_past(group.len(), &device)?, None)?;
            let log_probs = candle_nn::ops::log_softmax(&logits, D::Minus1)?;
            for ((label, _), rows) in group.iter().zip(log_probs.to_vec3::<f32>()?) {
                let scores = crate::evaluate::forced_scores(rows.iter().map(Vec::as_slice));
                let right = scores.iter().find(|(class, _)| {
                    spec.label(*class).is_some_and(|known| known.text == *label)
                });
                let all: f32 = scores.iter().map(|(_, score)| score).sum();
                surprise -=
                    (right.map_or(0.0, |(_, score)| *score) / all).max(f32::MIN_POSITIVE).ln();
                let best = scores.first().and_then(|&(class, _)| spec.label(class));
                let best = best.map_or_else(String::new, |label| label.text.clone());
                pairs.push(((*label).to_owned(), best));
            }
        }
    }
    let right = pairs.iter().filter(|(label, best)| label == best).count();
    let count = pairs.len().max(1) as f32;
    Ok(Measured { top1: right as f32 / count, loss: surprise / count, pairs })
}
