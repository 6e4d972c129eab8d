//! One part of an installation is lost, or damaged: that is named, nothing fresh is put in its place,
//! and a backup brings it back, also when the restoring is interrupted.

use std::path::Path;

use serde_json::json;

use crate::bad_input::refuses_to_start;
use crate::client::Client;
use crate::harness::{Setup, World};
use crate::operations::{on, refused, said, tables, talk};
use crate::path::meet;

/// Starts of a damaged installation, each of which has to end with the error alone.
const STARTS: usize = 40;

/// Removes a database with its write-ahead log.
fn lose(data: &Path, name: &str) {
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(data.join(format!("{name}{end}")));
    }
}

fn no_start(data: &Path) -> String {
    refuses_to_start(&["--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0"])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_vault_comes_back_after_refused_starts_and_interrupted_restorings() {
    let test = "lost::a_lost_vault_comes_back_after_refused_starts_and_interrupted_restorings";
    let Some(mut world) = World::start(test, Setup::OneProcess).await else { return };
    let (sam, rita, room) = meet(&world.url, "sam", "rita").await;
    let code = room["room_code"].as_str().unwrap();
    talk(&sam, code, "sam was here").await;
    let backup = world.folder().join("backup");
    let folder = backup.to_str().unwrap();
    said(&world.offline(&["backup", folder]));
    // Two keys that the backup does not have.
    Client::register(&world.url, "uma").await;
    talk(&rita, code, "rita was here").await;
    world.stop();
    let data = world.data();
    let vault_file = data.join("vault.db");
    lose(&data, "vault.db");
    // Nobody who only looks, or is refused, makes a new one that would be in the backup's way.
    assert!(no_start(&data).contains("there is no vault at"), "a start");
    said(&on(&data, &["log", "verify"]));
    for command in [["vault", "rotate"], ["log", "stats"], ["doctor", "--json"]] {
        let _ = on(&data, &command);
    }
    assert!(refused(&on(&data, &["replay"])).contains("`signcall restore DIR`"));
    assert!(!vault_file.exists());
    // An older version did.
    let secrets = vault::Secrets::open(&data.join("secrets")).unwrap();
    let url = format!("sqlite:{}", vault_file.display());
    vault::Vault::open(&url, &secrets).await.unwrap().close().await;
    assert!(no_start(&data).contains("is new and can open none of them"));
    // The machine goes down while it is restored.
    let copy = world.folder().join("copy.db");
    std::fs::copy(backup.join("vault.db"), &copy).unwrap();
    let from = format!("sqlite:{}", copy.display());
    let from = vault::Vault::open_existing(&from, &secrets).await.unwrap();
    from.restore_to(&url, &secrets).await.unwrap().close().await;
    assert!(no_start(&data).contains("run `signcall restore DIR` again"));
    let told = said(&on(&data, &["restore", folder]));
    assert!(told.contains("the vault is restored to"), "{told}");
    assert!(told.contains("2 keys were made after the backup and are lost"), "{told}");
    assert!(told.contains("next: signcall replay"), "{told}");
    let told = said(&on(&data, &["restore", folder]));
    assert!(told.contains("was there and stays"), "{told}");
    let replayed = on(&data, &["replay"]);
    assert_eq!(replayed.status.code(), Some(1), "they held more than can be read now");
    let tables = format!("sqlite:{}", data.join("tables.db").display());
    let rows = crate::database::rows(&tables, "SELECT msg_content FROM message ORDER BY id").await;
    let texts: Vec<_> = rows.iter().map(|row| row[0].as_deref()).collect();
    assert_eq!(texts, [Some("sam was here"), None]);
    world.start_again();
    talk(&sam, code, "life goes on").await;
    world.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_log_is_named_and_no_fresh_one_takes_its_place() {
    let test = "lost::a_lost_log_is_named_and_no_fresh_one_takes_its_place";
    let Some(mut world) = World::start(test, Setup::OneProcess).await else { return };
    let (sam, _rita, room) = meet(&world.url, "sam", "rita").await;
    talk(&sam, room["room_code"].as_str().unwrap(), "sam was here").await;
    world.stop();
    let (data, log) = (world.data(), world.data().join("log.db"));
    let backup = world.folder().join("backup");
    let folder = backup.to_str().unwrap();
    said(&on(&data, &["backup", folder]));
    let before = tables(&data);
    lose(&data, "log.db");
    let told = no_start(&data);
    assert!(told.contains("the vault holds the keys of log"), "{told}");
    assert!(told.contains("which is not there") && !log.exists(), "{told}");
    // As a file system leaves it that lost what was written.
    std::fs::write(&log, "").unwrap();
    let told = no_start(&data);
    assert!(told.contains("which is not there"), "{told}");
    // The tables remember it too.
    lose(&data, "log.db");
    let away = world.folder().join("vault.db");
    std::fs::rename(data.join("vault.db"), &away).unwrap();
    lose(&data, "vault.db");
    let told = no_start(&data);
    assert!(told.contains("the tables were made from log"), "{told}");
    assert!(!log.exists() && !data.join("vault.db").exists());
    std::fs::rename(&away, data.join("vault.db")).unwrap();
    assert!(refused(&on(&data, &["log", "stats"])).contains("there is no log at"));
    said(&on(&data, &["restore", folder]));
    assert_eq!(tables(&data), before);
    world.start_again();
    world.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_fails_on_damage_ends_with_the_error_alone() {
    let test = "lost::a_start_that_fails_on_damage_ends_with_the_error_alone";
    let Some(mut world) = World::start(test, Setup::OneProcess).await else { return };
    for name in ["ada", "bob", "cleo"] {
        let body = json!({ "username": name, "email": format!("{name}@example.org"),
            "password": "violet tandem quarry 19" });
        let (status, _) = Client::anonymous(&world.url).post("/users", body).await;
        assert_eq!(status, 201);
    }
    world.stop();
    let data = world.data();
    let log = format!("sqlite:{}", data.join("log.db").display());
    let pool = sqlx::SqlitePool::connect(&log).await.unwrap();
    let damage = "UPDATE block SET bytes = CAST('x' || substr(bytes, 2) AS BLOB) WHERE number = 2";
    sqlx::query(damage).execute(&pool).await.unwrap();
    pool.close().await;
    std::fs::remove_file(data.join("decider.snapshot")).unwrap();
    for _ in 0..STARTS {
        let told = no_start(&data);
        assert!(told.contains("damaged: block 2"), "{told}");
        assert!(!told.contains("panicked"), "{told}");
    }
}
