//! Snapshots: a shortcut that comes to the same, and is not taken where it does not fit.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use decider::{Follower, Snapshots, Writer};
use events::user::command::account::DeleteUser;
use events::{Actor, Block, Head, LogId};
use streams::{Commands, Log};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::rig::{Rig, created_room, envelope, join, registered, say, send};

const FILE: &str = "decider.snapshot";

fn snapshots(rig: &Rig) -> Snapshots {
    Snapshots::in_folder(rig.folder.path())
}

async fn resumed(rig: &Rig) -> (Commands, JoinHandle<()>) {
    let (commands, queue) = streams::commands::local();
    let (log, vault) = (rig.log.clone(), rig.vault.clone());
    let writer = Writer::resume(log, vault, rig.clock(), snapshots(rig)).await.unwrap();
    (commands, tokio::spawn(writer.run(queue, std::future::pending())))
}

async fn stop((commands, task): (Commands, JoinHandle<()>)) {
    drop(commands);
    task.await.unwrap();
}

/// A Follower that starts from the snapshot holds what the whole log adds up to.
async fn comes_to_the_same(rig: &Rig, log: &Log) {
    let follower = Follower::resume(log.clone(), rig.vault.clone(), &snapshots(rig)).await.unwrap();
    let whole = Follower::start(log.clone(), rig.vault.clone()).await.unwrap();
    assert_eq!(follower.head(), whole.head());
    assert_eq!(follower.time(), whole.time());
    assert_eq!(follower.position(), whole.position());
    assert_eq!(follower.read(Clone::clone), whole.read(Clone::clone));
}

/// Some of everything, and a snapshot in the middle of it.
async fn lived() -> Rig {
    let rig = Rig::embedded().await;
    let (commands, task) = resumed(&rig).await;
    let ada = registered(&rig, &commands, "Ada").await;
    let bob = registered(&rig, &commands, "Bob").await;
    let room = created_room(&commands, ada).await;
    send(&commands, Actor::User(bob), join(room)).await.unwrap();
    for n in 0..100 {
        send(&commands, Actor::User(bob), say(room, &format!("before {n}"))).await.unwrap();
    }
    stop((commands, task)).await;
    assert!(rig.folder.path().join(FILE).exists(), "kept when it stopped");
    let (commands, task) = rig.writer(rig.log.clone()).await;
    registered(&rig, &commands, "Cleo").await;
    let delete = DeleteUser { user: bob, erase_content: false };
    send(&commands, Actor::User(bob), delete).await.unwrap();
    send(&commands, Actor::User(ada), say(room, "after")).await.unwrap();
    stop((commands, task)).await;
    rig
}

#[tokio::test]
async fn a_snapshot_and_what_came_after_add_up_to_the_whole_log() {
    let rig = lived().await;
    comes_to_the_same(&rig, &rig.log).await;
    // And a writer that starts from it goes on where the log ends.
    let (commands, task) = resumed(&rig).await;
    let dan = registered(&rig, &commands, "Dan").await;
    created_room(&commands, dan).await;
    stop((commands, task)).await;
    comes_to_the_same(&rig, &rig.log).await;
    let end = snapshots(&rig).renew(&rig.log, &rig.vault).await.unwrap();
    assert_eq!(end, rig.log.head().await.unwrap().position);
    comes_to_the_same(&rig, &rig.log).await;
}

#[tokio::test]
async fn commands_are_remembered_across_a_snapshot_and_no_longer_than_else() {
    let rig = Rig::embedded().await;
    let (commands, task) = resumed(&rig).await;
    let register = envelope(Actor::Anonymous, rig.register("Ada"));
    let first = commands.submit(register.clone()).await.unwrap().unwrap();
    stop((commands, task)).await;
    let (commands, task) = resumed(&rig).await;
    let again = commands.submit(register.clone()).await.unwrap().unwrap();
    assert_eq!(
        (again.position, again.created, again.time, again.repeated),
        (first.position, first.created, first.time, true)
    );
    rig.micros.fetch_add(25 * 3600 * 1_000_000, Ordering::Relaxed);
    registered(&rig, &commands, "Bob").await;
    stop((commands, task)).await;
    let (commands, _task) = resumed(&rig).await;
    let forgotten = commands.submit(register).await.unwrap();
    assert_eq!(forgotten, Err(events::Rejection::UsernameTaken));
}

