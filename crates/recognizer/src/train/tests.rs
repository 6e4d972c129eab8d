//! Gradients: every weight gets one, and each layer's is the slope that small steps measure. What
//! training makes up: hands that say nothing, slower cameras.

use std::collections::BTreeMap;

use candle_core::{Device, Result, Tensor, Var};

use super::augment::{film_at, interval};
use super::data::Clip;
use super::loss::{OPINION, SMOOTHING, framewise};
use super::random::Dice;
use super::splice::extract;
use super::wander::wander;
use crate::features::FEATURES;
use crate::model::layers::{depthwise, linear, patches, rms_norm, silu};
use crate::model::net::Net;
use crate::model::trunk::Start;
use crate::model::{Architecture, Normalization, landmarks, pixels};

/// Size of the small steps; f32 leaves about three digits.
const STEP: f32 = 1e-2;
const TOLERANCE: f32 = 2e-2;

fn noise(shape: &[usize], part: u64) -> Tensor {
    let mut dice = Dice::new(7, part);
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| dice.normal(1.0)).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// Compares the gradient of `sum(f(inputs) · fixed noise)` with differences, element by element.
fn check(name: &str, shapes: &[&[usize]], f: impl Fn(&[Tensor]) -> Result<Tensor>) {
    let vars: Vec<Var> =
        (1..).zip(shapes).map(|(i, s)| Var::from_tensor(&noise(s, i)).unwrap()).collect();
    let value = || {
        let inputs: Vec<Tensor> = vars.iter().map(|var| var.as_tensor().clone()).collect();
        let out = f(&inputs).unwrap();
        let weights = noise(out.dims(), 99);
        (out * weights).unwrap().sum_all().unwrap()
    };
    let gradients = value().backward().unwrap();
    for (index, var) in vars.iter().enumerate() {
        let gradient = gradients.get(var).unwrap_or_else(|| panic!("{name}: no gradient {index}"));
        let gradient = gradient.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let start = var.as_tensor().copy().unwrap();
        let values = start.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for element in 0..values.len() {
            let at = |step: f32| {
                let mut moved = values.clone();
                moved[element] += step;
                var.set(&Tensor::from_vec(moved, start.dims(), &Device::Cpu).unwrap()).unwrap();
                value().to_scalar::<f32>().unwrap()
            };
            let slope = (at(STEP) - at(-STEP)) / (2.0 * STEP);
            let error = (slope - gradient[element]).abs() / slope.abs().max(1.0);
            assert!(
                error < TOLERANCE,
                "{name}, input {index}, element {element}: gradient {}, slope {slope}",
                gradient[element]
            );
        }
        var.set(&start).unwrap();
    }
}

#[test]
fn the_gradient_of_every_layer_is_its_slope() {
    check("linear", &[&[3, 4], &[4, 5], &[5]], |x| linear(&x[0], &x[1], &x[2]));
    check("norm", &[&[3, 4], &[4]], |x| rms_norm(&x[0], &x[1]));
    check("silu", &[&[3, 4]], |x| silu(&x[0]));
    for dilation in [1, 3] {
        check("depthwise", &[&[2, 4 * dilation + 3, 3], &[5, 3]], |x| {
            depthwise(&x[0], &x[1], dilation)
        });
    }
    for edge in [4, 5] {
        check("patches", &[&[2, edge, edge, 3]], |x| patches(&x[0]));
    }
    check("log-softmax", &[&[3, 4]], |x| candle_nn::ops::log_softmax(&x[0], 1));
}

#[test]
fn the_gradient_of_the_loss_is_its_slope() {
    check_slope(&[]);
    // What teachers say of the four frames; the third is padding.
    check_slope(&noise(&[4, 5], 2).exp().unwrap().flatten_all().unwrap().to_vec1().unwrap());
}

fn check_slope(opinion: &[f32]) {
    let sets: [&[u32]; 4] = [&[2], &[0, 3], &[], &[1, 2, 3]];
    let logits = Var::from_tensor(&noise(&[4, 5], 1)).unwrap();
    let own = if opinion.is_empty() { 1.0 } else { 1.0 - OPINION };
    let exact = |values: &[f32]| {
        // The loss that the gradient belongs to: −log of the allowed classes' sum, smoothed, and
        // the cross-entropy to the opinion.
        let mut total = 0.0;
        for (row, set) in sets.iter().enumerate().filter(|(_, set)| !set.is_empty()) {
            let values = &values[5 * row..5 * row + 5];
            let sum: f32 = values.iter().map(|v| v.exp()).sum();
            let allowed: f32 = set.iter().map(|&c| values[c as usize].exp()).sum();
            let even: f32 = values.iter().map(|v| v - sum.ln()).sum::<f32>() / 5.0;
            total -= own * ((1.0 - SMOOTHING) * (allowed / sum).ln() + SMOOTHING * even);
            let said = opinion.iter().skip(5 * row).zip(values);
            total -= OPINION * said.map(|(said, v)| said * (v - sum.ln())).sum::<f32>();
        }
        total / 3.0
    };
    let loss = framewise(logits.as_tensor(), &sets, opinion).unwrap();
    let gradients = loss.backward().unwrap();
    let gradient = gradients.get(&logits).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let values = logits.as_tensor().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    for element in 0..values.len() {
        let at = |step: f32| {
            let mut moved = values.clone();
            moved[element] += step;
            exact(&moved)
        };
        let slope = (at(STEP) - at(-STEP)) / (2.0 * STEP);
        assert!((slope - gradient[element]).abs() < 1e-3, "element {element}");
    }
}

