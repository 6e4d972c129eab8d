//! The key that wraps all others: rotated, with everything stopped or beside servers that run, and
//! kept outside the folder of secrets.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use serde_json::{Value, json};

use crate::bad_input::refuses_to_start;
use crate::client::Client;
use crate::disk_full::Disk;
use crate::harness::{Process, Setup, World, signcall};
use crate::operations::{copy_folder, on, refused, said, tables, talk};
use crate::path::{check_replay, meet};

/// How long a server may run on that can't use the vault any more.
const NOTICED_WITHIN: Duration = Duration::from_secs(30);

/// What the doctor says of one thing: its verdict, and all of it.
fn doctor(output: &Output, what: &str) -> (String, String) {
    let report: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let line = report.iter().find(|line| line["what"] == what).unwrap();
    (line["verdict"].as_str().unwrap().to_owned(), line.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_rotated_and_the_old_one_opens_nothing() {
    let test = "keys::keys_are_rotated_and_the_old_one_opens_nothing";
    let Some(mut world) = World::start(test, Setup::OneProcess).await else { return };
    let (sam, _rita, room) = meet(&world.url, "sam", "rita").await;
    let code = room["room_code"].as_str().unwrap();
    talk(&sam, code, "before the rotation").await;
    let told = refused(&world.offline(&["vault", "rotate"]));
    assert!(told.contains("another server runs"), "{told}");
    world.stop();
    let (data, folder) = (world.data(), world.data().join("secrets"));
    copy_folder(&folder, &data.join("old"));
    let before = tables(&data);
    said(&on(&data, &["vault", "rotate"]));
    assert_eq!(tables(&data), before);
    let old = data.join("old");
    let told = refused(&on(&data, &["replay", "--secrets", old.to_str().unwrap()]));
    assert!(told.contains("not the ones under which this vault's keys are wrapped"), "{told}");
    // Interrupted before the vault has changed over: the old key is in use, and the next begins anew.
    let secrets = vault::Secrets::open(&folder).unwrap();
    secrets.make_next(&folder).unwrap();
    let (verdict, line) = doctor(&on(&data, &["doctor", "--json"]), "secrets");
    assert!(verdict == "warning" && line.contains("vault rotate"), "{line}");
    said(&on(&data, &["vault", "rotate"]));
    assert_eq!(tables(&data), before);
    // Interrupted between the vault and the file: the next one finishes it.
    let secrets = vault::Secrets::open(&folder).unwrap();
    let next = secrets.make_next(&folder).unwrap();
    let url = format!("sqlite:{}", data.join("vault.db").display());
    vault::Vault::open(&url, &secrets).await.unwrap().rewrap(&next).await.unwrap();
    let told = refuses_to_start(&["--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0"]);
    assert!(told.contains("run `signcall vault rotate` again"), "{told}");
    let (verdict, line) = doctor(&on(&data, &["doctor", "--json"]), "log and vault");
    assert!(verdict == "bad" && line.contains("`signcall vault rotate` finishes it"), "{line}");
    let told = said(&on(&data, &["vault", "rotate"]));
    assert!(told.contains("is finished"), "{told}");
    assert_eq!(tables(&data), before);
    let left: Vec<_> = folder.read_dir().unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(left.len(), 4, "{left:?}");
    world.start_again();
    talk(&sam, code, "after it").await;
    check_replay(&world);
    world.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_beside_running_servers_loses_nothing_of_theirs() {
    let test = "keys::a_rotation_beside_running_servers_loses_nothing_of_theirs";
    let Some(mut world) = World::start(test, Setup::ThreeOnNats).await else { return };
    let (sam, rita, room) = meet(&world.url, "sam", "rita").await;
    let code = room["room_code"].as_str().unwrap();
    talk(&sam, code, "before the rotation").await;
    // On NATS no lock tells that somebody runs, maybe on another machine.
    said(&world.offline(&["vault", "rotate"]));
    // A key would have to be made: that is refused, and nothing is acknowledged that nobody can read.
    let url = world.url.clone();
    let body = json!({ "username": "uma", "email": "uma@example.org",
        "password": "violet tandem quarry 19" });
    let asked = reqwest::Client::new().post(format!("{url}/api/v1/users")).json(&body).send().await;
    if let Ok(answer) = asked {
        assert!(answer.status().is_server_error(), "{}", answer.status());
    }
    for process in &mut world.processes {
        if process.roles == "recognizer" {
            continue;
        }
        let status = tokio::task::block_in_place(|| process.end(NOTICED_WITHIN));
        let told = process.errors();
        assert!(!status.success() && told.contains("if the key was rotated elsewhere"), "{told}");
        assert!(!told.contains("panicked"), "{told}");
    }
    world.start_again();
    talk(&rita, code, "after it").await;
    assert_eq!(rita.all_messages(code).await, ["before the rotation", "after it"]);
    Client::register(&world.url, "uma").await;
    check_replay(&world);
    world.stop();
}

/// What a server says that does not start with these options.
fn no_start(data: &Path, more: &[&str]) -> String {
    let at = ["--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0"];
    refuses_to_start(&[&at[..], more].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_encryption_key_may_be_kept_outside_the_folder() {
    let place = tempfile::tempdir().unwrap();
    let (data, key) = (place.path().join("data"), "5c".repeat(32));
    let (file, next) = (place.path().join("key"), place.path().join("next-key"));
    std::fs::write(&file, format!("{key}\n")).unwrap();
    std::fs::write(&next, "e7".repeat(32)).unwrap();
    let (file, next) = (file.to_str().unwrap(), next.to_str().unwrap());
    // The first start makes the rest. Whoever provides the file says who may read it.
    let fixed = ["serve", "--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0"];
    let more = ["--api", "bcrypt_cost=4", "--key-encryption-file", file];
    let arguments = fixed.iter().chain(&more).map(|text| (*text).to_owned()).collect();
    let mut server = Process::start("all", arguments, place.path());
    let url = server.wait_until_ready().unwrap();
    let (sam, _rita, room) = meet(&url, "sam", "rita").await;
    talk(&sam, room["room_code"].as_str().unwrap(), "sam was here").await;
    assert!(server.terminate().success());
    assert!(!data.join("secrets/key-encryption.key").exists());
    // The same key in the environment; without it, or with another, nothing opens.
    let mut replay = signcall();
    replay.args(["replay", "--verify", "--data"]).arg(&data);
    said(&replay.env("SIGNCALL_KEY_ENCRYPTION_KEY", &key).output().unwrap());
    let told = no_start(&data, &[]);
    assert!(told.contains("key-encryption.key is missing"), "{told}");
    assert!(told.contains("--key-encryption-file"), "{told}");
    let told = no_start(&data, &["--key-encryption-file", next]);
    assert!(told.contains("not the ones under which"), "{told}");
    let told = no_start(&data, &["--key-encryption-key", "abc"]);
    assert!(told.contains("key_encryption_key is not a key of 64"), "{told}");
    // Rotated: its new file is made by whoever keeps it.
    let told = refused(&on(&data, &["vault", "rotate", "--key-encryption-file", file]));
    assert!(told.contains("--to"), "{told}");
    let rotate = ["vault", "rotate", "--to", next, "--key-encryption-file", file];
    assert!(said(&on(&data, &rotate)).contains("keys are wrapped under the key in"));
    assert!(said(&on(&data, &rotate)).contains("already"), "what was interrupted is repeated");
    let told = no_start(&data, &["--key-encryption-file", file]);
    assert!(told.contains("not the ones under which"), "{told}");
    let examined = on(&data, &["doctor", "--json", "--key-encryption-file", next]);
    let (verdict, line) = doctor(&examined, "secrets");
    assert!(verdict == "good" && line.contains(next), "{line}");
    // A backup does not hold it, and says so.
    let backup = place.path().join("backup");
    let folder = backup.to_str().unwrap();
    let told = said(&on(&data, &["backup", folder, "--key-encryption-file", next]));
    assert!(told.contains("which is not in it"), "{told}");
    assert!(!backup.join("secrets/key-encryption.key").exists());
    let other = place.path().join("other");
    assert!(refused(&on(&other, &["restore", folder])).contains("key-encryption.key is missing"));
    said(&on(&other, &["restore", folder, "--key-encryption-file", next]));
    said(&on(&other, &["replay", "--verify", "--key-encryption-file", next]));
    let url = format!("sqlite:{}", other.join("tables.db").display());
    let rows = crate::database::texts(&url, "SELECT msg_content FROM message").await;
    assert_eq!(rows, [["sam was here"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_folder_of_secrets_may_be_a_volume_of_its_own() {
    use std::os::unix::fs::PermissionsExt as _;
    let test = "keys::the_folder_of_secrets_may_be_a_volume_of_its_own";
    let folder = tempfile::tempdir().unwrap();
    let secrets = folder.path().join("secrets");
    let _volume = match Disk::mount(&secrets) {
        Ok(volume) => volume,
        Err(why) => {
            let why = format!("no small file system can be mounted: {why}");
            return streams::testing::skip(test, &why);
        }
    };
    std::fs::set_permissions(&secrets, std::fs::Permissions::from_mode(0o700)).unwrap();
    let at = ["--data", folder.path().to_str().unwrap(), "--secrets", secrets.to_str().unwrap()];
    let serve = ["serve", "--listen", "127.0.0.1:0", "--api", "bcrypt_cost=4"];
    let arguments = serve.iter().chain(&at).map(|text| (*text).to_owned()).collect();
    let mut server = Process::start("all", arguments, folder.path());
    let url = server.wait_until_ready().unwrap();
    Client::register(&url, "sam").await;
    assert!(server.terminate().success());
    let told = said(&signcall().args(["vault", "rotate"]).args(at).output().unwrap());
    assert!(told.contains("1 keys are wrapped under a new key-encryption key"), "{told}");
    said(&signcall().args(["replay", "--verify"]).args(at).output().unwrap());
}
