//! Tokens to the second, at a time that passes only where these tests say so.

use events::user::UserEvent;
use events::{Event, Head};
use futures::future::join_all;
use serde_json::json;

use crate::client::{Client, PASSWORD};
use crate::server::{Server, quick, unthrottled, until};

fn expiry(answer: &crate::client::Answer) -> String {
    answer.header("token-expires-at").to_owned()
}

/// How many renewals lie in the log.
async fn renewals(server: &Server) -> usize {
    let blocks = server.log.read(Head::empty(server.log.id()), usize::MAX).await.unwrap();
    let commits = blocks.iter().flat_map(|block| block.commits().unwrap());
    let events = commits.flat_map(|(_, commit)| commit.events);
    events.filter(|event| matches!(event, Event::User(UserEvent::TokenRenewed(_)))).count()
}

#[tokio::test]
async fn a_token_is_good_to_the_second() {
    let server = Server::frozen(quick()).await;
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    let first = server.now().plus_seconds(3600).to_string();
    assert_eq!(expiry(&ada.get("/users/me").await), first);
    server.pass(3539);
    let answer = ada.get("/users/me").await;
    assert_eq!(expiry(&answer), first);
    answer.expect(200);
    assert_eq!(renewals(&server).await, 0, "61 s are left");
    server.pass(61);
    for client in [&ada, &bob] {
        client.get("/users/me").await.refused(401, "token_expired");
    }
    server.pass(1);
    ada.get("/users/me").await.refused(401, "token_expired");
    assert_eq!(renewals(&server).await, 0);
}

#[tokio::test]
async fn the_last_minute_renews_the_same_token_once_however_many_ask() {
    let server = Server::frozen(quick()).await;
    let ada = server.user("ada").await;
    server.pass(3541);
    let renewed = server.now().plus_seconds(3600).to_string();
    let many = join_all((0..40).map(|_| ada.get("/users/me"))).await;
    assert!(many.iter().all(|answer| answer.status == 200));
    until("the renewal", async || expiry(&ada.get("/users/me").await) == renewed).await;
    assert_eq!(renewals(&server).await, 1);
    server.pass(3539);
    ada.get("/users/me").await.expect(200);
    let tokens = ada.get("/tokens").await.expect(200);
    assert_eq!(tokens["data"].as_array().unwrap().len(), 1, "the same one");
}

#[tokio::test]
async fn no_renewal_goes_beyond_twelve_hours() {
    let server = Server::frozen(quick()).await;
    let ada = server.user("ada").await;
    let cap = server.now().plus_seconds(43_200).to_string();
    for _ in 0..12 {
        server.pass(3590);
        let renewed = server.now().plus_seconds(3600).to_string().min(cap.clone());
        until("the renewal", async || expiry(&ada.get("/users/me").await) == renewed).await;
    }
    server.pass(43_199 - 12 * 3590);
    let answer = ada.get("/users/me").await;
    assert_eq!(expiry(&answer), cap);
    answer.expect(200);
    ada.post("/tokens/current/renew", &json!({})).await.expect(200);
    server.pass(1);
    ada.get("/users/me").await.refused(401, "token_expired");
    ada.post("/tokens/current/renew", &json!({})).await.refused(401, "token_expired");
}

#[tokio::test]
async fn block_deletion_and_a_new_password_revoke_every_token_at_every_process() {
    let server = Server::frozen(unthrottled()).await;
    let (admin, elsewhere) = (server.admin().await, server.serve().await);
    for (name, what) in [("ada", "block"), ("bob", "delete"), ("eve", "password")] {
        let first = server.user(name).await;
        let id = first.id().await;
        let mut all = vec![first.clone()];
        for _ in 0..2 {
            let token = first.log_in(name, PASSWORD).await.expect(201)["token"].clone();
            all.push(Client::new(elsewhere, token.as_str().map(str::to_owned)));
        }
        for client in &all {
            client.get("/users/me").await.expect(200);
        }
        let new = json!({ "current": PASSWORD, "new": "an entirely different sentence" });
        let done = match what {
            "block" => admin.post(&format!("/users/{id}/block"), &json!({ "reason": "x" })).await,
            "delete" => admin.delete(&format!("/users/{id}")).await,
            _ => first.put("/users/me/password", &new).await,
        };
        done.expect(204);
        first.get("/users/me").await.refused(401, "invalid_token");
        for client in &all {
            until(what, async || client.get("/users/me").await.status == 401).await;
        }
    }
}
