//! What ends a log-in ends it everywhere at once; log-ins that wait slow nobody else down.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::{Client, PASSWORD};
use crate::server::{Server, quick, unthrottled, until};

/// How often somebody is blocked, unless `SIGNCALL_TRIALS` says.
const BLOCKS: usize = 100;
/// Reads that are timed while log-ins wait, and within what time all but one in a hundred answer.
const READS: usize = 200;
const READ_WITHIN: Duration = Duration::from_millis(50);
/// Log-ins of a known and of an unknown name, each, unless `SIGNCALL_TRIALS` says.
const ATTEMPTS: usize = 15;

/// How often something is tried: `SIGNCALL_TRIALS`, or so often.
fn trials(unless_said: usize) -> usize {
    let said = std::env::var("SIGNCALL_TRIALS").ok();
    said.and_then(|said| said.parse().ok()).unwrap_or(unless_said)
}

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
    let elsewhere = server.serve().await;
    let (blocks, mut times) = (trials(BLOCKS), Vec::new());
    for number in 0..blocks {
        let name = format!("bob{number}");
        let bob = server.user(&name).await;
        let code = bob.room().await;
        let second = bob.log_in(&name, PASSWORD).await.expect(201);
        let mut second = server.with_token(second["token"].as_str().unwrap());
        let mut page = cookie(&server, &name).await;
        // At two API processes, by turns.
        if number % 2 == 1 {
            (second.address, page.address) = (elsewhere, elsewhere);
            page = page.header("origin", &format!("http://{elsewhere}"));
        }
        page.get("/users/me").await.expect(200);
        let id = bob.id().await;
        let mut socket = bob.socket(&code, "").await.unwrap();
        socket.next_of("ready").await;
        let mut events = second.events(&code, "").await;
        events.next_of("ready").await;
        if number == blocks / 2 {
            server.stop_projector.cancel();
        }
        let reason = json!({ "reason": "spam" });
        admin.post(&format!("/users/{id}/block"), &reason).await.expect(204);
        let began = Instant::now();
        for client in [&bob, &second, &page] {
            // The other process hears of it as fast as it can.
            let dead = async || client.get("/users/me").await.status == 401;
            until("it is refused", dead).await;
        }
        assert_eq!(socket.close_code().await, 4403);
        assert_eq!(events.next_of("close").await.1["data"]["code"], 4403);
        assert!(events.next().await.is_none());
        times.push(began.elapsed());
        // Each of them, not most.
        let took = began.elapsed();
        assert!(took < Duration::from_secs(1), "block {number} of {blocks} took {took:?}");
    }
    times.sort_unstable();
    let (median, longest) = (times[blocks / 2], times[blocks - 1]);
    println!("{blocks} blocks until all five were dead: median {median:?}, longest {longest:?}");
}

#[tokio::test]
async fn known_and_unknown_names_get_the_same_answer_after_the_same_time() {
    let attempts = trials(ATTEMPTS);
    // The long run is held to two parts in a hundred, at the cost as shipped.
    let (bcrypt_cost, apart) = if attempts < 200 { (8, 0.5) } else { (12, 0.02) };
    let config = api::ApiConfig { bcrypt_cost, lock_after: 10_000, ..unthrottled() };
    let server = Server::with(config).await;
    server.user("ada").await;
    let client = server.anonymous();
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    let mut texts = std::collections::BTreeSet::new();
    for _ in 0..attempts {
        for (name, times) in [("ada", &mut known), ("eve", &mut unknown)] {
            let began = Instant::now();
            let answer = client.log_in(name, "a wrong password").await;
            times.push(began.elapsed());
            assert_eq!(answer.status, 401);
            let id = answer.header("x-request-id").to_owned();
            let mut headers = answer.headers.clone();
            headers.remove("x-request-id");
            headers.remove("date");
            texts.insert((answer.text.replace(&id, "ID"), format!("{headers:?}")));
        }
    }
    assert_eq!(texts.len(), 1, "{texts:?}");
    known.sort_unstable();
    unknown.sort_unstable();
    let (known, unknown) = (known[attempts / 2], unknown[attempts / 2]);
    println!("{attempts} + {attempts} attempts: medians {known:?} and {unknown:?}");
    let ratio = known.as_secs_f64() / unknown.as_secs_f64();
    assert!((ratio - 1.0).abs() < apart, "{known:?} and {unknown:?}");
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

/// What is timed closely, with nothing beside it.
mod alone {
    use super::*;

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
        for _ in 0..READS {
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
        let p99 = times[READS * 99 / 100 - 1];
        println!("{READS} reads beside 200 log-ins: p99 {p99:?}, longest {:?}", times[READS - 1]);
        assert!(p99 < READ_WITHIN, "{times:?}");
        assert!(refused > 0, "the queue is bounded");
    }
}
