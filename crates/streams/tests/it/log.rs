//! What holds for a log on every backend.

use events::{BlockNumber, Head};
use streams::log::embedded;
use streams::{AppendError, LogError};

use std::sync::Arc;

use streams::testing::NatsServer;

use crate::place::{Place, append_sometime, block, connect, fill, log_id, read_all, wait_for};

macro_rules! on_every_backend {
    ($($scenario:ident),* $(,)?) => {
        /// Three replicas take long to start: one cluster for all, a log of its own for each.
        async fn on_three_replicas(servers: Vec<NatsServer>) {
            let servers = Arc::new(servers);
            $({
                let place = Place::Cluster(servers.clone(), stringify!($scenario).to_owned());
                $scenario(place).await;
            })*
        }
        mod on_the_oldest_nats {
            use crate::place::Place;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $scenario() {
                let test = concat!("streams log::on_the_oldest_nats::", stringify!($scenario));
                if let Some(place) = Place::oldest_nats(test).await {
                    super::$scenario(place).await;
                }
            })*
        }
        mod on_memory {
            use crate::place::Place;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $scenario() {
                super::$scenario(Place::memory()).await;
            })*
        }
        mod on_embedded {
            use crate::place::Place;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $scenario() {
                super::$scenario(Place::embedded()).await;
            })*
        }
        mod on_nats {
            use crate::place::Place;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $scenario() {
                let test = concat!("streams log::on_nats::", stringify!($scenario));
                if let Some(place) = Place::nats(test).await {
                    super::$scenario(place).await;
                }
            })*
        }
    };
}

on_every_backend! {
    an_empty_log_keeps_its_id,
    a_log_opened_from_everywhere_at_once_is_one,
    blocks_come_back_as_they_were,
    a_second_writer_loses_cleanly,
    a_block_appended_again_is_there_once,
    writers_side_by_side_lose_nothing,
    an_append_is_heard_of_elsewhere,
    a_reader_notices_what_does_not_fit,
    an_anchor_is_held_against_the_log,
    a_block_is_found_by_its_number_and_its_positions,
}

