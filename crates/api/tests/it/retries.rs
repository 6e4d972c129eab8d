//! Retries under an idempotency key get the first answer, however the address is spelled and
//! whatever has become of things since.

use serde_json::{Value, json};

use crate::client::Client;
use crate::server::{Server, unthrottled};

fn keyed(client: &Client, key: &str) -> Client {
    client.header("idempotency-key", key)
}

#[tokio::test]
async fn a_key_is_good_for_a_room_however_its_code_is_spelled() {
    let server = Server::start().await;
    let ada = keyed(&server.user("ada").await, "one");
    let code = ada.room().await;
    let sent = ada.say(&code, "once").await.expect(201);
    let (a, b, c) = (&code[..3], &code[3..6], &code[6..]);
    let dashed = format!("{a}-{b}-{c}").to_lowercase();
    assert_eq!(ada.say(&dashed, "once").await.expect(201), sent);
    ada.say(&dashed, "another").await.refused(422, "idempotency_key_reused");
    let path = format!("/rooms/{code}/messages/{}", sent["id"]);
    let zeros = format!("/rooms/{dashed}/messages/00{}", sent["id"]);
    let text = json!({ "msg_content": "twice" });
    let edited = ada.patch(&path, &text).await.expect(200);
    assert_eq!(ada.patch(&zeros, &text).await.expect(200), edited);
    let all = ada.get(&format!("/rooms/{code}/messages")).await.expect(200);
    assert_eq!(
        (all["data"].as_array().unwrap().len(), &all["data"][0]["revision"]),
        (1, &json!(2))
    );
}

/// Everything that Bob does in a room under keys, and what it was answered.
async fn deeds(bob: &Client, code: &str) -> Vec<(&'static str, String, Value, u16, Value)> {
    let room = format!("/rooms/{code}");
    let mut done = Vec::new();
    let mut act = async |method: &'static str, path: String, body: Value, status: u16| {
        let answer = again(bob, method, &path, &body).await.expect(status);
        done.push((method, path, body, status, answer.clone()));
        answer
    };
    act("POST", format!("{room}/participants"), json!({}), 201).await;
    let said = json!({ "msg_content": "said" });
    let sent = act("POST", format!("{room}/messages"), said, 201).await;
    let message = format!("{room}/messages/{}", sent["id"]);
    act("PATCH", message.clone(), json!({ "msg_content": "bettered" }), 200).await;
    let typed =
        act("POST", format!("{room}/transcripts"), json!({ "ts_content": "typed" }), 201).await;
    let segment = format!("{room}/transcripts/{}", typed["id"]);
    act("PATCH", segment, json!({ "ts_content": "mended" }), 200).await;
    act("PUT", format!("{room}/captions/me"), json!({ "consent": true }), 204).await;
    act("DELETE", message, json!({}), 204).await;
    done
}

async fn again(client: &Client, method: &str, path: &str, body: &Value) -> crate::client::Answer {
    let key = format!("{method} {path}");
    let client = keyed(client, &key.replace('/', "."));
    client.send(client.request(method.parse().unwrap(), path).json(body)).await
}

#[tokio::test]
async fn a_retry_gets_the_first_answer_whatever_has_happened_since() {
    let server = Server::with(unthrottled()).await;
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    let create = json!({ "locked": false, "capacity": 7 });
    let created = again(&ada, "POST", "/rooms", &create).await.expect(201);
    let code = created["room_code"].as_str().unwrap();
    let room = format!("/rooms/{code}");
    let done = deeds(&bob, code).await;
    let all_as_first = async || {
        for (method, path, body, status, first) in &done {
            let retried = again(&bob, method, path, body).await;
            assert_eq!(&retried.expect(*status), first, "{method} {path}");
        }
        let retried = again(&ada, "POST", "/rooms", &create).await.expect(201);
        assert_eq!(retried, created);
    };
    all_as_first().await;
    let segment = &done[3].4["id"];
    let mended = json!({ "ts_content": "by ada" });
    ada.patch(&format!("{room}/transcripts/{segment}"), &mended).await.expect(200);
    ada.patch(&room, &json!({ "locked": true, "capacity": 9 })).await.expect(200);
    all_as_first().await;
    let back = format!("{room}/participants/{}", bob.id().await);
    again(&ada, "DELETE", &back, &json!({})).await.expect(204);
    all_as_first().await;
    bob.say(code, "new").await.refused(404, "not_found");
    again(&ada, "POST", &format!("{room}/close"), &json!({})).await.expect(204);
    all_as_first().await;
    let people = ada.get(&format!("{room}/participants")).await.expect(200);
    assert_eq!(people["data"].as_array().unwrap().len(), 1, "no retry brought Bob back");
    again(&ada, "DELETE", &room, &json!({})).await.expect(204);
    for (method, path) in [("DELETE", &back), ("POST", &format!("{room}/close")), ("DELETE", &room)]
    {
        again(&ada, method, path, &json!({})).await.expect(204);
    }
    // What was in the room is gone with it; what an answer said of itself alone is told still.
    for (method, path, body, status, first) in &done {
        let told = *status == 204 || *method == "POST";
        let retried = again(&bob, method, path, body).await;
        if told {
            assert_eq!(&retried.expect(*status), first, "{method} {path}");
        } else {
            retried.refused(404, "not_found");
        }
    }
    bob.post(&format!("{room}/messages"), &json!({ "msg_content": "x" })).await.expect(404);
}

#[tokio::test]
async fn a_retry_of_waiting_in_the_lobby_says_so_as_it_did() {
    let server = Server::start().await;
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    let made = ada.post("/rooms", &json!({ "lobby": true })).await.expect(201);
    let room = format!("/rooms/{}", made["room_code"].as_str().unwrap());
    let path = format!("{room}/participants");
    let first = again(&bob, "POST", &path, &json!({})).await.expect(202);
    let admission = format!("{path}/{}/admission", bob.id().await);
    ada.put(&admission, &json!({ "admit": true })).await.expect(204);
    assert_eq!(again(&bob, "POST", &path, &json!({})).await.expect(202), first);
    assert_eq!(bob.post(&path, &json!({})).await.expect(201)["admission"], "admitted");
}
