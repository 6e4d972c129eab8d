//! What recognition costs: the features of a frame, and one hop of the shipped model for 1, 8 and
//! 64 streams at once.

use benches::fixtures::SEED;
use clips::landmarks::{Frame, Point};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use recognizer::features::{Extractor, FEATURES, TICK_US};
use recognizer::model::{self, Hop, StreamState};

const STREAMS: [usize; 3] = [1, 8, 64];
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
    let mut model = model::built_in("asl-basic")
        .expect("the model is built in")
        .expect("the shipped model loads");
    let hop = model.spec().hop_frames;
    let mut random = StdRng::seed_from_u64(SEED);
    let mut group = criterion.benchmark_group("recognize");
    for streams in STREAMS {
        let mut input = || (0..hop * FEATURES).map(|_| random.random_range(-2.0..2.0)).collect();
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

criterion_group!(benches, features, hops);
criterion_main!(benches);
