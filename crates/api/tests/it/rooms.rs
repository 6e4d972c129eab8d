//! Rooms and chat: who may, what comes twice, and lists in pages.

use serde_json::{Value, json};

use crate::server::{Server, unthrottled};

#[tokio::test]
async fn outsiders_cannot_tell_a_room_from_no_room() {
    let server = Server::start().await;
    let (ada, eve) = (server.user("ada").await, server.user("eve").await);
    let code = ada.room().await;
    let message = ada.say(&code, "secret").await.expect(201)["id"].as_u64().unwrap();
    let same = |real: Value, none: Value| {
        let strip = |mut body: Value| {
            body.as_object_mut().unwrap().remove("request_id");
            body
        };
        assert_eq!(strip(real), strip(none));
    };
    for path in [
        "",
        "/messages",
        "/participants",
        "/presence",
        "/transcripts",
        "/transcript.vtt",
        &format!("/messages/{message}"),
        "/events",
    ] {
        let real = eve.get(&format!("/rooms/{code}{path}")).await.refused(404, "not_found");
        same(real, eve.get(&format!("/rooms/000000000{path}")).await.expect(404));
    }
    let real = eve.say(&code, "hi").await.refused(404, "not_found");
    same(real, eve.say("000000000", "hi").await.expect(404));
    let real = eve.post(&format!("/rooms/{code}/close"), &json!({})).await.expect(404);
    same(real, eve.post("/rooms/000000000/close", &json!({})).await.expect(404));
    eve.get("/rooms/short").await.refused(404, "not_found");
    assert!(eve.socket(&code, "").await.is_err());
    assert_eq!(eve.get("/rooms").await.expect(200)["data"], json!([]));
}

#[tokio::test]
async fn only_the_owner_ends_a_room_and_a_closed_one_cannot_be_joined() {
    let server = Server::start().await;
    let (ada, bob, eve) =
        (server.user("ada").await, server.user("bob").await, server.user("eve").await);
    let code = ada.room().await;
    bob.join(&code).await.expect(201);
    bob.post(&format!("/rooms/{code}/close"), &json!({})).await.refused(403, "forbidden");
    bob.delete(&format!("/rooms/{code}")).await.refused(403, "forbidden");
    let etag = ada.get(&format!("/rooms/{code}")).await.header("etag").to_owned();
    assert_eq!(etag, "\"1\"");
    let stale = ada.header("if-match", "\"7\"");
    stale.post(&format!("/rooms/{code}/close"), &json!({})).await.refused(412, "stale");
    ada.post(&format!("/rooms/{code}/close"), &json!({})).await.expect(204);
    eve.join(&code).await.refused(404, "not_found");
    ada.delete(&format!("/rooms/{code}")).await.expect(204);
    ada.get(&format!("/rooms/{code}")).await.refused(404, "not_found");
}

#[tokio::test]
async fn the_removed_do_not_come_back() {
    let server = Server::start().await;
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    let code = ada.room().await;
    bob.join(&code).await.expect(201);
    let mut socket = bob.socket(&code, "").await.unwrap();
    socket.next_of("ready").await;
    let path = format!("/rooms/{code}/participants/{}", bob.id().await);
    bob.delete(&format!("/rooms/{code}/participants/{}", ada.id().await)).await.expect(403);
    ada.delete(&path).await.expect(204);
    assert_eq!(socket.close_code().await, 4403);
    bob.join(&code).await.refused(403, "removed");
    bob.get(&format!("/rooms/{code}/messages")).await.expect(404);
}

#[tokio::test]
async fn a_retry_gets_the_first_answer() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let keyed = ada.header("idempotency-key", "one");
    let first = keyed.post("/rooms", &json!({})).await.expect(201);
    assert_eq!(keyed.post("/rooms", &json!({})).await.expect(201), first);
    let code = first["room_code"].as_str().unwrap();
    let sent = keyed.say(code, "once").await.expect(201);
    assert_eq!(keyed.say(code, "once").await.expect(201), sent);
    keyed.say(code, "another").await.refused(422, "idempotency_key_reused");
    let other = ada.header("idempotency-key", "two").say(code, "once").await.expect(201);
    assert_ne!(other["id"], sent["id"]);
    let list = ada.get(&format!("/rooms/{code}/messages")).await.expect(200);
    assert_eq!(list["data"].as_array().unwrap().len(), 2);
    ada.header("idempotency-key", &"x".repeat(201)).say(code, "x").await.expect(400);
}

