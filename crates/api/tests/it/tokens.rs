//! Tokens by the clock, sessions, tickets, and what ends them all.

use serde_json::json;

use crate::client::PASSWORD;
use crate::server::{Server, quick, until};

#[tokio::test]
async fn a_token_is_renewed_in_use_and_refused_when_left_alone() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let expiry = |answer: &crate::client::Answer| answer.header("token-expires-at").to_owned();
    let first = expiry(&ada.get("/users/me").await);
    server.pass(3538);
    assert_eq!(expiry(&ada.get("/users/me").await), first);
    server.pass(3);
    let renewed = expiry(&ada.get("/users/me").await);
    until("the renewal", async || expiry(&ada.get("/users/me").await) > first).await;
    assert!(renewed >= first);
    server.pass(3601);
    ada.get("/users/me").await.refused(401, "token_expired");
}

#[tokio::test]
async fn renewals_end_at_the_cap_and_can_be_asked_for() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    server.pass(1800);
    let before = ada.get("/users/me").await.header("token-expires-at").to_owned();
    let renewed = ada.post("/tokens/current/renew", &json!({})).await.expect(200);
    assert!(renewed["token_expiration"].as_str().unwrap() > before.as_str());
    for _ in 0..12 {
        server.pass(3590);
        let answer = ada.get("/users/me").await;
        if answer.status == 401 {
            break;
        }
        ada.post("/tokens/current/renew", &json!({})).await.expect(200);
    }
    server.pass(3600);
    ada.get("/users/me").await.refused(401, "token_expired");
}

#[tokio::test]
async fn tokens_are_listed_without_secrets_and_ended_one_or_all() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let token = ada.token.clone().unwrap();
    let second = ada.log_in("ADA", PASSWORD).await.expect(201);
    assert_eq!(second["token"].as_str().unwrap().len(), 32);
    assert_eq!(second["user"]["username"], "ada");
    let second = server.with_token(second["token"].as_str().unwrap());
    let list = ada.get("/tokens").await;
    assert!(!list.text.contains(&token));
    let list = list.expect(200);
    assert_eq!(list["data"].as_array().unwrap().len(), 2);
    let current = list["data"].as_array().unwrap().iter().find(|t| t["current"] == false).unwrap();
    ada.delete(&format!("/tokens/{}", current["id"])).await.expect(204);
    second.get("/users/me").await.refused(401, "invalid_token");
    ada.delete("/tokens").await.expect(204);
    ada.get("/users/me").await.refused(401, "invalid_token");
}

#[tokio::test]
async fn a_session_lives_in_a_cookie_of_our_own_pages_alone() {
    let server = Server::start().await;
    server.user("ada").await;
    let anonymous = server.anonymous();
    let body = json!({ "username": "ada", "password": PASSWORD });
    anonymous.header("origin", "http://evil.example").post("/sessions", &body).await.expect(403);
    let answer = anonymous.post("/sessions", &body).await;
    let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
    let session = cookies[0].to_str().unwrap().to_owned();
    assert!(session.starts_with("session=") && session.contains("HttpOnly"), "{session}");
    answer.expect(204);
    let page = anonymous.header("cookie", session.split(';').next().unwrap());
    page.get("/users/me").await.refused(403, "cross_origin");
    page.header("sec-fetch-site", "cross-site").get("/users/me").await.expect(403);
    let own = page.header("sec-fetch-site", "same-origin");
    assert_eq!(own.get("/users/me").await.expect(200)["username"], "ada");
    let origin = page.header("origin", &format!("http://{}", server.address));
    let code = origin.room().await;
    assert!(page.socket(&code, "").await.is_err());
    let mut socket = origin.socket(&code, "").await.unwrap();
    socket.next_of("ready").await;
    // The secret of a session is no bearer token.
    let secret = session.split(';').next().unwrap().strip_prefix("session=").unwrap();
    server.with_token(secret).get("/users/me").await.refused(401, "invalid_token");
    own.delete("/sessions/current").await.expect(204);
    assert_eq!(socket.close_code().await, 4401);
    own.get("/users/me").await.refused(401, "invalid_token");
}

#[tokio::test]
async fn a_ticket_opens_one_socket_once() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let code = ada.room().await;
    let ticket = ada.post("/live-tickets", &json!({})).await.expect(201);
    let query = format!("?ticket={}", ticket["ticket"].as_str().unwrap());
    let anonymous = server.anonymous();
    let mut socket = anonymous.socket(&code, &query).await.unwrap();
    socket.next_of("ready").await;
    assert!(anonymous.socket(&code, &query).await.is_err());
    assert!(ada.header("origin", "http://evil.example").socket(&code, "").await.is_err());
    let ticket = ada.post("/live-tickets", &json!({})).await.expect(201);
    server.pass(31);
    let query = format!("?ticket={}", ticket["ticket"].as_str().unwrap());
    assert!(anonymous.socket(&code, &query).await.is_err());
    ada.delete("/tokens/current").await.expect(204);
    assert_eq!(socket.close_code().await, 4401);
}

