//! What is not as it should be gets its clear error and changes nothing.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::server::{Server, quick};

#[tokio::test]
async fn bodies_are_read_strictly() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let code = ada.room().await;
    let path = format!("/rooms/{code}/messages");
    let raw = async |media_type: &str, body: &'static str| {
        let request = ada.request(Method::POST, &path).header("content-type", media_type);
        ada.send(request.body(body)).await
    };
    let json = "application/json";
    raw(json, "{").await.refused(400, "malformed_json");
    raw(json, "{} {}").await.refused(422, "invalid");
    raw(json, "{\"msg_content\": \"a\"} x").await.refused(400, "malformed_json");
    raw(json, "[\"a\"]").await.refused(422, "invalid");
    let missing = raw(json, "{}").await.refused(422, "invalid");
    assert_eq!(missing["errors"][0]["field"], "msg_content");
    let unknown = ada.post(&path, &json!({ "msg_content": "a", "user_id": 1 })).await;
    assert_eq!(unknown.refused(422, "invalid")["errors"][0]["field"], "user_id");
    let wrong = ada.post(&path, &json!({ "msg_content": 7 })).await;
    assert_eq!(wrong.refused(422, "invalid")["errors"][0]["field"], "msg_content");
    raw("text/plain", "{\"msg_content\": \"a\"}").await.refused(415, "unsupported_media_type");
    raw("application/x-www-form-urlencoded", "msg_content=a").await.expect(415);
    for text in ["", "nul \u{0}", &"x".repeat(4001)] {
        let refused = ada.say(&code, text).await.refused(422, "invalid");
        assert_eq!(refused["errors"][0]["field"], "msg_content");
    }
    ada.say(&code, &"x".repeat(70_000)).await.refused(413, "too_large");
    assert_eq!(ada.get(&path).await.expect(200)["data"], json!([]));
    ada.say(&code, &"😀".repeat(4000)).await.expect(201);
}

#[tokio::test]
async fn errors_are_problems_everywhere() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    ada.get("/nothing").await.refused(404, "no_route");
    ada.delete("/rooms").await.refused(405, "method_not_allowed");
    server.anonymous().get("/users/me").await.refused(401, "unauthorized");
    server.with_token("nonsense").get("/users/me").await.refused(401, "invalid_token");
    server.with_token(&"0".repeat(32)).get("/users/me").await.refused(401, "invalid_token");
    ada.get("/users/999999999999999999999999").await.refused(404, "not_found");
    let code = ada.room().await;
    ada.get(&format!("/rooms/{code}/live")).await.refused(426, "upgrade_required");
    ada.header("min-position", "x").get(&format!("/rooms/{code}/messages")).await.expect(400);
    let answer = ada.get("/users/me").await;
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ] {
        assert_eq!(answer.header(name), value);
    }
    assert!(answer.headers.get("server").is_none());
    assert!(answer.headers.get("access-control-allow-origin").is_none());
    assert_eq!(ada.get("/livez").await.status, 204);
    assert_eq!(ada.get("/readyz").await.expect(200)["ready"], true);
}

#[tokio::test]
async fn a_read_waits_for_a_position_and_gives_up_with_a_code() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let code = ada.room().await;
    server.stop_projector.cancel();
    ada.say(&code, "unseen").await.expect(201);
    let path = format!("/rooms/{code}/messages");
    ada.get(&path).await.refused(503, "projection_behind");
    // What the Follower answers never waits.
    ada.get("/users/me").await.expect(200);
    ada.get(&format!("/rooms/{code}")).await.expect(200);
}

#[tokio::test]
async fn connections_that_say_nothing_or_drip_are_closed() {
    let config = api::ApiConfig { head_timeout: Duration::from_millis(300), ..quick() };
    let server = Server::with(config).await;
    for start in [&b""[..], b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Dr"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(start).await.unwrap();
        let began = Instant::now();
        let mut read = Vec::new();
        let end = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut read)).await;
        end.expect("the server closes").ok();
        assert!(began.elapsed() >= Duration::from_millis(250));
    }
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n").await.unwrap();
    let dripping = async {
        while stream.write_all(b"X: y\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), dripping).await.expect("dripping ends");
}

#[tokio::test]
async fn the_server_stops_with_sockets_open() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let code = ada.room().await;
    let mut socket = ada.socket(&code, "").await.unwrap();
    socket.next_of("ready").await;
    let mut events = ada.events(&code, "").await;
    server.stop.cancel();
    assert_eq!(socket.close_code().await, 1012);
    events.next_of("close").await;
    crate::server::until("the port is closed", async || {
        TcpStream::connect(server.address).await.is_err()
    })
    .await;
}
