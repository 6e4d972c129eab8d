//! Bad input gets its clear error and changes nothing.

use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use clips::{Frame, Point, live_wire};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::client::Client;
use crate::database::rows;
use crate::harness::{Setup, World, run, signcall, wait};
use crate::path::meet;

const LANDMARKS: &str = "application/vnd.signcall.landmarks";
const POSE: &str = "application/x-pose";
/// What another process wrote is seen within this time.
const SEEN_WITHIN: Duration = Duration::from_secs(5);
/// A server that cannot start says so within this time.
const REFUSED_WITHIN: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_refused_and_change_nothing() {
    let test = "bad_input::bad_requests_are_refused_and_change_nothing";
    let mut world = World::start(test, Setup::OneProcess).await.unwrap();
    let (sam, rita, room) = meet(&world.url, "sam", "rita").await;
    let code = room["room_code"].as_str().unwrap();
    let (status, _) =
        rita.put(&format!("/rooms/{code}/captions/me"), json!({ "consent": true })).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    // Her own read of a table waits until the tables hold her consent.
    let (status, _) = rita.get(&format!("/rooms/{code}/messages")).await;
    assert_eq!(status, StatusCode::OK);
    let before = everything(&world.database).await;
    let messages = format!("/rooms/{code}/messages");

    let broken =
        sam.post_bytes(&messages, "application/json", b"{\"msg_content\": ".to_vec()).await;
    refused(&broken, 400, "JSON");
    let typo = sam.post(&messages, json!({ "msg_contents": "x" })).await;
    refused(&typo, 422, "msg_contents");
    let zero = sam.post(&messages, json!({ "msg_content": "a\u{0}b" })).await;
    refused(&zero, 422, "msg_content");
    let short = Client::anonymous(&world.url);
    let body = json!({ "username": "x", "email": "x@example.org", "password": "password" });
    refused(&short.post("/users", body).await, 422, "12");

    let mut stranger = sam.clone();
    stranger.token = "0".repeat(32);
    refused(&stranger.get("/users/me").await, 401, "token");
    refused(&short.get("/users/me").await, 401, "");
    refused(&sam.post("/rooms/000000000/participants", json!({})).await, 404, "room");
    refused(&sam.get("/rooms/nonsense").await, 404, "room");
    refused(&sam.get("/nowhere").await, 404, "");

    let frames = format!("/rooms/{code}/frames");
    refused(&sam.post_bytes(&frames, LANDMARKS, batch(0)).await, 409, "captions");
    let mut cut = clip();
    cut.truncate(cut.len() - 7);
    refused(&rita.post_bytes(&frames, POSE, cut).await, 422, "bytes");
    let hostile = rita.post_bytes(&frames, POSE, hostile()).await;
    assert!([413, 422].contains(&hostile.0.as_u16()), "{}", hostile.1);
    refused(&rita.post_bytes(&frames, LANDMARKS, not_a_number()).await, 422, "frame 1");
    refused(&rita.post_bytes(&frames, LANDMARKS, b"SLF1".to_vec()).await, 422, "byte");
    refused(&rita.post_bytes(&frames, "text/plain", b"x".to_vec()).await, 415, "");

    let stream = format!("{frames}?stream=order");
    let (status, first) = rita.post_bytes(&stream, LANDMARKS, batch(0)).await;
    assert_eq!((status, &first["last_seq"]), (StatusCode::ACCEPTED, &json!(2)), "{first}");
    let ahead = rita.post_bytes(&stream, LANDMARKS, batch(6)).await;
    refused(&ahead, 422, "3");
    assert_eq!(ahead.1["expected_seq"], 3);
    // The same batch again is no error, and nothing new.
    let (status, again) = rita.post_bytes(&stream, LANDMARKS, batch(0)).await;
    assert_eq!((status, &again["last_seq"]), (StatusCode::ACCEPTED, &json!(2)), "{again}");

    assert_eq!(everything(&world.database).await, before);
    let (status, _) = sam.send(sam.request(Method::GET, "/users/me")).await;
    assert_eq!(status, StatusCode::OK);
    world.stop();
}

