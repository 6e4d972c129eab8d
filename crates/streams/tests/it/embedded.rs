//! The embedded log's own dangers: a damaged file, a full disk, a killed writer.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use events::{BlockNumber, Head};
use sqlx::{Connection as _, SqliteConnection};
use streams::log::embedded;
use streams::testing::skip;
use streams::{AppendError, LogError};

use crate::place::{block, fill, log_id, read_all};

/// Changes the file behind the log's back.
async fn tamper(path: &Path, statement: &'static str) {
    let url = format!("sqlite:{}", path.display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn damage_is_found_and_named() {
    let flip = "UPDATE block SET bytes = CAST(replace(CAST(bytes AS TEXT), '4 of', '5 of') AS BLOB)
        WHERE number = 5";
    let swap = "UPDATE block SET number = -1 WHERE number = 5;
        UPDATE block SET number = 5 WHERE number = 6;
        UPDATE block SET number = 6 WHERE number = -1";
    let cases = [
        ("a changed byte", flip),
        ("a changed byte in the last block", "DELETE FROM block WHERE number > 5"),
        ("a missing row", "DELETE FROM block WHERE number = 5"),
        ("swapped rows", swap),
        ("a cut row", "UPDATE block SET bytes = substr(bytes, 1, 20) WHERE number = 5"),
        ("a changed hash", "UPDATE block SET hash = zeroblob(32) WHERE number = 5"),
        ("a short hash", "UPDATE block SET hash = x'00' WHERE number = 5"),
    ];
    for (case, statement) in cases {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.db");
        let log = embedded::open(&path).await.unwrap();
        fill(&log, 8).await;
        tamper(&path, statement).await;
        if case.ends_with("last block") {
            tamper(&path, flip).await;
        }
        let mut head = Head::empty(log.id());
        let error = loop {
            match log.read(head, 1).await {
                Ok(blocks) => head = blocks.last().expect(case).head(),
                Err(error) => break error,
            }
        };
        assert_eq!(head.block, BlockNumber::new(4), "{case}");
        assert!(matches!(error, LogError::Damaged { .. }), "{case}: {error}");
        assert!(error.to_string().contains("block 5"), "{case}: {error}");
    }
}

#[tokio::test]
async fn a_lost_tail_is_told_from_a_missing_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    let log = embedded::open(&path).await.unwrap();
    let blocks = fill(&log, 8).await;
    tamper(&path, "DELETE FROM block WHERE number = 4").await;
    let error = log.read(blocks[3].head(), 1000).await.unwrap_err();
    assert!(error.to_string().contains("block 4: the hash is missing"), "{error}");
    tamper(&path, "DELETE FROM block WHERE number > 6").await;
    let error = log.read(blocks[7].head(), 1000).await.unwrap_err();
    assert!(matches!(error, LogError::TailLost { .. }), "{error}");
}

#[tokio::test]
async fn a_block_that_is_too_large_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let log = embedded::open(&folder.path().join("log.db")).await.unwrap();
    let head = log.head().await.unwrap();
    let too_large = block(&head, &"x".repeat(embedded::EMBEDDED_BLOCK_BYTES_MAX));
    let error = log.append(too_large).await.unwrap_err();
    assert!(matches!(error, AppendError::TooLarge { .. }), "{error}");
    fill(&log, 1).await;
}

