//! Whoever is deleted with their content is found nowhere: not in the log, the tables, the search
//! index, SQLite's files, an export, or what the processes said.

use std::path::{Path, PathBuf};

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::client::Client;
use crate::harness::{Setup, World};
use crate::path::{check_replay, meet};

/// Each leaves a name, an address, two messages and a typed caption.
const USERS: usize = 10;
const PLANTED: usize = 50;

#[tokio::test(flavor = "multi_thread")]
async fn of_deleted_people_nothing_is_left_in_one_process() {
    erase("erasure::of_deleted_people_nothing_is_left_in_one_process", Setup::OneProcess).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_deleted_people_nothing_is_left_on_nats() {
    erase("erasure::of_deleted_people_nothing_is_left_on_nats", Setup::ThreeOnNats).await;
}

async fn erase(test: &str, setup: Setup) {
    let Some(mut world) = World::start(test, setup).await else { return };
    let (sam, _rita, room) = meet(&world.url, "sam", "rita").await;
    let code = room["room_code"].as_str().unwrap();
    let mut planted = Vec::new();
    let mut people = Vec::new();
    for n in 0..USERS {
        people.push(plant(&world.url, code, n, &mut planted).await);
    }
    assert_eq!(planted.len(), PLANTED);
    for people in sam.all_messages(code).await {
        assert!(planted.contains(&people));
    }
    check_replay(&world);
    let places = [world.folder().to_path_buf()].into_iter().chain(world.nats_store());
    let places: Vec<PathBuf> = places.collect();
    let before = found(&places, &planted);
    let seen = |text: &String| before.iter().any(|(what, _)| what == text);
    assert!(planted.iter().all(seen), "the search finds what is there: {before:?}");
    assert!(
        before.iter().all(|(_, place)| file_name(place).starts_with("tables.db")),
        "{before:?}"
    );
    for one in &people {
        let body = json!({ "password": "violet tandem quarry 19", "erase_content": true });
        let (status, answer) = one.send(one.request(Method::DELETE, "/users/me").json(&body)).await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{answer}");
    }
    // Live and then erased, or erased and then replayed: the same rows.
    check_replay(&world);
    let compacted = world.offline(&["compact"]);
    assert!(compacted.status.success(), "{}", String::from_utf8_lossy(&compacted.stderr));
    let export = world.folder().join("export.ndjson");
    let exported = world.offline(&["log", "export", "--to", export.to_str().unwrap()]);
    assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
    assert_eq!(found(&places, &planted), [], "after the deletion");
    assert_eq!(sam.list(&format!("/rooms/{code}/messages")).await.len(), 2 * USERS);
    world.stop();
    assert_eq!(found(&places, &planted), [], "after the stop");
}

/// Somebody who talks; what must not be found later goes into `planted`.
async fn plant(url: &str, code: &str, n: usize, planted: &mut Vec<String>) -> Client {
    let text = |what: &str| format!("{what}{n:02}{}", uuid::Uuid::new_v4().simple());
    let name = text("name");
    let client = Client::register(url, &name).await;
    let (status, joined) = client.post(&format!("/rooms/{code}/participants"), json!({})).await;
    assert_eq!(status, StatusCode::CREATED, "{joined}");
    for _ in 0..2 {
        let said = text("said");
        let body = json!({ "msg_content": said });
        let (status, answer) = client.post(&format!("/rooms/{code}/messages"), body).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        planted.push(said);
    }
    let typed = text("typed");
    let body = json!({ "ts_content": typed });
    let (status, answer) = client.post(&format!("/rooms/{code}/transcripts"), body).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    planted.extend([typed, format!("{name}@example.org"), name]);
    client
}

/// Which of these texts lie in which files below these folders.
fn found(places: &[PathBuf], texts: &[String]) -> Vec<(String, PathBuf)> {
    let mut folders = places.to_vec();
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            // A file may go while it is looked for.
            let Ok(bytes) = std::fs::read(&path) else { continue };
            let bytes = String::from_utf8_lossy(&bytes).to_lowercase();
            let here = texts.iter().filter(|text| bytes.contains(text.as_str()));
            found.extend(here.map(|text| (text.clone(), path.clone())));
        }
    }
    found
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}
