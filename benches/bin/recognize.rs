//! `cargo xtask bench recognize`: what recognition costs on one core, for each model, beside ONNX
//! Runtime with the same weights on the same core in the same run, and as a share of what the core
//! can multiply at all.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use benches::fixtures::SEED;
use benches::report;
use clips::landmarks::{Frame, Point};
use clips::{Frame as Landmarks, Image};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use recognizer::decode::Decoder;
use recognizer::features::picture::Gray;
use recognizer::features::{Senses, Sight, TICK_US};
use recognizer::kernels::{Isa, product};
use recognizer::model::{BUILT_IN, Hop, Input, Model, StreamState, built_in, files, reference};
use serde_json::{Map, Value, json};

/// Streams in a step, and steps with inputs of their own.
const STREAMS: usize = 64;
const STEPS: usize = 8;
/// The hop at which one stream alone is measured.
const LONE_HOP: usize = 4;
/// The largest difference to the peer's output.
const TOLERANCE: f64 = 1e-4;
/// Edge of the matrices that tell the core's peak.
const PEAK_EDGE: usize = 1024;
const PINNED: &str = "SIGNCALL_BENCH_PINNED";

pub(crate) fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode> {
    if std::env::var_os(PINNED).is_none() {
        // The peer inherits the core.
        let mut again = Command::new("taskset");
        again.args(["-c", "0"]).arg(std::env::current_exe()?).args(std::env::args_os().skip(1));
        if let Ok(status) = again.env(PINNED, "1").status() {
            return Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        eprintln!("taskset is missing: not pinned to a core");
    }
    let quick = std::env::args().any(|arg| arg == "--quick");
    let time = Duration::from_millis(if quick { 200 } else { 4_000 });
    let peak = peak(time);
    let mut figures = Map::new();
    figures.insert("gemm_peak_gflops".to_owned(), json!((peak / 1e8).round() / 10.0));
    figures.insert("instructions".to_owned(), json!(Isa::best().name()));
    for name in BUILT_IN {
        figures.insert((*name).to_owned(), model(name, time, peak)?);
    }
    report::print("recognize", &figures);
    Ok(ExitCode::SUCCESS)
}

/// Floating-point operations a second of the best product of two 1024 × 1024 matrices.
fn peak(time: Duration) -> f64 {
    let mut random = StdRng::seed_from_u64(SEED);
    let mut matrix = || -> Vec<f32> {
        (0..PEAK_EDGE * PEAK_EDGE).map(|_| random.random_range(-1.0..1.0)).collect()
    };
    let (a, b, mut c) = (matrix(), matrix(), matrix());
    let best = times(time, || product(PEAK_EDGE, &a, &b, &mut c));
    let operations = 2.0 * (PEAK_EDGE * PEAK_EDGE * PEAK_EDGE) as f64;
    operations / best.first().copied().unwrap_or(f64::INFINITY)
}

/// Seconds of each call, sorted; at least ten calls.
fn times(time: Duration, mut call: impl FnMut()) -> Vec<f64> {
    let (begun, mut all) = (Instant::now(), Vec::new());
    call();
    while begun.elapsed() < time || all.len() < 10 {
        let before = Instant::now();
        call();
        all.push(before.elapsed().as_secs_f64());
    }
    all.sort_by(f64::total_cmp);
    all
}

fn median(all: &[f64]) -> f64 {
    all[all.len() / 2]
}

fn model(name: &str, time: Duration, peak: f64) -> Result<Value> {
    let open = || built_in(name).context("it is built in")?.context("it loads");
    let mut model: Box<dyn Model> = open()?;
    let spec = model.spec().clone();
    let (hop, input) = (spec.hop_frames, spec.input);
    let inputs = inputs(input, STEPS * STREAMS * hop);
    let step_s = median(&steps(model.as_mut(), &inputs, STREAMS, hop, time, None));
    let frames_per_s = (STREAMS * hop) as f64 / step_s;
    let lone_s = median(&steps(open()?.as_mut(), &inputs, 1, LONE_HOP, time / 2, None));
    let mut candle = reference(name).context("it is built in")??;
    let candle_s = median(&steps(candle.as_mut(), &inputs, STREAMS, hop, time / 2, None));
    let flops = 2.0 * spec.architecture.multiplications(spec.classes()) as f64;
    let peer = peer(name, open()?.as_mut(), &inputs, time);
    let (peer_frames, notes) = match peer {
        Ok(found) => {
            let differs = found["worst"].as_f64().unwrap_or(f64::INFINITY);
            ensure!(differs < TOLERANCE, "{name}: ONNX Runtime's output differs by {differs}");
            (found["frames_per_s"].as_f64(), json!({ "peer": found }))
        }
        Err(error) => (None, json!({ "why": format!("{error:#}") })),
    };
    let ratio = peer_frames.map(|peer| (frames_per_s / peer * 100.0).round() / 100.0);
    Ok(json!({
        "hop": hop,
        "frames_per_s_core": frames_per_s.round(),
        "peer_frames_per_s_core": peer_frames.map(f64::round),
        "ratio": ratio,
        "gemm_peak_share": (frames_per_s * flops / peak * 1e3).round() / 1e3,
        "hop_ms_one_stream": (lone_s * 1e6).round() / 1e3,
        "features_us": features_us(input, time / 4)?,
        "decode_us": decode_us(&spec, time / 4),
        "candle_frames_per_s_core": ((STREAMS * hop) as f64 / candle_s).round(),
        "flops_per_frame": flops,
        "notes": notes,
    }))
}

/// Random numbers as the features give them: so many frames.
fn inputs(input: Input, frames: usize) -> Vec<f32> {
    let mut random = StdRng::seed_from_u64(SEED);
    let mut numbers: Vec<f32> =
        (0..frames * input.frame_len()).map(|_| random.random_range(-2.0..2.0)).collect();
    if input == Input::Landmarks {
        use recognizer::features::{BODY_PRESENT, HAND, HAND_PRESENT};
        for frame in numbers.chunks_exact_mut(input.frame_len()) {
            for present in [HAND_PRESENT, HAND + HAND_PRESENT, 2 * HAND + BODY_PRESENT] {
                frame[present] = 1.0;
            }
        }
    }
    numbers
}

/// Seconds of each step of `streams` streams that bring `hop` frames each; what the first steps
/// said goes to `said`.
fn steps(
    model: &mut dyn Model,
    inputs: &[f32],
    streams: usize,
    hop: usize,
    time: Duration,
    mut said: Option<&mut Vec<f32>>,
) -> Vec<f64> {
    let len = hop * model.spec().input.frame_len();
    let mut states: Vec<StreamState> = (0..streams).map(|_| model.new_state()).collect();
    let mut outputs: Vec<Vec<f32>> = vec![Vec::new(); streams];
    let mut at = 0;
    let mut step = 0;
    times(time, || {
        if at + streams * len > inputs.len() {
            at = 0;
        }
        outputs.iter_mut().for_each(Vec::clear);
        let features = inputs[at..].chunks_exact(len);
        let parts = states.iter_mut().zip(features).zip(&mut outputs);
        let mut hops: Vec<Hop<'_>> = parts
            .map(|((state, features), log_probs)| Hop { state, features, log_probs })
            .collect();
        model.step(&mut hops).expect("the model steps");
        at += streams * len;
        step += 1;
        if let Some(said) = said.as_deref_mut().filter(|_| step <= STEPS) {
            outputs.iter().for_each(|output| said.extend(output));
        }
    })
}

/// The peer's figures, from the script in `peers/`.
fn peer(name: &str, model: &mut dyn Model, inputs: &[f32], time: Duration) -> Result<Value> {
    let python = python()?;
    let folder = tempfile::tempdir()?;
    let [json, weights] = files(name).context("it is built in")?;
    let spec = model.spec().clone();
    let mut said = Vec::new();
    steps(model, inputs, STREAMS, spec.hop_frames, Duration::ZERO, Some(&mut said));
    let bytes = |numbers: &[f32]| numbers.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>();
    let write = |file: &str, bytes: &[u8]| std::fs::write(folder.path().join(file), bytes);
    write("model.json", json)?;
    write("weights.safetensors", weights)?;
    write("inputs.f32", &bytes(inputs))?;
    write("outputs.f32", &bytes(&said))?;
    let shape = json!({
        "steps": STEPS, "streams": STREAMS, "hop": spec.hop_frames,
        "frame": spec.input.frame_len(), "classes": spec.classes(),
    });
    write("shape.json", shape.to_string().as_bytes())?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/recognize.py");
    let mut command = Command::new(python);
    command.arg(script).arg(folder.path()).arg((2.0 * time.as_secs_f64()).to_string());
    let output = command.output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the peer's script failed: {errors}");
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Python with ONNX Runtime, in an environment of its own that is made on first use.
fn python() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = here.join("../target/peers/recognize");
    let python = folder.join("bin/python");
    let ready = folder.join("ready");
    if !ready.is_file() {
        let made = Command::new("python3").args(["-m", "venv"]).arg(&folder).output()?;
        ensure!(made.status.success(), "python3 -m venv failed");
        let mut install = Command::new(&python);
        install.args(["-m", "pip", "install", "--quiet", "--requirement"]);
        let installed = install.arg(here.join("peers/requirements.txt")).output()?;
        let errors = String::from_utf8_lossy(&installed.stderr);
        ensure!(installed.status.success(), "ONNX Runtime could not be installed: {errors}");
        std::fs::write(ready, "")?;
    }
    Ok(python)
}

/// Microseconds from what was sent to what the model sees, for each frame.
fn features_us(input: Input, time: Duration) -> Result<f64> {
    let mut random = StdRng::seed_from_u64(SEED);
    const FRAMES: u64 = 60;
    let all = match input {
        Input::Landmarks => {
            let frames: Vec<Sight> =
                (0..FRAMES).map(|i| landmarks(&mut random, i * TICK_US).into()).collect();
            times(time, || {
                let mut senses = Senses::new(input);
                for frame in &frames {
                    std::hint::black_box(senses.push(frame));
                }
            })
        }
        Input::Images => {
            let pixel = |_, _| image::Luma([random.random::<u8>() / 4 + 96]);
            let picture = image::GrayImage::from_fn(100, 100, pixel);
            let mut jpeg = Vec::new();
            picture.write_with_encoder(image::codecs::jpeg::JpegEncoder::new(&mut jpeg))?;
            let image = |i| Image::new(i * TICK_US, false, &jpeg);
            let images = (0..FRAMES).map(image).collect::<Result<Vec<_>, _>>();
            let images = images.map_err(|fault| anyhow::anyhow!("{fault}"))?;
            times(time, || {
                let mut senses = Senses::new(input);
                for image in &images {
                    let gray = Gray::decode(image).expect("it was just written");
                    let sight = gray.small(image.time_us).into();
                    std::hint::black_box(senses.push(&sight));
                }
            })
        }
    };
    Ok((median(&all) / FRAMES as f64 * 1e8).round() / 100.0)
}

fn landmarks(random: &mut StdRng, time_us: u64) -> Frame {
    let point = |random: &mut StdRng| Point {
        x: random.random_range(0.0..640.0),
        y: random.random_range(0.0..480.0),
        z: random.random_range(-50.0..50.0),
        confidence: 1.0,
    };
    Landmarks {
        left: Some(std::array::from_fn(|_| point(random))),
        right: Some(std::array::from_fn(|_| point(random))),
        body: Some(std::array::from_fn(|_| point(random))),
        ..Landmarks::empty(time_us, 640.0, 480.0)
    }
}

/// Microseconds of the decoder, for each frame.
fn decode_us(spec: &recognizer::model::ModelSpec, time: Duration) -> f64 {
    const FRAMES: u64 = 150;
    let mut random = StdRng::seed_from_u64(SEED);
    let row = |random: &mut StdRng| -> Vec<f32> {
        let numbers: Vec<f32> =
            (0..spec.classes()).map(|_| random.random_range(0.0..6.0)).collect();
        let sum = numbers.iter().map(|v| v.exp()).sum::<f32>().ln();
        numbers.iter().map(|v| v - sum).collect()
    };
    let rows: Vec<Vec<f32>> = (0..FRAMES).map(|_| row(&mut random)).collect();
    let all = times(time, || {
        let (mut decoder, mut said) = (Decoder::new(spec), Vec::new());
        for (index, row) in (0..).zip(&rows) {
            decoder.push(index * TICK_US, row, true, &mut said);
            said.clear();
        }
    });
    (median(&all) / FRAMES as f64 * 1e8).round() / 100.0
}
