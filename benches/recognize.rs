//! What recognition costs: the features of a frame, one hop of the shipped models for 1 to 256 streams
//! at once, the decoder, and the whole way.

use benches::fixtures::SEED;
use clips::landmarks::{Frame, Point};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use recognizer::decode::Decoder;
use recognizer::engine::{Arrival, Engine, Limits, Pace};
use recognizer::features::{Extractor, TICK_US};
use recognizer::model::{self, BUILT_IN, Hop, StreamState};
use recognizer::synthetic;

const STREAMS: [usize; 4] = [1, 8, 64, 256];
/// Different inputs in turn, so that no cache is warmer than in life.
const INPUTS: usize = 8;

fn random_frame(random: &mut StdRng, time_us: u64) -> Frame {
    let point = |random: &mut StdRng| Point {
        x: random.random_range(0.0..640.0),
        y: random.random_range(0.0..480.0),
        z: random.random_range(-50.0..50.0),
        confidence: 1.0,
    };
    Frame {
        time_us,
        width: 640.0,
        height: 480.0,
        left: Some(std::array::from_fn(|_| point(random))),
        right: Some(std::array::from_fn(|_| point(random))),
        body: Some(std::array::from_fn(|_| point(random))),
    }
}

fn features(criterion: &mut Criterion) {
    let mut random = StdRng::seed_from_u64(SEED);
    let frames: Vec<Frame> = (0..150).map(|n| random_frame(&mut random, n * TICK_US)).collect();
    let mut group = criterion.benchmark_group("recognize");
    group.throughput(Throughput::Elements(frames.len() as u64));
    group.bench_function("features", |bencher| {
        bencher.iter(|| {
            let mut extractor = Extractor::new();
            frames.iter().filter_map(|frame| extractor.push(frame).map(|f| f[0])).sum::<f32>()
        });
    });
    group.finish();
}

fn hops(criterion: &mut Criterion) {
    for name in BUILT_IN {
        let mut model =
            model::built_in(name).expect("the model is built in").expect("the shipped model loads");
        let (hop, frame) = (model.spec().hop_frames, model.spec().input.frame_len());
        let mut random = StdRng::seed_from_u64(SEED);
        let mut group = criterion.benchmark_group(format!("recognize/{name}"));
        for streams in STREAMS {
            let mut input = || (0..hop * frame).map(|_| random.random_range(-2.0..2.0)).collect();
            let inputs: Vec<Vec<Vec<f32>>> =
                (0..INPUTS).map(|_| (0..streams).map(|_| input()).collect()).collect();
            let mut states: Vec<StreamState> = (0..streams).map(|_| model.new_state()).collect();
            let mut outputs: Vec<Vec<f32>> = vec![Vec::new(); streams];
            let mut turn = 0;
            group.throughput(Throughput::Elements((streams * hop) as u64));
            group.bench_function(BenchmarkId::new("hop", streams), |bencher| {
                bencher.iter(|| {
                    turn = (turn + 1) % INPUTS;
                    outputs.iter_mut().for_each(Vec::clear);
                    let parts = states.iter_mut().zip(&inputs[turn]).zip(&mut outputs);
                    let mut hops: Vec<Hop<'_>> = parts
                        .map(|((state, features), log_probs)| Hop { state, features, log_probs })
                        .collect();
                    model.step(&mut hops).expect("the model steps");
                });
            });
        }
        group.finish();
    }
}

/// The decoder alone, on rows that change their mind all the time.
fn decode(criterion: &mut Criterion) {
    const ROWS: u64 = 150;
    for name in BUILT_IN {
        let model = model::built_in(name).expect("it is built in").expect("it loads");
        let (spec, mut random) = (model.spec().clone(), StdRng::seed_from_u64(SEED));
        let mut row = || -> Vec<f32> {
            let logits: Vec<f32> =
                (0..spec.classes()).map(|_| random.random_range(0.0..6.0)).collect();
            let sum = logits.iter().map(|v| v.exp()).sum::<f32>().ln();
            logits.iter().map(|v| v - sum).collect()
        };
        let rows: Vec<Vec<f32>> = (0..ROWS).map(|_| row()).collect();
        let mut group = criterion.benchmark_group(format!("recognize/{name}"));
        group.throughput(Throughput::Elements(ROWS));
        group.bench_function("decode", |bencher| {
            bencher.iter(|| {
                let (mut decoder, mut said) = (Decoder::new(&spec), Vec::new());
                for (index, row) in (0..).zip(&rows) {
                    decoder.push(index * TICK_US, row, true, &mut said);
                }
                said.len()
            });
        });
        group.finish();
    }
}

/// The whole way of synthetic signing through an engine with 64 streams: features, gate, batches,
/// model, decoder.
fn whole(criterion: &mut Criterion) {
    const STREAMS: usize = 64;
    let frames = synthetic::sentence(&["hello", "coffee", "please"], SEED).expect("it is known");
    let mut group = criterion.benchmark_group("recognize/asl-basic");
    group.throughput(Throughput::Elements((STREAMS * frames.len()) as u64));
    group.sample_size(10);
    group.bench_function("whole", |bencher| {
        bencher.iter(|| {
            let model = model::built_in("asl-basic").expect("it is built in").expect("it loads");
            let mut engine =
                Engine::new(model, Limits { load: f64::INFINITY, ..Limits::default() });
            let (mut out, mut finals) = (Vec::new(), 0);
            let open = |n| engine.open(n as u64, Pace::Upload, 0).expect("there is room");
            let streams: Vec<_> = (0..STREAMS).map(open).collect();
            for (seq, frame) in (0..).zip(&frames) {
                for stream in &streams {
                    let arrival =
                        Arrival { seq, sight: frame.into(), arrived_us: frame.time_us, keep: true };
                    engine.push(*stream, arrival).expect("it is open");
                }
                engine.step(&|| frame.time_us, &mut out).expect("the model steps");
                finals += out.drain(..).count();
            }
            finals
        });
    });
    group.finish();
}

criterion_group!(benches, features, hops, decode, whole);
criterion_main!(benches);
