//! Strangers who guess are slowed down, and stand in nobody's way: the one whose account it is comes
//! in with a device that they logged in from, with a live token, or by a link.

use api::Rate;
use serde_json::json;

use crate::client::{Answer, Client, PASSWORD};
use crate::server::{Server, quick, unthrottled, until};

const NEW: &str = "an entirely different sentence";

/// The mark of the device that an answer sets.
fn device(server: &Server, answer: &Answer) -> Client {
    let set = answer.headers.get_all("set-cookie").iter().map(|set| set.to_str().unwrap());
    let mark = set.map(|set| set.split(';').next().unwrap()).find(|set| set.starts_with("device="));
    server.anonymous().header("cookie", mark.unwrap_or_else(|| panic!("no mark in {answer:?}")))
}

async fn locked(ada: &Client) {
    until("the lock", async || {
        ada.get("/users/me").await.expect(200)["login_locked_until"].is_string()
    })
    .await;
}

#[tokio::test]
async fn ten_wrong_ones_lock_strangers_out_and_let_the_owner_in_three_ways() {
    // As shipped.
    let server = Server::with(quick()).await;
    let registered = server.anonymous().register("ada").await;
    let known = device(&server, &registered);
    let ada = server.with_token(registered.expect(201)["token"].as_str().unwrap());
    let stranger = server.anonymous();
    for _ in 0..10 {
        stranger.log_in("ada", "a wrong password").await.refused(401, "invalid_credentials");
    }
    let refused = stranger.log_in("ada", PASSWORD).await;
    assert!(!refused.header("retry-after").is_empty());
    refused.refused(429, "throttled");
    locked(&ada).await;
    // Logged in, or at a device that was.
    let again = ada.log_in("ada", PASSWORD).await;
    assert_eq!(again.header("token-expires-at"), again.body["token_expiration"]);
    again.expect(201);
    known.log_in("ada", PASSWORD).await.expect(201);
    // What strangers did stands in the way of no change of one's own.
    let change = json!({ "current": PASSWORD, "new": NEW });
    ada.put("/users/me/password", &change).await.expect(204);
}

#[tokio::test]
async fn a_lock_refuses_the_right_password_as_a_wrong_one_and_counts_it_as_right() {
    let server = Server::with(api::ApiConfig { lock_after: 3, ..unthrottled() }).await;
    let ada = server.user("ada").await;
    let stranger = server.anonymous();
    for _ in 0..3 {
        stranger.log_in("ada", "a wrong password").await.expect(401);
    }
    locked(&ada).await;
    let wrong = stranger.log_in("ada", "a wrong password").await;
    let right = stranger.log_in("ada", PASSWORD).await;
    let id = |answer: &Answer| answer.header("x-request-id").to_owned();
    assert_eq!(right.text.replace(&id(&right), ""), wrong.text.replace(&id(&wrong), ""));
    right.refused(401, "invalid_credentials");
    until("all are counted", async || {
        ada.get("/users/me").await.expect(200)["failed_login_attempts"] == 4
    })
    .await;
    server.pass(1801);
    stranger.log_in("ada", PASSWORD).await.expect(201);
}

#[tokio::test]
async fn a_link_lets_its_holder_in_from_a_new_device() {
    let server = Server::with(api::ApiConfig { lock_after: 3, ..unthrottled() }).await;
    let (admin, ada) = (server.admin().await, server.user("ada").await);
    let path = format!("/users/{}/password-reset", ada.id().await);
    let link = admin.post(&path, &json!({})).await.expect(201);
    let link = format!("/password-resets/{}", link["secret"].as_str().unwrap());
    let stranger = server.anonymous();
    let used = stranger.put(&link, &json!({ "new": NEW })).await;
    let known = device(&server, &used);
    used.expect(204);
    let path = format!("/users/{}", ada_id(&admin).await);
    for _ in 0..3 {
        stranger.log_in("ada", "a wrong password").await.expect(401);
    }
    until("the lock", async || {
        admin.get(&path).await.expect(200)["login_locked_until"].is_string()
    })
    .await;
    stranger.log_in("ada", NEW).await.expect(401);
    known.log_in("ada", NEW).await.expect(201);
}

