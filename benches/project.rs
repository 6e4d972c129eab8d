//! How fast the tables are written from the log: a town and its chat, into fresh tables, on SQLite
//! and on PostgreSQL where there is one.

use std::time::{Duration, Instant};

use benches::callers::Decider;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use events::LogId;
use projector::testing::PrivatePostgres;
use projector::{Projector, Store};
use streams::log::memory;
use streams::{Log, live};
use tokio::runtime::Runtime;
use uuid::Uuid;
use vault::Vault;

const MESSAGES: usize = 5000;
const LOG: LogId = LogId::from_uuid(Uuid::from_u128(7));

fn project(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime starts");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let log = memory::create(LOG);
    let vault = runtime.block_on(async {
        let mut decider = Decider::start(log.clone(), folder.path()).await.expect("a decider");
        decider.chat(MESSAGES).await.expect("chat is written");
        let vault = decider.vault.clone();
        decider.stop().await.expect("the decider stops");
        vault
    });
    let commits = runtime.block_on(log.head()).expect("a head").position.get();
    let postgres = runtime.block_on(PrivatePostgres::for_test("benches::project"));
    let postgres = postgres.expect("PostgreSQL starts");

    let mut group = criterion.benchmark_group("project");
    group.sample_size(10).measurement_time(Duration::from_secs(5));
    group.throughput(Throughput::Elements(commits));
    group.bench_function("sqlite", |bencher| {
        bencher.to_async(&runtime).iter_custom(async |rounds| {
            let mut took = Duration::ZERO;
            for _ in 0..rounds {
                let folder = tempfile::tempdir().expect("a temporary folder");
                let url = format!("sqlite:{}", folder.path().join("tables.db").display());
                took += once(&url, &log, &vault).await;
            }
            took
        });
    });
    if let Some(postgres) = postgres {
        group.bench_function("postgres", |bencher| {
            bencher.to_async(&runtime).iter_custom(async |rounds| {
                let mut took = Duration::ZERO;
                for _ in 0..rounds {
                    let url = postgres.database().await.expect("a database");
                    took += once(&url, &log, &vault).await;
                }
                took
            });
        });
    }
    group.finish();
}

/// From empty tables to the log's end.
async fn once(url: &str, log: &Log, vault: &Vault) -> Duration {
    let store = Store::open(url).await.expect("the tables open");
    let projector = Projector::new(store.clone(), log.clone(), vault.clone(), live::local());
    let start = Instant::now();
    projector.catch_up().await.expect("the tables are written");
    let took = start.elapsed();
    store.close().await;
    took
}

criterion_group!(benches, project);
criterion_main!(benches);
