//! A replay makes the same tables again, whatever was erased in the meantime; it tells what
//! differs, and puts itself in the place of the live tables at once.

use std::time::{Duration, Instant};

use projector::{
    Cursor, Page, Phase, Progress, ProjectorError, ReplayReport, Store, replay, replay_in_batches,
};

use crate::databases::Databases;
use crate::life::Dice;
use crate::world::World;

crate::on_both!(
    rebuilt_tables_are_the_live_ones,
    differences_are_told,
    a_replay_runs_beside_a_server,
    a_cancelled_replay_is_gone_on_with,
);

async fn run(world: &World, store: &Store, verify: bool) -> ReplayReport {
    let mut told = Vec::new();
    let mut tell = |progress: Progress| told.push(progress);
    let report = replay(store, &world.log, &world.vault, verify, &mut tell).await.unwrap();
    assert!(told.iter().all(|progress| progress.done <= progress.total.max(1)), "{told:?}");
    report
}

async fn rebuilt_tables_are_the_live_ones(mut world: World, databases: Databases) {
    let store = databases.open().await;
    let nothing = run(&world, &store, true).await;
    assert_eq!((nothing.events, nothing.differing_rows), (0, 0));
    for seed in 0..4 {
        let mut dice = Dice::new(seed);
        for _ in 0..40 {
            for _ in 0..=dice.roll(9) {
                world.anything(&mut dice).await;
            }
            world.append().await;
            world.projector(&store).catch_up().await.unwrap();
        }
        let report = run(&world, &store, true).await;
        assert!(report.compared && !report.swapped);
        assert_eq!(report.differences, []);
        assert_eq!(report.tables, store.hashes().await.unwrap());
    }
    let before = store.checkpoint().await.unwrap().unwrap();
    let report = run(&world, &store, false).await;
    assert!(report.swapped && report.differing_rows == 0);
    let after = store.checkpoint().await.unwrap().unwrap();
    assert_eq!((after.head, after.generation), (before.head, before.generation + 1));
    assert_eq!(store.hashes().await.unwrap(), report.tables);
    world.register().await;
    let end = world.append().await;
    assert_eq!(world.projector(&store).catch_up().await.unwrap(), end);
}

async fn differences_are_told(mut world: World, databases: Databases) {
    let url = databases.url().await;
    let store = Store::open(&url).await.unwrap();
    let ada = world.register().await;
    let room = world.create_room(ada).await;
    let first = world.send(room, ada, "as it was").await;
    let second = world.send(room, ada, "goes missing").await;
    world.append().await;
    world.projector(&store).catch_up().await.unwrap();
    let sabotage = [
        format!("UPDATE message SET msg_content = 'forged' WHERE id = {first}"),
        format!("DELETE FROM message WHERE id = {second}"),
    ];
    for sql in sabotage {
        let sql = sqlx::AssertSqlSafe(sql);
        if url.starts_with("sqlite") {
            let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
            sqlx::query(sql).execute(&pool).await.unwrap();
            pool.close().await;
        } else {
            let pool = sqlx::PgPool::connect(&url).await.unwrap();
            sqlx::query(sql).execute(&pool).await.unwrap();
            pool.close().await;
        }
    }
    let report = run(&world, &store, true).await;
    assert_eq!(report.differing_rows, 2);
    let told: Vec<_> = report.differences.iter().map(|d| (d.key.as_str(), d.column)).collect();
    assert_eq!(told, [(first.to_string().as_str(), "msg_content"), (&second.to_string(), "*")]);
    assert_eq!(report.differences[0].live, "\"forged\"");
    assert_eq!(report.differences[0].rebuilt, "\"as it was\"");
    assert_eq!(store.message(room, second).await.unwrap(), None);
    let report = run(&world, &store, false).await;
    assert!(report.swapped && report.differing_rows == 2);
    assert!(store.message(room, second).await.unwrap().is_some());
    assert_eq!(run(&world, &store, false).await.differing_rows, 0);
}

/// Bytes of blocks in a batch, so few that a replay has many.
const SMALL: usize = 2000;

async fn a_cancelled_replay_is_gone_on_with(mut world: World, databases: Databases) {
    crate::crash::history(&mut world, 120).await;
    let store = databases.open().await;
    world.projector(&store).catch_up().await.unwrap();
    let before = store.checkpoint().await.unwrap();
    let cancel = tokio::sync::Notify::new();
    let mut reached = 0;
    let mut tell = |progress: Progress| {
        if progress.phase == Phase::Rebuilding {
            reached = progress.done;
            if progress.done > progress.total / 2 {
                cancel.notify_one();
            }
        }
    };
    let (log, vault) = (&world.log, &world.vault);
    tokio::select! {
        biased;
        () = cancel.notified() => {}
        report = replay_in_batches(&store, log, vault, false, SMALL, &mut tell) => {
            panic!("it was not cancelled: {report:?}")
        }
    }
    assert!(reached > 0);
    assert_eq!(store.checkpoint().await.unwrap(), before);
    let deadline = Instant::now() + Duration::from_secs(30);
    let report = loop {
        let mut first = None;
        let mut tell = |progress: Progress| {
            if progress.phase == Phase::Rebuilding {
                first.get_or_insert(progress.done);
            }
        };
        match replay_in_batches(&store, log, vault, false, SMALL, &mut tell).await {
            Ok(report) => {
                assert!(first.is_some_and(|first| first > reached), "{first:?} after {reached}");
                break report;
            }
            // The server has not noticed yet that the cancelled one is gone.
            Err(ProjectorError::ReplayRuns) if Instant::now() < deadline => {}
            Err(error) => panic!("{error}"),
        }
    };
    assert!(report.swapped && report.differences.is_empty());
    assert_eq!(run(&world, &store, true).await.differences, []);
}

async fn a_replay_runs_beside_a_server(mut world: World, databases: Databases) {
    let url = databases.url().await;
    let serving = Store::open(&url).await.unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let projector = world.projector(&serving);
    let running = tokio::spawn(projector.run(async { stopped.await.unwrap_or_default() }));
    let replaying = Store::open(&url).await.unwrap();
    let (log, vault) = (world.log.clone(), world.vault.clone());
    let replays = tokio::spawn(async move {
        for verify in [true, false, true, false] {
            let report = replay(&replaying, &log, &vault, verify, &mut |_| {}).await.unwrap();
            assert_eq!(report.differences, []);
        }
    });
    let mut dice = Dice::new(11);
    while !replays.is_finished() {
        world.anything(&mut dice).await;
        let position = world.append().await;
        let limit = std::time::Duration::from_secs(30);
        assert!(serving.wait_for(position, limit).await.unwrap());
        let newest = Page { cursor: Cursor::Start, limit: 1 };
        if let Some(room) = serving.rooms(newest).await.unwrap().rows.pop() {
            serving.feed(room.id, 0, 100).await.unwrap();
            let of_owner = Page { cursor: Cursor::Start, limit: 1 };
            assert!(!serving.rooms_of(room.owner_id, of_owner).await.unwrap().rows.is_empty());
        }
    }
    replays.await.unwrap();
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
    assert_eq!(run(&world, &serving, true).await.differences, []);
}