async fn ada_id(admin: &Client) -> u64 {
    let found = admin.get("/users?q=ada").await.expect(200);
    found["data"][0]["id"].as_u64().unwrap()
}

#[tokio::test]
async fn a_stolen_token_does_not_help_to_guess_the_password() {
    let mut config = quick();
    config.throttles.own_passwords = Rate { burst: 3, per_minute: 1 };
    let server = Server::with(config).await;
    let ada = server.user("ada").await;
    let guess = json!({ "current": "a wrong password", "new": NEW });
    for _ in 0..3 {
        ada.put("/users/me/password", &guess).await.refused(403, "wrong_password");
    }
    ada.put("/users/me/password", &guess).await.refused(429, "throttled");
    ada.log_in("ada", PASSWORD).await.refused(429, "throttled");
    // It is another's bucket that was emptied.
    server.anonymous().log_in("ada", PASSWORD).await.expect(201);
}

#[tokio::test]
async fn the_thief_of_a_token_stands_in_the_way_of_no_device_and_no_other_log_in() {
    let mut config = quick();
    config.throttles.own_passwords = Rate { burst: 2, per_minute: 1 };
    let server = Server::with(config).await;
    let registered = server.anonymous().register("ada").await;
    let known = device(&server, &registered);
    let stolen = server.with_token(registered.expect(201)["token"].as_str().unwrap());
    let other = known.log_in("ada", PASSWORD).await;
    let another = device(&server, &other);
    let other = server.with_token(other.expect(201)["token"].as_str().unwrap());
    let guess = json!({ "current": "a wrong password", "new": NEW });
    for _ in 0..2 {
        stolen.put("/users/me/password", &guess).await.refused(403, "wrong_password");
    }
    stolen.put("/users/me/password", &guess).await.refused(429, "throttled");
    known.log_in("ada", PASSWORD).await.expect(201);
    // Nor does one device in that of another.
    for _ in 0..2 {
        another.log_in("ada", "a wrong password").await.refused(401, "invalid_credentials");
    }
    another.log_in("ada", PASSWORD).await.refused(429, "throttled");
    known.log_in("ada", PASSWORD).await.expect(201);
    let change = json!({ "current": PASSWORD, "new": NEW });
    other.put("/users/me/password", &change).await.expect(204);
}

#[tokio::test]
async fn right_passwords_use_up_nothing() {
    let mut config = unthrottled();
    config.throttles.wrong_passwords = Rate { burst: 2, per_minute: 1 };
    config.throttles.own_passwords = Rate { burst: 2, per_minute: 1 };
    let server = Server::with(config).await;
    let ada = server.user("ada").await;
    for client in [&server.anonymous(), &ada] {
        for _ in 0..5 {
            client.log_in("ada", PASSWORD).await.expect(201);
        }
    }
}

#[tokio::test]
async fn guesses_that_are_sent_all_at_once_are_counted_as_they_come() {
    let server = Server::with(quick()).await;
    server.user("ada").await;
    let attempts = (0..40).map(|_| {
        let client = server.anonymous();
        async move { client.log_in("ada", "a wrong password").await.status.as_u16() }
    });
    let answers = futures::future::join_all(attempts).await;
    let compared = answers.iter().filter(|status| **status == 401).count();
    assert!((10..=11).contains(&compared), "{answers:?}");
}

#[tokio::test]
async fn the_mark_of_a_device_is_for_one_user_and_no_stranger_is_its_holder() {
    let server = Server::with(api::ApiConfig { lock_after: 3, ..unthrottled() }).await;
    let ada = server.user("ada").await;
    let eve = server.anonymous().register("eve").await;
    let hers = device(&server, &eve);
    let eve = server.with_token(eve.expect(201)["token"].as_str().unwrap());
    for _ in 0..3 {
        hers.log_in("ada", "a wrong password").await.expect(401);
    }
    locked(&ada).await;
    for client in [&hers, &eve] {
        client.log_in("ada", PASSWORD).await.refused(401, "invalid_credentials");
    }
}
