//! The kernels against Candle's path, on random nets and streams, with every set of instructions.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use proptest::prelude::*;

use super::dense::{Ascending, CLOSE, Dense, Finish, Places, Rows};
use super::{Isa, KernelModel};
use crate::model::net::CandleModel;
use crate::model::trunk::Start;
use crate::model::{
    Architecture, EmissionSettings, Hop, Input, Kind, Label, Model, ModelSpec, Normalization,
    landmarks, pixels,
};

const TOLERANCE: f32 = 1e-4;

/// Numbers from −1 to 1 that look random.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut dice = crate::train::random::Dice::new(seed, 1);
    (0..count).map(|_| dice.even(-1.0, 1.0)).collect()
}

fn spec(architecture: Architecture, labels: usize, seed: u64) -> ModelSpec {
    let label = |index| Label { text: format!("label {index}"), kind: Kind::Word };
    let input = architecture.input();
    let frame = input.frame_len();
    ModelSpec {
        name: "random".to_owned(),
        version: "1".to_owned(),
        input,
        vocabulary: (0..labels).map(label).collect(),
        hop_frames: 2,
        emission: EmissionSettings::default(),
        temperature: 1.3,
        normalization: match input {
            Input::Landmarks => Normalization {
                mean: numbers(frame, seed + 1),
                scale: numbers(frame, seed + 2).iter().map(|v| v.abs() + 0.5).collect(),
            },
            Input::Images => Normalization::default(),
        },
        architecture,
        data_hash: String::new(),
        language: None,
    }
}

fn weights(spec: &ModelSpec, seed: u64) -> BTreeMap<String, Tensor> {
    let mut part = seed;
    let weight = |(name, shape, start): (String, Vec<usize>, Start)| {
        part += 1;
        let (factor, offset) = match start {
            Start::Normal(deviation) => (1.5 * deviation, 0.0),
            Start::Constant(value) => (0.2, value),
        };
        let values = Tensor::from_vec(numbers(shape.iter().product(), part), shape, &Device::Cpu);
        (name, values.unwrap().affine(factor, offset).unwrap())
    };
    spec.architecture.weights(spec.classes()).into_iter().map(weight).collect()
}

/// What `model` says of the streams, played together in hops of those lengths.
fn play(model: &mut dyn Model, streams: &[Vec<f32>], hops: &[usize]) -> Vec<Vec<f32>> {
    let frame = model.spec().input.frame_len();
    let mut states: Vec<_> = streams.iter().map(|_| model.new_state()).collect();
    let mut said = vec![Vec::new(); streams.len()];
    let mut at = 0;
    for hop in hops.iter().cycle() {
        let left = streams.iter().map(|s| s.len().saturating_sub(at)).max().unwrap_or(0);
        if left == 0 {
            return said;
        }
        let parts = states.iter_mut().zip(streams).zip(&mut said);
        let mut step: Vec<Hop<'_>> = parts
            .map(|((state, stream), log_probs)| {
                let from = at.min(stream.len());
                let features = &stream[from..(at + hop * frame).min(stream.len())];
                Hop { state, features, log_probs }
            })
            .collect();
        model.step(&mut step).unwrap();
        at += hop * frame;
    }
    said
}

fn check_same(isa: Isa, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{}", isa.name());
    // In this order what is no number comes last.
    let off = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).max_by(f32::total_cmp);
    assert!(off.is_none_or(|off| off < TOLERANCE), "{}: off by {off:?}", isa.name());
}

fn compare(spec: &ModelSpec, seed: u64, lengths: &[usize], hops: &[usize]) {
    let weights = weights(spec, seed);
    let frame = spec.input.frame_len();
    let streams: Vec<Vec<f32>> =
        (0..).zip(lengths).map(|(i, n)| numbers(n * frame, seed + 90 + i)).collect();
    let mut candle = CandleModel::new(spec.clone(), &weights, Device::Cpu).unwrap();
    let expected = play(&mut candle, &streams, &[64]);
    for isa in Isa::all() {
        let mut model = KernelModel::new(spec.clone(), &weights, isa).unwrap();
        let found = play(&mut model, &streams, hops);
        for (found, expected) in found.iter().zip(&expected) {
            check_same(isa, found, expected);
        }
    }
}

