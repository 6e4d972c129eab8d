//! A log that loses what was acknowledged: every process says so instead of going on, and the tail
//! comes back from the copy beside the tables, or is given up by a word of the operator.

use std::path::Path;
use std::process::{Command, Output};

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::client::Client;
use crate::harness::{Setup, World, signcall};
use crate::path::{check_replay, meet};

async fn talk(who: &Client, code: &str, text: &str) {
    let body = json!({ "msg_content": text });
    let (status, answer) = who.post(&format!("/rooms/{code}/messages"), body).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
}

fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

/// The log's files.
fn move_log(from: &Path, to: &Path) {
    for file in ["log.db", "log.db-wal", "log.db-shm"] {
        let _ = std::fs::remove_file(to.join(file));
        if from.join(file).exists() {
            std::fs::rename(from.join(file), to.join(file)).unwrap();
        }
    }
}

fn errors(output: &Output) -> String {
    assert!(!output.status.success(), "it went on: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What a role says at its start.
fn refusal(world: &World, roles: &str) -> String {
    errors(&signcall().args(world.arguments(roles)).output().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_that_nats_lost_is_noticed_and_brought_back() {
    let test = "tail_loss::a_tail_that_nats_lost_is_noticed_and_brought_back";
    let Some(mut world) = World::start(test, Setup::ThreeOnNats).await else { return };
    let (sam, rita, room) = meet(&world.url, "sam", "rita").await;
    let code = room["room_code"].as_str().unwrap();
    talk(&sam, code, "before").await;
    world.stop();
    // What is on the servers' disks when their machines lose power.
    let earlier = world.folder().join("earlier");
    world.change_nats_store(|store| copy(store, &earlier)).await;
    world.start_again();
    for n in 0..5 {
        talk(&rita, code, &format!("lost {n}")).await;
    }
    check_replay(&world);
    world.stop();
    world.change_nats_store(|store| copy(&earlier, store)).await;
    for roles in ["decider", "api", "projector", "reactor"] {
        let told = refusal(&world, roles);
        assert!(told.contains("its tail is lost"), "{roles}: {told}");
        assert!(told.contains("signcall log restore --from-archive"), "{roles}: {told}");
    }
    let verified = world.offline(&["log", "verify", "--json"]);
    let verified: Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!(verified["whole"], false, "{verified}");
    assert_eq!(verified["anchors"].as_array().unwrap().len(), 2, "{verified}");
    let restored = said(&world.offline(&["log", "restore", "--from-archive"]));
    assert!(restored.contains("blocks are back"), "{restored}");
    let again = said(&world.offline(&["log", "restore", "--from-archive"]));
    assert!(again.contains("nothing is missing"), "{again}");
    said(&world.offline(&["log", "verify"]));
    world.start_again();
    assert_eq!(rita.all_messages(code).await.len(), 6);
    talk(&sam, code, "after").await;
    check_replay(&world);
    world.stop();
    // All of it gone: the servers' disks are new.
    world.change_nats_store(|store| std::fs::remove_dir_all(store).unwrap()).await;
    for roles in ["decider", "api"] {
        let told = refusal(&world, roles);
        assert!(told.contains("which is not there"), "a fresh one is in the way: {told}");
    }
    said(&world.offline(&["log", "restore", "--from-archive"]));
    said(&world.offline(&["log", "verify"]));
    world.start_again();
    check_replay(&world);
    // The same once more, and it is given up.
    world.stop();
    world.change_nats_store(|store| copy(&earlier, store)).await;
    let given_up = said(&world.offline(&["log", "restore", "--accept-loss"]));
    assert!(given_up.contains("are given up"), "{given_up}");
    let told = refusal(&world, "api");
    assert!(told.contains("signcall replay"), "the tables still hold it: {told}");
    said(&world.offline(&["replay"]));
    world.start_again();
    assert_eq!(rita.all_messages(code).await, ["before"]);
    talk(&rita, code, "life goes on").await;
    check_replay(&world);
    world.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_embedded_log_with_a_cut_tail_is_not_opened() {
    let test = "tail_loss::an_embedded_log_with_a_cut_tail_is_not_opened";
    let Some(mut world) = World::start(test, Setup::OneProcess).await else { return };
    let (sam, _rita, room) = meet(&world.url, "sam", "rita").await;
    let code = room["room_code"].as_str().unwrap();
    talk(&sam, code, "before").await;
    world.stop();
    let (data, earlier) = (world.data(), world.folder().join("earlier"));
    copy(&data, &earlier);
    world.start_again();
    talk(&sam, code, "lost").await;
    world.stop();
    // A clean stop leaves all of it in the one file, or beside it: moved whole.
    let lost = world.folder().join("lost");
    std::fs::create_dir(&lost).unwrap();
    move_log(&data, &lost);
    for file in ["log.db", "log.db-wal"] {
        let _ = std::fs::copy(earlier.join(file), data.join(file));
    }
    // The tables could be made anew from it, and nobody would know.
    for file in ["tables.db", "tables.db-wal", "tables.db-shm"] {
        let _ = std::fs::remove_file(data.join(file));
    }
    let told = refusal(&world, "api,decider,projector,recognizer,reactor");
    assert!(told.contains("the vault remembers") && told.contains("its tail is lost"), "{told}");
    let told = errors(&world.offline(&["log", "restore", "--from-archive"]));
    assert!(told.contains("keep no copy of the log"), "{told}");
    // Another log altogether is another refusal.
    let away = world.folder().join("away");
    std::fs::create_dir(&away).unwrap();
    move_log(&data, &away);
    let told = refusal(&world, "api,decider,projector,recognizer,reactor");
    assert!(told.contains("holds the keys of log"), "{told}");
    // The right one is welcome.
    move_log(&data, &away);
    move_log(&lost, &data);
    world.start_again();
    check_replay(&world);
    world.stop();
}

/// `whole` would be a guess: what was lost at the end looks the same.
#[tokio::test(flavor = "multi_thread")]
async fn without_those_who_remember_its_end_no_log_is_called_whole() {
    let test = "tail_loss::without_those_who_remember_its_end_no_log_is_called_whole";
    let Some(mut world) = World::start(test, Setup::OneProcess).await else { return };
    meet(&world.url, "sam", "rita").await;
    world.stop();
    let data = world.data();
    let whole: Value =
        serde_json::from_str(&said(&world.offline(&["log", "verify", "--json"]))).unwrap();
    assert_eq!(whole["whole"], true, "{whole}");
    let unknown = |of: &str| {
        let verified = world.offline(&["log", "verify", "--json"]);
        let told: Value = serde_json::from_slice(&verified.stdout).unwrap();
        assert_eq!(verified.status.code(), Some(2), "{told}");
        assert!(told["whole"].is_null() && told["fault"].is_null(), "{told}");
        assert_eq!(told["checked"], whole["checked"]);
        let anchors = told["anchors"].as_array().unwrap();
        let unread: Vec<_> = anchors.iter().filter(|anchor| anchor["error"].is_string()).collect();
        assert!(unread.len() == 1 && unread[0]["of"] == of, "{told}");
        let verified = world.offline(&["log", "verify"]);
        let told = String::from_utf8_lossy(&verified.stdout).into_owned();
        assert_eq!(verified.status.code(), Some(2), "{told}");
        assert!(told.contains(&format!("{of} can't be asked")), "{told}");
        assert!(told.contains("not known to be whole"), "{told}");
    };
    std::fs::rename(data.join("secrets"), data.join("aside")).unwrap();
    unknown("the vault");
    std::fs::rename(data.join("aside"), data.join("secrets")).unwrap();
    for file in ["tables.db", "tables.db-wal", "tables.db-shm"] {
        let _ = std::fs::remove_file(data.join(file));
    }
    std::fs::create_dir(data.join("tables.db")).unwrap();
    unknown("the tables");
}