fn refused((status, problem): &(StatusCode, Value), expected: u16, words: &str) {
    assert_eq!(status.as_u16(), expected, "{problem}");
    assert_eq!(problem["status"], expected, "{problem}");
    assert!(problem["code"].is_string() && problem["request_id"].is_string(), "{problem}");
    let said = format!("{} {}", problem["detail"], problem["errors"]);
    assert!(said.contains(words), "{words:?} is not in {said}");
}

/// Every row that a bad request might have changed.
async fn everything(database: &str) -> Vec<Vec<Vec<Option<String>>>> {
    const QUERIES: [&str; 5] = [
        "SELECT CAST(id AS TEXT), username, email, token FROM \"user\" ORDER BY id",
        "SELECT CAST(id AS TEXT), state, CAST(version AS TEXT), CAST(feed_seq AS TEXT) FROM room",
        "SELECT CAST(id AS TEXT), consent, admission FROM room_participant ORDER BY id",
        "SELECT CAST(id AS TEXT), msg_content FROM message ORDER BY id",
        "SELECT CAST(id AS TEXT), ts_content FROM transcript ORDER BY id",
    ];
    let mut all = Vec::new();
    for query in QUERIES {
        all.push(rows(database, query).await);
    }
    all
}

fn frame(index: u64) -> Frame {
    let mut frame = Frame::empty(index * 66_667, 640.0, 480.0);
    frame.right = Some([Point { x: 300.0, y: 200.0, z: 0.0, confidence: 1.0 }; 21]);
    frame
}

fn batch(first: u32) -> Vec<u8> {
    let frames: Vec<Frame> = (first..first + 3).map(|index| frame(index.into())).collect();
    live_wire::encode(&frames, first)
}

fn not_a_number() -> Vec<u8> {
    let mut wrong = frame(1);
    wrong.right.as_mut().unwrap()[4].x = f32::NAN;
    live_wire::encode(&[frame(0), wrong], 0)
}

fn clip() -> Vec<u8> {
    let frames = (0..20).map(frame).collect();
    let clip = clips::pose::Clip { width: 640, height: 480, fps: 15.0, frames };
    clips::pose::write(&clip, clips::pose::Version::V0_2)
}

/// A header that announces far more than there is.
fn hostile() -> Vec<u8> {
    let mut bytes = clip();
    let end = bytes.len().min(64);
    bytes[4..end].fill(0xff);
    bytes.truncate(end);
    bytes
}

/// Runs a server that must not start; what it printed, in time and with an exit code.
pub(crate) fn refuses_to_start(arguments: &[&str]) -> String {
    let begun = Instant::now();
    let mut child = signcall()
        .arg("serve")
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let status = wait(&mut child, REFUSED_WITHIN);
    if status.is_none() {
        child.kill().unwrap();
    }
    let Output { stdout, stderr, .. } = child.wait_with_output().unwrap();
    let (out, said) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert_eq!(out, "", "it said it was ready");
    assert_eq!(status.and_then(|s| s.code()), Some(1), "after {:?}: {said}", begun.elapsed());
    assert!(said.contains("error: "), "{said}");
    said.into_owned()
}

#[test]
fn a_server_without_its_log_or_database_says_so_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    assert!(run(&["init", "--data", data]).status.success());
    let at = ["--data", data, "--listen", "127.0.0.1:0"];
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nats = format!("nats://{closed}");
    let said = refuses_to_start(&[&at[..], &["--log", &nats]].concat());
    assert!(said.contains(&closed.to_string()), "{said}");
    let postgres = format!("postgres://me:pa55word@{closed}/signcall");
    let said = refuses_to_start(&[&at[..], &["--database", &postgres]].concat());
    assert!(said.contains(&closed.to_string()) && !said.contains("pa55word"), "{said}");
    let said = refuses_to_start(&[&at[..], &["--vault", &postgres]].concat());
    assert!(said.contains(&closed.to_string()) && !said.contains("pa55word"), "{said}");
}