/// A layer on every set of instructions, against its definition; between the rows lies a gap.
fn check_layer(inputs: usize, outputs: usize, rows: usize, gap: usize, seed: u64) {
    let (weight, bias) = (numbers(inputs * outputs, seed), numbers(outputs, seed + 1));
    let x = numbers(rows * (inputs + gap), seed + 2);
    let scales = numbers(rows, seed + 3);
    let before = numbers(rows * (outputs + gap), seed + 4);
    for isa in Isa::all() {
        let dense = Dense::new(isa, &weight, &bias);
        for finish in [Finish::Store, Finish::Add, Finish::Silu] {
            let mut out = before.clone();
            let all = Rows::every(inputs + gap, &x, rows);
            dense.run(all, Some(&scales), finish, &mut out, Places::Every(outputs + gap));
            for row in 0..rows {
                for column in 0..outputs {
                    let x = &x[row * (inputs + gap)..][..inputs];
                    let product: f32 =
                        x.iter().enumerate().map(|(i, x)| x * weight[i * outputs + column]).sum();
                    let sum = product * scales[row] + bias[column];
                    let at = row * (outputs + gap) + column;
                    let expected = match finish {
                        Finish::Store => sum,
                        Finish::Add => sum + before[at],
                        Finish::Silu => sum / (1.0 + (-sum).exp()),
                    };
                    assert!((out[at] - expected).abs() < 1e-5, "{} {finish:?}", isa.name());
                }
                let rest = row * (outputs + gap) + outputs..(row + 1) * (outputs + gap);
                assert_eq!(&out[rest.clone()], &before[rest]);
            }
        }
    }
}

/// Whole and broken vectors, few enough for Miri, which sees every access outside what is ours.
#[test]
fn layers_of_all_widths_of_vectors_are_their_definition() {
    for (inputs, outputs, rows, gap) in [(1, 1, 1, 0), (3, 17, 5, 1), (5, 33, 2, 0), (2, 8, 7, 3)] {
        check_layer(inputs, outputs, rows, gap, 1);
    }
}

/// Rows that are said to be close give what they give as any rows; so do a layer's inputs of which
/// some are left out, as if they were 0.
#[test]
fn shortcuts_change_no_number() {
    const PART: usize = 2;
    let (weight, bias, x) = (numbers(3 * PART * 16, 1), numbers(16, 2), numbers(200, 3));
    let from = Ascending::new((0..37).map(|row| row * CLOSE).collect());
    let said = |dense: &Dense, x: &[f32], apart: usize| {
        let mut out = vec![0.0; from.len() * 16];
        let rows = Rows { numbers: x, places: Places::At(&from), count: from.len(), apart };
        dense.run(rows, None, Finish::Silu, &mut out, Places::Every(16));
        out
    };
    for isa in Isa::all() {
        let whole = Dense::new(isa, &weight, &bias);
        let any = whole.clone().in_parts(3);
        assert_eq!(said(&any.clone().close(), &x, 9), said(&any, &x, 9), "{}", isa.name());
        let (few, mut rest) = (whole.of(&[0, 1]), x.clone());
        rest.iter_mut().enumerate().filter(|(at, _)| at % CLOSE > 1).for_each(|(_, x)| *x = 0.0);
        let zeros = Dense::new(isa, &weight[..CLOSE * 16], &bias);
        check_same(isa, &said(&few, &x, 0), &said(&zeros, &rest, 0));
    }
}

