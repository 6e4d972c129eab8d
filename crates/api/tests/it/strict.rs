//! Requests that say less, more or other than they may, and keys that are used twice.

use std::time::Duration;

use futures::SinkExt as _;
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{Frame, FrameHeader};

use crate::server::{Server, quick};

#[tokio::test]
async fn a_log_in_that_can_not_be_read_is_answered_as_a_wrong_password() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let anonymous = server.anonymous();
    let wrong = anonymous.log_in("ada", "wrong").await;
    let nothing = anonymous.send(anonymous.request(Method::POST, "/tokens")).await;
    let mut answers = vec![nothing];
    for garbage in ["Basic", "Basic !!", "Basic YWRh", "Basic /////w==", "basic"] {
        let client = anonymous.header("authorization", garbage);
        answers.push(client.send(client.request(Method::POST, "/tokens")).await);
    }
    answers.push(ada.send(ada.request(Method::POST, "/tokens")).await);
    let id = wrong.header("x-request-id").to_owned();
    for answer in answers {
        assert!(answer.header("www-authenticate").starts_with("Basic "), "{answer:?}");
        let own = answer.header("x-request-id").to_owned();
        assert_eq!(answer.text.replace(&own, &id), wrong.text);
        answer.refused(401, "invalid_credentials");
    }
    // A browser would put up a dialog of its own, over the page's form.
    let body = json!({ "username": "ada", "password": "wrong" });
    let page = anonymous.post("/sessions", &body).await;
    assert_eq!(page.header("www-authenticate"), "Bearer");
    page.refused(401, "invalid_credentials");
}

#[tokio::test]
async fn a_key_is_good_for_one_change_of_oneself() {
    let server = Server::start().await;
    let ada = server.user("ada").await.header("idempotency-key", "once");
    let name = json!({ "username": "lovelace" });
    ada.patch("/users/me", &name).await.expect(200);
    ada.patch("/users/me", &name).await.expect(200);
    let other = json!({ "email": "other@example.org" });
    ada.patch("/users/me", &other).await.refused(422, "idempotency_key_reused");
    assert_eq!(ada.get("/users/me").await.expect(200)["email"], "ada@example.org");
}

#[tokio::test]
async fn a_taken_address_leaves_the_name_as_it_was() {
    let server = Server::start().await;
    let (ada, _bob) = (server.user("ada").await, server.user("bob").await);
    let both = json!({ "username": "lovelace", "email": "bob@example.org" });
    ada.patch("/users/me", &both).await.refused(409, "email_taken");
    assert_eq!(ada.get("/users/me").await.expect(200)["username"], "ada");
}

#[tokio::test]
async fn blank_texts_and_unknown_models_are_refused() {
    let server = Server::start().await;
    let (admin, ada) = (server.admin().await, server.user("ada").await);
    let code = ada.room().await;
    let room = format!("/rooms/{code}");
    for blank in ["   ", "\n\t", "\u{3000}\u{200B}", "\u{202E}\u{1b}"] {
        ada.say(&code, blank).await.refused(422, "invalid");
        let typed = json!({ "ts_content": blank });
        ada.post(&format!("{room}/transcripts"), &typed).await.refused(422, "invalid");
        let body = json!({ "reason": blank });
        let path = format!("/users/{}/block", ada.id().await);
        admin.post(&path, &body).await.refused(422, "invalid");
        ada.patch(&room, &json!({ "guests": true })).await.expect(200);
        let guest = json!({ "display_name": blank });
        let join = format!("{room}/participants");
        server.anonymous().post(&join, &guest).await.refused(422, "invalid");
    }
    let path = format!("/users/{}/block", ada.id().await);
    let refused = admin.post(&path, &json!({})).await.refused(422, "invalid");
    assert_eq!(refused["errors"][0]["field"], "reason");
    let text = "turned \u{202E}around\u{1b}[31m";
    assert_eq!(ada.say(&code, text).await.expect(201)["msg_content"], text);
    let wrong = json!({ "model": "asl-advanced" });
    for refused in [
        ada.patch(&room, &wrong).await,
        ada.post("/rooms", &wrong).await,
        ada.put(&format!("{room}/captions/me"), &json!({ "consent": true, "model": "x" })).await,
    ] {
        let refused = refused.refused(422, "invalid");
        assert_eq!(refused["errors"][0]["field"], "model");
        assert!(refused["detail"].as_str().unwrap().contains("asl-basic"), "{refused}");
    }
    ada.patch(&room, &json!({ "model": "asl-basic" })).await.expect(200);
    ada.patch(&room, &json!({ "model": null })).await.expect(200);
}

#[tokio::test]
async fn names_may_have_joiners_between_letters_and_stay_unique() {
    let server = Server::start().await;
    let persian = "\u{645}\u{6CC}\u{200C}\u{62E}\u{648}\u{627}\u{647}\u{645}";
    let body = |name: &str, email: &str| json!({ "username": name, "email": email, "password": crate::client::PASSWORD });
    let anonymous = server.anonymous();
    let made = anonymous.post("/users", &body(persian, "a@example.org")).await.expect(201);
    assert_eq!(made["user"]["username"], persian);
    let same = persian.replace('\u{200C}', "");
    let taken = anonymous.post("/users", &body(&same, "b@example.org")).await;
    taken.refused(409, "username_taken");
    let end = "ada\u{200D}";
    anonymous.post("/users", &body(end, "c@example.org")).await.refused(422, "invalid");
    anonymous.log_in(&same, crate::client::PASSWORD).await.expect(201);
}

#[tokio::test]
async fn a_body_that_drips_is_answered_with_408() {
    let config = api::ApiConfig { body_timeout: Duration::from_millis(300), ..quick() };
    let server = Server::with(config).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = "POST /api/v1/users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                Content-Length: 100\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    tokio::time::timeout(Duration::from_secs(5), read).await.expect("the server closes").ok();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("\"slow_body\""), "{answer}");
}

#[tokio::test]
async fn unreadable_socket_messages_end_with_their_close_code() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let code = ada.room().await;
    let raw = |opcode, payload: Vec<u8>| {
        let header = FrameHeader { opcode, is_final: true, ..FrameHeader::default() };
        Message::Frame(Frame::from_payload(header, payload.into()))
    };
    let reserved = Message::Frame(Frame::from_payload(
        FrameHeader { rsv1: true, opcode: OpCode::Data(Data::Text), ..FrameHeader::default() },
        Vec::new().into(),
    ));
    let cases = [
        (Message::binary(vec![0; 1024 * 1024 + 1]), 1009),
        (Message::text("x".repeat(64 * 1024 + 1)), 1009),
        (raw(OpCode::Data(Data::Text), vec![0xff, 0xfe]), 1007),
        (reserved, 1002),
        (Message::text("{ no JSON"), 1003),
    ];
    for (message, expected) in cases {
        let mut socket = ada.socket(&code, "").await.unwrap();
        socket.next_of("ready").await;
        socket.0.send(message).await.unwrap();
        assert_eq!(socket.close_code().await, expected);
    }
    let mut socket = ada.socket(&code, "").await.unwrap();
    socket.send(&json!({ "type": "dance" })).await;
    assert_eq!(socket.next_of("error").await["data"]["code"], "invalid");
    socket.send(&json!({ "type": "ping" })).await;
    socket.next_of("pong").await;
}
