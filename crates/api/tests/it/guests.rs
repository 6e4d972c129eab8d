//! Guests, the lobby, locks, handing over; new names and reset links.

use serde_json::{Value, json};

use crate::client::PASSWORD;
use crate::server::Server;

#[tokio::test]
async fn a_guest_is_let_into_one_room_alone() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let (code, other) = (ada.room().await, ada.room().await);
    let join = format!("/rooms/{code}/participants");
    let name = json!({ "display_name": "Grandma" });
    server.anonymous().post(&join, &name).await.refused(404, "not_found");
    let room = format!("/rooms/{code}");
    let changed = ada.patch(&room, &json!({ "guests": true, "lobby": true })).await;
    assert_eq!(changed.header("etag"), "\"2\"");
    assert_eq!(changed.expect(200)["lobby"], true);
    server.anonymous().post(&join, &json!({ "display_name": "" })).await.refused(422, "invalid");
    let answer = server.anonymous().post(&join, &name).await.expect(202);
    assert_eq!(answer["participant"]["admission"], "waiting");
    assert_eq!(answer["participant"]["display_name"], "Grandma");
    let guest = server.with_token(answer["token"].as_str().unwrap());
    guest.get(&format!("{room}/messages")).await.refused(403, "not_admitted");
    let id = answer["participant"]["rp_user_id"].as_u64().unwrap();
    let admission = format!("{join}/{id}/admission");
    guest.put(&admission, &json!({ "admit": true })).await.refused(403, "forbidden");
    ada.put(&admission, &json!({ "admit": true })).await.expect(204);
    guest.say(&code, "hello").await.expect(201);
    guest.join(&other).await.refused(404, "not_found");
    guest.post("/rooms", &json!({})).await.refused(403, "forbidden");
}

#[tokio::test]
async fn a_locked_room_takes_nobody_in_and_a_room_can_change_hands() {
    let server = Server::start().await;
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    let code = ada.room().await;
    let room = format!("/rooms/{code}");
    ada.patch(&room, &json!({ "locked": true })).await.expect(200);
    bob.join(&code).await.refused(403, "room_locked");
    let owner = json!({ "owner_id": bob.id().await, "locked": false });
    ada.patch(&room, &owner).await.refused(422, "invalid");
    ada.patch(&room, &json!({ "locked": false, "capacity": 1 })).await.refused(422, "invalid");
    ada.patch(&room, &json!({ "locked": false, "retention_days": null })).await.expect(200);
    bob.join(&code).await.expect(201);
    bob.patch(&room, &json!({ "locked": true })).await.refused(403, "forbidden");
    let stale = ada.header("if-match", "\"1\"");
    stale.patch(&room, &json!({ "locked": true })).await.refused(412, "stale");
    let handed = ada.patch(&room, &owner).await.expect(200);
    assert_eq!(handed["owner_id"], bob.id().await);
    assert_eq!(handed["retention_days"], Value::Null);
    ada.patch(&room, &json!({ "locked": true })).await.refused(403, "forbidden");
}

#[tokio::test]
async fn names_and_addresses_change_and_are_free_again() {
    let server = Server::start().await;
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    let both = json!({ "username": "Countess", "email": "New@Example.org" });
    let changed = ada.patch("/users/me", &both).await.expect(200);
    assert_eq!(
        (&changed["username"], &changed["email"]),
        (&json!("Countess"), &json!("new@example.org"))
    );
    bob.patch("/users/me", &json!({ "username": "COUNTESS" })).await.refused(409, "username_taken");
    bob.patch("/users/me", &json!({ "email": "nonsense" })).await.refused(422, "invalid");
    bob.patch("/users/me", &json!({ "is_admin": true })).await.refused(422, "invalid");
    bob.patch("/users/me", &json!({ "username": "ada" })).await.expect(200);
    server.anonymous().log_in("countess", PASSWORD).await.expect(201);
}

#[tokio::test]
async fn a_reset_link_works_once_and_ends_every_log_in() {
    let server = Server::start().await;
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    let anonymous = server.anonymous();
    for email in ["bob@example.org", "nobody@example.org"] {
        anonymous.post("/password-resets", &json!({ "email": email })).await.expect(202);
    }
    let path = format!("/users/{}/password-reset", bob.id().await);
    bob.post(&path, &json!({})).await.refused(403, "forbidden");
    let old = admin.post(&path, &json!({})).await.expect(201);
    let link = admin.post(&path, &json!({})).await.expect(201);
    let use_up = async |link: &Value, new: &str| {
        let path = format!("/password-resets/{}", link["secret"].as_str().unwrap());
        anonymous.put(&path, &json!({ "new": new })).await
    };
    let new = "an entirely different sentence";
    use_up(&old, new).await.refused(410, "gone");
    use_up(&link, "short").await.refused(422, "invalid");
    use_up(&link, new).await.expect(204);
    use_up(&link, new).await.refused(410, "gone");
    bob.get("/users/me").await.refused(401, "invalid_token");
    anonymous.log_in("bob", new).await.expect(201);
    let link = admin.post(&path, &json!({})).await.expect(201);
    server.pass(601);
    use_up(&link, PASSWORD).await.refused(410, "gone");
}