#[test]
fn the_activation_is_its_definition_far_out_too() {
    let x =
        [-1e30, -3e3, -200.0, -87.0, -20.0, -1.0, 0.0, 1e-30, 1.0, 20.0, 87.0, 200.0, 3e3, 1e30];
    for isa in Isa::all() {
        let said = |x: &[f32]| {
            let mut out = x.to_vec();
            let rows = Rows::every(1, x, x.len());
            let dense = Dense::new(isa, &[1.0], &[0.0]);
            dense.run(rows, None, Finish::Silu, &mut out, Places::Every(1));
            out
        };
        for (x, found) in x.iter().zip(said(&x)) {
            let expected = f64::from(*x) / (1.0 + (-f64::from(*x)).exp());
            let off = (f64::from(found) - expected).abs();
            assert!(off <= 2e-6 * expected.abs().max(0.1), "{}: {x} → {found}", isa.name());
        }
        assert!(said(&[f32::NAN])[0].is_nan(), "{}", isa.name());
    }
}

/// Whole nets, without Candle, whose products Miri can't run.
fn check_sets_of_instructions(architecture: Architecture) {
    let spec = spec(architecture, 3, 7);
    let (weights, frame) = (weights(&spec, 7), spec.input.frame_len());
    let streams = [numbers(2 * frame, 1), numbers(frame, 2)];
    let on = |isa: Isa| {
        let mut model = KernelModel::new(spec.clone(), &weights, isa).unwrap();
        (isa, play(&mut model, &streams, &[1]).concat())
    };
    let said: Vec<_> = Isa::all().into_iter().map(on).collect();
    assert!(!said[0].1.is_empty());
    for (isa, found) in &said {
        check_same(*isa, found, &said[0].1);
    }
}

#[test]
fn every_set_of_instructions_says_the_same_of_landmarks() {
    let (width, expand, kernel, dilations) = (17, 1, 2, vec![1, 2]);
    let (hand, body) = (5, 3);
    let sizes = landmarks::Architecture { hand, body, width, expand, kernel, dilations };
    check_sets_of_instructions(Architecture::Landmarks(sizes));
}

#[test]
#[cfg_attr(miri, ignore = "a picture is too much for it")]
fn every_set_of_instructions_says_the_same_of_pictures() {
    let (channels, width, expand, kernel, dilations) = (vec![3, 17], 17, 1, 2, vec![1, 2]);
    let sizes = pixels::Architecture { channels, width, expand, kernel, dilations };
    check_sets_of_instructions(Architecture::Pixels(sizes));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    #[cfg_attr(miri, ignore = "too much for it")]
    fn a_layer_is_its_definition(
        inputs in 1usize..70, outputs in 1usize..70, rows in 1usize..30, gap in 0usize..4,
        seed in 0u64..1000,
    ) {
        check_layer(inputs, outputs, rows, gap, seed);
    }

    #[test]
    #[cfg_attr(miri, ignore = "Candle's products are not for it")]
    fn landmarks_say_what_they_say_on_candle(
        seed in 0u64..1000, width in 1usize..40, expand in 1usize..3, kernel in 1usize..6,
        dilations in prop::collection::vec(1usize..9, 0..4), labels in 1usize..40,
        lengths in prop::collection::vec(1usize..40, 1..6), hops in prop::collection::vec(1usize..20, 1..4),
    ) {
        let (hand, body) = (width + 3, width / 2 + 1);
        let sizes = landmarks::Architecture { hand, body, width, expand, kernel, dilations };
        compare(&spec(Architecture::Landmarks(sizes), labels, seed), seed, &lengths, &hops);
    }
}

#[test]
#[cfg_attr(miri, ignore = "Candle's products are not for it")]
fn pictures_say_what_they_say_on_candle() {
    for (seed, channels) in
        [(1, vec![16, 32, 48, 64, 96]), (2, vec![5, 7, 11]), (3, vec![4; 6]), (4, vec![])]
    {
        let (width, expand, kernel, dilations) = (24, 2, 3, vec![1, 2]);
        let sizes = pixels::Architecture { channels, width, expand, kernel, dilations };
        compare(&spec(Architecture::Pixels(sizes), 10, seed), seed, &[11, 3, 1], &[2, 5, 1]);
    }
}
