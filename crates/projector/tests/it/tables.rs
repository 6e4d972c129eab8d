//! What the tables hold after things happened, and how they are read.

use std::time::{Duration, Instant};

use events::room::Consent;
use events::room::command::{leave::Leave, message, transcript};
use events::user::command::{account::DeleteUser, admin, login};
use events::{Actor, Clear, Position, SystemRole, TranscriptId};
use projector::{Cursor, FeedKind, Page, RoomState, Search, Store, TranscriptFilter};

use crate::databases::Databases;
use crate::life::Dice;
use crate::world::{OPERATOR, World};

crate::on_both!(
    a_call_makes_its_rows,
    edits_and_corrections_keep_what_was_there,
    deleting_a_user_leaves_what_others_need,
    pages_walk_both_ways,
    any_batch_size_makes_the_same_tables,
    reads_wait_for_what_was_written,
);

fn first<Id>(limit: u32) -> Page<Id> {
    Page { cursor: Cursor::Start, limit }
}

async fn projected(world: &mut World, databases: &Databases) -> Store {
    let store = databases.open().await;
    world.append().await;
    world.projector(&store).catch_up().await.unwrap();
    store
}

async fn a_call_makes_its_rows(mut world: World, databases: Databases) {
    let (ada, bob) = (world.register().await, world.register().await);
    let room = world.create_room(ada).await;
    world.join(room, bob).await;
    let message = world.send(room, bob, "good morning").await;
    world.consent(room, ada).await;
    let signed = world.sign(room, ada, "HELLO").await;
    let store = projected(&mut world, &databases).await;

    let user = store.user(ada).await.unwrap().unwrap();
    assert!(user.username.starts_with("ada") && user.email.ends_with("@example.org"));
    assert!(user.token.is_some() && user.token_expiration > Some(user.created_at));
    let json = serde_json::to_value(&user).unwrap();
    assert!(json.get("password_hash").is_none() && json.get("token").is_none());
    let row = store.room(room).await.unwrap().unwrap();
    assert_eq!((row.owner_id, row.state, row.version), (ada, RoomState::Open, 1));
    let people = store.participants(room, first(10)).await.unwrap();
    let who: Vec<_> = people.rows.iter().map(|p| (p.row.rp_user_id, p.row.consent)).collect();
    assert_eq!(who, [(ada, Consent::Captions), (bob, Consent::None)]);
    assert_eq!(people.rows[0].username.as_ref(), Some(&user.username));
    let said = store.messages(room, first(10)).await.unwrap().rows;
    assert_eq!(said[0].id, message);
    assert_eq!(said[0].msg_content.as_deref(), Some("good morning"));
    let read = store.transcripts(room, TranscriptFilter::default(), first(10)).await.unwrap().rows;
    assert_eq!((read[0].id, read[0].confidence), (signed, Some(0.93)));
    assert_eq!(read[0].ts_content.as_deref(), Some("HELLO"));

    let feed = store.feed(room, 0, 10).await.unwrap();
    let kinds: Vec<_> = feed.rows.iter().map(|entry| (entry.seq, entry.kind)).collect();
    let expected = [
        FeedKind::ParticipantJoined,
        FeedKind::ParticipantJoined,
        FeedKind::Message,
        FeedKind::ConsentChanged,
        FeedKind::Transcript,
    ];
    assert_eq!(kinds, (1..).zip(expected).collect::<Vec<_>>());
    assert_eq!(feed.rows[2].data, serde_json::to_value(&said[0]).unwrap());
    assert_eq!(feed.rows[4].data["ts_content"], "HELLO");
    assert_eq!(store.feed_seq(room).await.unwrap(), 5);
    let part = store.feed(room, 3, 1).await.unwrap();
    assert!(part.rows[0].seq == 4 && part.has_more);
}

