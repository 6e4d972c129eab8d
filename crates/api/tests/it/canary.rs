//! Secrets are told once, to whom they belong: none of those handed in or out in a whole run lies in
//! the log of events, in a log line, or in an error.

use std::io::Write;
use std::sync::Arc;

use events::Head;
use parking_lot::Mutex;
use reqwest::Method;
use serde_json::json;

use crate::client::PASSWORD;
use crate::server::Server;

/// Log lines, as a writer takes them.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_secret_of_a_whole_run_is_written_anywhere() {
    let lines = Lines::default();
    let writer = lines.clone();
    // Of all tests that run beside this one: what they log may hold no secret either.
    let levels = "debug,api=trace,decider=trace,projector=trace,streams=trace,vault=trace";
    let subscriber = tracing_subscriber::fmt().with_env_filter(levels);
    subscriber.with_ansi(false).with_writer(move || writer.clone()).init();
    let server = Server::start().await;
    let (admin, ada) = (server.admin().await, server.user("ada-canary").await);
    let wrong = "a canary that was mistyped";
    let mut errors = vec![server.anonymous().log_in("ada-canary", wrong).await.text];
    let second = ada.log_in("ada-canary", PASSWORD).await.expect(201);
    let session = json!({ "username": "ada-canary", "password": PASSWORD });
    let session = server.anonymous().post("/sessions", &session).await;
    let cookie = session.headers["set-cookie"].to_str().unwrap().to_owned();
    let ticket = ada.post("/live-tickets", &json!({})).await.expect(201);
    let ticket = ticket["ticket"].as_str().unwrap().to_owned();
    let code = ada.room().await;
    ada.say(&code, "a canary in the chat").await.expect(201);
    let anonymous = server.anonymous();
    drop(anonymous.socket(&code, &format!("?ticket={ticket}")).await.unwrap());
    errors.push(anonymous.get(&format!("/rooms/{code}/events?ticket={ticket}")).await.text);
    let reset = format!("/users/{}/password-reset", ada.id().await);
    let link = admin.post(&reset, &json!({})).await.expect(201);
    let secret = link["secret"].as_str().unwrap().to_owned();
    let new = "a wholly new canary sentence";
    let path = format!("/password-resets/{secret}");
    anonymous.put(&path, &json!({ "new": new })).await.expect(204);
    errors.push(anonymous.put(&path, &json!({ "new": new })).await.text);
    errors.push(ada.get("/users/me").await.text);
    let broken = ada.request(Method::POST, "/users").body(format!("{{\"password\": {new}"));
    errors.push(ada.send(broken.header("content-type", "application/json")).await.text);
    let blocks = server.log.read(Head::empty(server.log.id()), usize::MAX).await.unwrap();
    let told = String::from_utf8_lossy(&lines.0.lock()).into_owned();
    assert!(told.contains("answered"), "the log lines were not caught");
    let events = format!("{blocks:?}");
    let bytes: Vec<u8> = blocks.iter().flat_map(|block| block.bytes.clone()).collect();
    let raw = String::from_utf8_lossy(&bytes).into_owned();
    let session = cookie.split(['=', ';']).nth(1).unwrap();
    let tokens = [ada.token.as_deref().unwrap(), second["token"].as_str().unwrap(), session];
    let passwords = [PASSWORD, wrong, new];
    for canary in tokens.iter().chain(&passwords).chain(&[ticket.as_str(), secret.as_str()]) {
        for (place, text) in [("log lines", &told), ("events", &events), ("raw events", &raw)] {
            assert!(!text.contains(canary), "{canary} in the {place}");
        }
        assert!(errors.iter().all(|error| !error.contains(canary)), "{canary} in {errors:?}");
    }
    for personal in ["ada-canary", "a canary in the chat", "$2b$"] {
        assert!(!told.contains(personal) && !raw.contains(personal), "{personal}");
    }
}
