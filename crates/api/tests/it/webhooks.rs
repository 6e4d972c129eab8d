//! Webhooks from end to end: a real receiver on a socket, a real reactor.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use api::WebhookTargets;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reactor::Targets;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::client::Client;
use crate::server::{PATIENCE, Server, unthrottled, until};

const ANYWHERE: Targets = Targets { private: true, http: true };

/// What a receiver got: headers and body.
type Received = (HeaderMap, Bytes);

/// Somebody who is told things; refuses the first `failures` with 500.
struct Receiver {
    url: String,
    heard: mpsc::UnboundedReceiver<Received>,
}

impl Receiver {
    async fn start(failures: usize) -> Self {
        let (tell, heard) = mpsc::unbounded_channel();
        let left = Arc::new(AtomicUsize::new(failures));
        let take = move |headers: HeaderMap, body: Bytes| async move {
            let refuses =
                left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
            let _ = tell.send((headers, body));
            if refuses { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::NO_CONTENT }
        };
        let router = axum::Router::new().route("/hook", axum::routing::post(take));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, heard }
    }

    /// The next delivery, its signature checked.
    async fn next(&mut self, secret: &str) -> (String, Value) {
        let heard = tokio::time::timeout(PATIENCE, self.heard.recv()).await.expect("in time");
        let (headers, body) = heard.unwrap();
        let header = |name| headers[name].to_str().unwrap();
        let key = BASE64.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        let signed = format!("{}.{}.", header("webhook-id"), header("webhook-timestamp"));
        mac.update(signed.as_bytes());
        mac.update(&body);
        let expected = format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()));
        assert_eq!(header("webhook-signature"), expected);
        (header("webhook-id").to_owned(), serde_json::from_slice(&body).unwrap())
    }

    async fn next_of(&mut self, secret: &str, kind: &str) -> Value {
        loop {
            let (_, told) = self.next(secret).await;
            if told["type"] == kind {
                return told;
            }
        }
    }

    fn has_more(&mut self) -> bool {
        self.heard.try_recv().is_ok()
    }
}

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
