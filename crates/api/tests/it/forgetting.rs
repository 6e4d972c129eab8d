//! Texts that are gone for good are told to those who have read them: with their author's account, or
//! past their retention.

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Client, PASSWORD};
use crate::server::{Server, unthrottled, until};

async fn erase(client: &Client) {
    let goodbye = json!({ "password": PASSWORD, "erase_content": true });
    client.send(client.request(Method::DELETE, "/users/me").json(&goodbye)).await.expect(204);
}

async fn contents(client: &Client, code: &str) -> Vec<Value> {
    let messages = client.get(&format!("/rooms/{code}/messages")).await.expect(200);
    let captions = client.get(&format!("/rooms/{code}/transcripts")).await.expect(200);
    let said = messages["data"].as_array().unwrap().iter().map(|row| row["msg_content"].clone());
    let signed = captions["data"].as_array().unwrap().iter().map(|row| row["ts_content"].clone());
    said.chain(signed).collect()
}

/// Also by somebody who is in the room no more.
#[tokio::test]
async fn who_has_read_texts_hears_that_they_are_erased() {
    let server = Server::with(unthrottled()).await;
    let (ada, bob, eve) =
        (server.user("ada").await, server.user("bob").await, server.user("eve").await);
    let (code, elsewhere) = (ada.room().await, ada.room().await);
    let typed = json!({ "ts_content": "typed" });
    for client in [&bob, &eve] {
        client.join(&code).await.expect(201);
        client.say(&code, "said").await.expect(201);
        client.post(&format!("/rooms/{code}/transcripts"), &typed).await.expect(201);
    }
    // Where somebody wrote nothing, there is nothing to be told.
    bob.join(&elsewhere).await.expect(201);
    eve.delete(&format!("/rooms/{code}/participants/me")).await.expect(204);
    let (bobs, eves) = (bob.id().await, eve.id().await);
    let mut socket = ada.socket(&code, "?after=0").await.unwrap();
    let mut events = ada.events(&code, "?after=0").await;
    let mut other = ada.socket(&elsewhere, "?after=0").await.unwrap();
    let last = socket.next_of("participant_left").await["seq"].as_u64().unwrap();
    for (client, id) in [(&bob, bobs), (&eve, eves)] {
        erase(client).await;
        let told = socket.next_of("texts_erased").await;
        assert_eq!(told["data"]["user_id"], id);
        let (place, same) = events.next_of("texts_erased").await;
        assert_eq!((place, &same), (told["seq"].as_u64(), &told));
    }
    assert_eq!(contents(&ada, &code).await, [Value::Null, Value::Null, Value::Null, Value::Null]);
    // Who was away meanwhile hears the same, and gets no text any more.
    let mut later = ada.socket(&code, &format!("?after={last}")).await.unwrap();
    let mut kinds = Vec::new();
    while kinds.last() != Some(&"ready".into()) {
        kinds.push(later.next().await.unwrap()["type"].clone());
    }
    assert_eq!(kinds, ["participant_left", "texts_erased", "texts_erased", "ready"]);
    let mut whole = ada.events(&code, "?after=0").await;
    loop {
        let (_, message) = whole.next().await.unwrap();
        if message["type"] == "ready" {
            break;
        }
        let data = &message["data"];
        assert!(data["msg_content"].is_null() && data["ts_content"].is_null(), "{message}");
    }
    ada.say(&elsewhere, "on").await.expect(201);
    assert_eq!(other.next_of_but("message", "texts_erased").await["data"]["msg_content"], "on");
}

#[tokio::test]
async fn who_has_read_captions_hears_that_they_are_past_their_retention() {
    let server = Server::with(unthrottled()).await;
    let ada = server.user("ada").await;
    let room = ada.post("/rooms", &json!({ "retention_days": 1 })).await.expect(201);
    let code = room["room_code"].as_str().unwrap().to_owned();
    let typed = json!({ "ts_content": "typed" });
    ada.post(&format!("/rooms/{code}/transcripts"), &typed).await.expect(201);
    ada.say(&code, "said").await.expect(201);
    server.pass(3 * 86_400);
    let again = server.anonymous().log_in("ada", PASSWORD).await.expect(201);
    let ada = server.with_token(again["token"].as_str().unwrap());
    let mut socket = ada.socket(&code, "").await.unwrap();
    socket.next_of("ready").await;
    server.reactor(reactor::Targets::default()).await;
    let told = socket.next_of("texts_expired").await;
    let first_kept = server.now().plus_seconds(-86_400).day().to_string();
    assert_eq!(told["data"]["before"], first_kept, "{told}");
    assert_eq!(told["data"]["kind"], "transcript");
    until("the tables", async || contents(&ada, &code).await == [json!("said"), Value::Null]).await;
}
