//! Landmarks that somebody allowed to be kept: read once more by another model, whose readings
//! become revisions, except where a person wrote; gone when the consent is taken back.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::client::Client;
use crate::harness::{Setup, World, signcall};
use crate::models::brought;
use crate::worker_kill::sign;

const WORDS: [&str; 3] = ["hello", "coffee", "please"];
const WITHIN: Duration = Duration::from_secs(30);

/// The shipped model with another name for a sign.
fn translated(world: &World) -> String {
    let folder = world.folder().join("translated");
    brought(&folder, "translated");
    let file = folder.join("model.json");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("\"text\":\"coffee\"", "\"text\":\"kaffee\"")).unwrap();
    folder.display().to_string()
}

fn rerecognize(world: &World, model: &str, code: &str, write: bool) -> std::process::Output {
    let mut command = signcall();
    command.args(["rerecognize", "--model", model, "--room", code, "--json"]);
    if write {
        command.arg("--write");
    }
    command.args(world.shared()).output().unwrap()
}

fn report(world: &World, model: &str, code: &str, write: bool) -> Value {
    let done = rerecognize(world, model, code, write);
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{errors}");
    serde_json::from_slice(&done.stdout).unwrap()
}

async fn transcripts(who: &Client, code: &str, count: usize) -> Vec<Value> {
    let until = Instant::now() + WITHIN;
    loop {
        let rows = who.list(&format!("/rooms/{code}/transcripts")).await;
        if rows.len() >= count {
            return rows;
        }
        assert!(Instant::now() < until, "captions are missing: {rows:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until the second "coffee" is what the other model reads.
async fn revised(who: &Client, code: &str) {
    let until = Instant::now() + WITHIN;
    loop {
        let rows = transcripts(who, code, 6).await;
        if rows[4]["revision"] == 2 {
            assert_eq!(rows[4]["ts_content"], "kaffee");
            assert_eq!(rows[4]["model"], "translated 7");
            return;
        }
        assert!(Instant::now() < until, "{rows:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kept_landmarks_are_read_again_and_go_with_the_consent() {
    let test = "kept::kept_landmarks_are_read_again_and_go_with_the_consent";
    let Some(mut world) = World::start(test, Setup::OneProcess).await else { return };
    let sam = Client::register(&world.url, "sam").await;
    let (status, room) = sam.post("/rooms", json!({})).await;
    assert_eq!(status, StatusCode::CREATED, "{room}");
    let code = room["room_code"].as_str().unwrap();
    let model = translated(&world);
    let frames = recognizer::synthetic::sentence(&WORDS, 3).unwrap();
    let consent = |keep: bool| json!({ "consent": true, "keep": keep });
    let captions = format!("/rooms/{code}/captions/me");

    // Without the second consent nothing is kept.
    let (status, answer) = sam.put(&captions, consent(false)).await;
    assert!(status.is_success(), "{answer}");
    sign(sam.clone(), code.to_owned(), frames.clone(), "first").await;
    transcripts(&sam, code, 3).await;
    let none = rerecognize(&world, &model, code, false);
    assert!(String::from_utf8_lossy(&none.stderr).contains("nothing is kept"));

    let (status, answer) = sam.put(&captions, consent(true)).await;
    assert!(status.is_success(), "{answer}");
    sign(sam.clone(), code.to_owned(), frames.clone(), "second").await;
    let rows = transcripts(&sam, code, 6).await;
    // What is kept is written a moment later.
    let until = Instant::now() + WITHIN;
    let compared = loop {
        let done = rerecognize(&world, &model, code, false);
        if done.status.success() {
            let report: Value = serde_json::from_slice(&done.stdout).unwrap();
            let read = |one: &Value| !one["new"].as_str().unwrap().is_empty();
            if report["segments"].as_array().unwrap().iter().filter(|one| read(one)).count() == 3 {
                break report;
            }
        }
        assert!(Instant::now() < until, "{}", String::from_utf8_lossy(&done.stderr));
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let kaffee: Vec<&Value> = compared["segments"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["new"] == "kaffee")
        .collect();
    assert_eq!(kaffee.len(), 1, "{compared}");
    assert_eq!((kaffee[0]["old"].as_str(), kaffee[0]["wer"].as_f64()), (Some("coffee"), Some(1.0)));

    // A person's word stands; the others are revised.
    let coffee = rows[4]["id"].as_u64().unwrap();
    assert_eq!(rows[4]["ts_content"], "coffee");
    assert_eq!(kaffee[0]["transcript_id"], coffee);
    let written = report(&world, &model, code, true);
    assert_eq!((&written["revised"], &written["by_people"]), (&json!(1), &json!(0)), "{written}");
    let path = format!("/rooms/{code}/transcripts/{coffee}");
    revised(&sam, code).await;
    let request = sam.request(Method::PATCH, &path).json(&json!({ "ts_content": "tea" }));
    let (status, answer) = sam.send(request).await;
    assert!(status.is_success(), "{status} {answer}");
    let again = report(&world, &model, code, true);
    assert_eq!((&again["revised"], &again["by_people"]), (&json!(0), &json!(1)), "{again}");

    // Taking the second consent back lets go of what is kept.
    let (status, answer) = sam.put(&captions, consent(false)).await;
    assert!(status.is_success(), "{answer}");
    let until = Instant::now() + WITHIN;
    while rerecognize(&world, &model, code, false).status.success() {
        assert!(Instant::now() < until, "what was kept is still there");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    world.stop();
}
