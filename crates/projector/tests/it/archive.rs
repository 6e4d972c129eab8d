//! The copy of the log beside the tables: whole, in step with them, and good for bringing back
//! what the log has lost.

use std::sync::Arc;

use events::{Block, Head};
use projector::{ProjectorError, Store, replay};

use crate::crash::{copy, history};
use crate::databases::Databases;
use crate::world::World;

crate::on_both!(a_lost_tail_is_brought_back);

async fn archived(store: &Store, mut after: Head) -> Vec<Block> {
    let mut blocks = Vec::new();
    loop {
        let more = store.archived(after).await.unwrap();
        let Some(last) = more.last() else { return blocks };
        after = last.head();
        blocks.extend(more);
    }
}

async fn a_lost_tail_is_brought_back(mut world: World, databases: Databases) {
    let store = databases.open().await;
    history(&mut world, 40).await;
    world.projector(&store).catch_up().await.unwrap();
    assert_eq!(store.archived_upto().await.unwrap(), None, "it is off unless wanted");
    history(&mut world, 60).await;
    world.projector(&store).with_archive(true).catch_up().await.unwrap();
    let whole = world.log.clone();
    let (start, end) = (Head::empty(whole.id()), whole.head().await.unwrap());
    assert_eq!(archived(&store, start).await, whole.read(start, usize::MAX).await.unwrap());
    assert_eq!(store.archived_upto().await.unwrap(), Some(end.block));

    world.log = copy(&whole, 70, &[]).await;
    let refused = world.projector(&store).with_archive(true).catch_up().await.unwrap_err();
    assert!(matches!(refused, ProjectorError::TailLost { .. }), "{refused}");
    for block in archived(&store, world.log.head().await.unwrap()).await {
        world.log.append(Arc::new(block)).await.unwrap();
    }
    assert_eq!(world.log.head().await.unwrap(), end);
    world.projector(&store).with_archive(true).catch_up().await.unwrap();

    // Another log, to which the tables are moved: nothing of the former one stays.
    let mut other = World::new().await;
    history(&mut other, 10).await;
    replay(&store, &other.log, &other.vault, false, &mut |_| {}).await.unwrap();
    other.projector(&store).with_archive(true).catch_up().await.unwrap();
    let start = Head::empty(other.log.id());
    let all = other.log.read(start, usize::MAX).await.unwrap();
    assert_eq!(archived(&store, start).await, all);
}