#[test]
fn wrong_configuration_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("signcall.toml");
    std::fs::write(&file, "listn = \"127.0.0.1:8080\"\n").unwrap();
    let file = file.to_str().unwrap();
    let checked = run(&["config", "check", "--config", file]);
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert_eq!(checked.status.code(), Some(1), "{said}");
    assert!(said.contains("listn") && said.contains(file), "{said}");
    let mut misspelled = signcall();
    misspelled.args(["config", "check"]).env("SIGNCALL_LISTN", "x");
    let misspelled = misspelled.output().unwrap();
    assert!(!misspelled.status.success());
    assert!(String::from_utf8_lossy(&misspelled.stderr).contains("SIGNCALL_LISTN"));
    let role = run(&["config", "check", "--roles", "chief"]);
    assert!(String::from_utf8_lossy(&role.stderr).contains("chief"));
    let fine = run(&["config", "check", "--nats-password", "pa55word"]);
    let shown = String::from_utf8_lossy(&fine.stdout);
    assert!(fine.status.success() && !shown.contains("pa55word"), "{shown}");
    assert!(shown.contains("listen = \"127.0.0.1:8080\""), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_folder_has_one_server_and_keeps_what_is_not_ours() {
    let test = "bad_input::a_data_folder_has_one_server_and_keeps_what_is_not_ours";
    let mut world = World::start(test, Setup::OneProcess).await.unwrap();
    let notes = world.data().join("notes.txt");
    std::fs::write(&notes, "mine").unwrap();
    let data = world.data();
    let second = tokio::task::block_in_place(|| {
        refuses_to_start(&["--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0"])
    });
    assert!(second.contains("another server runs on"), "{second}");
    let secret = world.offline(&["admin", "bootstrap"]);
    let secret = String::from_utf8(secret.stdout).unwrap();
    assert_eq!(secret.lines().count(), 1);
    let admin = Client::anonymous(&world.url);
    let body = |secret: &str| {
        json!({ "secret": secret, "username": "root", "email": "root@example.org",
        "password": "violet tandem quarry 19" })
    };
    refused(&admin.post("/admin/bootstrap", body("not the secret at all")).await, 401, "");
    let (status, made) = admin.post("/admin/bootstrap", body(secret.trim())).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    refused(&admin.post("/admin/bootstrap", body(secret.trim())).await, 410, "");
    world.stop();
    assert_eq!(std::fs::read_to_string(notes).unwrap(), "mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_resets_a_password_beside_the_running_server() {
    let test = "bad_input::the_operator_resets_a_password_beside_the_running_server";
    let mut world = World::start(test, Setup::OneProcess).await.unwrap();
    let sam = Client::register(&world.url, "sam").await;
    let nobody = world.offline(&["admin", "reset-password", "nobody"]);
    assert!(!nobody.status.success());
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("nobody"));
    let reset = world.offline(&["admin", "reset-password", "Sam", "--api", "bcrypt_cost=4"]);
    assert!(reset.status.success(), "{}", String::from_utf8_lossy(&reset.stderr));
    let password = String::from_utf8(reset.stdout).unwrap();
    // Another process appended: the server takes it in within milliseconds.
    let until = Instant::now() + SEEN_WITHIN;
    while sam.get("/users/me").await.0 == StatusCode::OK {
        assert!(Instant::now() < until, "the old log-in lives on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    refused(&sam.get("/users/me").await, 401, "");
    let login = json!({ "username": "sam", "password": password.trim() });
    let (status, answer) = Client::anonymous(&world.url).post("/tokens", login).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    world.stop();
}
