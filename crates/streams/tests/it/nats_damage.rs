//! What a NATS server can lose or hide: its files damaged behind its back, its disk full, its
//! acknowledgement lost on the way.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use events::{Block, BlockNumber, Head};
use streams::log::nats::open;
use streams::nats::NatsConfig;
use streams::testing::{NatsServer, find_nats_server, skip};
use streams::{AppendError, LogError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::place::{DEADLINE, block, connect, fill, read_all};

async fn server(test: &str) -> Option<NatsServer> {
    NatsServer::for_test(&format!("streams nats_damage::{test}")).await.unwrap()
}

/// The files in which the server keeps the log's messages, oldest first.
fn message_files(server: &NatsServer) -> Vec<PathBuf> {
    let folder = server.store().join("jetstream/$G/streams/signcall_log/msgs");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|e| e == "blk")).collect();
    files.sort();
    files
}

/// The state that the server remembers beside the messages; a killed server has none.
fn forget_index(server: &NatsServer) {
    let index = server.store().join("jetstream/$G/streams/signcall_log/msgs/index.db");
    if index.exists() {
        std::fs::remove_file(index).unwrap();
    }
}

/// Reads everything, as a process does that remembers an end.
async fn look(server: &NatsServer, anchor: &Head) -> Result<Vec<Block>, LogError> {
    let log = open(&connect(server).await).await?;
    log.check_anchor(anchor).await?;
    let (mut head, mut all) = (Head::empty(log.id()), Vec::new());
    loop {
        let blocks = log.read(head, 1 << 20).await?;
        let Some(last) = blocks.last() else { return Ok(all) };
        head = last.head();
        all.extend(blocks);
    }
}

#[tokio::test]
async fn a_tail_that_the_server_cut_off_is_noticed() {
    let Some(mut server) = server("a_tail_that_the_server_cut_off_is_noticed").await else {
        return;
    };
    let log = open(&connect(&server).await).await.unwrap();
    let blocks = fill(&log, 50).await;
    drop(log);
    server.kill();
    forget_index(&server);
    let last = message_files(&server).pop().unwrap();
    let length = std::fs::metadata(&last).unwrap().len();
    std::fs::OpenOptions::new().write(true).open(&last).unwrap().set_len(length - 100).unwrap();
    server.restart().await.unwrap();
    // The server itself says nothing: it goes on with what is left, and would number anew.
    let error = look(&server, &blocks[49].head()).await.unwrap_err();
    assert!(
        matches!(error, LogError::TailLost { found, expected, .. }
            if found < expected && expected == BlockNumber::new(50)),
        "{error}"
    );
    let there = look(&server, &Head::empty(blocks[0].header.log)).await.unwrap();
    assert!(blocks.starts_with(&there) && there.len() < 50);
}

#[tokio::test]
async fn a_bit_that_flipped_in_the_servers_files_is_noticed() {
    let test = "a_bit_that_flipped_in_the_servers_files_is_noticed";
    let Some(mut server) = server(test).await else { return };
    let log = open(&connect(&server).await).await.unwrap();
    let blocks = fill(&log, 50).await;
    drop(log);
    server.kill();
    let whole = std::fs::read(&message_files(&server)[0]).unwrap();
    for share in [10, 35, 60, 85] {
        let file = message_files(&server).remove(0);
        let mut bytes = whole.clone();
        let at = bytes.len() * share / 100;
        bytes[at] ^= 4;
        std::fs::write(&file, bytes).unwrap();
        forget_index(&server);
        // A server that does not come up hides nothing.
        if server.restart().await.is_err() {
            continue;
        }
        // Named by us, or a message that the server does not hand out.
        let seen = look(&server, &blocks[49].head()).await;
        let seen = seen.err().unwrap_or_else(|| panic!("{share} %: nothing is noticed"));
        println!("a bit at {share} %: {seen}");
        server.kill();
    }
}

