//! Logs on their way: copies and exports keep every byte, and what was cut or mixed up is named.

use std::sync::Arc;

use events::{BlockNumber, Head, Position};
use streams::Log;
use streams::log::transfer::{Import, TransferError, copy, export};
use streams::log::{embedded, memory};

use crate::place::{Place, block, fill, log_id, read_all};

async fn exported(log: &Log, after: Head) -> Vec<u8> {
    let mut bytes = Vec::new();
    let end = log.head().await.unwrap();
    export(log, after, end, &mut bytes, &mut |_| {}).await.unwrap();
    bytes
}

async fn import(bytes: &[u8], to: &Log) -> Result<Head, TransferError> {
    Import::begin(bytes)?.into_log(to, &mut |_| {}).await
}

async fn refusal(bytes: &[u8]) -> String {
    import(bytes, &memory::create(log_id(1))).await.expect_err("it is refused").to_string()
}

async fn there_and_back(place: Place) {
    let here = place.open().await;
    let blocks = fill(&here, 40).await;
    let folder = tempfile::tempdir().unwrap();
    let there = embedded::create(&folder.path().join("there.db"), here.id()).await.unwrap();
    let mut steps = 0;
    let end = copy(&here, &there, &mut |_| steps += 1).await.unwrap();
    assert_eq!((end, steps), (blocks[39].head(), 1));
    let lines = exported(&there, Head::empty(here.id())).await;
    assert_eq!(lines, exported(&here, Head::empty(here.id())).await);
    let again = memory::create(here.id());
    import(&lines, &again).await.unwrap();
    assert_eq!(read_all(&again, Head::empty(here.id()), 1 << 20).await, blocks);
    // What came later follows, by a copy and by an export of the rest alone.
    let more = fill(&here, 5).await;
    copy(&here, &there, &mut |_| {}).await.unwrap();
    import(&exported(&here, end).await, &again).await.unwrap();
    for log in [&there, &again] {
        assert_eq!(log.head().await.unwrap(), more[4].head());
        assert_eq!(read_all(log, end, 1 << 20).await, more);
    }
    // Once more changes nothing.
    import(&lines, &again).await.unwrap();
    assert_eq!(again.head().await.unwrap(), more[4].head());
    looked_up(&here, &[blocks, more].concat()).await;
}

async fn looked_up(log: &Log, blocks: &[events::Block]) {
    let at = |n| log.head_at(BlockNumber::new(n));
    assert_eq!(at(0).await.unwrap(), Some(Head::empty(log.id())));
    assert_eq!(at(1).await.unwrap(), Some(blocks[0].head()));
    assert_eq!(at(45).await.unwrap(), Some(blocks[44].head()));
    assert_eq!(at(46).await.unwrap(), None);
    for position in [1, 2, 17, 45] {
        let before = log.before(Position::new(position)).await.unwrap().unwrap();
        let found = log.read(before, 1).await.unwrap().remove(0);
        assert_eq!(found.header.first, Position::new(position));
    }
    for position in [0, 46] {
        assert_eq!(log.before(Position::new(position)).await.unwrap(), None);
    }
}

#[tokio::test]
async fn bytes_are_the_same_there_and_back_from_memory() {
    there_and_back(Place::memory()).await;
}

#[tokio::test]
async fn bytes_are_the_same_there_and_back_from_a_file() {
    there_and_back(Place::embedded()).await;
}

#[tokio::test]
async fn bytes_are_the_same_there_and_back_from_nats() {
    let test = "streams transfer::bytes_are_the_same_there_and_back_from_nats";
    let Some(place) = Place::nats(test).await else { return };
    there_and_back(place).await;
}

#[tokio::test]
async fn an_export_that_is_not_whole_is_refused() {
    let log = memory::create(log_id(1));
    fill(&log, 5).await;
    let whole = exported(&log, Head::empty(log.id())).await;
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    let without = |left_out: usize| {
        let kept = lines.iter().enumerate().filter(|(index, _)| *index != left_out);
        kept.flat_map(|(_, line)| line.to_vec()).collect::<Vec<u8>>()
    };
    assert!(refusal(&whole[..whole.len() - 1]).await.contains("breaks off at line 10"));
    assert!(refusal(&without(10)).await.contains("breaks off at line 10"));
    assert!(refusal(&without(2)).await.contains("not the header of a block"));
    // A whole block, the first or another.
    let two = [&lines[..2], &lines[4..]].concat().concat();
    assert!(refusal(&two).await.contains("block 2: the block number is 3, expected 2"));
    assert!(refusal(&lines[2..].concat()).await.contains("ends at block 0, but block 1 was there"));
    let short = [&lines[..8], &lines[10..]].concat().concat();
    assert!(refusal(&short).await.contains("not the end that its blocks come to"));
    let two = refusal(&[&whole[..], &whole[..]].concat()).await;
    assert!(
        two.starts_with("line 12 of the export is") && two.contains("one export at a time"),
        "{two}"
    );
    assert!(refusal(&[&whole[..], b"x"].concat()).await.contains("line 12 of the export is \"x\""));
    assert!(refusal(b"what is this?\n").await.contains("line 1 of the export is"));
    let mut changed = whole.clone();
    let place = changed.windows(4).position(|four| four == b"2 of").unwrap();
    changed[place] = b'3';
    assert!(refusal(&changed).await.contains("block 4: the predecessor's hash is"));
    let empty = memory::create(log_id(1));
    assert_eq!(
        import(&exported(&empty, Head::empty(log_id(1))).await, &empty).await.unwrap(),
        Head::empty(log_id(1))
    );
}

#[tokio::test]
async fn another_log_or_another_past_is_left_alone() {
    let (one, other) = (memory::create(log_id(1)), memory::create(log_id(2)));
    let start = fill(&one, 2).await[1].head();
    let error = copy(&one, &other, &mut |_| {}).await.unwrap_err();
    assert!(matches!(error, TransferError::Another { .. }), "{error}");
    let twin = memory::create(log_id(1));
    copy(&one, &twin, &mut |_| {}).await.unwrap();
    one.append(block(&start, "here")).await.unwrap();
    twin.append(block(&start, "elsewhere")).await.unwrap();
    assert!(copy(&one, &twin, &mut |_| {}).await.is_err());
    let lines = exported(&one, Head::empty(one.id())).await;
    let error = import(&lines, &twin).await.unwrap_err();
    assert!(matches!(error, TransferError::Differs { block } if block == BlockNumber::new(3)));
    assert_eq!(twin.head().await.unwrap().position, Position::new(3));
}

#[tokio::test]
async fn many_blocks_go_in_all_or_none() {
    let folder = tempfile::tempdir().unwrap();
    let log = embedded::create(&folder.path().join("log.db"), log_id(1)).await.unwrap();
    let first = block(&Head::empty(log.id()), "first");
    let second = block(&first.head(), "second");
    let stranger = block(&first.head(), "stranger");
    let mixed = vec![first.clone(), second.clone(), stranger];
    assert!(log.append_all(mixed).await.is_err());
    assert_eq!(log.head().await.unwrap(), Head::empty(log.id()));
    log.append_all(vec![first, second.clone()]).await.unwrap();
    // Again, as after an answer that nobody heard.
    log.append_all(vec![Arc::clone(&second)]).await.unwrap();
    assert_eq!(log.head().await.unwrap(), second.head());
}