async fn edits_and_corrections_keep_what_was_there(mut world: World, databases: Databases) {
    let (ada, bob) = (world.register().await, world.register().await);
    let room = world.create_room(ada).await;
    world.join(room, bob).await;
    world.consent(room, ada).await;
    let message = world.send(room, bob, "first").await;
    let gone = world.send(room, bob, "said too much").await;
    let signed = world.sign(room, ada, "HOUSE").await;
    let store = projected(&mut world, &databases).await;
    let text = Clear::new("second");
    let edit = message::EditMessage { room, message, text, expected: Some(1) };
    world.act(Actor::User(bob), edit).await.unwrap();
    let delete = message::DeleteMessage { room, message: gone, expected: None };
    world.act(Actor::User(bob), delete).await;
    let text = Clear::new("HOME");
    let correct = transcript::CorrectTranscript { room, transcript: signed, text, expected: None };
    world.act(Actor::User(bob), correct).await.unwrap();
    world.append().await;
    world.projector(&store).catch_up().await.unwrap();

    let texts: Vec<_> = store.message_revisions(room, message).await.unwrap().unwrap();
    let texts: Vec<_> = texts.iter().map(|r| (r.revision, r.msg_content.as_deref())).collect();
    assert_eq!(texts, [(1, Some("first")), (2, Some("second"))]);
    let tombstone = store.message(room, gone).await.unwrap().unwrap();
    assert!(tombstone.deleted_at.is_some() && tombstone.msg_content.is_none());
    let read = store.transcript_revisions(room, signed).await.unwrap().unwrap();
    let texts: Vec<_> = read.iter().map(|r| (r.ts_content.as_deref(), r.editor_id)).collect();
    assert_eq!(texts, [(Some("HOUSE"), None), (Some("HOME"), Some(bob))]);
    assert_eq!(store.transcript_revisions(room, TranscriptId::new(1)).await.unwrap(), None);
    // As somebody's own data are read: page by page, and what they wrote into others' captions too.
    let former = store.former_texts(&[message, gone], None, 10).await.unwrap();
    assert_eq!(former[0].msg_content.as_deref(), Some("first"));
    let after = former.last().map(|row| (row.message_id, row.revision));
    assert!(
        former.len() == 1 && store.former_texts(&[message], after, 1).await.unwrap().is_empty()
    );
    let readings = store.former_readings(&[signed], None, 10).await.unwrap();
    assert_eq!(readings[0].ts_content.as_deref(), Some("HOUSE"));
    let after = Some((readings[0].transcript_id, readings[0].revision));
    assert!(store.former_readings(&[signed], after, 10).await.unwrap().is_empty());
    let corrected = store.transcripts_corrected_by(bob, first(10)).await.unwrap().rows;
    assert_eq!(corrected[0].ts_content.as_deref(), Some("HOME"));
    assert!(store.transcripts_corrected_by(ada, first(10)).await.unwrap().rows.is_empty());
    assert!(store.former_corrections_by(bob, None, 10).await.unwrap().is_empty());
    let text = Clear::new("HOMES");
    let correct = transcript::CorrectTranscript { room, transcript: signed, text, expected: None };
    world.act(Actor::User(ada), correct).await.unwrap();
    world.append().await;
    world.projector(&store).catch_up().await.unwrap();
    assert!(store.transcripts_corrected_by(bob, first(10)).await.unwrap().rows.is_empty());
    let by_bob = store.former_corrections_by(bob, None, 10).await.unwrap();
    assert_eq!(by_bob[0].ts_content.as_deref(), Some("HOME"));
    let after = Some((by_bob[0].transcript_id, by_bob[0].revision));
    assert!(store.former_corrections_by(bob, after, 10).await.unwrap().is_empty());
    assert!(store.former_corrections_by(ada, None, 10).await.unwrap().is_empty(), "is ada's own");
    let search = Search::parse("hÓmes").unwrap();
    let filter = TranscriptFilter { user: Some(ada), q: Some(&search) };
    assert_eq!(store.transcripts(room, filter, first(10)).await.unwrap().rows.len(), 1);
    let filter = TranscriptFilter { user: Some(bob), q: None };
    assert_eq!(store.transcripts(room, filter, first(10)).await.unwrap().rows.len(), 0);
}

async fn deleting_a_user_leaves_what_others_need(mut world: World, databases: Databases) {
    let (ada, bob, eve) = (world.register().await, world.register().await, world.register().await);
    let (kept, owned) = (world.create_room(ada).await, world.create_room(bob).await);
    for user in [bob, eve] {
        world.join(kept, user).await;
        world.consent(kept, user).await;
    }
    let by_bob = world.send(kept, bob, "bob was here").await;
    let by_eve = world.send(kept, eve, "eve was here").await;
    let signed = world.sign(kept, eve, "EVE").await;
    world.send(owned, bob, "in my own room").await;
    let store = projected(&mut world, &databases).await;
    let reason = Clear::new("rude");
    world.act(OPERATOR, admin::Block { user: ada, reason }).await;
    world.act(Actor::User(bob), DeleteUser { user: bob, erase_content: false }).await;
    world.act(Actor::User(eve), DeleteUser { user: eve, erase_content: true }).await;
    world.append().await;
    world.projector(&store).catch_up().await.unwrap();

    let blocked = store.user(ada).await.unwrap().unwrap();
    assert!(blocked.is_blocked && blocked.token.is_none());
    assert_eq!(blocked.block_reason.as_deref(), Some("rude"));
    assert_eq!(store.user(bob).await.unwrap(), None);
    assert_eq!(store.room(owned).await.unwrap(), None);
    assert_eq!(store.messages(owned, first(10)).await.unwrap().rows, []);
    let row = store.message(kept, by_bob).await.unwrap().unwrap();
    assert_eq!((row.user_id, row.msg_content.as_deref()), (None, Some("bob was here")));
    let row = store.message(kept, by_eve).await.unwrap().unwrap();
    assert_eq!((row.user_id, row.msg_content), (None, None));
    let row = store.transcript(kept, signed).await.unwrap().unwrap();
    assert_eq!((row.user_id, row.ts_content), (None, None));
    assert_eq!(store.participants(kept, first(10)).await.unwrap().rows.len(), 1);
    let feed = store.feed(kept, 0, 100).await.unwrap().rows;
    assert_eq!(feed.iter().filter(|e| e.kind == FeedKind::ParticipantLeft).count(), 2);
}

