//! The Follower sees what writers wrote, soon, and knows when it can't.

use std::time::{Duration, Instant};

use decider::Follower;
use events::Actor;
use events::room::command::leave::Leave;

use crate::rig::{Rig, created_room, join, registered, say, send};

const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn it_holds_what_was_written_before_and_after_it_started() {
    let rig = Rig::embedded().await;
    let (commands, _task) = rig.writer(rig.log.clone()).await;
    let ada = registered(&rig, &commands, "Ada").await;
    let follower = Follower::start(rig.log.clone(), rig.vault.clone()).await.unwrap();
    assert!(follower.read(|state| state.users.get(ada).is_some()));
    let mut applied = follower.subscribe();
    let room = created_room(&commands, ada).await;
    let bob = registered(&rig, &commands, "Bob").await;
    let joined = send(&commands, Actor::User(bob), join(room)).await.unwrap();
    assert!(follower.wait_for(joined.position, SOON).await);
    assert!(follower.read(|state| state.rooms.get(room).unwrap().admits(bob)));
    for position in 2..=joined.position.get() {
        assert_eq!(applied.recv().await.unwrap().0.get(), position);
    }
    let left = send(&commands, Actor::User(bob), Leave { room }).await.unwrap();
    assert!(follower.wait_for(left.position, SOON).await);
    assert!(follower.fresh());
    assert!(!follower.wait_for(left.position.next(), Duration::from_millis(10)).await);
    assert_eq!(follower.head(), rig.log.head().await.unwrap());
    assert_eq!(rig.replay().await.state, follower.read(Clone::clone));
}

#[tokio::test]
async fn it_notices_what_another_process_wrote_into_the_file() {
    let rig = Rig::embedded().await;
    let other = streams::log::embedded::open(&rig.folder.path().join("log.db")).await.unwrap();
    let follower = Follower::start(other, rig.vault.clone()).await.unwrap();
    let (commands, _task) = rig.writer(rig.log.clone()).await;
    let ada = registered(&rig, &commands, "Ada").await;
    let room = created_room(&commands, ada).await;
    let said = send(&commands, Actor::User(ada), say(room, "hello")).await.unwrap();
    assert!(follower.wait_for(said.position, SOON).await);
}

#[tokio::test]
async fn it_stays_fresh_while_the_log_grows_without_a_pause() {
    let rig = Rig::memory().await;
    let (commands, _task) = rig.writer(rig.log.clone()).await;
    let ada = registered(&rig, &commands, "Ada").await;
    let room = created_room(&commands, ada).await;
    let follower = Follower::start(rig.log.clone(), rig.vault.clone()).await.unwrap();
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(4) {
        send(&commands, Actor::User(ada), say(room, "more")).await.unwrap();
        assert!(follower.fresh());
    }
}
