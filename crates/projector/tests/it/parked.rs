//! An event that can't be projected is parked with what follows of its subject, and stops nobody
//! else; it is tried again, or given up; a rebuild stops on it.

use events::room::{MessageSent, RoomEvent};
use events::user::command::{account::DeleteUser, admin};
use events::user::{UserEvent, UsernameChanged};
use events::{Clear, Event, MessageId, NameDigest, Personal, Position, RoomId, Subject, UserId};
use projector::{
    Cursor, Page, Parked, ProjectorError, ReplayReport, Store, replay, replay_in_batches,
};

use crate::databases::Databases;
use crate::world::{OPERATOR, World};

crate::on_both!(
    what_cannot_be_projected_stops_nobody_else,
    one_is_given_up_and_a_rebuild_skips_it,
    any_one_of_them_is_given_up_by_its_position,
    what_only_a_rebuild_stops_on_is_given_up_too,
    all_of_many_are_listed,
    a_deletion_is_never_held_up,
    a_text_that_does_not_open_is_parked,
);

/// Any number of bytes that is enough for all blocks, or for one only.
const BATCHES: [usize; 2] = [1 << 20, 1];
/// Before all that may be parked.
const START: Position = Position::new(0);

/// A name that is taken: no rule lets it happen, but a log may hold it.
async fn rename(world: &mut World, user: UserId, name: &str) {
    let username_digest = NameDigest::from_bytes(world.digest());
    let username = Personal::Clear(name.to_owned());
    let renamed = UsernameChanged { user_id: user, username, username_digest };
    let event = Event::User(UserEvent::UsernameChanged(renamed));
    world.commit(OPERATOR, Subject::User(user), vec![event]).await;
    world.append().await;
}

async fn block(world: &mut World, user: UserId) {
    let reason = Clear::new("rude");
    world.act(OPERATOR, admin::Block { user, reason }).await;
    world.append().await;
}

async fn said(store: &Store, room: RoomId) -> usize {
    let all = Page { cursor: Cursor::Start, limit: 100 };
    store.messages(room, all).await.unwrap().rows.len()
}

async fn parked(store: &Store) -> Vec<(String, bool, bool)> {
    let shown = |row: Parked| (row.subject, row.reason.is_some(), row.released);
    store.parked(START).await.unwrap().into_iter().map(shown).collect()
}

async fn rebuild(world: &World, store: &Store) -> Result<ReplayReport, ProjectorError> {
    replay(store, &world.log, &world.vault, true, &mut |_| {}).await
}

/// Ada and Bob in a room of Ada's; Bob takes Ada's name, is blocked, and both go on talking.
async fn two_of_one_name(world: &mut World) -> (UserId, UserId, RoomId) {
    let (ada, bob) = (world.register().await, world.register().await);
    let room = world.create_room(ada).await;
    world.join(room, bob).await;
    world.send(room, bob, "before").await;
    world.append().await;
    rename(world, ada, "the one").await;
    rename(world, bob, "the one").await;
    world.send(room, bob, "after").await;
    block(world, bob).await;
    world.send(room, ada, "last").await;
    world.append().await;
    (ada, bob, room)
}

