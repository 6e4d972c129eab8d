//! A damaged file of the embedded log: what is read is either what was written or an error that
//! says where, and a tail is missed as far as somebody remembers it. Never a panic, never a hang,
//! never a block that is passed over.
//!
//! `SIGNCALL_CORRUPTIONS=10000` is the whole run; `SIGNCALL_CORRUPTION_SEED` begins elsewhere.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use events::{Block, Head};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use sqlx::{Connection as _, SqliteConnection};
use streams::LogError;
use streams::log::embedded;

use crate::place::{block, log_id};

/// Corruptions in a run of all tests.
const CORRUPTIONS: u64 = 300;
/// A log must have said what is wrong by then.
const HANG: Duration = Duration::from_secs(10);
/// Blocks, and how many of the last nobody remembers.
const BLOCKS: usize = 150;
const BEYOND: usize = 12;
/// The file's unit of reading.
const PAGE: usize = 4096;

/// A log as it lies on disk.
struct Image {
    file: Vec<u8>,
    wal: Vec<u8>,
    blocks: Vec<Block>,
    anchor: Head,
}

/// With a write-ahead log that holds the last third, as a killed process leaves it, or without.
async fn image(with_wal: bool) -> Image {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    let log = embedded::create(&path, log_id(7)).await.unwrap();
    let (mut head, mut blocks) = (log.head().await.unwrap(), Vec::new());
    for index in 0..BLOCKS {
        let length = if index % 20 == 7 { 30_000 } else { 100 + index * 7 % 900 };
        let next = block(&head, &format!("{index}{}", "y".repeat(length)));
        log.append(next.clone()).await.unwrap();
        head = next.head();
        blocks.push(Block::clone(&next));
        if with_wal && index == BLOCKS * 2 / 3 {
            assert!(embedded::compact(&path).await.unwrap());
        }
    }
    if !with_wal {
        assert!(embedded::compact(&path).await.unwrap());
    }
    let wal = wal_of(&path);
    let wal = if wal.exists() { std::fs::read(wal).unwrap() } else { Vec::new() };
    assert_eq!(with_wal, !wal.is_empty());
    let anchor = blocks[BLOCKS - 1 - BEYOND].head();
    Image { file: std::fs::read(&path).unwrap(), wal, blocks, anchor }
}

fn wal_of(path: &Path) -> PathBuf {
    path.with_extension("db-wal")
}

const KINDS: [&str; 9] = [
    "a bit of the file",
    "a byte of the file",
    "the file cut",
    "a part of the file zeroed",
    "two pages of the file swapped",
    "a bit of the write-ahead log",
    "the write-ahead log cut or gone",
    "rows missing",
    "rows swapped or moved",
];

/// Damages a copy of the image; the copy's place.
async fn damage(image: &Image, kind: &str, random: &mut StdRng, folder: &Path) -> PathBuf {
    let path = folder.join("log.db");
    let (mut file, mut wal) = (image.file.clone(), image.wal.clone());
    let at = random.random_range(0..file.len());
    match kind {
        "a bit of the file" => file[at] ^= 1 << random.random_range(0..8),
        "a byte of the file" => file[at] = random.random(),
        "the file cut" => file.truncate(at),
        "a part of the file zeroed" => {
            let end = (at + random.random_range(1..3 * PAGE)).min(file.len());
            file[at..end].fill(0);
        }
        "two pages of the file swapped" => {
            let pages = file.len() / PAGE;
            let (one, two) = (random.random_range(0..pages), random.random_range(0..pages));
            for offset in 0..PAGE {
                file.swap(one * PAGE + offset, two * PAGE + offset);
            }
        }
        "a bit of the write-ahead log" => {
            let at = random.random_range(0..wal.len());
            wal[at] ^= 1 << random.random_range(0..8);
        }
        "the write-ahead log cut or gone" => wal.truncate(random.random_range(0..wal.len())),
        _ => {}
    }
    std::fs::write(&path, file).unwrap();
    if !wal.is_empty() {
        std::fs::write(wal_of(&path), wal).unwrap();
    }
    let (one, two) = (random.random_range(1..=BLOCKS), random.random_range(1..=BLOCKS));
    let statement = match kind {
        "rows missing" => {
            let last = one + random.random_range(0..4);
            format!("DELETE FROM block WHERE number BETWEEN {one} AND {last}")
        }
        "rows swapped or moved" => format!(
            "UPDATE block SET number = -1 WHERE number = {one};
             UPDATE block SET number = {one} WHERE number = {two};
             UPDATE block SET number = {two} WHERE number = -1"
        ),
        _ => return path,
    };
    let mut file = SqliteConnection::connect(&format!("sqlite:{}", path.display())).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut file).await.unwrap();
    file.close().await.unwrap();
    path
}