#[tokio::test]
async fn messages_are_edited_and_deleted_by_their_author() {
    let server = Server::start().await;
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    let code = ada.room().await;
    bob.join(&code).await.expect(201);
    let id = bob.say(&code, "frist").await.expect(201)["id"].as_u64().unwrap();
    let path = format!("/rooms/{code}/messages/{id}");
    let text = json!({ "msg_content": "first" });
    ada.patch(&path, &text).await.refused(403, "forbidden");
    bob.header("if-match", "\"9\"").patch(&path, &text).await.refused(412, "stale");
    let edited = bob.header("if-match", "\"1\"").patch(&path, &text).await;
    assert_eq!(edited.header("etag"), "\"2\"");
    assert_eq!(edited.expect(200)["msg_content"], "first");
    let texts = ada.get(&format!("{path}/revisions")).await.expect(200);
    assert_eq!(texts["data"][0]["msg_content"], "frist");
    bob.delete(&path).await.expect(204);
    let tombstone = bob.get(&path).await.expect(200);
    assert_eq!(tombstone["msg_content"], Value::Null);
    assert!(tombstone["deleted_at"].is_string());
    bob.delete(&path).await.refused(404, "not_found");
}

#[tokio::test]
async fn lists_come_in_pages_in_both_directions() {
    let server = Server::with(unthrottled()).await;
    let ada = server.user("ada").await;
    let code = ada.room().await;
    for number in 0..7 {
        ada.say(&code, &number.to_string()).await.expect(201);
    }
    let texts = |page: &Value| -> Vec<String> {
        let rows = page["data"].as_array().unwrap().iter();
        rows.map(|row| row["msg_content"].as_str().unwrap().to_owned()).collect()
    };
    let path = format!("/rooms/{code}/messages?limit=3");
    let first = ada.get(&path).await;
    assert!(first.header("link").contains("rel=\"next\""));
    let first = first.expect(200);
    assert_eq!(texts(&first), ["0", "1", "2"]);
    let next = |page: &Value| format!("{path}&after={}", page["next_cursor"].as_str().unwrap());
    let second = ada.get(&next(&first)).await.expect(200);
    assert_eq!(texts(&second), ["3", "4", "5"]);
    let third = ada.get(&next(&second)).await.expect(200);
    assert_eq!(texts(&third), ["6"]);
    assert_eq!(third["next_cursor"], Value::Null);
    let back = |page: &Value| format!("{path}&before={}", page["prev_cursor"].as_str().unwrap());
    assert_eq!(texts(&ada.get(&back(&third)).await.expect(200)), ["3", "4", "5"]);
    let end = ada.get(&format!("{path}&before=")).await.expect(200);
    assert_eq!(texts(&end), ["4", "5", "6"]);
    let earlier = ada.get(&back(&end)).await.expect(200);
    assert_eq!(texts(&earlier), ["1", "2", "3"]);
    assert_eq!(texts(&ada.get(&back(&earlier)).await.expect(200)), ["0"]);
    for wrong in ["limit=0", "limit=101", "limit=x", "after=zz", "after=AA&before=AA"] {
        ada.get(&format!("/rooms/{code}/messages?{wrong}")).await.refused(422, "invalid");
    }
    ada.room().await;
    let rooms = ada.get("/rooms?limit=1").await.expect(200);
    assert!(rooms["next_cursor"].is_string());
    assert_ne!(rooms["data"][0]["room_code"], code);
}