#[tokio::test]
async fn nothing_personal_is_readable_in_a_snapshot() {
    let rig = Rig::embedded().await;
    let (commands, task) = resumed(&rig).await;
    let ada = registered(&rig, &commands, "Adalbertina").await;
    let room = created_room(&commands, ada).await;
    send(&commands, Actor::User(ada), say(room, "unmistakable words")).await.unwrap();
    stop((commands, task)).await;
    let bytes = std::fs::read(rig.folder.path().join(FILE)).unwrap();
    for planted in ["dalbertina", "mistakable", "2b$04$hash"] {
        let found = bytes.windows(planted.len()).any(|window| window == planted.as_bytes());
        assert!(!found, "{planted}");
    }
}

#[tokio::test]
async fn a_damaged_snapshot_is_not_used() {
    let rig = lived().await;
    let path = rig.folder.path().join(FILE);
    let whole = std::fs::read(&path).unwrap();
    for place in (0..whole.len()).step_by(whole.len() / 50) {
        let mut damaged = whole.clone();
        damaged[place] ^= 1;
        std::fs::write(&path, damaged).unwrap();
        comes_to_the_same(&rig, &rig.log).await;
        std::fs::write(&path, &whole[..place]).unwrap();
        comes_to_the_same(&rig, &rig.log).await;
    }
}

#[tokio::test]
async fn a_snapshot_of_another_log_or_of_another_end_is_not_used() {
    let rig = lived().await;
    // Another log.
    let other = streams::log::memory::create(LogId::from_uuid(Uuid::new_v4()));
    let follower = Follower::resume(other.clone(), rig.vault.clone(), &snapshots(&rig)).await;
    assert_eq!(follower.unwrap().head(), Head::empty(other.id()));
    // The same log, with another end, as after a loss: shorter, and then as long again.
    let fork = streams::log::memory::create(rig.log.id());
    let blocks = rig.log.read(Head::empty(rig.log.id()), 1 << 20).await.unwrap();
    for block in blocks.into_iter().take(20) {
        fork.append(Arc::new(block)).await.unwrap();
    }
    comes_to_the_same(&rig, &fork).await;
    let last = rig.log.block(fork.head().await.unwrap().block).await.unwrap().unwrap();
    let line = last.lines().next().unwrap().1.into_owned();
    for _ in 0..200 {
        let block = Block::build(&fork.head().await.unwrap(), &[&line]);
        fork.append(Arc::new(block)).await.unwrap();
    }
    comes_to_the_same(&rig, &fork).await;
}

#[tokio::test]
async fn with_an_older_vault_the_whole_log_says_which_keys_must_go() {
    let rig = Rig::embedded().await;
    let (commands, task) = resumed(&rig).await;
    let ada = registered(&rig, &commands, "Ada").await;
    let old = format!("sqlite:{}", rig.folder.path().join("old.db").display());
    rig.vault.copy_to(&old).await.unwrap();
    let delete = DeleteUser { user: ada, erase_content: true };
    send(&commands, Actor::User(ada), delete).await.unwrap();
    stop((commands, task)).await;
    let vault = vault::Vault::open(&old, &rig.secrets).await.unwrap();
    let scope = events::KeyScope::User(ada);
    assert!(vault.keys(&[scope]).await.unwrap().seal(scope, "label", "text").is_ok());
    let (log, clock) = (rig.log.clone(), rig.clock());
    Writer::resume(log, vault.clone(), clock, snapshots(&rig)).await.unwrap();
    assert!(vault.keys(&[scope]).await.unwrap().seal(scope, "label", "text").is_err());
}

#[tokio::test]
async fn what_a_writer_folds_at_its_start_is_kept_for_the_next_one_if_it_is_much() {
    const MUCH: usize = 100_000;
    let rig = lived().await;
    let writer = async || {
        let (log, vault) = (rig.log.clone(), rig.vault.clone());
        Writer::resume(log, vault, rig.clock(), snapshots(&rig)).await.unwrap()
    };
    assert_eq!(writer().await.first_snapshot().await.unwrap(), None);
    let last = rig.log.block(rig.log.head().await.unwrap().block).await.unwrap().unwrap();
    let line = last.lines().next().unwrap().1.into_owned();
    for _ in 0..MUCH / 1000 {
        let block = Block::build(&rig.log.head().await.unwrap(), &vec![&line; 1000]);
        rig.log.append(Arc::new(block)).await.unwrap();
    }
    let first = writer().await.first_snapshot().await.unwrap();
    assert!(first.is_some());
    let keeping = snapshots(&rig).keep(rig.log.clone(), rig.vault.clone(), first);
    // It keeps the first before it waits for the log to grow.
    assert!(futures::poll!(std::pin::pin!(keeping)).is_pending());
    assert_eq!(writer().await.first_snapshot().await.unwrap(), None);
    comes_to_the_same(&rig, &rig.log).await;
}
