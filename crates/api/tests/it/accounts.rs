//! Registering, logging in, administration.

use serde_json::{Value, json};

use crate::client::{Client, PASSWORD};
use crate::server::{Server, until};

#[tokio::test]
async fn a_name_is_taken_once_however_it_is_written() {
    let server = Server::start().await;
    let anonymous = server.anonymous();
    let body =
        |name: &str, email: &str| json!({ "username": name, "email": email, "password": PASSWORD });
    let ada = anonymous.post("/users", &body("Ada", "Ada@Example.org")).await.expect(201);
    assert_eq!(ada["user"]["username"], "Ada");
    assert_eq!(ada["user"]["email"], "ada@example.org");
    assert_eq!(ada["user"]["is_admin"], false);
    assert!(ada["user"].get("password_hash").is_none());
    let taken = anonymous.post("/users", &body("ａｄａ", "b@example.org")).await;
    taken.refused(409, "username_taken");
    anonymous.post("/users", &body("Straße", "s@example.org")).await.expect(201);
    let taken = anonymous.post("/users", &body("STRASSE", "b@example.org")).await;
    taken.refused(409, "username_taken");
    let same = anonymous.log_in("strasse", PASSWORD).await.expect(201);
    assert_eq!(same["user"]["username"], "Straße");
    let taken = anonymous.post("/users", &body("eve", " ADA@example.org")).await;
    taken.refused(409, "email_taken");
    let wrong = json!({ "username": "", "email": "no", "password": "password" });
    let wrong = anonymous.post("/users", &wrong).await.refused(422, "invalid");
    let fields: Vec<&str> =
        wrong["errors"].as_array().unwrap().iter().map(|e| e["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["password", "password", "username", "email"]);
}

#[tokio::test]
async fn unknown_user_and_wrong_password_get_the_same_answer() {
    let server = Server::start().await;
    server.user("ada").await;
    let strip = |mut body: Value| {
        body.as_object_mut().unwrap().remove("request_id");
        body
    };
    let wrong = server.anonymous().log_in("ada", "not the password").await;
    let unknown = server.anonymous().log_in("nobody", "not the password").await;
    let names = |answer: &crate::client::Answer| {
        answer.headers.keys().map(|name| name.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&wrong), names(&unknown));
    let wrong = wrong.refused(401, "invalid_credentials");
    assert_eq!(strip(wrong), strip(unknown.expect(401)));
    let basic = server.anonymous();
    let answer = |user: &str| {
        basic.request(reqwest::Method::POST, "/tokens").basic_auth(user, Some(PASSWORD))
    };
    basic.send(answer("ada")).await.expect(201);
    basic.send(answer("eve")).await.refused(401, "invalid_credentials");
}

#[tokio::test]
async fn ten_wrong_passwords_lock_new_devices_out_and_nobody_else() {
    let mut config = crate::server::unthrottled();
    config.lock_after = 3;
    let server = Server::with(config).await;
    let ada = server.user("ada").await;
    let known = ada.log_in("ada", PASSWORD).await;
    let device = known.headers["set-cookie"].to_str().unwrap().to_owned();
    let device = server.anonymous().header("cookie", device.split(';').next().unwrap());
    let stranger = server.anonymous();
    for _ in 0..3 {
        stranger.log_in("ada", "a wrong password").await.refused(401, "invalid_credentials");
    }
    until("the lock", async || {
        ada.get("/users/me").await.expect(200)["login_locked_until"].is_string()
    })
    .await;
    stranger.log_in("ada", PASSWORD).await.refused(401, "invalid_credentials");
    device.log_in("ada", PASSWORD).await.expect(201);
    let me = ada.get("/users/me").await.expect(200);
    assert_eq!(me["failed_login_attempts"], 0);
    stranger.log_in("ada", PASSWORD).await.expect(201);
}

#[tokio::test]
async fn the_first_administrator_comes_by_a_secret_that_works_once() {
    let server = Server::start().await;
    let body = json!({
        "secret": "0123456789abcdef0123456789abcdef",
        "username": "eve",
        "email": "eve@example.org",
        "password": PASSWORD,
    });
    server.anonymous().post("/admin/bootstrap", &body).await.refused(401, "wrong_secret");
    let admin = server.admin().await;
    assert_eq!(admin.get("/users/me").await.expect(200)["is_admin"], true);
    server.anonymous().post("/admin/bootstrap", &body).await.refused(410, "gone");
}

#[tokio::test]
async fn administrators_see_users_and_cannot_lock_themselves_out() {
    let server = Server::start().await;
    let bob = server.user("bob").await;
    let admin = server.admin().await;
    let (root, id) = (admin.id().await, bob.id().await);
    bob.get("/users").await.refused(403, "forbidden");
    bob.get(&format!("/users/{id}")).await.refused(403, "forbidden");
    admin.get("/users?q=%00").await.refused(422, "invalid");
    let list = admin.get("/users?q=BOB").await;
    assert!(!list.text.contains("password_hash") && !list.text.contains("$2"));
    let list = list.expect(200);
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
    assert_eq!(list["data"][0]["email"], "bob@example.org");
    admin.get("/users/1").await.refused(404, "not_found");
    let block = json!({ "reason": "" });
    admin.post(&format!("/users/{root}/block"), &block).await.refused(403, "forbidden");
    admin.delete(&format!("/users/{root}/admin")).await.refused(403, "forbidden");
    admin.put(&format!("/users/{root}/admin"), &json!({})).await.refused(403, "forbidden");
    let link = format!("/users/{root}/password-reset");
    admin.post(&link, &json!({})).await.refused(403, "forbidden");
    admin.delete(&format!("/users/{root}")).await.refused(403, "forbidden");
    admin.put(&format!("/users/{id}/admin"), &json!({})).await.expect(204);
    bob.get("/users").await.expect(200);
    // Two administrators, and still none of them ends their own account without its password.
    let own = admin.delete(&format!("/users/{root}")).await.refused(403, "forbidden");
    assert!(own["detail"].as_str().unwrap().contains("DELETE /users/me"), "{own}");
    admin.get("/users/me").await.expect(200);
    bob.delete(&format!("/users/{root}/admin")).await.expect(204);
    admin.get("/users").await.refused(403, "forbidden");
    let goodbye = json!({ "password": PASSWORD });
    let last = bob.request(reqwest::Method::DELETE, "/users/me").json(&goodbye);
    bob.send(last).await.refused(409, "last_admin");
    bob.delete(&format!("/users/{root}")).await.expect(204);
    admin.get("/users/me").await.refused(401, "invalid_token");
}

#[tokio::test]
async fn activity_is_written_down_once_a_minute() {
    let server = Server::start().await;
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    let seen = async || {
        bob.get("/users/me").await.expect(200);
        let me = ada.get("/users/me").await.expect(200);
        me["last_seen"].as_str().unwrap().to_owned()
    };
    let first = seen().await;
    server.pass(61);
    until("last_seen moves", async || seen().await > first).await;
    // It is among what is stored about her, without what it says of others.
    let mine = ada.get("/users/me/export").await.expect(200);
    let told = mine["events"].as_array().unwrap().iter().find(|one| one["type"] == "users.seen");
    let told = told.unwrap()["data"]["seen"].as_array().unwrap().clone();
    assert_eq!((told.len(), &told[0][0]), (1, &json!(ada.id().await)));
}

#[tokio::test]
async fn one_name_goes_to_one_of_many_who_ask_at_once() {
    let server = Server::with(crate::server::unthrottled()).await;
    let here = server.anonymous();
    let elsewhere = Client { address: server.serve().await, ..here.clone() };
    let body = |n: usize| {
        let email = format!("{n}@example.org");
        json!({ "username": "ada", "email": email, "password": PASSWORD })
    };
    let ask = async |n: usize| {
        let client = if n.is_multiple_of(2) { &here } else { &elsewhere };
        loop {
            let status = client.post("/users", &body(n)).await.status.as_u16();
            // The hashing queue is short, and says so.
            if status != 503 {
                return status;
            }
        }
    };
    let answers = futures::future::join_all((0..1000).map(ask)).await;
    assert_eq!(answers.iter().filter(|status| **status == 201).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|status| **status == 409).count(), 999);
}

#[tokio::test]
async fn a_link_of_somebody_blocked_is_gone_like_any_other() {
    let server = Server::start().await;
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    let user = format!("/users/{}", bob.id().await);
    let link = admin.post(&format!("{user}/password-reset"), &json!({})).await.expect(201);
    let link = format!("/password-resets/{}", link["secret"].as_str().unwrap());
    admin.post(&format!("{user}/block"), &json!({ "reason": "spam" })).await.expect(204);
    let new = json!({ "new": "an entirely different sentence" });
    let stranger = server.anonymous();
    let unknown = "/password-resets/0123456789abcdef0123456789abcdef";
    let never = stranger.put(unknown, &new).await.refused(410, "gone");
    assert_eq!(stranger.put(&link, &new).await.refused(410, "gone")["detail"], never["detail"]);
    admin.post(&format!("{user}/password-reset"), &json!({})).await.refused(403, "blocked");
    admin.post(&format!("{user}/unblock"), &json!({})).await.expect(204);
    stranger.put(&link, &new).await.refused(410, "gone");
    server.anonymous().log_in("bob", PASSWORD).await.expect(201);
}

#[tokio::test]
async fn a_lock_that_is_over_is_shown_no_more() {
    let server =
        Server::with(api::ApiConfig { lock_after: 3, ..crate::server::unthrottled() }).await;
    let ada = server.user("ada").await;
    for _ in 0..3 {
        server.anonymous().log_in("ada", "a wrong password").await.expect(401);
    }
    let me = async || ada.get("/users/me").await.expect(200);
    until("the lock", async || me().await["login_locked_until"].is_string()).await;
    server.pass(1801);
    server.reactor(reactor::Targets { private: false, http: false }).await;
    let renewed = server.with_token(ada.token.as_deref().unwrap());
    until("the lock is over", async || {
        let me = renewed.get("/users/me").await.expect(200);
        me["login_locked_until"].is_null() && me["failed_login_attempts"] == 3
    })
    .await;
    let row = server.store.user(events::UserId::new(ada.id().await)).await.unwrap().unwrap();
    assert_eq!((row.login_locked_until, row.failed_login_attempts), (None, 3));
}
