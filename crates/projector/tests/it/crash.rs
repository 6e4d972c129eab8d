//! Projectors that are killed at any moment, run twice at once, or meet a log that is not theirs.

use std::sync::Arc;
use std::time::Duration;

use events::{Block, Head, LogId};
use projector::{ProjectorError, Store, StoreError, replay};
use streams::Log;
use uuid::Uuid;

use crate::databases::Databases;
use crate::life::Dice;
use crate::world::World;

crate::on_both!(
    killed_at_any_moment_it_goes_on,
    two_projectors_at_once_are_harmless,
    several_processes_make_the_same_new_tables,
    a_log_that_lost_its_tail_or_was_replaced_is_refused,
);

pub(crate) async fn history(world: &mut World, blocks: usize) {
    let mut dice = Dice::new(3);
    for _ in 0..blocks {
        for _ in 0..=dice.roll(6) {
            world.anything(&mut dice).await;
        }
        world.append().await;
    }
}

async fn same_as_fresh(world: &World, databases: &Databases, store: &Store) {
    let fresh = databases.open().await;
    world.projector(&fresh).catch_up().await.unwrap();
    assert_eq!(store.hashes().await.unwrap(), fresh.hashes().await.unwrap());
}

async fn killed_at_any_moment_it_goes_on(mut world: World, databases: Databases) {
    history(&mut world, 120).await;
    let end = world.log.head().await.unwrap().position;
    let store = databases.open().await;
    let mut dice = Dice::new(5);
    let mut kills = 0;
    while store.position().await.unwrap() < end {
        let projector = world.projector(&store).with_batch_bytes(2000);
        let lives = Duration::from_micros(500 * dice.roll(60) as u64);
        // Dropped wherever it is: reading, in the middle of a transaction, or done.
        if tokio::time::timeout(lives, projector.catch_up()).await.is_err() {
            kills += 1;
        }
    }
    assert!(kills > 0, "nothing was ever interrupted");
    same_as_fresh(&world, &databases, &store).await;
}

/// On SQLite they race for the journal mode, which no busy timeout covers.
async fn several_processes_make_the_same_new_tables(_world: World, databases: Databases) {
    for _ in 0..20 {
        let url = databases.url().await;
        let opening = [(); 6].map(|()| {
            let url = url.clone();
            tokio::spawn(async move { Store::open(&url).await })
        });
        for opening in opening {
            opening.await.unwrap().unwrap();
        }
    }
}

async fn two_projectors_at_once_are_harmless(mut world: World, databases: Databases) {
    history(&mut world, 80).await;
    let url = databases.url().await;
    let mut running = Vec::new();
    for _ in 0..3 {
        let store = Store::open(&url).await.unwrap();
        let projector = world.projector(&store).with_batch_bytes(1);
        running.push(tokio::spawn(async move { projector.catch_up().await }));
    }
    let end = world.log.head().await.unwrap().position;
    for projector in running {
        assert_eq!(projector.await.unwrap().unwrap(), end);
    }
    same_as_fresh(&world, &databases, &Store::open(&url).await.unwrap()).await;
}

/// A log with the first blocks of another, or blocks of its own, under the same id.
pub(crate) async fn copy(of: &Log, blocks: usize, own: &[String]) -> Log {
    let copy = streams::log::memory::create(of.id());
    let start = Head::empty(of.id());
    for block in of.read(start, usize::MAX).await.unwrap().into_iter().take(blocks) {
        copy.append(Arc::new(block)).await.unwrap();
    }
    for line in own {
        let head = copy.head().await.unwrap();
        copy.append(Arc::new(Block::build(&head, std::slice::from_ref(line)))).await.unwrap();
    }
    copy
}

async fn a_log_that_lost_its_tail_or_was_replaced_is_refused(
    mut world: World,
    databases: Databases,
) {
    history(&mut world, 5).await;
    let store = databases.open().await;
    world.projector(&store).catch_up().await.unwrap();
    let before = store.hashes().await.unwrap();
    let whole = world.log.clone();
    let last = whole.read(Head::empty(whole.id()), usize::MAX).await.unwrap().pop().unwrap();
    let line = String::from_utf8(last.bytes).unwrap().lines().nth(1).unwrap().to_owned();
    let shorter = last.header.block.get() as usize - 1;

    world.log = copy(&whole, shorter, &[]).await;
    let refused = world.projector(&store).run(std::future::pending()).await.unwrap_err();
    assert!(matches!(refused, ProjectorError::TailLost { .. }), "{refused}");
    world.log = copy(&whole, shorter, std::slice::from_ref(&line)).await;
    let same_block = world.log.head().await.unwrap().hash == whole.head().await.unwrap().hash;
    if !same_block {
        let refused = world.projector(&store).run(std::future::pending()).await.unwrap_err();
        assert!(matches!(refused, ProjectorError::Replaced { .. }), "{refused}");
    }
    world.log = copy(&whole, shorter - 1, &[line.clone(), line.clone(), line]).await;
    let refused = world.projector(&store).run(std::future::pending()).await.unwrap_err();
    let replaced = matches!(refused, ProjectorError::Replaced { .. });
    assert!(replaced && refused.to_string().contains("signcall replay"), "{refused}");
    let replayed = replay(&store, &world.log, &world.vault, true, &mut |_| {}).await;
    assert!(matches!(replayed, Err(ProjectorError::Replaced { .. })), "{replayed:?}");
    world.log = streams::log::memory::create(LogId::from_uuid(Uuid::new_v4()));
    let refused = world.projector(&store).run(std::future::pending()).await.unwrap_err();
    assert!(matches!(refused, ProjectorError::ForeignLog { .. }), "{refused}");
    assert_eq!(store.hashes().await.unwrap(), before);
}

#[tokio::test]
async fn a_database_that_is_not_there_is_told_soon() {
    let start = std::time::Instant::now();
    let error = Store::open("postgres://nobody@127.0.0.1:1/none").await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error}");
    assert!(start.elapsed() < Duration::from_secs(5) && !error.to_string().contains("nobody"));
    let error = Store::open("sqlite:/no/such/folder/tables.db").await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error}");
    let error = Store::open("mysql://root:secret@localhost/x").await.unwrap_err();
    assert!(matches!(error, StoreError::Url { .. }) && !error.to_string().contains("secret"));
}
