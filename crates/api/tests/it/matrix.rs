//! Who may do what, for every route there is: generated from the router, held against the table of
//! statuses in `matrix.txt` and against what the router says of each route. A new route fails here
//! until its line is there.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use api::{Route, Who};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::client::{Client, PASSWORD};
use crate::server::{Server, unthrottled};

const TABLE: &str = include_str!("matrix.txt");
/// `guest` is admitted to the room, `waiting` is in its lobby; `removed` and `left` were in it.
const PRINCIPALS: [&str; 11] = [
    "anonymous",
    "expired",
    "blocked",
    "outsider",
    "removed",
    "left",
    "waiting",
    "guest",
    "participant",
    "owner",
    "admin",
];
/// What of a room those in its lobby may: look at it, and go.
const IN_THE_LOBBY: [&str; 2] = ["GET /rooms/{code}", "DELETE /rooms/{code}/participants/me"];
/// What a guest may beyond the room: see to their own log-in, and see what is their own.
const GUESTS_OWN: [&str; 13] = [
    "GET /tokens",
    "DELETE /tokens",
    "POST /tokens/current/renew",
    "DELETE /tokens/current",
    "DELETE /tokens/{id}",
    "DELETE /sessions/current",
    "GET /ice-servers",
    "POST /live-tickets",
    "GET /users/me",
    "GET /users/me/export",
    "GET /models",
    "GET /rooms",
    "GET /webhooks",
];

/// A body with which the route would do something, so that only the caller decides.
fn body(method: &Method, path: &str) -> Value {
    match (method.as_str(), path) {
        ("POST", "/users") => json!({ "username": "new", "email": "x", "password": "short" }),
        ("POST", "/tokens" | "/sessions") => {
            json!({ "username": "outsider", "password": PASSWORD })
        }
        ("POST", "/admin/bootstrap") => {
            json!({ "secret": "x", "username": "n", "email": "e", "password": "p" })
        }
        ("POST", "/password-resets") => json!({ "email": "nobody@example.org" }),
        ("PUT", "/password-resets/{secret}") => json!({ "new": PASSWORD }),
        ("PUT", "/users/me/password") => {
            json!({ "current": PASSWORD, "new": "an entirely different sentence" })
        }
        ("DELETE", "/users/me") => json!({ "password": PASSWORD }),
        ("POST", path) if path.ends_with("/block") => json!({ "reason": "test" }),
        ("POST", path) if path.ends_with("/messages") => json!({ "msg_content": "hi" }),
        ("PATCH", path) if path.contains("/messages/") => json!({ "msg_content": "ho" }),
        ("POST", path) if path.ends_with("/transcripts") => json!({ "ts_content": "hi" }),
        ("PATCH", path) if path.contains("/transcripts/") => json!({ "ts_content": "ho" }),
        ("PUT", path) if path.ends_with("/captions/me") => json!({ "consent": false }),
        ("PUT", path) if path.ends_with("/admission") => json!({ "admit": true }),
        ("POST", path) if path.ends_with("/signs") => crate::teaching::sign(),
        ("PATCH", "/webhooks/{id}") => json!({ "enabled": false }),
        ("POST", "/webhooks") => json!({ "url": "https://example.org/hook" }),
        _ => json!({}),
    }
}

/// A call with everybody in it, made anew for each attempt.
struct Scene {
    _server: Server,
    people: BTreeMap<&'static str, Client>,
    code: String,
    message: u64,
    transcript: u64,
    user: u64,
    /// One of the participant's.
    token: u64,
    webhook: u64,
}

