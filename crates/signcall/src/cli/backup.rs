//! `signcall backup` and `signcall restore`: log, keys, secrets and tables in one folder.
//!
//! The parts fit because of the order in which they are taken. First the tables, which may be older
//! than the log: the projector catches up. Then the log's end is noted, and the vault copied: it has
//! every key of the log up to there, since a key is durable before the append that needs it. If by
//! then keys had been destroyed by an event beyond that end, the end is noted anew. Last the log
//! up to that end, however long that takes.

mod restore;

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{BufWriter, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use decider::system_clock;
use events::{Head, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use streams::log::transfer;
use vault::{Secrets, Vault};

use super::log::bar;
use crate::config::{Config, Options};
use crate::server::{Books, open_store};

pub(crate) use restore::Args as RestoreArgs;

/// The format of the folder.
const FORMAT: u32 = 1;
const MANIFEST: &str = "backup.json";
const LOG: &str = "log.ndjson";
const VAULT: &str = "vault.db";
const TABLES: &str = "tables.db";
const SECRETS: &str = "secrets";
/// How often the vault is copied again because somebody was deleted meanwhile.
const TRIES: u32 = 100;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder to make; keep it as secret as the server: it holds the keys
    folder: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    options: Options,
}

/// What lies in the folder; written last, so that a folder without it is no backup.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: u32,
    made_by: String,
    made_at: Timestamp,
    /// Where the log ends in it.
    head: Head,
    files: Vec<Listed>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    name: String,
    bytes: u64,
    sha256: String,
}

impl Args {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let config = self.options.resolve()?;
        let books = Books::open_existing(&config).await?;
        make_empty(&self.folder)?;
        let manifest = back_up(&config, &books, &self.folder).await?;
        if self.json {
            println!("{}", serde_json::to_string(&manifest)?);
        } else {
            let (folder, head) = (self.folder.display(), manifest.head);
            println!("{folder}: log {} up to position {}", head.log, head.position);
            for file in &manifest.files {
                println!("  {:<12} {:>12} bytes", file.name, file.bytes);
            }
            println!(
                "it holds the keys of personal data: delete it within 30 days, or erasing is void"
            );
            if books.secrets.is_given() {
                println!(
                    "they open with the key-encryption key from {}, which is not in it: keep that too",
                    config.key_encryption_place()
                );
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn make_empty(folder: &Path) -> Result<()> {
    let shown = folder.display();
    if folder.exists() {
        let empty =
            folder.read_dir().with_context(|| format!("cannot read {shown}"))?.next().is_none();
        ensure!(empty, "{shown} is not empty: name a new folder");
    }
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.with_context(|| format!("cannot make {shown}"))
}

async fn back_up(config: &Config, books: &Books, folder: &Path) -> Result<Manifest> {
    let mut files = vec![LOG, VAULT];
    books.secrets.copy_to(&folder.join(SECRETS))?;
    let store = open_store(config).await?;
    if store.copy_to(&folder.join(TABLES)).await? {
        files.push(TABLES);
    }
    store.close().await;
    let head = copy_vault(books, &folder.join(VAULT)).await?;
    write_log(books, head, &folder.join(LOG)).await?;
    let files = files.into_iter().map(|name| Listed::of(folder, name)).collect::<Result<_>>()?;
    let made_by = format!("signcall {}", env!("CARGO_PKG_VERSION"));
    let manifest = Manifest { format: FORMAT, made_by, made_at: system_clock()(), head, files };
    let mut file = new_file(&folder.join(MANIFEST))?;
    file.write_all(&serde_json::to_vec_pretty(&manifest)?)?;
    file.sync_all()?;
    File::open(folder)?.sync_all()?;
    Ok(manifest)
}

/// Copies the vault; the end of the log to which it fits.
async fn copy_vault(books: &Books, file: &Path) -> Result<Head> {
    let url = sqlite(file);
    for _ in 0..TRIES {
        let head = books.log.head().await?;
        books.vault.copy_to(&url).await?;
        let copy = Vault::open_existing(&url, &books.secrets).await?;
        let swept = copy.swept().await?;
        if swept <= head.position {
            // The backup's log ends here, wherever the vault's own anchor was by then.
            copy.move_back(head).await?;
        }
        copy.close().await;
        if swept <= head.position {
            File::open(file)?.sync_all()?;
            return Ok(head);
        }
        std::fs::remove_file(file)?;
    }
    bail!("keys are destroyed all the time: try again when fewer users are deleted")
}

async fn write_log(books: &Books, end: Head, path: &Path) -> Result<()> {
    let bar = bar("copying the log", end.position.get())?;
    let mut step = |head: Head| bar.set_position(head.position.get());
    let mut into = BufWriter::new(new_file(path)?);
    let empty = Head::empty(end.log);
    let exported = transfer::export(&books.log, empty, end, &mut into, &mut step).await;
    bar.finish_and_clear();
    ensure!(exported? == end, "the log lost its end while it was copied");
    into.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
    Ok(())
}

impl Listed {
    fn of(folder: &Path, name: &str) -> Result<Self> {
        let path = folder.join(name);
        let file = File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut reader = std::io::BufReader::new(file);
        let (mut hash, mut bytes) = (Sha256::new(), 0);
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = reader.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            hash.update(&buffer[..read]);
            bytes += read as u64;
        }
        Ok(Self { name: name.to_owned(), bytes, sha256: hex::encode(hash.finalize()) })
    }
}

impl Manifest {
    /// Reads it, and checks that the files are those that were written.
    fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(MANIFEST);
        let text = std::fs::read(&path).with_context(|| {
            format!("{} is no whole backup: cannot read {MANIFEST}", folder.display())
        })?;
        let manifest: Self = serde_json::from_slice(&text)
            .with_context(|| format!("{} can't be read", path.display()))?;
        let format = manifest.format;
        ensure!(
            format <= FORMAT,
            "the backup has format {format}; this binary reads up to {FORMAT}: use a newer one"
        );
        for listed in &manifest.files {
            let found = Listed::of(folder, &listed.name)?;
            ensure!(
                found.sha256 == listed.sha256,
                "{} in the backup was changed or damaged since it was made",
                listed.name
            );
        }
        Ok(manifest)
    }

    fn has(&self, name: &str) -> bool {
        self.files.iter().any(|file| file.name == name)
    }
}

fn new_file(path: &Path) -> Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.with_context(|| format!("cannot make {}", path.display()))
}

fn sqlite(file: &Path) -> String {
    format!("sqlite:{}", file.display())
}

/// The secrets in a backup. A key-encryption key that is kept elsewhere is not in it.
fn secrets_in(folder: &Path, config: &Config) -> Result<Secrets> {
    let secrets = Secrets::open_with(&folder.join(SECRETS), config.key_encryption()?);
    secrets.context("the backup's secrets can't be read")
}
