//! JetStream's silent traps, each turned into a refusal or a named error.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use async_nats::jetstream::stream::Config;
use events::{BlockNumber, Head};
use streams::LogError;
use streams::log::nats::{create, open};
use streams::nats::{Nats, NatsConfig};
use streams::testing::{NatsServer, find_nats_server, skip};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::place::{DEADLINE, block, connect, fill, log_id, read_all};

async fn server(test: &str) -> Option<NatsServer> {
    NatsServer::for_test(&format!("streams nats_traps::{test}")).await.unwrap()
}

/// A connection of its own, as an operator's tool would have.
async fn bare(server: &NatsServer) -> async_nats::jetstream::Context {
    async_nats::jetstream::new(async_nats::connect(server.url()).await.unwrap())
}

async fn refusal(nats: &Nats) -> String {
    match open(nats).await {
        Err(LogError::Unsuitable { reason, .. }) => reason,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it was accepted"),
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_soon() {
    let start = Instant::now();
    let error = streams::nats::connect(&NatsConfig::new("nats://127.0.0.1:9")).await.err().unwrap();
    assert!(matches!(error, LogError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("nats://127.0.0.1:9 can't be reached"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(6));
}

#[tokio::test]
async fn a_server_that_never_answers_is_told_soon() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("nats://{}", silent.local_addr().unwrap());
    let start = Instant::now();
    let error = streams::nats::connect(&NatsConfig::new(url)).await.err().unwrap();
    assert!(matches!(error, LogError::Unreachable { .. }), "{error}");
    assert!(start.elapsed() < Duration::from_secs(6));
}

/// Speaks as much of the protocol as a client needs to see the server's version.
async fn greet_as(version: &str) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("nats://{}", listener.local_addr().unwrap());
    let info = format!(
        "INFO {{\"version\":\"{version}\",\"jetstream\":true,\"max_payload\":1048576,\"headers\":true}}\r\n"
    );
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        socket.write_all(info.as_bytes()).await.unwrap();
        let mut asked = [0; 4096];
        while socket.read(&mut asked).await.is_ok_and(|read| read > 0) {
            socket.write_all(b"PONG\r\n").await.unwrap();
        }
    });
    url
}

#[tokio::test]
async fn a_server_that_is_too_old_is_refused() {
    for version in ["2.9.10", "2.10.22", "unknown"] {
        let config = NatsConfig::new(greet_as(version).await);
        let reason = refusal(&streams::nats::connect(&config).await.unwrap()).await;
        assert!(reason.contains(version) && reason.contains("use 2.10.23 or newer"), "{reason}");
    }
}

#[tokio::test]
async fn debians_own_server_is_refused_and_left_as_it_is() {
    let test = "streams nats_traps::debians_own_server_is_refused_and_left_as_it_is";
    let Some(program) = std::env::var_os("SIGNCALL_NATS_SERVER_REFUSED").map(PathBuf::from) else {
        return skip(test, "SIGNCALL_NATS_SERVER_REFUSED is not set; cargo xtask test sets it");
    };
    let server = NatsServer::start(program, "").await.unwrap();
    let reason = refusal(&connect(&server).await).await;
    assert!(reason.contains("2.9.10") && reason.contains("use 2.10.23 or newer"), "{reason}");
    let streams = server.store().join("jetstream/$G/streams");
    assert!(!streams.exists(), "no stream is made on it");
}

#[tokio::test]
async fn the_oldest_server_that_is_supported_serves() {
    let test = "streams nats_traps::the_oldest_server_that_is_supported_serves";
    let Some(old) = crate::place::oldest_server(test) else { return };
    let mut server = NatsServer::start(old, "").await.unwrap();
    let log = open(&connect(&server).await).await.unwrap();
    let blocks = fill(&log, 5).await;
    server.restart().await.unwrap();
    assert_eq!(read_all(&log, Head::empty(log.id()), 1000).await, blocks);
    log.append(block(&blocks[4].head(), "after the restart")).await.unwrap();
}

#[tokio::test]
async fn a_server_without_jetstream_or_with_small_messages_is_refused() {
    let Some(program) = find_nats_server() else {
        return skip("streams nats_traps::a_server_without_jetstream", "no nats-server");
    };
    let off = NatsServer::start(program.clone(), "jetstream: disabled").await.unwrap();
    assert!(refusal(&connect(&off).await).await.contains("JetStream is off"));
    let small = NatsServer::start(program, "max_payload: 65536").await.unwrap();
    assert!(refusal(&connect(&small).await).await.contains("max_payload is 65536 bytes"));
}

#[tokio::test]
async fn an_account_that_may_have_too_little_is_refused() {
    let Some(program) = find_nats_server() else {
        return skip("streams nats_traps::an_account_that_may_have_too_little", "no nats-server");
    };
    let limited = |limits: &str| {
        format!(
            "accounts {{ signcall {{ jetstream {{ {limits} }}, users: [{{ user: u, password: p }}] }} }}"
        )
    };
    for (limits, told) in [
        ("max_streams: 2", "may have 2 streams; allow 4 or more"),
        ("max_bytes_required: true", "take max_bytes_required away"),
    ] {
        let server = NatsServer::start(program.clone(), &limited(limits)).await.unwrap();
        let config = NatsConfig {
            user: Some("u".to_owned()),
            password: Some("p".into()),
            ..NatsConfig::new(server.url())
        };
        let reason = refusal(&streams::nats::connect(&config).await.unwrap()).await;
        assert!(reason.contains(told), "{limits}: {reason}");
    }
}