/// What a process does with a log: opens it, asks it for what it remembers, reads all of it.
async fn read(path: PathBuf, anchor: Head) -> Result<Vec<Block>, LogError> {
    let log = embedded::open(&path).await?;
    log.check_anchor(&anchor).await?;
    let (mut head, mut read) = (Head::empty(log.id()), Vec::new());
    loop {
        let blocks = log.read(head, 20_000).await?;
        let Some(last) = blocks.last() else { break };
        head = last.head();
        read.extend(blocks);
    }
    log.head().await?;
    Ok(read)
}

/// What came of one corruption, in the words of the table.
fn judge(image: &Image, outcome: Result<Vec<Block>, LogError>) -> Result<&'static str, String> {
    let read = match outcome {
        Ok(read) => read,
        Err(LogError::Damaged { .. } | LogError::TailLost { .. } | LogError::Replaced { .. }) => {
            return Ok("seen, and its place named");
        }
        // A header that claims another version of SQLite, for one.
        Err(LogError::Unreachable { .. }) => return Ok("seen, the file is refused"),
        Err(error) => return Err(format!("seen, but not as damage: {error}")),
    };
    if read == image.blocks {
        return Ok("changes nothing that is read");
    }
    let whole = image.blocks.starts_with(&read);
    if whole && read.len() as u64 >= image.anchor.block.get() {
        return Ok("a tail that nobody remembers");
    }
    Err(format!("passed over in silence: {} blocks read, a beginning: {whole}", read.len()))
}

fn from_environment(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_corruption_is_passed_over() {
    let count = from_environment("SIGNCALL_CORRUPTIONS", CORRUPTIONS);
    let first = from_environment("SIGNCALL_CORRUPTION_SEED", 0);
    let images = [image(false).await, image(true).await];
    let mut table: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let mut faults = Vec::new();
    for seed in first..first + count {
        let kind = KINDS[seed as usize % KINDS.len()];
        let mut random = StdRng::seed_from_u64(seed);
        let with_wal = kind.contains("write-ahead") || random.random();
        let image = &images[usize::from(with_wal)];
        let folder = tempfile::tempdir().unwrap();
        let path = damage(image, kind, &mut random, folder.path()).await;
        let reading = tokio::spawn(read(path, image.anchor));
        let came = match tokio::time::timeout(HANG, reading).await {
            Ok(Ok(outcome)) => judge(image, outcome),
            Ok(Err(panic)) => Err(format!("a panic: {panic}")),
            Err(_) => Err(format!("a hang of {HANG:?}")),
        };
        match came {
            Ok(class) => *table.entry((kind, class)).or_default() += 1,
            Err(fault) => faults.push(format!("seed {seed}, {kind}: {fault}")),
        }
    }
    for ((kind, class), count) in &table {
        println!("{kind:<34} {class:<32} {count:>6}");
    }
    assert!(faults.is_empty(), "{} of {count}:\n{}", faults.len(), faults.join("\n"));
    let seen: u64 =
        table.iter().filter(|((_, class), _)| class.starts_with("seen")).map(|e| e.1).sum();
    assert!(seen > count / 3, "only {seen} of {count} corruptions touched what is read");
}
