//! The log on three replicas: writers that lose to each other, and a server that is killed.

use std::path::PathBuf;
use std::time::Duration;

use events::Head;
use streams::Log;
use streams::frames::Partition;
use streams::nats::NatsConfig;
use streams::testing::{NatsServer, find_nats_server, skip};

use crate::place::{append_sometime, read_all};

/// How long three servers may take to agree on a leader, on a busy machine.
const ELECTION: Duration = Duration::from_mins(1);

pub(crate) async fn cluster(test: &str) -> Option<Vec<NatsServer>> {
    let Some(program) = find_nats_server() else {
        skip(test, "nats-server is not installed; cargo xtask test fetches it");
        return None;
    };
    Some(cluster_of(program).await)
}

pub(crate) async fn cluster_of(program: PathBuf) -> Vec<NatsServer> {
    NatsServer::cluster(&program, 3, "").await.unwrap()
}

/// The log with this prefix, once the servers have elected those who lead.
pub(crate) async fn open(servers: &[NatsServer], prefix: &str) -> Log {
    let url = servers.iter().map(NatsServer::url).collect::<Vec<_>>().join(",");
    let config = NatsConfig { replicas: 3, prefix: prefix.to_owned(), ..NatsConfig::new(url) };
    let nats = streams::nats::connect(&config).await.unwrap();
    let opening = async {
        loop {
            if let Ok(log) = streams::log::nats::open(&nats).await {
                return log;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(ELECTION, opening).await.expect("the servers elect a leader")
}

/// As whoever starts a whole installation at once does: nobody waits for the servers to elect those
/// who lead, and everybody makes what is not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_who_start_at_once_on_servers_that_just_started_find_one_log() {
    let test = "streams replicas::all_who_start_at_once_on_servers_that_just_started_find_one_log";
    let Some(servers) = cluster(test).await else { return };
    let url = servers.iter().map(NatsServer::url).collect::<Vec<_>>().join(",");
    let config = NatsConfig { replicas: 3, ..NatsConfig::new(url) };
    let starts = (0..5).map(|_| async {
        let nats = streams::nats::connect(&config).await.unwrap();
        let log = streams::log::nats::open(&nats).await.unwrap();
        streams::frames::over_nats(&nats, Partition::ALL).await.unwrap();
        log.id()
    });
    let found = futures::future::join_all(starts).await;
    assert!(found.iter().all(|id| *id == found[0]), "{found:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_and_a_killed_server_leave_one_whole_log() {
    const WRITERS: usize = 4;
    const BLOCKS: usize = 50;
    let test = "streams replicas::writers_and_a_killed_server_leave_one_whole_log";
    let Some(mut servers) = cluster(test).await else { return };
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let log = open(&servers, "signcall").await;
        writers.push(tokio::spawn(async move {
            for index in 0..BLOCKS {
                append_sometime(&log, &format!("{writer}/{index}")).await;
            }
        }));
    }
    let reader = open(&servers, "signcall").await;
    let mut appended = reader.appended();
    let heard = appended.wait_for(|last| last.get() >= 60);
    tokio::time::timeout(ELECTION, heard).await.expect("writing goes on").unwrap();
    servers[0].restart().await.unwrap();
    for writer in writers {
        writer.await.unwrap();
    }
    // The killed server may have led: the others elect one of themselves.
    let settled = async { while reader.head().await.is_err() {} };
    tokio::time::timeout(ELECTION, settled).await.expect("a leader is elected");
    let blocks = read_all(&reader, Head::empty(reader.id()), 1 << 20).await;
    assert_eq!(blocks.len(), WRITERS * BLOCKS);
    assert_eq!(reader.head().await.unwrap(), blocks[WRITERS * BLOCKS - 1].head());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_replicas_killed_and_started_again_hold_what_was_acknowledged() {
    const WRITERS: usize = 3;
    const BLOCKS: usize = 60;
    let test = "streams replicas::all_replicas_killed_and_started_again_hold_what_was_acknowledged";
    let Some(mut servers) = cluster(test).await else { return };
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let log = open(&servers, "signcall").await;
        writers.push(tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            for index in 0..BLOCKS {
                acknowledged.push(append_sometime(&log, &format!("{writer}/{index}")).await);
            }
            acknowledged
        }));
    }
    let reader = open(&servers, "signcall").await;
    for kills in 1..=2 {
        let mut appended = reader.appended();
        let heard = appended.wait_for(|last| last.get() >= 40 * kills);
        tokio::time::timeout(ELECTION, heard).await.expect("writing goes on").unwrap();
        servers.iter_mut().for_each(NatsServer::kill);
        for server in &mut servers {
            server.restart().await.unwrap();
        }
    }
    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }
    acknowledged.sort();
    let numbers: Vec<u64> = acknowledged.iter().map(|number| number.get()).collect();
    assert_eq!(numbers, (1..=(WRITERS * BLOCKS) as u64).collect::<Vec<_>>(), "each is there once");
    let settled = async { while reader.head().await.is_err() {} };
    tokio::time::timeout(ELECTION, settled).await.expect("a leader is elected");
    let blocks = read_all(&reader, Head::empty(reader.id()), 1 << 20).await;
    assert_eq!(blocks.len(), WRITERS * BLOCKS);
}
