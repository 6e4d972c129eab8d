//! One test for each mistake of earlier applications of this kind, as the domain lists them.

use projector::{Cursor, Page};
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::PASSWORD;
use crate::path::record;
use crate::server::{Server, unthrottled, until};

#[tokio::test]
async fn mistake_1_a_renewed_token_is_the_same_token() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    for _ in 0..3 {
        server.pass(3550);
        let before = server.now().plus_seconds(1800).to_string();
        until("the renewal", async || {
            let answer = ada.get("/users/me").await;
            assert_eq!(answer.status, 200);
            answer.header("token-expires-at") > before.as_str()
        })
        .await;
    }
    assert_eq!(ada.get("/tokens").await.expect(200)["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn mistake_2_a_block_holds_for_the_api_too_and_log_ins_are_counted() {
    let server = Server::start().await;
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    let path = format!("/users/{}", bob.id().await);
    for _ in 0..3 {
        server.anonymous().log_in("bob", "a wrong password").await.expect(401);
    }
    until("the failures are counted", async || {
        admin.get(&path).await.expect(200)["failed_login_attempts"] == 3
    })
    .await;
    let reason = json!({ "reason": "spam" });
    admin.post(&format!("{path}/block"), &reason).await.expect(204);
    bob.get("/rooms").await.expect(401);
    server.anonymous().log_in("bob", PASSWORD).await.refused(403, "blocked");
    let mut last = 0;
    for _ in 0..60 {
        last = server.anonymous().log_in("bob", "a wrong password").await.status.as_u16();
    }
    assert_eq!(last, 429);
}

#[tokio::test]
async fn mistake_3_a_token_reads_what_is_its_own() {
    let server = Server::start().await;
    let (ada, eve) = (server.user("ada").await, server.user("eve").await);
    let code = ada.room().await;
    ada.say(&code, "secret").await.expect(201);
    eve.get("/users").await.expect(403);
    eve.get(&format!("/users/{}", ada.id().await)).await.expect(403);
    assert_eq!(eve.get("/rooms").await.expect(200)["data"], json!([]));
    for what in ["", "/messages", "/participants", "/transcripts", "/transcript.txt", "/presence"] {
        eve.get(&format!("/rooms/{code}{what}")).await.refused(404, "not_found");
    }
}

#[tokio::test]
async fn mistake_4_every_table_is_written() {
    let server = Server::start().await;
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    let room = ada.post("/rooms", &json!({})).await.expect(201);
    let code = room["room_code"].as_str().unwrap();
    bob.join(code).await.expect(201);
    bob.put(&format!("/rooms/{code}/captions/me"), &json!({ "consent": true })).await.expect(204);
    bob.say(code, "hello").await.expect(201);
    let (id, user) = (room["id"].as_u64().unwrap(), bob.id().await);
    record(&server, events::RoomId::new(id), events::UserId::new(user), "HOUSE").await;
    let (store, room) = (&server.store, events::RoomId::new(id));
    let user = events::UserId::new(user);
    let rows = async |what: &str| {
        let list = bob.get(&format!("/rooms/{code}/{what}")).await.expect(200);
        list["data"].as_array().unwrap().len()
    };
    until("the tables", async || {
        let page = Page { cursor: Cursor::Start, limit: 10 };
        let people = store.participants(room, page).await.unwrap().rows.len();
        (people, rows("messages").await, rows("transcripts").await) == (2, 1, 1)
    })
    .await;
    let last_seen = async || store.user(user).await.unwrap().unwrap().last_seen;
    let first = last_seen().await;
    server.pass(61);
    until("last_seen moves", async || {
        bob.get("/users/me").await.expect(200);
        last_seen().await > first
    })
    .await;
}

#[tokio::test]
async fn mistake_5_a_reset_link_works_once_and_a_new_password_ends_every_session() {
    let server = Server::start().await;
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    let path = format!("/users/{}/password-reset", bob.id().await);
    let link = admin.post(&path, &json!({})).await.expect(201);
    let link = format!("/password-resets/{}", link["secret"].as_str().unwrap());
    let new = json!({ "new": "an entirely different sentence" });
    server.anonymous().put(&link, &new).await.expect(204);
    server.anonymous().put(&link, &new).await.refused(410, "gone");
    bob.get("/users/me").await.refused(401, "invalid_token");
}

#[tokio::test]
async fn mistake_6_the_removed_stay_out_the_chat_stays_whole_and_captions_have_their_signer() {
    let server = Server::with(unthrottled()).await;
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    let room = ada.post("/rooms", &json!({})).await.expect(201);
    let code = room["room_code"].as_str().unwrap();
    bob.join(code).await.expect(201);
    bob.put(&format!("/rooms/{code}/captions/me"), &json!({ "consent": true })).await.expect(204);
    let user = bob.id().await;
    let id = room["id"].as_u64().unwrap();
    record(&server, events::RoomId::new(id), events::UserId::new(user), "HOUSE").await;
    for number in 0..60 {
        bob.say(code, &number.to_string()).await.expect(201);
    }
    let gone = ada.delete(&format!("/rooms/{code}/participants/{user}")).await;
    let position = gone.header("log-position").to_owned();
    gone.expect(204);
    bob.join(code).await.refused(403, "removed");
    ada.post(&format!("/rooms/{code}/close"), &json!({})).await.expect(204);
    let read = ada.header("min-position", &position);
    let (mut texts, mut after) = (Vec::new(), String::new());
    loop {
        let page = read.get(&format!("/rooms/{code}/messages?limit=25{after}")).await.expect(200);
        texts.extend(page["data"].as_array().unwrap().iter().map(|row| row["msg_content"].clone()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        after = format!("&after={next}");
    }
    let expected: Vec<Value> = (0..60).map(|number| json!(number.to_string())).collect();
    assert_eq!(texts, expected);
    let captions = read.get(&format!("/rooms/{code}/transcripts")).await.expect(200);
    assert_eq!(captions["data"][0]["user_id"], user);
    // Nobody types under another's name.
    let typed = json!({ "ts_content": "x", "user_id": user });
    ada.post(&format!("/rooms/{code}/transcripts"), &typed).await.refused(422, "invalid");
}

#[tokio::test]
async fn mistake_7_the_page_lets_nothing_come_from_elsewhere() {
    let server = Server::start().await;
    for path in ["/", "/docs", "/assets/app.js"] {
        let url = format!("http://{}{path}", server.address);
        let answer = reqwest::get(url).await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        assert!(
            !policy.contains("http") && !policy.contains('*') && !policy.contains("unsafe-inline")
        );
        let text = answer.text().await.unwrap();
        let elsewhere = ["src=\"http", "href=\"http", "src=\"//", "href=\"//", "url(http"];
        assert!(elsewhere.iter().all(|start| !text.contains(start)), "{path}");
    }
}

#[tokio::test]
async fn mistake_8_no_caption_is_made_up() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let code = ada.room().await;
    ada.put(&format!("/rooms/{code}/captions/me"), &json!({ "consent": true })).await.expect(204);
    let mut socket = ada.socket(&code, "?after=0").await.unwrap();
    socket.next_of_but("ready", "transcript").await;
    let frames: Vec<_> =
        (0..50).map(|n| clips::landmarks::Frame::empty(n * 40_000, 640.0, 480.0)).collect();
    let path = format!("/rooms/{code}/frames");
    let request = ada.request(Method::POST, &path).body(clips::live_wire::encode(&frames, 0));
    let landmarks = "application/vnd.signcall.landmarks";
    ada.send(request.header("content-type", landmarks)).await.expect(202);
    ada.send(ada.request(Method::POST, &format!("{path}/end"))).await.expect(202);
    // Nobody recognizes anything here, so nothing may come.
    socket.send(&json!({ "type": "ping" })).await;
    assert!(socket.next_of_but("pong", "partial").await["ephemeral"] == true);
    let list = ada.get(&format!("/rooms/{code}/transcripts")).await.expect(200);
    assert_eq!(list["data"], json!([]));
}
