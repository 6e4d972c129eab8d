//! What an operator does with an installation: looks into the log, takes it elsewhere, backs up
//! and restores, compacts, rotates keys.

use std::path::Path;
use std::process::Output;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqliteConnection};
use streams::testing::NatsServer;

use crate::client::Client;
use crate::harness::{Setup, World, signcall};
use crate::path::meet;

/// Standard output of a command that has to succeed.
pub(crate) fn said(output: &Output) -> String {
    let (out, errors) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{errors}");
    out.into_owned()
}

pub(crate) fn refused(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{errors}");
    errors
}

/// An offline command on a data folder.
pub(crate) fn on(data: &Path, arguments: &[&str]) -> Output {
    signcall().args(arguments).arg("--data").arg(data).output().unwrap()
}

/// The hashes of all tables, rebuilt from the log and equal to the live ones.
pub(crate) fn tables(data: &Path) -> Value {
    let replayed: Value = serde_json::from_str(&said(&on(data, &["replay", "--json"]))).unwrap();
    replayed["tables"].clone()
}

/// Who may use a file.
fn mode(file: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(file).unwrap().permissions().mode() & 0o777
}

pub(crate) fn copy_folder(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

pub(crate) async fn talk(who: &Client, code: &str, text: &str) {
    let path = format!("/rooms/{code}/messages");
    let (status, answer) = who.post(&path, json!({ "msg_content": text })).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
}

async fn delete(who: &Client, erase_content: bool) {
    let body = json!({ "password": "violet tandem quarry 19", "erase_content": erase_content });
    let (status, answer) = who.send(who.request(Method::DELETE, "/users/me").json(&body)).await;
    assert_eq!(status, StatusCode::NO_CONTENT, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_looked_at_and_taken_elsewhere() {
    let test = "operations::the_log_is_looked_at_and_taken_elsewhere";
    let Some(nats) = NatsServer::for_test(test).await.unwrap() else { return };
    let Some(mut world) = World::start(test, Setup::OneProcess).await else { return };
    let (sam, rita, room) = meet(&world.url, "sam", "rita").await;
    let code = room["room_code"].as_str().unwrap();
    for n in 0..20 {
        talk(if n % 2 == 0 { &sam } else { &rita }, code, &format!("message {n}")).await;
    }
    // Beside the running server.
    let tail = said(&world.offline(&["log", "tail", "-n", "3", "--json"]));
    let last: Vec<Value> = tail.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(last.len(), 3, "{tail}");
    let position = last[2]["position"].as_u64().unwrap();
    assert!(!tail.contains("message 19"), "personal text is sealed in the log");
    let shown = said(&world.offline(&["log", "show", &position.to_string(), "--json"]));
    assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), last[2]);
    let block = said(&world.offline(&["log", "show", "1", "--block"]));
    assert_eq!(serde_json::from_str::<Value>(&block).unwrap()["header"]["block"], 1);
    let beyond = refused(&world.offline(&["log", "show", "1000"]));
    assert!(beyond.contains(&format!("the log ends at {position}")), "{beyond}");
    let stats: Value =
        serde_json::from_str(&said(&world.offline(&["log", "stats", "--json"]))).unwrap();
    assert_eq!(stats["commits"], position);
    assert_eq!(stats["tags"]["room.message_sent.v1"], 20);
    let verified: Value =
        serde_json::from_str(&said(&world.offline(&["log", "verify", "--json"]))).unwrap();
    assert_eq!(verified["whole"], true);
    assert_eq!(verified["checked"]["position"], position);
    world.stop();
    // To NATS, from there into a file, and as lines into another installation.
    let data = world.data();
    let (there, back) = (nats.url(), world.folder().join("back.db"));
    let back = back.to_str().unwrap();
    said(&on(&data, &["log", "copy", "--from", "embedded", "--to", &there]));
    said(&on(&data, &["log", "copy", "--from", &there, "--to", back]));
    assert_eq!(mode(Path::new(back)), 0o600, "it is as personal as the log");
    let here = said(&on(&data, &["log", "export"]));
    assert_eq!(said(&on(&data, &["log", "export", "--log", &there])), here);
    let second = world.folder().join("second");
    std::fs::create_dir(&second).unwrap();
    // A stopped process may leave a write-ahead log.
    for part in ["secrets", "vault.db", "vault.db-wal"] {
        if data.join(part).exists() {
            copy_folder(&data.join(part), &second.join(part));
        }
    }
    let lines = world.folder().join("log.ndjson");
    std::fs::write(&lines, &here).unwrap();
    said(&on(&second, &["log", "import", lines.to_str().unwrap()]));
    assert_eq!(said(&on(&second, &["log", "export"])), here);
    std::fs::rename(back, second.join("log.db")).unwrap();
    assert_eq!(said(&on(&second, &["log", "export"])), here);
    assert_eq!(tables(&second), tables(&data));
    said(&on(&second, &["migrate"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_restores_what_is_missing_and_nothing_that_was_erased() {
    let test = "operations::a_backup_restores_what_is_missing_and_nothing_that_was_erased";
    let Some(mut world) = World::start(test, Setup::OneProcess).await else { return };
    let (sam, rita, room) = meet(&world.url, "sam", "rita").await;
    let code = room["room_code"].as_str().unwrap();
    let olga = Client::register(&world.url, "olga").await;
    let (status, _) = olga.post(&format!("/rooms/{code}/participants"), json!({})).await;
    assert_eq!(status, StatusCode::CREATED);
    talk(&sam, code, "sam was here").await;
    talk(&olga, code, "olga was here").await;
    let backup = world.folder().join("backup");
    let folder = backup.to_str().unwrap();
    said(&world.offline(&["backup", folder]));
    for file in ["backup.json", "log.ndjson", "tables.db", "vault.db", "secrets/cookie.key"] {
        assert_eq!(mode(&backup.join(file)), 0o600, "{file}");
    }
    assert!(refused(&world.offline(&["backup", folder])).contains("is not empty"));
    // All of it, on an empty machine.
    let other = world.folder().join("other");
    said(&on(&other, &["restore", folder]));
    let verified = said(&on(&other, &["log", "verify"]));
    assert!(verified.contains("the tables knew") && verified.contains("whole"), "{verified}");
    let restored = tables(&other);
    // Life goes on: one is deleted, one comes and talks.
    delete(&olga, true).await;
    let uma = Client::register(&world.url, "uma").await;
    talk(&sam, code, "sam is still here").await;
    assert_ne!(uma.id, 0);
    world.stop();
    // The vault alone is lost, and comes from the backup.
    let data = world.data();
    for file in ["vault.db", "vault.db-wal", "vault.db-shm", "tables.db"] {
        let _ = std::fs::remove_file(data.join(file));
    }
    let told = said(&on(&data, &["restore", folder]));
    assert!(told.contains("was there, up to position") && told.contains("are lost"), "{told}");
    said(&on(&data, &["replay"]));
    let url = format!("sqlite:{}", data.join("tables.db").display());
    let rows = crate::database::rows(&url, "SELECT msg_content FROM message ORDER BY id").await;
    let text = |row: usize| rows[row][0].as_deref();
    assert_eq!((rows.len(), text(0), text(1)), (3, Some("sam was here"), None));
    // And the machine that was restored whole is what the backup was.
    assert_eq!(tables(&other), restored);
    // Damage in the backup is named.
    let log = backup.join("log.ndjson");
    let mut bytes = std::fs::read(&log).unwrap();
    bytes[200] ^= 1;
    std::fs::write(&log, bytes).unwrap();
    let third = world.folder().join("third");
    let told = refused(&on(&third, &["restore", folder]));
    assert!(told.contains("log.ndjson in the backup was changed"), "{told}");
    drop(rita);
}

#[tokio::test(flavor = "multi_thread")]
async fn compacting_says_what_readers_kept_it_from() {
    let test = "operations::compacting_says_what_readers_kept_it_from";
    let Some(mut world) = World::start(test, Setup::OneProcess).await else { return };
    let (sam, _rita, room) = meet(&world.url, "sam", "rita").await;
    talk(&sam, room["room_code"].as_str().unwrap(), "to be compacted").await;
    let files = ["log.db", "vault.db", "tables.db"].map(|file| world.data().join(file));
    let mut readers = Vec::new();
    for file in &files {
        let options = SqliteConnectOptions::new().filename(file);
        let mut reader = SqliteConnection::connect_with(&options).await.unwrap();
        // A transaction that is open keeps what it sees.
        sqlx::raw_sql("BEGIN; SELECT * FROM sqlite_schema").execute(&mut reader).await.unwrap();
        readers.push(reader);
    }
    // What comes after what they see would have to go over it.
    talk(&sam, room["room_code"].as_str().unwrap(), "more").await;
    assert_ne!(Client::register(&world.url, "uma").await.id, 0);
    let held = world.offline(&["compact", "--json"]);
    assert_eq!(held.status.code(), Some(1));
    let told: Value = serde_json::from_slice(&held.stdout).unwrap();
    assert_eq!((&told["complete"], &told["held"]), (&json!(false), &json!(files)), "{told}");
    let errors = String::from_utf8_lossy(&held.stderr).into_owned();
    for file in &files {
        assert!(errors.contains(&format!("{} is not compacted", file.display())), "{errors}");
    }
    for reader in readers {
        reader.close().await.unwrap();
    }
    let told: Value = serde_json::from_str(&said(&world.offline(&["compact", "--json"]))).unwrap();
    assert_eq!((&told["complete"], &told["held"]), (&json!(true), &json!([])), "{told}");
    world.stop();
}