async fn pages_walk_both_ways(mut world: World, databases: Databases) {
    let (ada, bob) = (world.register().await, world.register().await);
    let room = world.create_room(ada).await;
    let other = world.create_room(bob).await;
    world.join(other, ada).await;
    let mut sent = Vec::new();
    for n in 0..7 {
        sent.push(world.send(room, ada, &format!("message {n}")).await);
    }
    world.act(Actor::User(ada), Leave { room: other }).await;
    world.join(other, ada).await;
    let seen = vec![(ada, world.state.users.get(bob).unwrap().created_at.plus_seconds(999))];
    world.act(Actor::System(SystemRole::Api), login::RecordSeen { seen: seen.clone() }).await;
    let store = projected(&mut world, &databases).await;

    let page = |cursor| Page { cursor, limit: 3 };
    let ids = |rows: Vec<projector::MessageRow>| rows.iter().map(|r| r.id).collect::<Vec<_>>();
    let start = store.messages(room, page(Cursor::Start)).await.unwrap();
    assert!(start.has_more && ids(start.rows) == sent[..3]);
    let after = store.messages(room, page(Cursor::After(sent[3]))).await.unwrap();
    assert!(!after.has_more && ids(after.rows) == sent[4..]);
    let before = store.messages(room, page(Cursor::Before(sent[4]))).await.unwrap();
    assert!(before.has_more && ids(before.rows) == sent[1..4]);
    let newest_first = store.rooms_of(ada, first(10)).await.unwrap().rows;
    assert_eq!(newest_first.iter().map(|row| row.id).collect::<Vec<_>>(), [other, room]);
    assert_eq!(store.rooms_of(bob, first(10)).await.unwrap().rows.len(), 1);
    assert_eq!(store.rooms(first(1)).await.unwrap().rows[0].id, other);
    assert_eq!(store.participants(other, first(10)).await.unwrap().rows.len(), 2);
    assert_eq!(store.user(ada).await.unwrap().unwrap().last_seen, seen[0].1);
    let found = store.users(Some("ADA"), first(10)).await.unwrap().rows;
    assert_eq!(found.iter().map(|row| row.id).collect::<Vec<_>>(), [bob, ada]);
    assert_eq!(store.users(Some("a%a"), first(10)).await.unwrap().rows, []);
}

async fn any_batch_size_makes_the_same_tables(mut world: World, databases: Databases) {
    let mut dice = Dice::new(7);
    let stores = [databases.open().await, databases.open().await, databases.open().await];
    for _ in 0..100 {
        for _ in 0..=dice.roll(16) {
            world.anything(&mut dice).await;
        }
        world.append().await;
        // The first follows every block; it opens texts whose keys are gone for the others.
        world.projector(&stores[0]).catch_up().await.unwrap();
    }
    world.projector(&stores[1]).with_batch_bytes(20_000).catch_up().await.unwrap();
    world.projector(&stores[2]).catch_up().await.unwrap();
    let hashes = stores[0].hashes().await.unwrap();
    assert!(hashes.iter().all(|table| table.rows > 0), "{hashes:?}");
    // And the same on the other database: this one is always there.
    let elsewhere = Databases::sqlite(&world).open().await;
    world.projector(&elsewhere).catch_up().await.unwrap();
    for store in [&stores[1], &stores[2], &elsewhere] {
        assert_eq!(store.hashes().await.unwrap(), hashes);
    }
}

async fn reads_wait_for_what_was_written(mut world: World, databases: Databases) {
    let store = databases.open().await;
    let projector = world.projector(&store);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(projector.run(async { stopped.await.unwrap_or_default() }));
    let ada = world.register().await;
    let position = world.append().await;
    assert!(store.wait_for(position, Duration::from_secs(10)).await.unwrap());
    assert!(store.user(ada).await.unwrap().is_some());
    let never = Position::new(position.get() + 1);
    assert!(!store.wait_for(never, Duration::from_millis(60)).await.unwrap());
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
}

/// Left to the writer, it would stay in the write-ahead log for long, and each move make it wait.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_moves_into_the_file_beside_the_writer() {
    let mut world = World::new().await;
    let store = Databases::sqlite(&world).open().await;
    let file = store.file().unwrap();
    let before = std::fs::metadata(&file).unwrap().len();
    let projector = world.projector(&store);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(projector.run(async { stopped.await.unwrap_or_default() }));
    let ada = world.register().await;
    let room = world.create_room(ada).await;
    for _ in 0..100 {
        world.send(room, ada, "a text that takes some space").await;
    }
    world.append().await;
    let deadline = Instant::now() + Duration::from_secs(30);
    while std::fs::metadata(&file).unwrap().len() == before {
        assert!(Instant::now() < deadline, "nothing moves into the file");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
}
