//! What ends a log-in ends it everywhere at once; log-ins that wait slow nobody else down; resumes
//! are whole however they are broken off.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::{Client, PASSWORD};
use crate::server::{Server, quick, unthrottled};

/// How often somebody is blocked; the hundred take this test's time tenfold.
const BLOCKS: usize = 10;
/// How often one reader breaks off and resumes.
const RESUMES: usize = 120;

async fn cookie(server: &Server, name: &str) -> Client {
    let body = json!({ "username": name, "password": PASSWORD });
    let answer = server.anonymous().post("/sessions", &body).await;
    let set = answer.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    server.anonymous().header("cookie", &set).header("sec-fetch-site", "same-origin")
}

#[tokio::test]
async fn socket_event_stream_cookie_and_two_tokens_end_within_a_second_of_a_block() {
    let server = Server::with(unthrottled()).await;
    let admin = server.admin().await;
    for number in 0..BLOCKS {
        let name = format!("bob{number}");
        let bob = server.user(&name).await;
        let code = bob.room().await;
        let second = bob.log_in(&name, PASSWORD).await.expect(201);
        let second = server.with_token(second["token"].as_str().unwrap());
        let page = cookie(&server, &name).await;
        page.get("/users/me").await.expect(200);
        let id = bob.id().await;
        let mut socket = bob.socket(&code, "").await.unwrap();
        socket.next_of("ready").await;
        let mut events = second.events(&code, "").await;
        events.next_of("ready").await;
        if number == BLOCKS / 2 {
            server.stop_projector.cancel();
        }
        let reason = json!({ "reason": "spam" });
        admin.post(&format!("/users/{id}/block"), &reason).await.expect(204);
        let began = Instant::now();
        for client in [&bob, &second, &page] {
            assert!([401, 403].contains(&client.get("/users/me").await.status.as_u16()));
        }
        assert_eq!(socket.close_code().await, 4403);
        assert_eq!(events.next_of("close").await.1["data"]["code"], 4403);
        assert!(events.next().await.is_none());
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    }
}

#[tokio::test]
async fn a_token_is_good_to_the_second() {
    let server = Server::start().await;
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    let first = ada.get("/users/me").await.header("token-expires-at").to_owned();
    server.pass(3538);
    // 61 s are left, or a little more: not renewed yet.
    let answer = ada.get("/users/me").await;
    assert_eq!(answer.header("token-expires-at"), first);
    answer.expect(200);
    server.pass(63);
    bob.get("/users/me").await.refused(401, "token_expired");
    ada.get("/users/me").await.refused(401, "token_expired");
}

#[tokio::test]
async fn log_ins_that_wait_slow_no_other_read() {
    let config = api::ApiConfig { bcrypt_cost: 9, ..unthrottled() };
    let server = Server::with(config).await;
    let ada = server.user("ada").await;
    let attempts = (0..200).map(|_| {
        let client = server.anonymous();
        tokio::spawn(async move { client.log_in("nobody", "a wrong password").await })
    });
    let attempts: Vec<_> = attempts.collect();
    let mut times = Vec::new();
    for _ in 0..50 {
        let began = Instant::now();
        ada.get("/users/me").await.expect(200);
        times.push(began.elapsed());
    }
    let mut refused = 0;
    for attempt in attempts {
        let answer = attempt.await.unwrap();
        refused += usize::from(answer.status == 503);
        assert!(answer.status == 401 || !answer.header("retry-after").is_empty());
    }
    times.sort_unstable();
    // One hash takes longer than this; so do all of them, one after the other, by far.
    assert!(times[25] < Duration::from_millis(100), "{times:?}");
    assert!(refused > 0, "the queue is bounded");
}