async fn what_cannot_be_projected_stops_nobody_else(mut world: World, databases: Databases) {
    let (ada, bob, room) = two_of_one_name(&mut world).await;
    let end = world.log.head().await.unwrap().position;
    let subject = Subject::User(bob);
    let mut stores = Vec::new();
    for bytes in BATCHES {
        let store = databases.open().await;
        let projector = world.projector(&store).with_batch_bytes(bytes);
        assert_eq!(projector.catch_up().await.unwrap(), end);
        let name = subject.to_string();
        assert_eq!(parked(&store).await, [(name.clone(), true, false), (name, false, false)]);
        assert_eq!(said(&store, room).await, 3);
        assert!(!store.user(bob).await.unwrap().unwrap().is_blocked);
        stores.push(store);
    }
    let (one, other) = (&stores[0], &stores[1]);
    assert_eq!(one.parked(START).await.unwrap(), other.parked(START).await.unwrap());
    assert_eq!(one.hashes().await.unwrap(), other.hashes().await.unwrap());

    let stopped = rebuild(&world, one).await.unwrap_err();
    let at_bobs = matches!(&stopped, ProjectorError::Poison { subject: s, .. } if *s == subject);
    assert!(at_bobs, "{stopped}");
    let tried = one.retry(&world.vault, subject).await.unwrap();
    assert_eq!((tried.projected, tried.left, tried.reason.is_some()), (0, 2, true));
    rename(&mut world, ada, "another").await;
    world.projector(one).catch_up().await.unwrap();
    let tried = one.retry(&world.vault, subject).await.unwrap();
    assert_eq!((tried.projected, tried.left, tried.reason), (2, 0, None));
    let row = one.user(bob).await.unwrap().unwrap();
    assert!(row.is_blocked && row.username == "the one");
    assert_eq!(parked(one).await, []);
    block(&mut world, ada).await;
    world.projector(one).catch_up().await.unwrap();
    assert!(one.user(ada).await.unwrap().unwrap().is_blocked);
}

async fn one_is_given_up_and_a_rebuild_skips_it(mut world: World, databases: Databases) {
    let (_, bob, _) = two_of_one_name(&mut world).await;
    let store = databases.open().await;
    world.projector(&store).catch_up().await.unwrap();
    let tried = store.release(&world.vault, Subject::User(bob), None).await.unwrap();
    assert_eq!((tried.projected, tried.left), (1, 0));
    assert!(store.user(bob).await.unwrap().unwrap().is_blocked);
    assert_eq!(parked(&store).await, [(Subject::User(bob).to_string(), true, true)]);
    for verify in [true, false, true] {
        let report = replay(&store, &world.log, &world.vault, verify, &mut |_| {}).await.unwrap();
        assert_eq!(report.differences, []);
    }
}

async fn any_one_of_them_is_given_up_by_its_position(mut world: World, databases: Databases) {
    let (ada, bob, _) = two_of_one_name(&mut world).await;
    let store = databases.open().await;
    world.projector(&store).catch_up().await.unwrap();
    let subject = Subject::User(bob);
    let positions: Vec<_> = store.parked(START).await.unwrap();
    let [renamed, blocked] = [positions[0].position, positions[1].position];
    let other = store.release(&world.vault, Subject::User(ada), Some(blocked)).await.unwrap_err();
    assert!(matches!(other, ProjectorError::NotParked { .. }), "{other}");
    let nothing = store.release(&world.vault, Subject::User(ada), None).await.unwrap_err();
    assert!(matches!(nothing, ProjectorError::NotParked { .. }), "{nothing}");
    // The block that waits goes, and the name that it waits behind stays parked.
    let tried = store.release(&world.vault, subject, Some(blocked)).await.unwrap();
    assert_eq!((tried.projected, tried.left, tried.reason.is_some()), (0, 1, true));
    let again = store.release(&world.vault, subject, Some(blocked)).await.unwrap_err();
    assert!(matches!(again, ProjectorError::NotParked { .. }), "{again}");
    rename(&mut world, ada, "another").await;
    world.projector(&store).catch_up().await.unwrap();
    let tried = store.retry(&world.vault, subject).await.unwrap();
    assert_eq!((tried.projected, tried.left, tried.reason), (1, 0, None));
    let row = store.user(bob).await.unwrap().unwrap();
    assert!(!row.is_blocked && row.username == "the one");
    assert!(renamed < blocked);
}

