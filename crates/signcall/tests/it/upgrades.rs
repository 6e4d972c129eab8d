//! An older binary on what a newer one left: it says so and touches nothing. What "newer" looks like
//! is written into each place by hand.

use std::path::{Path, PathBuf};

use sqlx::{Connection as _, SqliteConnection};

use crate::harness::{Setup, World, run};
use crate::path::meet;

async fn change(file: &Path, statement: &'static str) {
    let url = format!("sqlite:{}", file.display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// What each of these says when it refuses a data folder.
fn refusals(data: &Path, commands: &[&[&str]]) -> Vec<String> {
    let data = data.display().to_string();
    let refusal = |command: &&[&str]| {
        let output = run(&[*command, &["--data", &data]].concat());
        assert!(!output.status.success(), "{command:?} went on");
        String::from_utf8_lossy(&output.stderr).into_owned()
            + &String::from_utf8_lossy(&output.stdout)
    };
    commands.iter().map(refusal).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_newer_version_left_is_refused_with_the_reason() {
    let test = "upgrades::what_a_newer_version_left_is_refused_with_the_reason";
    let Some(mut world) = World::start(test, Setup::OneProcess).await else { return };
    meet(&world.url, "sam", "rita").await;
    let backup = world.folder().join("backup");
    let made = world.offline(&["backup", backup.to_str().unwrap()]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    world.stop();
    let copy = |name: &str| -> PathBuf {
        let to = world.folder().join(name);
        let copied = std::process::Command::new("cp").arg("-a").arg(world.data()).arg(&to).status();
        assert!(copied.unwrap().success());
        to
    };
    let serve: &[&str] = &["serve", "--listen", "127.0.0.1:0"];
    let verify: &[&str] = &["log", "verify"];
    let migrate: &[&str] = &["migrate"];
    let use_newer = |file: &Path, told: Vec<String>, what: &str| {
        for told in told {
            assert!(told.contains(what) && told.contains("newer"), "{}: {told}", file.display());
        }
    };

    let data = copy("newer-file");
    change(&data.join("log.db"), "UPDATE meta SET format = 2").await;
    use_newer(
        &data,
        refusals(&data, &[serve, verify, migrate]),
        "has format 2; this binary reads up to 1",
    );

    // The last block, so that no hash after it shows the change; its own is corrected.
    let data = copy("newer-block");
    let log = data.join("log.db");
    rewrite_last_block(&log, r#""format":1"#, r#""format":2"#).await;
    use_newer(&data, refusals(&data, &[verify, migrate]), "has format 2");

    let data = copy("newer-event");
    let log = data.join("log.db");
    rewrite_last_block(&log, ".v1\"", ".v9\"").await;
    use_newer(&data, refusals(&data, &[verify, migrate]), ".v9\" is unknown");

    let data = copy("newer-vault");
    change(&data.join("vault.db"), "UPDATE vault_meta SET value = '9' WHERE name = 'schema'").await;
    use_newer(
        &data,
        refusals(&data, &[serve, migrate]),
        "the vault has schema 9; this binary knows 1",
    );

    let data = copy("newer-tables");
    change(
        &data.join("tables.db"),
        "INSERT INTO signcall_migrations (version, description, success, checksum, execution_time)
         VALUES (99990101000000, 'of the future', 1, x'00', 0)",
    )
    .await;
    use_newer(&data, refusals(&data, &[serve, migrate]), "99990101000000");

    let manifest = backup.join("backup.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replacen("\"format\": 1", "\"format\": 2", 1)).unwrap();
    let restore: &[&str] = &["restore", backup.to_str().unwrap()];
    let data = world.folder().join("restored");
    use_newer(
        &data,
        refusals(&data, &[restore]),
        "the backup has format 2; this binary reads up to 1",
    );
}

/// Changes the text of the last block and the hash beside it, as a newer writer would have written
/// it, and takes away who remembers the old one.
async fn rewrite_last_block(log: &Path, from: &str, to: &str) {
    let url = format!("sqlite:{}", log.display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    let (number, bytes): (i64, Vec<u8>) =
        sqlx::query_as("SELECT number, bytes FROM block ORDER BY number DESC LIMIT 1")
            .fetch_one(&mut connection)
            .await
            .unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains(from), "{text}");
    let bytes = text.replacen(from, to, 1).into_bytes();
    sqlx::query("UPDATE block SET bytes = ?, hash = ? WHERE number = ?")
        .bind(&bytes[..])
        .bind(&events::block::hash(&bytes).bytes()[..])
        .bind(number)
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    let folder = log.parent().unwrap();
    change(&folder.join("vault.db"), "DELETE FROM vault_meta WHERE name = 'anchor'").await;
    for file in ["tables.db", "tables.db-wal", "tables.db-shm"] {
        let _ = std::fs::remove_file(folder.join(file));
    }
}
