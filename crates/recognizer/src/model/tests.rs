//! What a model says of a frame depends on the frames before it alone.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};

use super::landmarks::Architecture;
use super::net::CandleModel;
use super::trunk::Start;
use super::{
    EmissionSettings, Hop, Input, Kind, Label, Model, ModelError, ModelSpec, Normalization,
};
use crate::features::FEATURES;

const FRAMES: usize = 40;
/// Sums may be added in another order.
const TOLERANCE: f32 = 1e-4;

/// Numbers that look random and are the same on every machine.
fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1u32 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn model() -> CandleModel {
    let architecture =
        Architecture { hand: 8, body: 8, width: 16, expand: 2, kernel: 5, dilations: vec![1, 4] };
    let label = |text: &str| Label { text: text.to_owned(), kind: Kind::Word };
    let spec = ModelSpec {
        name: "test".to_owned(),
        version: "1".to_owned(),
        architecture: super::Architecture::Landmarks(architecture),
        input: Input::Landmarks,
        vocabulary: ["one", "two", "three"].map(label).to_vec(),
        hop_frames: 2,
        emission: EmissionSettings::default(),
        temperature: 1.0,
        normalization: Normalization { mean: vec![0.1; FEATURES], scale: vec![0.9; FEATURES] },
        data_hash: String::new(),
        language: None,
    };
    let mut seed = 0;
    let mut weights = BTreeMap::new();
    for (name, shape, start) in spec.architecture.weights(spec.classes()) {
        seed += 1;
        let (factor, offset) = match start {
            Start::Normal(deviation) => (1.7 * deviation, 0.0),
            Start::Constant(value) => (0.1, value),
        };
        let values = numbers(shape.iter().product(), seed);
        let value = Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
        weights.insert(name, value.affine(factor, offset).unwrap());
    }
    CandleModel::new(spec, &weights, Device::Cpu).unwrap()
}

fn play(model: &mut CandleModel, features: &[f32], hops: &[usize]) -> Vec<f32> {
    let mut state = model.new_state();
    let (mut log_probs, mut at) = (Vec::new(), 0);
    for hop in hops.iter().cycle() {
        if at == features.len() {
            return log_probs;
        }
        let end = (at + hop * FEATURES).min(features.len());
        let features = &features[at..end];
        model.step(&mut [Hop { state: &mut state, features, log_probs: &mut log_probs }]).unwrap();
        at = end;
    }
    log_probs
}

fn near(a: &[f32], b: &[f32]) {
    assert_eq!(a.len(), b.len());
    let worst = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < TOLERANCE, "they differ by {worst}");
}

#[test]
fn any_chunking_says_the_same() {
    let mut model = model();
    let features = numbers(FRAMES * FEATURES, 5);
    let whole = play(&mut model, &features, &[FRAMES]);
    assert_eq!(whole.len(), FRAMES * 4);
    for hops in [&[1][..], &[2], &[3, 1, 7], &[16]] {
        near(&play(&mut model, &features, hops), &whole);
    }
}

#[test]
fn a_batch_says_what_each_stream_says_alone() {
    let mut model = model();
    let streams: Vec<Vec<f32>> =
        (0..5).map(|i| numbers((6 + i % 2) * FEATURES, 50 + i as u32)).collect();
    let alone: Vec<Vec<f32>> = streams.iter().map(|x| play(&mut model, x, &[FRAMES])).collect();
    let mut states: Vec<_> = streams.iter().map(|_| model.new_state()).collect();
    let mut said = vec![Vec::new(); streams.len()];
    let mut hops: Vec<Hop<'_>> = states
        .iter_mut()
        .zip(&streams)
        .zip(&mut said)
        .map(|((state, features), log_probs)| Hop { state, features, log_probs })
        .collect();
    model.step(&mut hops).unwrap();
    for (alone, together) in alone.iter().zip(&said) {
        near(alone, together);
    }
}

#[test]
fn the_future_changes_nothing() {
    let mut model = model();
    let mut features = numbers(FRAMES * FEATURES, 5);
    let before = play(&mut model, &features, &[FRAMES]);
    features[20 * FEATURES..].fill(3.0);
    let after = play(&mut model, &features, &[FRAMES]);
    near(&before[..20 * 4], &after[..20 * 4]);
}

#[test]
fn a_reset_state_is_a_new_state() {
    let mut model = model();
    let features = numbers(9 * FEATURES, 6);
    let mut state = model.new_state();
    let mut log_probs = Vec::new();
    let hop = Hop { state: &mut state, features: &features, log_probs: &mut log_probs };
    model.step(&mut [hop]).unwrap();
    assert_ne!(state, model.new_state());
    state.reset();
    assert_eq!(state, model.new_state());
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut model = model();
    let (mut state, mut log_probs) = (model.new_state(), Vec::new());
    let torn = numbers(FEATURES + 1, 1);
    let hop = Hop { state: &mut state, features: &torn, log_probs: &mut log_probs };
    assert!(matches!(model.step(&mut [hop]), Err(ModelError::Features { .. })));
    let spec = model.spec().clone();
    let missing = CandleModel::new(spec, &BTreeMap::new(), Device::Cpu);
    assert!(matches!(missing, Err(ModelError::Mismatch(_))));
}