#[tokio::test]
async fn captions_need_consent_to_be_kept() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let code = ada.room().await;
    let path = format!("/rooms/{code}/captions/me");
    ada.put(&path, &json!({ "consent": false, "keep": true })).await.refused(422, "invalid");
    ada.put(&path, &json!({ "consent": true, "keep": true })).await.expect(204);
    let me = ada.get(&format!("/rooms/{code}/participants")).await.expect(200);
    assert_eq!(me["data"][0]["consent"], "captions_and_keeping");
    ada.put(&path, &json!({ "consent": false })).await.expect(204);
}

#[tokio::test]
async fn everything_about_me_is_in_one_file() {
    let server = Server::start().await;
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    let code = ada.room().await;
    bob.join(&code).await.expect(201);
    let said = ada.say(&code, "first thought").await.expect(201);
    let edit = format!("/rooms/{code}/messages/{}", said["id"]);
    ada.patch(&edit, &json!({ "msg_content": "mine" })).await.expect(200);
    ada.post("/webhooks", &json!({ "url": "https://example.org/hook" })).await.expect(201);
    bob.say(&code, "not mine").await.expect(201);
    bob.say(&code, "his").await.expect(201);
    // What is kept of her, in a room that she has left meanwhile too.
    let (user, room) = (events::UserId::new(ada.id().await), events::RoomId::new(7));
    let kept = |first_seq: u64, bytes: Vec<u8>| vault::Kept {
        room,
        user,
        stream: "camera".to_owned(),
        first_seq,
        received_us: server.now().micros(),
        day: server.now().day(),
        until: None,
        pose: false,
        bytes,
    };
    let long = vec![7; 500_000];
    server.vault.keep(&[kept(0, b"landmarks".to_vec()), kept(8, long.clone())]).await.unwrap();
    let file = ada.get("/users/me/export").await;
    assert!(!file.text.contains("not mine") && !file.text.contains("$2"));
    let file = file.expect(200);
    assert_eq!(file["user"]["email"], "ada@example.org");
    assert_eq!(file["messages"][0]["msg_content"], "mine");
    assert_eq!(file["rooms"][0]["room_code"], code);
    assert_eq!(file["participations"][0]["consent"], "none");
    assert_eq!(file["tokens"].as_array().unwrap().len(), 1);
    assert_eq!(file["message_revisions"][0]["msg_content"], "first thought");
    assert_eq!(file["webhooks"][0]["url"], "https://example.org/hook");
    let kept = file["kept_landmarks"].as_array().unwrap();
    assert_eq!((kept.len(), &kept[0]["room_id"], &kept[1]["first_seq"]), (2, &json!(7), &json!(8)));
    assert_eq!(kept[0]["media_type"], "application/vnd.signcall.landmarks");
    assert_eq!(kept[0]["data"], "bGFuZG1hcmtz");
    assert_eq!(kept[1]["data"].as_str().unwrap().len(), long.len().div_ceil(3) * 4);
    let events = file["events"].as_array().unwrap();
    let types: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert!(types.starts_with(&["webhook.created"]) && types.ends_with(&["user.registered"]));
    assert!(!file.to_string().contains("whsec_"));
}

#[tokio::test]
async fn other_origins_read_answers_only_where_configured() {
    let preflight = async |server: &Server| {
        let ask = server.anonymous().header("origin", "https://other.example");
        let ask = ask.header("access-control-request-method", "POST");
        let ask = ask.header("access-control-request-headers", "authorization");
        ask.send(ask.request(reqwest::Method::OPTIONS, "/rooms")).await
    };
    let closed = preflight(&Server::start().await).await;
    assert_eq!(closed.header("access-control-allow-origin"), "");
    let origins = vec!["https://other.example".to_owned()];
    let config = api::ApiConfig { cors_origins: origins, ..crate::server::quick() };
    let open = preflight(&Server::with(config).await).await;
    assert_eq!(open.header("access-control-allow-origin"), "https://other.example");
    assert_eq!(open.header("access-control-allow-credentials"), "");
    assert_eq!(open.header("access-control-allow-headers"), "authorization");
}
