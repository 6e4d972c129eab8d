//! The arena's path on the CPU, where everything but the fused kernel and the recording is the same.

use super::{DeviceModel, Place, Precision, Settings};
use crate::model::{Hop, Model, ModelError, StreamState, files, reference};

const ROWS: usize = 6;
const FRAMES: usize = 36;
/// Sums may be added in another order.
const F32_TOLERANCE: f32 = 1e-4;
/// What bf16 may cost a probability. (Its logarithm moves by up to 3e-2 on such noise.)
const BF16_TOLERANCE: f32 = 2e-2;

fn model(name: &str, precision: Precision) -> DeviceModel {
    let [spec, weights] = files(name).unwrap();
    let weights =
        candle_core::safetensors::load_buffer(weights, &candle_core::Device::Cpu).unwrap();
    let settings = Settings { place: Place::Cpu, precision, rows: ROWS, batch: 4, graphs: true };
    let spec = serde_json::from_slice(spec).unwrap();
    DeviceModel::new(spec, &weights.into_iter().collect(), &settings).unwrap()
}

/// Features that look random, of `FRAMES` frames.
fn features(frame: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1u32 << 23) as f32 - 1.0
    };
    (0..FRAMES * frame).map(|_| next()).collect()
}

/// Streams played side by side in hops of `hop` frames; the i-th begins i hops later.
fn play(model: &mut dyn Model, streams: &[Vec<f32>], hop: usize) -> Vec<Vec<f32>> {
    let len = hop * model.spec().input.frame_len();
    let mut states: Vec<StreamState> = streams.iter().map(|_| model.new_state()).collect();
    let mut said = vec![Vec::new(); streams.len()];
    for step in 0..FRAMES / hop + streams.len() {
        let mut hops = Vec::new();
        for (i, (state, log_probs)) in states.iter_mut().zip(&mut said).enumerate() {
            let from = step.checked_sub(i).map(|step| step * len);
            let Some(from) = from.filter(|from| *from < streams[i].len()) else { continue };
            hops.push(Hop { state, features: &streams[i][from..from + len], log_probs });
        }
        model.step(&mut hops).unwrap();
    }
    said
}

#[test]
fn the_device_says_what_the_reference_says_whoever_else_is_in_the_step() {
    for name in ["asl-basic", "asl-digits"] {
        let mut device = model(name, Precision::F32);
        device.warm_up().unwrap();
        assert_eq!(device.sizes(), [1, 4]);
        let mut reference = reference(name).unwrap().unwrap();
        let frame = device.spec().input.frame_len();
        let streams: Vec<_> = (0..ROWS as u32).map(|seed| features(frame, seed)).collect();
        // Twice: the second time rows are used that hold somebody's past.
        for hop in [4, 2] {
            let found = play(&mut device, &streams, hop);
            let wanted = play(&mut *reference, &streams, hop);
            for (found, wanted) in found.iter().zip(&wanted) {
                assert_eq!(found.len(), FRAMES * device.spec().classes());
                let off = found.iter().zip(wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(off < F32_TOLERANCE, "{name}: {off}");
            }
        }
    }
}

#[test]
fn sixteen_bits_are_enough() {
    let mut exact = model("asl-basic", Precision::F32);
    let mut coarse = model("asl-basic", Precision::Bf16);
    let frame = exact.spec().input.frame_len();
    let streams: Vec<_> = (0..ROWS as u32).map(|seed| features(frame, seed)).collect();
    let pairs = play(&mut exact, &streams, 4).into_iter().zip(play(&mut coarse, &streams, 4));
    let mut off = 0.0f32;
    for (exact, coarse) in pairs {
        assert_eq!(exact.len(), coarse.len());
        let each = exact.iter().zip(&coarse);
        off = each.map(|(a, b)| (a.exp() - b.exp()).abs()).fold(off, f32::max);
    }
    assert!((1e-6..BF16_TOLERANCE).contains(&off), "{off}");
}

#[test]
fn a_stream_too_many_is_told() {
    let mut device = model("asl-basic", Precision::F32);
    let features = vec![0.0; device.spec().input.frame_len()];
    let mut states: Vec<_> = (0..=ROWS).map(|_| device.new_state()).collect();
    let mut log_probs = Vec::new();
    let mut last = states.pop().unwrap();
    let hop = Hop { state: &mut last, features: &features, log_probs: &mut log_probs };
    let error = device.step(&mut [hop]).unwrap_err();
    assert!(matches!(error, ModelError::Mismatch(_)), "{error}");
    drop(states.pop());
    let mut state = device.new_state();
    device
        .step(&mut [Hop { state: &mut state, features: &features, log_probs: &mut log_probs }])
        .unwrap();
    assert_eq!(log_probs.len(), device.spec().classes());
}

#[test]
fn places_are_read_and_written() {
    for text in ["cpu", "cuda:0", "cuda:3"] {
        assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
    }
    assert_eq!("cuda".parse(), Ok(Place::Cuda(0)));
    assert!("gpu".parse::<Place>().unwrap_err().contains("cuda:0"));
}

#[cfg(not(feature = "cuda"))]
#[test]
fn this_binary_says_that_it_has_no_cuda() {
    let error = Place::Cuda(0).open().unwrap_err();
    assert!(error.to_string().contains("signcall-cuda"), "{error}");
}
