//! The log on three replicas: writers that lose to each other, and a server that is killed.

use std::net::TcpListener;
use std::time::Duration;

use events::Head;
use streams::Log;
use streams::nats::NatsConfig;
use streams::testing::{NatsServer, find_nats_server, skip};

use crate::place::{append_sometime, read_all};

/// How long three servers may take to agree on a leader, on a busy machine.
const ELECTION: Duration = Duration::from_mins(1);

async fn cluster() -> Option<Vec<NatsServer>> {
    let Some(program) = find_nats_server() else {
        skip("streams replicas", "nats-server is not installed; cargo xtask test fetches it");
        return None;
    };
    let free = || TcpListener::bind("127.0.0.1:0").unwrap();
    let listeners = [free(), free(), free()];
    let ports = listeners.map(|listener| listener.local_addr().unwrap().port());
    let routes = ports.map(|port| format!("nats://127.0.0.1:{port}")).join(", ");
    let mut servers = Vec::new();
    for (index, port) in ports.iter().enumerate() {
        let configuration = format!(
            "server_name: n{index}\n\
             cluster {{ name: test, listen: 127.0.0.1:{port}, routes: [{routes}] }}"
        );
        servers.push(NatsServer::start(program.clone(), &configuration).await.unwrap());
    }
    Some(servers)
}

async fn open(servers: &[NatsServer]) -> Log {
    let url = servers.iter().map(NatsServer::url).collect::<Vec<_>>().join(",");
    let config = NatsConfig { replicas: 3, ..NatsConfig::new(url) };
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_and_a_killed_server_leave_one_whole_log() {
    const WRITERS: usize = 4;
    const BLOCKS: usize = 50;
    let Some(mut servers) = cluster().await else { return };
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let log = open(&servers).await;
        writers.push(tokio::spawn(async move {
            for index in 0..BLOCKS {
                append_sometime(&log, &format!("{writer}/{index}")).await;
            }
        }));
    }
    let reader = open(&servers).await;
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