mod on_replicas {
    use crate::place::oldest_server;
    use crate::replicas::{cluster, cluster_of};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn of_a_current_server() {
        if let Some(servers) = cluster("streams log::on_replicas::of_a_current_server").await {
            super::on_three_replicas(servers).await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn of_the_oldest_server() {
        if let Some(program) = oldest_server("streams log::on_replicas::of_the_oldest_server") {
            super::on_three_replicas(cluster_of(program).await).await;
        }
    }
}

async fn an_empty_log_keeps_its_id(place: Place) {
    let log = place.open().await;
    let empty = Head::empty(log.id());
    assert_eq!(log.head().await.unwrap(), empty);
    assert!(log.read(empty, 1000).await.unwrap().is_empty());
    assert_eq!(place.open().await.id(), log.id());
    assert_eq!(*log.appended().borrow(), BlockNumber::new(0));
}

async fn a_log_opened_from_everywhere_at_once_is_one(place: Place) {
    let place = std::sync::Arc::new(place);
    let openings = (0..8).map(|_| {
        let place = place.clone();
        tokio::spawn(async move { place.open().await.id() })
    });
    let ids = futures::future::join_all(openings).await;
    let ids: Vec<_> = ids.into_iter().map(Result::unwrap).collect();
    assert_eq!(ids, [ids[0]; 8]);
}

async fn blocks_come_back_as_they_were(place: Place) {
    let log = place.open().await;
    let mut blocks = fill(&log, 20).await;
    let large = block(&log.head().await.unwrap(), &"x".repeat(250 * 1024));
    log.append(large.clone()).await.unwrap();
    blocks.push((*large).clone());
    blocks.extend(fill(&log, 300).await);
    let other = place.open().await;
    let empty = Head::empty(log.id());
    for max_bytes in [1, 2000, usize::MAX] {
        assert_eq!(read_all(&other, empty, max_bytes).await, blocks, "by {max_bytes}");
    }
    assert_eq!(other.read(empty, 1).await.unwrap().len(), 1);
    assert_eq!(read_all(&other, blocks[18].head(), 1000).await, blocks[19..]);
    assert_eq!(other.head().await.unwrap(), blocks[320].head());
    for number in [1, 21, 321] {
        let one = other.block(BlockNumber::new(number)).await.unwrap();
        assert_eq!(one.as_ref(), Some(&blocks[number as usize - 1]));
    }
    assert_eq!(other.block(BlockNumber::new(322)).await.unwrap(), None);
}

async fn a_second_writer_loses_cleanly(place: Place) {
    let (one, two) = (place.open().await, place.open().await);
    let start = fill(&one, 3).await[2].head();
    let (foreign, lost) = (block(&start, "foreign"), block(&start, "lost"));
    two.append(foreign.clone()).await.unwrap();
    let conflict = one.append(lost.clone()).await.unwrap_err();
    assert!(matches!(conflict, AppendError::Conflict { expected } if expected == start.block));
    assert_eq!(one.head().await.unwrap(), foreign.head());
    // What follows the lost block does not fit either, although its number might.
    two.append(block(&foreign.head(), "more")).await.unwrap();
    let follower = block(&lost.head(), "follows the lost one");
    assert!(matches!(one.append(follower).await.unwrap_err(), AppendError::Conflict { .. }));
    assert_eq!(append_sometime(&one, "again").await, BlockNumber::new(6));
    assert_eq!(read_all(&two, start, 1 << 20).await.len(), 3);
}

async fn a_block_appended_again_is_there_once(place: Place) {
    let log = place.open().await;
    let start = fill(&log, 2).await[1].head();
    let next = block(&start, "acknowledged, but nobody heard");
    log.append(next.clone()).await.unwrap();
    log.append(next.clone()).await.unwrap();
    place.open().await.append(next.clone()).await.unwrap();
    assert_eq!(read_all(&log, start, 1 << 20).await, [(*next).clone()]);
}

async fn writers_side_by_side_lose_nothing(place: Place) {
    const WRITERS: usize = 4;
    const BLOCKS: usize = 25;
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let log = place.open().await;
        writers.push(tokio::spawn(async move {
            let mut mine = Vec::new();
            for index in 0..BLOCKS {
                let text = format!("{writer}/{index}");
                mine.push((append_sometime(&log, &text).await, text));
            }
            mine
        }));
    }
    let log = place.open().await;
    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }
    acknowledged.sort();
    let stored = read_all(&log, Head::empty(log.id()), 1 << 20).await;
    assert_eq!(stored.len(), WRITERS * BLOCKS);
    for ((number, text), block) in acknowledged.iter().zip(&stored) {
        assert_eq!(*number, block.header.block);
        assert!(String::from_utf8_lossy(&block.bytes).contains(text));
    }
}

async fn an_append_is_heard_of_elsewhere(place: Place) {
    let (writer, reader) = (place.open().await, place.open().await);
    fill(&writer, 2).await;
    wait_for(&reader, BlockNumber::new(2)).await;
    wait_for(&writer, BlockNumber::new(2)).await;
    assert_eq!(read_all(&reader, Head::empty(reader.id()), 1000).await.len(), 2);
}

async fn a_reader_notices_what_does_not_fit(place: Place) {
    let log = place.open().await;
    let blocks = fill(&log, 3).await;
    let end = blocks[2].head();
    let beyond = block(&end, "acknowledged, then lost").head();
    let error = log.read(beyond, 1000).await.unwrap_err();
    let number = BlockNumber::new;
    assert!(
        matches!(error, LogError::TailLost { found, expected, .. }
            if found == number(3) && expected == number(4)),
        "{error}"
    );
    let elsewhere = Head { log: log_id(77), ..end };
    let error = log.read(elsewhere, 1000).await.unwrap_err();
    assert!(
        matches!(error, LogError::Replaced { expected, .. } if expected == log_id(77)),
        "{error}"
    );
    // The same number, but another past: at the end of the log and before.
    for (place, known) in [("end", end), ("middle", blocks[1].head())] {
        let other = Head { hash: block(&blocks[0].head(), "other").hash, ..known };
        let error = log.read(other, 1000).await.unwrap_err();
        assert!(matches!(error, LogError::Damaged { .. }), "{place}: {error}");
    }
}