/// The index of the write-ahead log lies in a file of its own, and that it can't grow is no "full"
/// among SQLite's words.
#[tokio::test]
async fn a_disk_that_is_full_before_the_log_is_opened_is_told() {
    let test = "streams embedded::a_disk_that_is_full_before_the_log_is_opened_is_told";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    let log = embedded::open(&path).await.unwrap();
    let blocks = fill(&log, 3).await;
    assert!(embedded::compact(&path).await.unwrap());
    let disk = match Disk::mount(&folder.path().join("disk")) {
        Ok(disk) => disk,
        Err(why) => return skip(test, &format!("no small file system can be mounted: {why}")),
    };
    let there = disk.0.join("log.db");
    std::fs::copy(&path, &there).unwrap();
    let filler = disk.0.join("filler");
    let full = std::fs::write(&filler, vec![0; Disk::BYTES]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    let error = embedded::open(&there).await.err().expect("no room for it").to_string();
    assert!(error.contains("its disk is full") && error.contains("4874"), "{error}");
    std::fs::remove_file(filler).unwrap();
    let again = embedded::open(&there).await.unwrap();
    assert_eq!(read_all(&again, Head::empty(log.id()), 1 << 20).await, blocks);
}

/// A small file system, gone when dropped.
struct Disk(PathBuf);

impl Disk {
    const BYTES: usize = 1 << 20;

    fn mount(at: &Path) -> Result<Self, String> {
        std::fs::create_dir(at).unwrap();
        let size = format!("size={}", Self::BYTES);
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at).output();
        match mounted {
            Ok(output) if output.status.success() => Ok(Self(at.to_owned())),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_file_that_is_no_log_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    std::fs::write(&path, "no database at all, but long enough to be looked at".repeat(100))
        .unwrap();
    let error = embedded::open(&path).await.err().expect("no log");
    assert!(error.to_string().contains("log.db"), "{error}");
    let missing = folder.path().join("no folder").join("log.db");
    assert!(matches!(embedded::open(&missing).await, Err(LogError::Unreachable { .. })));
}

#[tokio::test]
async fn a_log_that_is_not_there_is_not_made_by_looking() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    let looked = embedded::open_existing(&path).await;
    assert!(matches!(looked, Err(LogError::Missing { .. })) && !path.exists());
    // As a file system leaves it that lost what was written.
    std::fs::write(&path, "").unwrap();
    let looked = embedded::open_existing(&path).await;
    assert!(matches!(looked, Err(LogError::Missing { .. })));
    fill(&embedded::create(&path, log_id(5)).await.unwrap(), 1).await;
    assert_eq!(embedded::open_existing(&path).await.unwrap().id(), log_id(5));
}

#[tokio::test]
async fn a_copy_keeps_the_id_and_takes_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    assert_eq!(embedded::create(&path, log_id(5)).await.unwrap().id(), log_id(5));
    assert_eq!(embedded::open(&path).await.unwrap().id(), log_id(5));
    let error = embedded::create(&path, log_id(6)).await.err().expect("another log");
    assert!(matches!(error, LogError::Replaced { .. }), "{error}");
}

/// Not a test by itself: the process that the next one kills.
#[tokio::test]
async fn a_writer_to_be_killed() {
    let Some(path) = std::env::var_os("SIGNCALL_TEST_WRITE_UNTIL_KILLED") else { return };
    let log = embedded::open(Path::new(&path)).await.unwrap();
    loop {
        let next = fill(&log, 1).await;
        // Nobody listens any more when the kill is on its way.
        let _ = writeln!(std::io::stdout(), "\nacknowledged {}", next[0].header.block);
    }
}

#[tokio::test]
async fn a_killed_writer_loses_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    let mut acknowledged = 0;
    for kill_after in [1, 5, 20] {
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args(["embedded::a_writer_to_be_killed", "--exact", "--nocapture"])
            .env("SIGNCALL_TEST_WRITE_UNTIL_KILLED", &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        let numbers =
            lines.filter_map(|line| line.unwrap().strip_prefix("acknowledged ")?.parse().ok());
        acknowledged = numbers.take(kill_after).last().expect("the writer writes");
        writer.kill().unwrap();
        writer.wait().unwrap();
        let log = embedded::open(&path).await.unwrap();
        let whole = read_all(&log, Head::empty(log.id()), 1 << 20).await.len() as u64;
        assert!(whole >= acknowledged, "{acknowledged} acknowledged, {whole} there");
    }
    assert!(acknowledged >= 26);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_write_ahead_log_is_cut_although_somebody_always_reads() {
    const BLOCK: usize = 4 << 20;
    const BOUND: u64 = 64 << 20;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    let log = embedded::open(&path).await.unwrap();
    let mut head = fill(&log, 1).await[0].head();
    let url = format!("sqlite:{}", path.display());
    let mut reader = SqliteConnection::connect(&url).await.unwrap();
    // A transaction that is open keeps what it sees in the write-ahead log.
    let mut reading = reader.begin().await.unwrap();
    let count = "SELECT count(*) FROM block";
    sqlx::query(count).execute(&mut *reading).await.unwrap();
    while embedded::file_bytes(&path)[1] <= BOUND {
        let next = block(&head, &"x".repeat(BLOCK));
        log.append(next.clone()).await.unwrap();
        head = next.head();
    }
    reading.commit().await.unwrap();
    let cut = async {
        while embedded::file_bytes(&path)[1] > BOUND {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(crate::place::DEADLINE, cut).await.expect("it is cut");
    assert_eq!(log.head().await.unwrap(), head);
}
