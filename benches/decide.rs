//! How many commands a second the pure rules decide: chat, the commonest command, with its event
//! taken into the state.

use benches::fixtures::Town;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use events::Stamp;

const COMMANDS: usize = 10_000;

fn decide(criterion: &mut Criterion) {
    let mut town = Town::new();
    let commands: Vec<_> = (0..COMMANDS).map(|_| town.chat()).collect();
    let now = town.scenario.now();
    let mut group = criterion.benchmark_group("decide");
    group.throughput(Throughput::Elements(COMMANDS as u64));
    group.bench_function("chat", |bencher| {
        bencher.iter_batched_ref(
            || town.scenario.state().clone(),
            |state| {
                let mut last_id = 1 << 52;
                for (actor, command) in &commands {
                    let mut stamp = Stamp::new(now, last_id);
                    let decision = command.decide(state, *actor, &mut stamp).expect("allowed");
                    for event in &decision.events {
                        state.evolve(event, now);
                    }
                    last_id = stamp.last_id();
                }
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group!(benches, decide);
criterion_main!(benches);
