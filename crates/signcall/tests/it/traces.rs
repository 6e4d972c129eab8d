//! One id leads through every log: a request's from the API to the decider and the tables, a
//! caption's from the recognizer there.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Process, run};

/// Until a line must have been written.
const WITHIN: Duration = Duration::from_secs(20);

/// Waits until the process has said each of `words` under this id, and returns the command that they name.
fn followed(server: &Process, request_id: &str, words: &[&str]) -> String {
    let until = Instant::now() + WITHIN;
    loop {
        let said = server.errors();
        let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let ours: Vec<_> = lines.filter(|line| line["request_id"] == request_id).collect();
        let command = |word: &&str| {
            let line = ours.iter().find(|line| line["message"] == **word)?;
            line["command"].as_str().map(str::to_owned)
        };
        let commands: Option<Vec<String>> = words.iter().map(command).collect();
        if let Some(commands) = commands {
            assert!(commands.iter().all(|one| one == &commands[0]), "{commands:?}");
            return commands[0].clone();
        }
        assert!(Instant::now() < until, "not all of {words:?} under {request_id} in\n{said}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_and_a_caption_can_be_followed_through_every_role() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let arguments = [
        "serve",
        "--data",
        &data,
        "--listen",
        "127.0.0.1:0",
        "--api",
        "bcrypt_cost=4",
        "--log-format",
        "json",
        "--log-level",
        "debug",
    ];
    let mut server = Process::start("all", arguments.map(str::to_owned).to_vec(), folder.path());
    let url = server.wait_until_ready().unwrap();
    let client = reqwest::Client::new();
    let register = json!({ "username": "ada", "email": "ada@example.org",
        "password": "a long enough password of ada" });
    let made = client.post(format!("{url}/api/v1/users")).json(&register).send().await.unwrap();
    let request_id = made.headers()["x-request-id"].to_str().unwrap().to_owned();
    let token = made.json::<Value>().await.unwrap()["token"].as_str().unwrap().to_owned();
    followed(&server, &request_id, &["accepted", "decided", "appended", "followed", "projected"]);

    let rooms = client.post(format!("{url}/api/v1/rooms")).bearer_auth(&token).json(&json!({}));
    let room = rooms.send().await.unwrap().json::<Value>().await.unwrap();
    let code = room["room_code"].as_str().unwrap();
    let clip = folder.path().join("clip.pose").display().to_string();
    assert!(run(&["synthesize", "hello", "--out", &clip]).status.success());
    let played =
        run(&["play", &clip, "--room", code, "--url", &url, "--token", &token, "--pace", "fast"]);
    assert!(played.status.success(), "{}", String::from_utf8_lossy(&played.stderr));
    let transcripts = client.get(format!("{url}/api/v1/rooms/{code}/transcripts"));
    let transcripts = transcripts.bearer_auth(&token).send().await.unwrap();
    let segment = &transcripts.json::<Value>().await.unwrap()["data"][0]["segment_id"];
    followed(
        &server,
        segment.as_str().unwrap(),
        &["written down", "decided", "appended", "projected"],
    );
    assert!(!server.errors().contains(&token), "a token is in the log lines");
    assert!(server.terminate().success());
}