#[tokio::test]
async fn a_ticket_that_was_used_is_good_for_nothing_at_a_process_that_began_afterwards() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let code = ada.room().await;
    let ticket = async || {
        let ticket = ada.post("/live-tickets", &json!({})).await.expect(201);
        format!("?ticket={}", ticket["ticket"].as_str().unwrap())
    };
    let used = ticket().await;
    let mut socket = server.anonymous().socket(&code, &used).await.unwrap();
    socket.next_of("ready").await;
    let restarted = crate::client::Client::new(server.serve().await, None);
    assert!(restarted.socket(&code, &used).await.is_err(), "it may have been used, and was");
    let mut socket = restarted.socket(&code, &ticket().await).await.unwrap();
    socket.next_of("ready").await;
}

#[tokio::test]
async fn tickets_and_presence_hold_at_every_api_process() {
    let test = "api tokens::tickets_and_presence_hold_at_every_api_process";
    two_processes(&Server::start().await).await;
    if let Some(server) = Server::on_nats(test, quick()).await {
        two_processes(&server).await;
    }
}

async fn two_processes(server: &Server) {
    let ada = server.user("ada").await;
    let code = ada.room().await;
    let there = crate::client::Client::new(server.serve().await, ada.token.clone());
    let ticket = ada.post("/live-tickets", &json!({})).await.expect(201);
    let query = format!("?ticket={}", ticket["ticket"].as_str().unwrap());
    let anonymous_there = crate::client::Client::new(there.address, None);
    let presence = format!("/rooms/{code}/presence");
    let online =
        async || ada.get(&presence).await.expect(200)["data"][0]["online"].as_bool().unwrap();
    assert!(!online().await);
    let mut socket = anonymous_there.socket(&code, &query).await.unwrap();
    socket.next_of("ready").await;
    until("the other process says who is there", async || online().await).await;
    assert!(server.anonymous().socket(&code, &query).await.is_err(), "used there");
    ada.say(&code, "said here").await.expect(201);
    let heard = socket.next_of("message").await;
    assert_eq!(heard["data"]["msg_content"], "said here", "and heard there");
    drop(socket);
    until("they went", async || !online().await).await;
}

#[tokio::test]
async fn a_block_ends_everything_within_a_second_also_without_a_projector() {
    let server = Server::start().await;
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    let code = bob.room().await;
    let (id, second) = (bob.id().await, bob.log_in("bob", PASSWORD).await.expect(201));
    let second = server.with_token(second["token"].as_str().unwrap());
    let mut socket = bob.socket(&code, "").await.unwrap();
    socket.next_of("ready").await;
    let mut events = second.events(&code, "").await;
    events.next_of("ready").await;
    server.stop_projector.cancel();
    admin.post(&format!("/users/{id}/block"), &json!({ "reason": "spam" })).await.expect(204);
    let began = std::time::Instant::now();
    bob.get("/users/me").await.refused(401, "invalid_token");
    second.get("/users/me").await.refused(401, "invalid_token");
    assert_eq!(socket.close_code().await, 4403);
    let (_, last) = events.next_of("close").await;
    assert_eq!(last["data"]["code"], 4403);
    assert_eq!(last["data"]["reconnect"], false);
    assert!(events.next().await.is_none());
    assert!(began.elapsed().as_millis() < 1000);
    server.anonymous().log_in("bob", PASSWORD).await.refused(403, "blocked");
    admin.post(&format!("/users/{id}/unblock"), &json!({})).await.expect(204);
    server.anonymous().log_in("bob", PASSWORD).await.expect(201);
}

#[tokio::test]
async fn a_password_change_and_a_deletion_end_every_log_in() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let other = ada.log_in("ada", PASSWORD).await.expect(201);
    let other = server.with_token(other["token"].as_str().unwrap());
    let new = "an entirely different sentence";
    let body = |current: &str, new: &str| json!({ "current": current, "new": new });
    let path = "/users/me/password";
    ada.put(path, &body("wrong", new)).await.refused(403, "wrong_password");
    ada.put(path, &body(PASSWORD, "short")).await.refused(422, "invalid");
    ada.put(path, &body(PASSWORD, new)).await.expect(204);
    ada.get("/users/me").await.refused(401, "invalid_token");
    other.get("/users/me").await.refused(401, "invalid_token");
    ada.log_in("ada", PASSWORD).await.refused(401, "invalid_credentials");
    let again = ada.log_in("ada", new).await.expect(201);
    let ada = server.with_token(again["token"].as_str().unwrap());
    let goodbye = json!({ "password": "wrong" });
    ada.send(ada.request(reqwest::Method::DELETE, "/users/me").json(&goodbye)).await.expect(403);
    let goodbye = json!({ "password": new, "erase_content": true });
    ada.send(ada.request(reqwest::Method::DELETE, "/users/me").json(&goodbye)).await.expect(204);
    ada.get("/users/me").await.refused(401, "invalid_token");
    server.user("ada").await;
}