#[tokio::test]
async fn a_stream_that_could_forget_is_refused() {
    let Some(server) = server("a_stream_that_could_forget_is_refused").await else { return };
    let (nats, bare) = (connect(&server).await, bare(&server).await);
    let limited = Config {
        name: "signcall_log".to_owned(),
        subjects: vec!["signcall.log".to_owned()],
        max_messages: 1000,
        ..Default::default()
    };
    bare.create_stream(limited).await.unwrap();
    assert!(refusal(&nats).await.contains("discards old messages"));
    bare.delete_stream("signcall_log").await.unwrap();
    let log = open(&nats).await.unwrap();
    let mut config = bare.get_stream("signcall_log").await.unwrap().cached_info().config.clone();
    config.max_age = Duration::from_hours(1);
    bare.update_stream(&config).await.unwrap();
    assert!(refusal(&nats).await.contains("forgets messages by age"));
    config.max_age = Duration::ZERO;
    config.metadata.clear();
    bare.update_stream(&config).await.unwrap();
    assert!(refusal(&nats).await.contains("does not say which log it holds"));
    drop(log);
}

#[tokio::test]
async fn the_servers_own_ways_to_delete_are_shut() {
    let Some(server) = server("the_servers_own_ways_to_delete_are_shut").await else { return };
    let log = open(&connect(&server).await).await.unwrap();
    fill(&log, 3).await;
    let stream = bare(&server).await.get_stream("signcall_log").await.unwrap();
    assert!(stream.delete_message(2).await.is_err());
    assert!(stream.purge().await.is_err());
}

#[tokio::test]
async fn a_foreign_message_in_the_stream_is_found_and_named() {
    let Some(server) = server("a_foreign_message_in_the_stream_is_found_and_named").await else {
        return;
    };
    let log = open(&connect(&server).await).await.unwrap();
    let blocks = fill(&log, 2).await;
    let bare = bare(&server).await;
    let foreign = bare.publish("signcall.log", "not a block".into()).await.unwrap();
    assert_eq!(foreign.await.unwrap().sequence, 3);
    let error = log.head().await.unwrap_err();
    assert!(matches!(error, LogError::Damaged { .. }), "{error}");
    let error = log.read(blocks[1].head(), 1000).await.unwrap_err();
    assert!(error.to_string().contains("block 3"), "{error}");
    assert!(log.append(block(&blocks[1].head(), "next")).await.is_err());
}

#[tokio::test]
async fn a_lost_acknowledgement_is_found_out_after_the_duplicate_window_too() {
    let test = "a_lost_acknowledgement_is_found_out_after_the_duplicate_window_too";
    let Some(server) = server(test).await else { return };
    let log = open(&connect(&server).await).await.unwrap();
    let bare = bare(&server).await;
    let mut config = bare.get_stream("signcall_log").await.unwrap().cached_info().config.clone();
    config.duplicate_window = Duration::from_millis(100);
    bare.update_stream(&config).await.unwrap();
    let blocks = fill(&log, 2).await;
    // The window is the server's own time: there is no condition to wait for.
    tokio::time::sleep(Duration::from_millis(500)).await;
    log.append(blocks[1].clone().into()).await.unwrap();
    log.append(blocks[0].clone().into()).await.unwrap();
    assert_eq!(log.head().await.unwrap(), blocks[1].head());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_loses_nothing_that_was_acknowledged() {
    let test = "a_killed_server_loses_nothing_that_was_acknowledged";
    let Some(mut server) = server(test).await else { return };
    let (writer, reader) = (
        open(&connect(&server).await).await.unwrap(),
        open(&connect(&server).await).await.unwrap(),
    );
    let writing = {
        let writer = writer.clone();
        tokio::spawn(async move { fill(&writer, 3000).await })
    };
    for kills in 1..=3 {
        let mut appended = reader.appended();
        let heard = appended.wait_for(|last| *last >= BlockNumber::new(kills * 200));
        tokio::time::timeout(DEADLINE, heard).await.expect("writing goes on").unwrap();
        server.restart().await.unwrap();
    }
    let blocks = writing.await.unwrap();
    assert_eq!(read_all(&reader, Head::empty(reader.id()), 1 << 20).await, blocks);
    let heard = async {
        reader.appended().wait_for(|last| *last == BlockNumber::new(3000)).await.map(|_| ())
    };
    tokio::time::timeout(DEADLINE, heard).await.expect("hints go on").unwrap();
}

#[tokio::test]
async fn a_wiped_server_holds_another_log() {
    let Some(mut server) = server("a_wiped_server_holds_another_log").await else { return };
    let nats = connect(&server).await;
    let log = create(&nats, log_id(9)).await.unwrap();
    assert_eq!(log.id(), log_id(9));
    let end = fill(&log, 3).await[2].head();
    server.kill();
    std::fs::remove_dir_all(server.store()).unwrap();
    server.restart().await.unwrap();
    let other = open(&connect(&server).await).await.unwrap();
    let error = other.read(end, 1000).await.unwrap_err();
    assert!(matches!(error, LogError::Replaced { .. }), "{error}");
    let error = create(&nats, log_id(9)).await.err().expect("another log");
    assert!(matches!(error, LogError::Replaced { .. }), "{error}");
}