/// Ada's name is Bob's for a while: whoever takes in all of it at once sees no two of one name.
async fn what_only_a_rebuild_stops_on_is_given_up_too(mut world: World, databases: Databases) {
    let (ada, bob) = (world.register().await, world.register().await);
    rename(&mut world, ada, "the one").await;
    rename(&mut world, bob, "the one").await;
    rename(&mut world, ada, "another").await;
    let store = databases.open().await;
    world.projector(&store).catch_up().await.unwrap();
    assert_eq!(parked(&store).await, []);
    let by_block =
        async || replay_in_batches(&store, &world.log, &world.vault, true, 1, &mut |_| {}).await;
    let stopped = by_block().await.unwrap_err();
    let ProjectorError::Poison { position, subject, .. } = stopped else { panic!("{stopped}") };
    assert_eq!(subject, Subject::User(bob));
    let told = stopped.to_string();
    assert!(told.contains(&format!("release {subject} --position {position}")), "{told}");
    let wrong = store.give_up(&world.log, Subject::User(ada), position).await.unwrap_err();
    assert!(matches!(wrong, ProjectorError::NotParked { .. }), "{wrong}");
    store.give_up(&world.log, subject, position).await.unwrap();
    assert_eq!(parked(&store).await, [(subject.to_string(), false, true)]);
    assert_eq!(by_block().await.unwrap().differing_rows, 1, "Bob's name, which was given up");
}

async fn all_of_many_are_listed(mut world: World, databases: Databases) {
    const MANY: usize = 2100;
    let (_, bob, _) = two_of_one_name(&mut world).await;
    for _ in 0..MANY / 2 {
        let reason = Clear::new("rude");
        world.act(OPERATOR, admin::Block { user: bob, reason }).await;
        world.act(OPERATOR, admin::Unblock { user: bob }).await;
    }
    world.append().await;
    let store = databases.open().await;
    world.projector(&store).catch_up().await.unwrap();
    let (mut last, mut listed) = (START, 0);
    loop {
        let page = store.parked(last).await.unwrap();
        let Some(end) = page.last() else { break };
        assert!(page.is_sorted_by_key(|row| row.position) && page[0].position > last);
        (last, listed) = (end.position, listed + page.len());
    }
    assert!(listed >= MANY, "{listed}");
    assert_eq!(last, world.log.head().await.unwrap().position);
}

async fn a_deletion_is_never_held_up(mut world: World, databases: Databases) {
    let (_, bob, room) = two_of_one_name(&mut world).await;
    let store = databases.open().await;
    world.projector(&store).catch_up().await.unwrap();
    assert_eq!(parked(&store).await.len(), 2);
    let delete = DeleteUser { user: bob, erase_content: true };
    world.act(OPERATOR, delete).await;
    world.append().await;
    world.projector(&store).catch_up().await.unwrap();
    assert_eq!(parked(&store).await, []);
    assert_eq!(store.user(bob).await.unwrap(), None);
    assert_eq!(said(&store, room).await, 3);
    assert_eq!(rebuild(&world, &store).await.unwrap().differences, []);
}

async fn a_text_that_does_not_open_is_parked(mut world: World, databases: Databases) {
    let ada = world.register().await;
    let (room, other) = (world.create_room(ada).await, world.create_room(ada).await);
    world.send(room, ada, "before").await;
    let message_id = MessageId::new(1);
    let text = Personal::Sealed(vec![7; 60]);
    let forged = MessageSent { room_id: room, message_id, user_id: ada, text };
    world.happen(room, RoomEvent::MessageSent(forged)).await;
    world.send(room, ada, "after").await;
    world.send(other, ada, "elsewhere").await;
    let end = world.append().await;
    let store = databases.open().await;
    world.projector(&store).catch_up().await.unwrap();
    assert_eq!((said(&store, room).await, said(&store, other).await), (1, 1));
    assert!(matches!(rebuild(&world, &store).await, Err(ProjectorError::Poison { .. })));
    let first = store.parked(START).await.unwrap()[0].position;
    assert_eq!(first, Position::new(end.get() - 2));
    let tried = store.release(&world.vault, Subject::Room(room), None).await.unwrap();
    assert_eq!((tried.projected, tried.left, said(&store, room).await), (1, 0, 2));
}
