//! How fast a device is: steps of several sizes, recorded and launched one by one, beside what the
//! device could do at best; whether it says what the CPU says; how many live streams it keeps.

use std::time::{Duration, Instant};

use candle_core::{DType, Device, Tensor};
use serde::Serialize;

use super::{DeviceModel, Place, Precision, Settings};
use crate::kernels::{Isa, KernelModel};
use crate::model::trunk::Named;
use crate::model::{Hop, Model, ModelError, ModelSpec};

/// Time that each size is measured, after a tenth of it to warm up.
const MEASURED: Duration = Duration::from_millis(1_500);
/// Inputs taken in turn, so that no step finds its own in a cache.
const INPUTS: usize = 8;
/// Edge of the matrices whose product tells the device's rate.
const MATRIX: usize = 4_096;
/// Bytes of the copy that tells the memory's rate.
const COPY: usize = 1 << 28;
/// Frames of a self-test's streams, and how many of them.
const TEST: (usize, usize) = (48, 3);

/// One size's figures.
#[derive(Clone, Debug, Serialize)]
pub struct StepFigures {
    /// Streams in the step.
    pub batch: usize,
    /// Frames a second, recorded steps, with features from the host and results back on it.
    pub frames_per_s: f64,
    /// A recorded step.
    pub step_ms: f64,
    /// The same, every kernel launched.
    pub eager_step_ms: f64,
    /// Share of the rate that memory and arithmetic would allow.
    pub roofline_share: f64,
    /// Whether the step was recorded at all.
    pub recorded: bool,
}

/// What the device can do at best.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Ceiling {
    /// Multiplications and additions a second, in the precision that serves.
    pub flop_per_s: f64,
    /// Bytes a second, read and written.
    pub bytes_per_s: f64,
}

/// The largest differences from what the CPU says.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Agreement {
    /// In f32, of log-probabilities; may be 1e-3.
    pub f32_off: f32,
    /// In bf16, of probabilities; may be 2e-2.
    pub bf16_off: f32,
}

impl Agreement {
    /// Whether the device may serve.
    pub fn holds(&self) -> bool {
        self.f32_off <= 1e-3 && self.bf16_off <= 2e-2
    }
}

/// Numbers that look random and are the same everywhere, between −1 and 1.
fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1u32 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// Plays a few streams on the CPU and on the device.
///
/// # Errors
/// There is no such device, or a step failed on it.
pub fn agreement(spec: &ModelSpec, weights: &Named, place: Place) -> Result<Agreement, ModelError> {
    let mut cpu = KernelModel::new(spec.clone(), weights, Isa::best())?;
    let wanted = play(&mut cpu)?;
    let mut off = [0.0f32; 2];
    for (off, precision) in off.iter_mut().zip([Precision::F32, Precision::Bf16]) {
        let settings = Settings { precision, rows: 16, batch: 4, ..Settings::of(place) };
        let mut device = DeviceModel::new(spec.clone(), weights, &settings)?;
        device.warm_up()?;
        let found = play(&mut device)?;
        let apart = |(wanted, found): (&f32, &f32)| match precision {
            Precision::F32 => (wanted - found).abs(),
            Precision::Bf16 => (wanted.exp() - found.exp()).abs(),
        };
        *off = wanted.iter().zip(&found).map(apart).fold(0.0, f32::max);
    }
    Ok(Agreement { f32_off: off[0], bf16_off: off[1] })
}

fn play(model: &mut dyn Model) -> Result<Vec<f32>, ModelError> {
    let (frames, streams) = TEST;
    let len = model.spec().hop_frames * model.spec().input.frame_len();
    let inputs: Vec<_> =
        (0..streams).map(|s| numbers(frames * model.spec().input.frame_len(), s as u32)).collect();
    let mut states: Vec<_> = inputs.iter().map(|_| model.new_state()).collect();
    let mut said = vec![Vec::new(); streams];
    for at in (0..inputs[0].len() / len).map(|hop| hop * len) {
        let parts = states.iter_mut().zip(&mut said).zip(&inputs);
        let mut hops: Vec<_> = parts
            .map(|((state, log_probs), input)| Hop {
                state,
                features: &input[at..at + len],
                log_probs,
            })
            .collect();
        model.step(&mut hops)?;
    }
    Ok(said.concat())
}