#[tokio::test]
async fn full_storage_is_told_and_reads_go_on() {
    let Some(program) = find_nats_server() else {
        return skip("streams nats_damage::full_storage_is_told", "nats-server is not installed");
    };
    let server = NatsServer::start_with(program, "", "max_file_store: 1MB").await.unwrap();
    let log = open(&connect(&server).await).await.unwrap();
    let (mut head, mut blocks) = (Head::empty(log.id()), Vec::new());
    let error = loop {
        let next = block(&head, &"x".repeat(100_000));
        match log.append(next.clone()).await {
            Ok(()) => {
                head = next.head();
                blocks.push(Block::clone(&next));
                assert!(blocks.len() < 20, "the storage has no end");
            }
            Err(error) => break error,
        }
    };
    assert!(matches!(error, AppendError::Full(_)), "{error}");
    assert_eq!(read_all(&log, Head::empty(log.id()), 1 << 20).await, blocks);
    assert_eq!(log.head().await.unwrap(), head);
}

#[tokio::test]
async fn a_block_that_is_too_large_for_the_server_is_refused() {
    let test = "a_block_that_is_too_large_for_the_server_is_refused";
    let Some(server) = server(test).await else { return };
    let log = open(&connect(&server).await).await.unwrap();
    let too_large = block(&log.head().await.unwrap(), &"x".repeat(1024 * 1024));
    let error = log.append(too_large).await.unwrap_err();
    assert!(matches!(error, AppendError::TooLarge { max, .. } if max < 1024 * 1024), "{error}");
    fill(&log, 1).await;
}

/// Between a client and the server; while `deaf`, what the server says is swallowed, and the
/// connection is cut once it said something.
async fn carry(listener: TcpListener, server: String, deaf: Arc<AtomicBool>) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let server = TcpStream::connect(&server).await.unwrap();
        let deaf = deaf.clone();
        tokio::spawn(async move {
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from_server, mut to_server) = server.into_split();
            let up = tokio::spawn(async move {
                let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
            });
            let mut bytes = vec![0; 64 * 1024];
            while let Ok(read @ 1..) = from_server.read(&mut bytes).await {
                // Pings are no acknowledgement.
                let message =
                    bytes[..read].starts_with(b"MSG") || bytes[..read].starts_with(b"HMSG");
                if deaf.load(Ordering::SeqCst) && message {
                    deaf.store(false, Ordering::SeqCst);
                    break;
                }
                if to_client.write_all(&bytes[..read]).await.is_err() {
                    break;
                }
            }
            up.abort();
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_acknowledgement_is_resolved_by_looking() {
    let Some(server) = server("a_lost_acknowledgement_is_resolved_by_looking").await else {
        return;
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("nats://{}", listener.local_addr().unwrap());
    let deaf = Arc::new(AtomicBool::new(false));
    tokio::spawn(carry(listener, server.url().replace("nats://", ""), deaf.clone()));
    let through = streams::nats::connect(&NatsConfig::new(url)).await.unwrap();
    let log = open(&through).await.unwrap();
    let direct = open(&connect(&server).await).await.unwrap();
    let start = fill(&log, 2).await[1].head();
    // It is appended, and the answer never comes.
    let mine = block(&start, "mine");
    deaf.store(true, Ordering::SeqCst);
    tokio::time::timeout(DEADLINE, log.append(mine.clone())).await.expect("in time").unwrap();
    assert!(!deaf.load(Ordering::SeqCst), "an answer was swallowed");
    assert_eq!(read_all(&direct, start, 1000).await, [Block::clone(&mine)]);
    // The same, with another writer's block at the place: that is a conflict, not a success.
    let (lost, foreign) = (block(&mine.head(), "lost"), block(&mine.head(), "foreign"));
    direct.append(foreign.clone()).await.unwrap();
    deaf.store(true, Ordering::SeqCst);
    let outcome = tokio::time::timeout(DEADLINE, log.append(lost)).await.expect("in time");
    assert!(matches!(outcome, Err(AppendError::Conflict { .. })), "{outcome:?}");
    assert_eq!(read_all(&direct, mine.head(), 1000).await, [Block::clone(&foreign)]);
}