#[tokio::test]
async fn known_and_unknown_names_take_the_same_time() {
    let config = api::ApiConfig { bcrypt_cost: 8, ..unthrottled() };
    let server = Server::with(api::ApiConfig { lock_after: 1000, ..config }).await;
    server.user("ada").await;
    let client = server.anonymous();
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for _ in 0..15 {
        for (name, times) in [("ada", &mut known), ("eve", &mut unknown)] {
            let began = Instant::now();
            client.log_in(name, "a wrong password").await.expect(401);
            times.push(began.elapsed());
        }
    }
    known.sort_unstable();
    unknown.sort_unstable();
    let (known, unknown) = (known[7].as_secs_f64(), unknown[7].as_secs_f64());
    // Without its hash one of them would take next to nothing.
    assert!((known / unknown - 1.0).abs() < 0.5, "{known} and {unknown}");
}

/// Numbers that look random and are the same each time.
fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

#[tokio::test]
async fn every_view_equals_the_log_however_often_it_was_broken_off() {
    let server = Server::with(unthrottled()).await;
    let ada = server.user("ada").await;
    let code = ada.room().await;
    let writer = {
        let (ada, code) = (ada.clone(), code.clone());
        tokio::spawn(async move {
            for number in 0..400 {
                ada.say(&code, &number.to_string()).await.expect(201);
            }
        })
    };
    // One participant and four hundred messages.
    let end = 401;
    let readers = (0..3_u64).map(|seed| {
        let (ada, code) = (ada.clone(), code.clone());
        tokio::spawn(async move {
            let (mut state, mut last, mut texts) = (seed, 0, Vec::new());
            for round in 0.. {
                let many = if round < RESUMES { draw(&mut state) % 7 } else { end };
                let until = (last + many).min(end);
                let mut take = |message: &serde_json::Value| {
                    let Some(seq) = message["seq"].as_u64() else { return last };
                    assert_eq!(seq, last + 1);
                    if message["type"] == "message" {
                        texts.push(message["data"]["msg_content"].clone());
                    }
                    last = seq;
                    last
                };
                if draw(&mut state).is_multiple_of(2) {
                    let query = format!("?after={}", take(&json!({})));
                    let mut socket = ada.socket(&code, &query).await.unwrap();
                    while take(&json!({})) < until {
                        take(&socket.next().await.unwrap());
                    }
                } else {
                    let query = format!("?after={}", take(&json!({})));
                    let mut events = ada.events(&code, &query).await;
                    while take(&json!({})) < until {
                        take(&events.next().await.unwrap().1);
                    }
                }
                if last == end {
                    return texts;
                }
            }
            texts
        })
    });
    let readers: Vec<_> = readers.collect();
    writer.await.unwrap();
    let expected: Vec<_> = (0..400).map(|number| json!(number.to_string())).collect();
    for reader in readers {
        assert_eq!(reader.await.unwrap(), expected);
    }
}

#[tokio::test]
async fn if_match_guards_rooms_messages_and_transcripts() {
    let server = Server::with(quick()).await;
    let ada = server.user("ada").await;
    let code = ada.room().await;
    let room = format!("/rooms/{code}");
    let said = ada.say(&code, "hello").await;
    let typed = json!({ "ts_content": "hello" });
    let typed = ada.post(&format!("{room}/transcripts"), &typed).await;
    let cases = [
        (room.clone(), ada.get(&room).await, json!({ "lobby": true })),
        (format!("{room}/messages/{}", said.body["id"]), said, json!({ "msg_content": "ho" })),
        (format!("{room}/transcripts/{}", typed.body["id"]), typed, json!({ "ts_content": "ho" })),
    ];
    for (path, first, change) in cases {
        let tag = first.header("etag").to_owned();
        assert!(!tag.is_empty(), "{path}");
        let seen = ada.header("if-match", &tag);
        let changed = seen.patch(&path, &change).await;
        let newer = changed.header("etag").to_owned();
        changed.expect(200);
        assert_ne!(newer, tag);
        seen.patch(&path, &change).await.refused(412, "stale");
        assert_eq!(ada.get(&path).await.header("etag"), newer);
    }
}