/// Measures steps of `batches` streams.
///
/// # Errors
/// There is no such device, or a step failed on it.
pub fn steps(
    spec: &ModelSpec,
    weights: &Named,
    settings: &Settings,
    batches: &[usize],
) -> Result<(Ceiling, Vec<StepFigures>), ModelError> {
    let ceiling = ceiling(settings)?;
    let mut figures = Vec::with_capacity(batches.len());
    for &batch in batches {
        let of = |graphs| {
            let settings = Settings { rows: batch, batch, graphs, ..*settings };
            DeviceModel::new(spec.clone(), weights, &settings)
        };
        let (mut played, mut eager) = (of(true)?, of(false)?);
        let step = timed(&mut played, batch)?;
        let eager_step = timed(&mut eager, batch)?;
        let frames = (batch * spec.hop_frames) as f64;
        let floor = floor(spec, settings.precision, batch, &ceiling);
        figures.push(StepFigures {
            batch,
            frames_per_s: frames / step.as_secs_f64(),
            step_ms: step.as_secs_f64() * 1e3,
            eager_step_ms: eager_step.as_secs_f64() * 1e3,
            roofline_share: floor / step.as_secs_f64(),
            recorded: played.recorded() > 0,
        });
    }
    Ok((ceiling, figures))
}

/// The mean time of a step of `batch` streams.
fn timed(model: &mut DeviceModel, batch: usize) -> Result<Duration, ModelError> {
    model.warm_up()?;
    let len = model.spec().hop_frames * model.spec().input.frame_len();
    let inputs: Vec<_> = (0..INPUTS).map(|i| numbers(batch * len, i as u32)).collect();
    let mut states: Vec<_> = (0..batch).map(|_| model.new_state()).collect();
    let mut said = vec![Vec::new(); batch];
    let mut run = |time: Duration| -> Result<Duration, ModelError> {
        let (begun, mut count) = (Instant::now(), 0);
        while count == 0 || begun.elapsed() < time {
            let rows = inputs[count as usize % INPUTS].chunks_exact(len);
            said.iter_mut().for_each(Vec::clear);
            let parts = states.iter_mut().zip(&mut said).zip(rows);
            let mut hops: Vec<_> = parts
                .map(|((state, log_probs), features)| Hop { state, features, log_probs })
                .collect();
            model.step(&mut hops)?;
            count += 1;
        }
        Ok(begun.elapsed() / count)
    };
    run(MEASURED / 10)?;
    run(MEASURED)
}

/// The time that a step takes at least, s: all that must be multiplied, or all that must be moved.
fn floor(spec: &ModelSpec, precision: Precision, batch: usize, ceiling: &Ceiling) -> f64 {
    let number = precision.dtype().size_in_bytes();
    let frames = batch * spec.hop_frames;
    let classes = spec.classes();
    let flop = 2 * spec.architecture.multiplications(classes) * frames;
    let weights: usize = spec
        .architecture
        .weights(classes)
        .iter()
        .map(|(_, shape, _)| shape.iter().product::<usize>() * number)
        .sum();
    let state = 2 * batch * spec.architecture.shape().state_len() * number;
    let ways = frames * (spec.input.frame_len() + classes) * size_of::<f32>();
    let bytes = weights + state + ways;
    (flop as f64 / ceiling.flop_per_s).max(bytes as f64 / ceiling.bytes_per_s)
}

/// The device's rates: the product of two large matrices, and the copy of many bytes.
fn ceiling(settings: &Settings) -> Result<Ceiling, ModelError> {
    let device = settings.place.open()?;
    let edge = if device.is_cpu() { MATRIX / 4 } else { MATRIX };
    let matrix = Tensor::from_vec(numbers(edge * edge, 1), (edge, edge), &device)?;
    let matrix = matrix.to_dtype(settings.precision.dtype())?;
    let product = best(&device, || matrix.matmul(&matrix).map(drop))?;
    let bytes = Tensor::zeros(COPY / size_of::<f32>(), DType::F32, &device)?;
    let copy = best(&device, || bytes.copy().map(drop))?;
    Ok(Ceiling {
        flop_per_s: 2.0 * (edge as f64).powi(3) / product,
        bytes_per_s: 2.0 * COPY as f64 / copy,
    })
}

/// The shortest of several runs, s.
fn best(
    device: &Device,
    mut work: impl FnMut() -> candle_core::Result<()>,
) -> candle_core::Result<f64> {
    let mut best = f64::INFINITY;
    for _ in 0..10 {
        let begun = Instant::now();
        work()?;
        device.synchronize()?;
        best = best.min(begun.elapsed().as_secs_f64());
    }
    Ok(best)
}
