//! Webhooks from end to end: a real receiver on a socket, a real reactor.

use api::WebhookTargets;
use axum::http::StatusCode;
use reactor::Targets;
use serde_json::{Value, json};

use crate::client::Client;
use crate::receiver::Receiver;
use crate::server::{Server, unthrottled, until};

const ANYWHERE: Targets = Targets { private: true, http: true };

async fn server(targets: Targets) -> Server {
    let webhooks = WebhookTargets { allow_private_targets: true, allow_http: true };
    let server = Server::with(api::ApiConfig { webhooks, ..unthrottled() }).await;
    server.reactor(targets).await;
    server
}

async fn hook(client: &Client, body: &Value) -> (u64, String) {
    let made = client.post("/webhooks", body).await.expect(201);
    (made["id"].as_u64().unwrap(), made["secret"].as_str().unwrap().to_owned())
}

async fn deliveries(client: &Client, id: u64) -> Vec<Value> {
    let page = client.get(&format!("/webhooks/{id}/deliveries")).await.expect(200);
    page["data"].as_array().unwrap().clone()
}

#[tokio::test]
async fn what_happens_in_a_room_is_told_in_order_and_signed() {
    let server = server(ANYWHERE).await;
    // A second reactor on the same log tells nothing twice.
    server.reactor(ANYWHERE).await;
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    let mut receiver = Receiver::start(0).await;
    let (id, secret) = hook(&ada, &json!({ "url": receiver.url })).await;
    let code = ada.room().await;
    bob.join(&code).await.expect(201);
    bob.say(&code, "hello").await.expect(201);
    let typed = json!({ "ts_content": "coffee" });
    bob.post(&format!("/rooms/{code}/transcripts"), &typed).await.expect(201);
    bob.delete(&format!("/rooms/{code}/participants/me")).await.expect(204);
    ada.post(&format!("/rooms/{code}/close"), &json!({})).await.expect(204);
    // Somebody else's room is nobody else's business.
    bob.room().await;
    let mut told = Vec::new();
    for _ in 0..7 {
        told.push(receiver.next(&secret).await.1);
    }
    let kinds: Vec<&str> = told.iter().map(|told| told["type"].as_str().unwrap()).collect();
    let expected = [
        "room.created",
        "participant.joined",
        "participant.joined",
        "message.sent",
        "transcript.final",
        "participant.left",
        "room.closed",
    ];
    assert_eq!(kinds, expected);
    assert_eq!(told[2]["data"]["username"], "bob");
    assert_eq!(told[2]["data"]["participants"], 2);
    assert_eq!(told[3]["data"]["msg_content"], "hello");
    assert_eq!(told[3]["data"]["room_code"], code);
    assert_eq!(told[4]["data"]["ts_content"], "coffee");
    assert_eq!(told[5]["data"]["participants"], 1);
    until("all are delivered", async || {
        let all = deliveries(&ada, id).await;
        all.len() == 7 && all.iter().all(|one| one["state"] == "delivered" && one["status"] == 204)
    })
    .await;
    assert!(!receiver.has_more());
    let shown = ada.get(&format!("/webhooks/{id}")).await.expect(200);
    assert!(shown.get("secret").is_none(), "told once: {shown}");
    assert_eq!(shown["url"], receiver.url);
    bob.get(&format!("/webhooks/{id}")).await.refused(404, "not_found");
    assert!(bob.get("/webhooks").await.expect(200)["data"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn what_fails_is_tried_again_before_what_comes_after_it() {
    let server = server(ANYWHERE).await;
    let ada = server.user("ada").await;
    let code = ada.room().await;
    let mut receiver = Receiver::start(2).await;
    let body = json!({ "url": receiver.url, "room_code": code, "events": ["message.sent"] });
    let (id, secret) = hook(&ada, &body).await;
    ada.say(&code, "one").await.expect(201);
    ada.say(&code, "two").await.expect(201);
    let (first, told) = receiver.next(&secret).await;
    assert_eq!(told["data"]["msg_content"], "one");
    for attempts in [1, 2] {
        until("the failure is noted", async || {
            let one = deliveries(&ada, id).await.pop().unwrap();
            one["attempts"] == attempts && one["status"] == 500
        })
        .await;
        assert!(!receiver.has_more(), "nothing overtakes it, and it waits");
        server.pass(15);
        assert_eq!(receiver.next(&secret).await.0, first, "the same id each time");
    }
    let (_, told) = receiver.next(&secret).await;
    assert_eq!(told["data"]["msg_content"], "two");
    until("both are delivered", async || {
        deliveries(&ada, id).await.iter().all(|one| one["state"] == "delivered")
    })
    .await;
    let n = deliveries(&ada, id).await.pop().unwrap()["n"].as_u64().unwrap();
    let again = format!("/webhooks/{id}/deliveries/{n}/retry");
    server.user("eve").await.post(&again, &json!({})).await.refused(404, "not_found");
    let answer = ada.post(&again, &json!({})).await.expect(202);
    assert_eq!(answer["state"], "pending");
    assert_eq!(receiver.next(&secret).await.0, first);
    let other = format!("/webhooks/{id}/deliveries/{}/retry", n + 99);
    ada.post(&other, &json!({})).await.refused(404, "not_found");
    ada.delete(&format!("/webhooks/{id}")).await.expect(204);
    ada.say(&code, "three").await.expect(201);
    ada.get(&format!("/webhooks/{id}/deliveries")).await.refused(404, "not_found");
}

#[tokio::test]
async fn an_administrator_is_told_of_all_rooms_and_nobody_else() {
    let server = server(ANYWHERE).await;
    let (admin, ada) = (server.admin().await, server.user("ada").await);
    let mut receiver = Receiver::start(0).await;
    let all = json!({ "url": receiver.url, "all_rooms": true });
    ada.post("/webhooks", &all).await.refused(403, "forbidden");
    let (id, secret) = hook(&admin, &all).await;
    let code = ada.room().await;
    let told = receiver.next_of(&secret, "room.created").await;
    assert_eq!(told["data"]["room_code"], code);
    let said = ada.say(&code, "gone before it is told").await.expect(201);
    receiver.next_of(&secret, "message.sent").await;
    ada.delete(&format!("/rooms/{code}/messages/{}", said["id"])).await.expect(204);
    receiver.next_of(&secret, "message.deleted").await;
    let n = deliveries(&admin, id).await[1]["n"].as_u64().unwrap();
    let again = format!("/webhooks/{id}/deliveries/{n}/retry");
    admin.post(&again, &json!({})).await.expect(202);
    let told = receiver.next_of(&secret, "message.sent").await;
    assert_eq!(told["data"]["msg_content"], Value::Null, "a tombstone hides the text at once");
    let goodbye = json!({ "password": crate::client::PASSWORD });
    ada.send(ada.request(reqwest::Method::DELETE, "/users/me").json(&goodbye)).await.expect(204);
    let told = receiver.next_of(&secret, "room.deleted").await;
    assert_eq!(told["data"]["room_code"], code);
}

#[tokio::test]
async fn private_addresses_and_plain_http_are_refused_unless_configured() {
    let server = server(Targets { private: false, http: true }).await;
    let ada = server.user("ada").await;
    let mut receiver = Receiver::start(0).await;
    let (id, _) = hook(&ada, &json!({ "url": receiver.url })).await;
    ada.room().await;
    until("the refusal is noted", async || {
        let all = deliveries(&ada, id).await;
        all.last().is_some_and(|one| {
            one["error"].as_str().is_some_and(|error| error.contains("private network"))
        })
    })
    .await;
    assert!(!receiver.has_more());
    let strict = Server::start().await;
    let eve = strict.user("eve").await;
    for url in ["http://example.org/", "ftp://example.org/", "/hook", "https://a:b@example.org/"] {
        eve.post("/webhooks", &json!({ "url": url })).await.refused(422, "invalid");
    }
    let odd = json!({ "url": "https://example.org/", "events": ["room.exploded"] });
    eve.post("/webhooks", &odd).await.refused(422, "invalid");
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_told_nothing_until_its_webhook_is_enabled() {
    let server = server(ANYWHERE).await;
    let (ada, eve) = (server.user("ada").await, server.user("eve").await);
    let code = ada.room().await;
    let mut receiver = Receiver::answering(vec![StatusCode::GONE]).await;
    let body = json!({ "url": receiver.url, "events": ["message.sent"] });
    let (id, secret) = hook(&ada, &body).await;
    let path = format!("/webhooks/{id}");
    let shown = ada.get(&path).await.expect(200);
    assert!(shown["disabled_at"].is_null() && shown["disabled_reason"].is_null(), "{shown}");
    ada.say(&code, "one").await.expect(201);
    let (_, told) = receiver.next(&secret).await;
    assert_eq!(told["data"]["msg_content"], "one");
    until("it is disabled", async || {
        let shown = ada.get(&path).await.expect(200);
        shown["disabled_at"].is_string() && shown["disabled_reason"] == "gone"
    })
    .await;
    assert_eq!(ada.get("/webhooks").await.expect(200)["data"][0]["disabled_reason"], "gone");
    ada.say(&code, "two").await.expect(201);
    let dead = deliveries(&ada, id).await.pop().unwrap();
    assert_eq!((&dead["state"], &dead["status"]), (&json!("dead"), &json!(410)), "{dead}");
    let again = format!("{path}/deliveries/{}/retry", dead["n"]);
    ada.post(&again, &json!({})).await.refused(403, "forbidden");
    let enable = json!({ "enabled": true });
    eve.patch(&path, &enable).await.refused(404, "not_found");
    assert!(ada.patch(&path, &enable).await.expect(200)["disabled_at"].is_null());
    ada.say(&code, "three").await.expect(201);
    let (_, told) = receiver.next(&secret).await;
    assert_eq!(told["data"]["msg_content"], "three", "what came in between is told to nobody");
    ada.post(&again, &json!({})).await.expect(202);
    let (_, told) = receiver.next(&secret).await;
    assert_eq!(told["data"]["msg_content"], "one", "unless it is asked for");
    let off = ada.patch(&path, &json!({ "enabled": false })).await.expect(200);
    assert_eq!(off["disabled_reason"], "asked");
    ada.say(&code, "four").await.expect(201);
    ada.patch(&path, &enable).await.expect(200);
    ada.say(&code, "five").await.expect(201);
    assert_eq!(receiver.next(&secret).await.1["data"]["msg_content"], "five");
    let texts: Vec<Value> = deliveries(&ada, id).await;
    assert_eq!(texts.len(), 3, "{texts:?}");
}

#[tokio::test]
async fn what_waits_for_a_receiver_that_is_gone_is_given_up() {
    let server = server(ANYWHERE).await;
    let ada = server.user("ada").await;
    let code = ada.room().await;
    let answers = vec![StatusCode::INTERNAL_SERVER_ERROR, StatusCode::GONE];
    let mut receiver = Receiver::answering(answers).await;
    let body = json!({ "url": receiver.url, "events": ["message.sent"] });
    let (id, secret) = hook(&ada, &body).await;
    for text in ["one", "two", "three"] {
        ada.say(&code, text).await.expect(201);
    }
    receiver.next(&secret).await;
    until("all wait", async || {
        let all = deliveries(&ada, id).await;
        all.len() == 3 && all.iter().all(|one| one["state"] == "pending")
    })
    .await;
    server.pass(15);
    receiver.next(&secret).await;
    until("all are given up", async || {
        let all = deliveries(&ada, id).await;
        let disabled = |one: &Value| one["error"] == "the webhook is disabled";
        all.iter().all(|one| one["state"] == "dead") && all[..2].iter().all(disabled)
    })
    .await;
    assert!(!receiver.has_more());
}

#[tokio::test]
async fn a_webhook_is_tried_out() {
    let server = server(ANYWHERE).await;
    let (ada, eve) = (server.user("ada").await, server.user("eve").await);
    let mut receiver = Receiver::start(0).await;
    let body = json!({ "url": receiver.url, "events": ["room.closed"] });
    let (id, secret) = hook(&ada, &body).await;
    let test = format!("/webhooks/{id}/test");
    eve.post(&test, &json!({})).await.refused(404, "not_found");
    for _ in 0..2 {
        ada.post(&test, &json!({})).await.expect(204);
    }
    let (first, told) = receiver.next(&secret).await;
    assert_eq!((&told["type"], &told["data"]["webhook_id"]), (&json!("webhook.test"), &json!(id)));
    assert_ne!(receiver.next(&secret).await.0, first);
    until("both are delivered", async || {
        let all = deliveries(&ada, id).await;
        let arrived = |one: &Value| one["state"] == "delivered" && one["room_id"].is_null();
        all.len() == 2 && all.iter().all(arrived)
    })
    .await;
}

#[tokio::test]
async fn a_rotated_secret_signs_beside_the_new_one_for_a_day() {
    let server = server(ANYWHERE).await;
    let (ada, eve) = (server.user("ada").await, server.user("eve").await);
    let code = ada.room().await;
    let mut receiver = Receiver::start(0).await;
    let body = json!({ "url": receiver.url, "events": ["message.sent"] });
    let (id, old) = hook(&ada, &body).await;
    let rotate = format!("/webhooks/{id}/rotate-secret");
    eve.post(&rotate, &json!({})).await.refused(404, "not_found");
    let rotated = ada.post(&rotate, &json!({})).await.expect(200);
    let new = rotated["secret"].as_str().unwrap();
    assert_ne!(new, old);
    assert!(rotated["former_secret_until"].is_string());
    ada.say(&code, "one").await.expect(201);
    receiver.next_signed(&[new, &old]).await;
    server.pass(86_401);
    let again = server.anonymous().log_in("ada", crate::client::PASSWORD).await.expect(201);
    let ada = server.with_token(again["token"].as_str().unwrap());
    assert!(ada.get(&format!("/webhooks/{id}")).await.expect(200)["former_secret_until"].is_null());
    ada.say(&code, "two").await.expect(201);
    receiver.next_signed(&[new]).await;
}

/// Complaints elsewhere: left without joined, counts below zero, nothing about those who only waited.
#[tokio::test]
async fn who_waits_and_goes_never_joined_and_never_left() {
    let server = server(ANYWHERE).await;
    let ada = server.user("ada").await;
    let mut receiver = Receiver::start(0).await;
    let events = [
        "participant.waiting",
        "participant.joined",
        "participant.left",
        "participant.join_aborted",
    ];
    let (_, secret) = hook(&ada, &json!({ "url": receiver.url, "events": events })).await;
    let room = ada.post("/rooms", &json!({ "lobby": true })).await.expect(201);
    let people = format!("/rooms/{}/participants", room["room_code"].as_str().unwrap());
    let mut ids = Vec::new();
    for (name, fate) in [("bob", "leaves"), ("eve", "refused"), ("joe", "deletes"), ("zoe", "in")] {
        let client = server.user(name).await;
        let id = client.id().await;
        client.post(&people, &json!({})).await.expect(202);
        let admission = format!("{people}/{id}/admission");
        match fate {
            "leaves" => drop(client.delete(&format!("{people}/me")).await.expect(204)),
            "refused" => drop(ada.put(&admission, &json!({ "admit": false })).await.expect(204)),
            "deletes" => {
                let goodbye = json!({ "password": crate::client::PASSWORD });
                let request = client.request(reqwest::Method::DELETE, "/users/me").json(&goodbye);
                client.send(request).await.expect(204);
            }
            _ => {
                ada.put(&admission, &json!({ "admit": true })).await.expect(204);
                client.delete(&format!("{people}/me")).await.expect(204);
            }
        }
        ids.push(id);
    }
    let owner = ada.id().await;
    let expected = [
        ("participant.joined", owner, 1, Value::Null),
        ("participant.waiting", ids[0], 1, Value::Null),
        ("participant.join_aborted", ids[0], 1, json!("left")),
        ("participant.waiting", ids[1], 1, Value::Null),
        ("participant.join_aborted", ids[1], 1, json!("removed")),
        ("participant.waiting", ids[2], 1, Value::Null),
        ("participant.join_aborted", ids[2], 1, json!("account_deleted")),
        ("participant.waiting", ids[3], 1, Value::Null),
        ("participant.joined", ids[3], 2, Value::Null),
        ("participant.left", ids[3], 1, json!("left")),
    ];
    for (kind, user, inside, reason) in expected {
        let (_, told) = receiver.next(&secret).await;
        let data = &told["data"];
        assert_eq!(told["type"], kind, "{told}");
        assert_eq!((&data["user_id"], &data["participants"]), (&json!(user), &json!(inside)));
        assert_eq!(data["reason"], reason, "{told}");
    }
    // Who listens hears of the same people in the same order.
    let of = |n: usize, kinds: [&str; 2]| kinds.map(|kind| (kind.to_owned(), ids[n]));
    let mut expected = vec![("joined".to_owned(), owner)];
    expected.extend(of(0, ["joined", "left"]));
    expected.extend(of(1, ["joined", "removed"]));
    expected.extend(of(2, ["joined", "left"]));
    expected.extend(of(3, ["joined", "admitted"]));
    expected.push(("left".to_owned(), ids[3]));
    let code = room["room_code"].as_str().unwrap();
    assert_eq!(heard_of_people(&ada, code, expected.len()).await, expected);
}

/// The first entries of a room's sequence: what somebody did, and who.
async fn heard_of_people(client: &Client, code: &str, count: usize) -> Vec<(String, u64)> {
    let mut socket = client.socket(code, "?after=0").await.unwrap();
    let mut heard = Vec::new();
    while heard.len() < count {
        let message = socket.next().await.unwrap();
        if message["seq"].is_null() {
            continue;
        }
        let kind = message["type"].as_str().unwrap().trim_start_matches("participant_").to_owned();
        heard.push((kind, message["data"]["rp_user_id"].as_u64().unwrap()));
    }
    heard
}
