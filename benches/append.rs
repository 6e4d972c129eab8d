//! Durable appends of blocks of chat: one caller after the other (1 commit a block) and group
//! commit (64 and 512), on the embedded log and on one nats-server where there is one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use benches::fixtures::Town;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use events::{Block, LogId};
use streams::Log;
use streams::log::{embedded, nats};
use streams::nats::{NatsConfig, connect};
use streams::testing::NatsServer;
use tokio::runtime::Runtime;
use uuid::Uuid;

const COMMITS: [usize; 3] = [1, 64, 512];
const LOG: LogId = LogId::from_uuid(Uuid::from_u128(7));

fn append(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime starts");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("log.db");
    let log = runtime.block_on(embedded::create(&path, LOG)).expect("a log file");
    measure(criterion, &runtime, "embedded", &log);

    let server = runtime.block_on(NatsServer::for_test("benches::append")).expect("a server");
    if let Some(server) = server {
        let log = runtime.block_on(async {
            let nats = connect(&NatsConfig::new(server.url())).await.expect("a connection");
            nats::create(&nats, LOG).await.expect("a log stream")
        });
        measure(criterion, &runtime, "nats", &log);
    }
}

fn measure(criterion: &mut Criterion, runtime: &Runtime, backend: &str, log: &Log) {
    let mut town = Town::new();
    let mut group = criterion.benchmark_group(format!("append/{backend}"));
    group.sample_size(20).measurement_time(Duration::from_secs(3));
    for commits in COMMITS {
        let lines: Vec<String> = (0..commits).map(|_| town.chat_line()).collect();
        group.throughput(Throughput::Elements(commits as u64));
        group.bench_function(BenchmarkId::from_parameter(commits), |bencher| {
            bencher.to_async(runtime).iter_custom(|rounds| {
                let lines = &lines;
                async move {
                    let mut head = log.head().await.expect("the log has a head");
                    let start = Instant::now();
                    for _ in 0..rounds {
                        let block = Block::build(&head, lines);
                        head = block.head();
                        log.append(Arc::new(block)).await.expect("the log takes the block");
                    }
                    start.elapsed()
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, append);
criterion_main!(benches);