fn small() -> [Architecture; 2] {
    let (width, expand, kernel, dilations) = (8, 2, 3, vec![1, 2]);
    let channels = vec![3, 4, 4, 4];
    let hands = landmarks::Architecture {
        hand: 6,
        body: 5,
        width,
        expand,
        kernel,
        dilations: dilations.clone(),
    };
    let pictures = pixels::Architecture { channels, width, expand, kernel, dilations };
    [Architecture::Landmarks(hands), Architecture::Pixels(pictures)]
}

fn weights(architecture: &Architecture, classes: usize) -> BTreeMap<String, Var> {
    let mut part = 0;
    let start = |(name, shape, start): (String, Vec<usize>, Start)| {
        part += 1;
        let value = match start {
            Start::Normal(deviation) => (noise(&shape, part) * deviation).unwrap(),
            Start::Constant(value) => {
                (noise(&shape, part) * 0.1).unwrap().affine(1.0, value).unwrap()
            }
        };
        (name, Var::from_tensor(&value).unwrap())
    };
    architecture.weights(classes).into_iter().map(start).collect()
}

#[test]
fn every_weight_gets_a_gradient() {
    for architecture in small() {
        let classes = 4;
        let frame = architecture.input().frame_len();
        let vars = weights(&architecture, classes);
        let named = |(name, var): (&String, &Var)| (name.clone(), var.as_tensor().clone());
        let tensors = vars.iter().map(named).collect();
        let normalization = Normalization { mean: vec![0.0; frame], scale: vec![1.0; frame] };
        let net = Net::new(&architecture, &normalization, &tensors, &Device::Cpu).unwrap();
        let x = noise(&[2, 9, frame], 500);
        let past = net.no_past(2, &Device::Cpu).unwrap();
        let (logits, _) = net.forward(&x, &past, None).unwrap();
        let sets: Vec<&[u32]> = vec![&[1]; 18];
        let loss = framewise(&logits.reshape((18, classes)).unwrap(), &sets, &[]).unwrap();
        let gradients = loss.backward().unwrap();
        for (name, var) in &vars {
            let gradient = gradients.get(var).unwrap_or_else(|| panic!("{name} has no gradient"));
            let size = gradient.abs().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap();
            assert!(size > 0.0, "the gradient of {name} is zero");
        }
    }
}

#[test]
fn padding_changes_nothing() {
    let x = noise(&[3, 5], 1);
    let sets: [&[u32]; 3] = [&[2], &[0, 3], &[1]];
    let padded = Tensor::cat(&[&x, &(noise(&[4, 5], 2) * 9.0).unwrap()], 0).unwrap();
    let none: &[u32] = &[];
    let with = [sets[0], sets[1], sets[2], none, none, none, none];
    let [a, b] = [framewise(&x, &sets, &[]), framewise(&padded, &with, &[])]
        .map(|loss| loss.unwrap().to_scalar::<f32>().unwrap());
    assert!((a - b).abs() < 1e-5, "{a} and {b}");
}

/// A clip of one synthetic sign.
fn clip(label: &str, seed: u64) -> Clip {
    Clip {
        path: label.into(),
        label: label.to_owned(),
        signer: "A".to_owned(),
        number: 0,
        siblings: 1,
        stills: false,
        frames: crate::synthetic::sentence(&[label], seed).unwrap(),
    }
}

#[test]
fn hands_that_say_nothing_move_all_the_time_before_one_body() {
    let clips: Vec<Clip> =
        ["coffee", "hello", "tea", "no"].into_iter().zip(1..).map(|(l, s)| clip(l, s)).collect();
    let clips: Vec<&Clip> = clips.iter().collect();
    for seed in 0..20 {
        let frames = wander(&clips, &mut Dice::new(seed, 0));
        assert!((9..=32).contains(&frames.len()), "{} frames", frames.len());
        let shoulders = frames.iter().map(|frame| frame.body.unwrap()[11]);
        assert!(shoulders.clone().all(|point| Some(point) == shoulders.clone().next()));
        for frame in &frames {
            let points = frame.right.iter().flatten();
            assert!(points.clone().all(|p| p.x.is_finite() && p.y.is_finite() && p.z.is_finite()));
        }
        assert_eq!(frames, wander(&clips, &mut Dice::new(seed, 0)), "the same seed");
    }
    assert!(wander(&[], &mut Dice::new(1, 0)).is_empty());
}

#[test]
fn every_frame_of_a_slower_camera_is_seen() {
    for seed in 0..200 {
        let mut dice = Dice::new(seed, 0);
        let interval = interval(0.5, &mut dice);
        let mut frames = clip("coffee", 1).frames;
        film_at(interval, &mut frames, &mut dice);
        assert!(frames.windows(2).all(|pair| pair[0].time_us < pair[1].time_us));
        assert_eq!(extract(&frames).len(), frames.len() * FEATURES, "interval {interval}");
    }
}

#[test]
fn one_pass_layers_say_what_candle_says() {
    let (x, weight) = ((noise(&[7, 12], 1) * 3.0).unwrap(), noise(&[12], 2));
    let near = |a: Tensor, b: Tensor| {
        let worst = (a - b).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
        assert!(worst < 1e-5, "they differ by {worst}");
    };
    near(silu(&x).unwrap(), x.silu().unwrap());
    let scale = (x.sqr().unwrap().mean_keepdim(1).unwrap() + 1e-5).unwrap().sqrt().unwrap();
    let plain = x.broadcast_div(&scale).unwrap().broadcast_mul(&weight).unwrap();
    near(rms_norm(&x, &weight).unwrap(), plain);
    let (matrix, bias) = (noise(&[12, 5], 3), noise(&[5], 4));
    let plain = x.matmul(&matrix).unwrap().broadcast_add(&bias).unwrap();
    near(linear(&x, &matrix, &bias).unwrap(), plain);
}