impl Scene {
    async fn new() -> Self {
        let server = Server::with(unthrottled()).await;
        let mut people = BTreeMap::from([("anonymous", server.anonymous())]);
        people.insert("expired", server.user("expired").await);
        server.pass(3601);
        let expired = server.anonymous().log_in("expired", PASSWORD).await.expect(201);
        let expired = server.with_token(expired["token"].as_str().unwrap());
        people.insert("admin", server.admin().await);
        for name in ["blocked", "outsider", "removed", "left", "waiting", "participant", "owner"] {
            people.insert(name, server.user(name).await);
        }
        let code = people["owner"].room().await;
        for name in ["blocked", "removed", "left", "participant"] {
            people[name].join(&code).await.expect(201);
        }
        expired.join(&code).await.expect(201);
        let (room, owner) = (format!("/rooms/{code}"), &people["owner"]);
        let join = format!("{room}/participants");
        let removed = people["removed"].id().await;
        owner.delete(&format!("{join}/{removed}")).await.expect(204);
        people["left"].delete(&format!("{join}/me")).await.expect(204);
        owner.patch(&room, &json!({ "guests": true })).await.expect(200);
        let guest = server.anonymous().post(&join, &json!({ "display_name": "Grandma" })).await;
        let guest = server.with_token(guest.expect(201)["token"].as_str().unwrap());
        owner.patch(&room, &json!({ "lobby": true })).await.expect(200);
        people["waiting"].join(&code).await.expect(202);
        owner.patch(&room, &json!({ "lobby": false })).await.expect(200);
        people.insert("guest", guest);
        let second = server.anonymous().log_in("participant", PASSWORD).await.expect(201);
        let second = server.with_token(second["token"].as_str().unwrap());
        let tokens = second.get("/tokens").await.expect(200);
        let token = tokens["data"][0]["id"].as_u64().unwrap();
        let said = people["participant"].say(&code, "secret").await.expect(201);
        let typed = json!({ "ts_content": "secret" });
        let typed = people["participant"].post(&format!("/rooms/{code}/transcripts"), &typed).await;
        let user = people["participant"].id().await;
        let blocked = people["blocked"].id().await;
        let block = json!({ "reason": "test" });
        people["admin"].post(&format!("/users/{blocked}/block"), &block).await.expect(204);
        let hook = json!({ "url": "https://example.org/hook" });
        let hook = people["owner"].post("/webhooks", &hook).await.expect(201);
        let webhook = hook["id"].as_u64().unwrap();
        let (message, transcript) = (said["id"].as_u64(), typed.expect(201)["id"].as_u64());
        let (message, transcript) = (message.unwrap(), transcript.unwrap());
        Self { _server: server, people, code, message, transcript, user, token, webhook }
    }

    async fn attempt(&self, method: &Method, path: &str, who: &str) -> StatusCode {
        let id = if path.contains("/messages/") {
            self.message
        } else if path.contains("/transcripts/") {
            self.transcript
        } else if path.starts_with("/webhooks/") {
            self.webhook
        } else if path.starts_with("/tokens/") {
            self.token
        } else {
            self.user
        };
        let filled = path
            .replace("{code}", &self.code)
            .replace("{user_id}", &self.user.to_string())
            .replace("{id}", &id.to_string())
            .replace("{n}", "1")
            .replace("{model}", "asl-basic")
            .replace("{secret}", "0123456789abcdef0123456789abcdef");
        let client = &self.people[who];
        let request = client.request(method.clone(), &filled).json(&body(method, path));
        request.send().await.unwrap().status()
    }
}

/// Whether the router's word on a route means that such a caller is refused.
fn is_refused(route: &Route, principal: &str) -> bool {
    let name = format!("{} {}", route.method, route.path);
    let nobody = ["anonymous", "expired", "blocked"].contains(&principal);
    let outside = ["outsider", "removed", "left"].contains(&principal);
    let waits = principal == "waiting" && !IN_THE_LOBBY.contains(&name.as_str());
    match route.who {
        Who::Anyone => false,
        Who::User => nobody || (principal == "guest" && !GUESTS_OWN.contains(&name.as_str())),
        Who::Reader | Who::Participant => nobody || outside || waits,
        Who::Owner => !["owner", "admin"].contains(&principal),
        Who::Admin => principal != "admin",
    }
}

#[tokio::test]
async fn every_route_is_open_to_those_in_the_table_alone() {
    let mut found = format!("# {}\n", PRINCIPALS.join(" "));
    let mut scene = Scene::new().await;
    for route in api::routes() {
        for who in PRINCIPALS {
            let status = scene.attempt(&route.method, route.path, who).await;
            assert!(!status.is_server_error(), "{status}");
            let refused = [401, 403, 404].contains(&status.as_u16());
            let allowed = refused || !is_refused(&route, who);
            assert!(allowed, "{who}: {} {} answered {status}", route.method, route.path);
            write!(found, "{} ", status.as_u16()).unwrap();
            if route.method != Method::GET && status.is_success() {
                scene = Scene::new().await;
            }
        }
        let who = format!("{:?}", route.who);
        writeln!(found, "{who:11} {} {}", route.method, route.path).unwrap();
    }
    assert_eq!(found, TABLE, "what is new or other than in matrix.txt:\n{found}");
}