async fn an_anchor_is_held_against_the_log(place: Place) {
    let log = place.open().await;
    let empty = Head::empty(log.id());
    log.check_anchor(&empty).await.unwrap();
    let blocks = fill(&log, 4).await;
    for head in blocks.iter().map(events::Block::head).chain([empty]) {
        log.check_anchor(&head).await.unwrap();
    }
    let end = blocks[3].head();
    let lost = log.check_anchor(&block(&end, "lost").head()).await.unwrap_err();
    assert!(matches!(lost, LogError::TailLost { .. }), "{lost}");
    let other = block(&blocks[1].head(), "another third block").head();
    let changed = log.check_anchor(&other).await.unwrap_err();
    assert!(changed.to_string().contains("block 3"), "{changed}");
    let foreign = log.check_anchor(&Head { log: log_id(66), ..end }).await.unwrap_err();
    assert!(matches!(foreign, LogError::Replaced { .. }), "{foreign}");
}

async fn a_block_is_found_by_its_number_and_its_positions(place: Place) {
    let log = place.open().await;
    let mut head = log.head().await.unwrap();
    for commits in [3, 1, 2, 5] {
        let lines: Vec<String> = (0..commits).map(|n| format!("{{\"n\":{n}}}")).collect();
        let next = events::Block::build(&head, &lines);
        log.append(Arc::new(next.clone())).await.unwrap();
        assert_eq!(log.head_at(next.header.block).await.unwrap(), Some(next.head()));
        for position in next.header.first.get()..=next.head().position.get() {
            let before = log.before(events::Position::new(position)).await.unwrap();
            assert_eq!(before, Some(head), "position {position}");
        }
        head = next.head();
    }
    assert_eq!(log.before(head.position.next()).await.unwrap(), None);
    assert_eq!(log.head_at(head.block.next()).await.unwrap(), None);
    assert_eq!(log.block(BlockNumber::new(0)).await.unwrap(), None);
}

#[tokio::test]
async fn a_copy_on_another_backend_has_the_same_bytes() {
    let test = "streams log::a_copy_on_another_backend_has_the_same_bytes";
    let Some(Place::Nats(server)) = Place::nats(test).await else { return };
    let folder = tempfile::tempdir().unwrap();
    let there = embedded::open(&folder.path().join("there.db")).await.unwrap();
    let blocks = fill(&there, 30).await;
    let between = streams::log::nats::create(&connect(&server).await, there.id()).await.unwrap();
    let back = embedded::create(&folder.path().join("back.db"), there.id()).await.unwrap();
    for (from, to) in [(&there, &between), (&between, &back)] {
        for block in read_all(from, Head::empty(there.id()), 2000).await {
            to.append(block.into()).await.unwrap();
        }
        assert_eq!(to.head().await.unwrap(), there.head().await.unwrap());
    }
    assert_eq!(read_all(&back, Head::empty(there.id()), 2000).await, blocks);
}

/// On SQLite they race for the journal mode, which no busy timeout covers.
#[tokio::test(flavor = "multi_thread")]
async fn several_processes_make_the_same_new_file() {
    for _ in 0..100 {
        let folder = tempfile::tempdir().unwrap();
        let opening = [(); 6].map(|()| {
            let path = folder.path().join("log.db");
            tokio::spawn(async move { streams::log::embedded::open(&path).await })
        });
        for opening in opening {
            opening.await.unwrap().unwrap();
        }
    }
}
