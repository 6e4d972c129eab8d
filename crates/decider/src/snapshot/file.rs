//! A snapshot's file: a line of JSON that says what it is, the fold in postcard's format, and the
//! SHA-256 of both.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, BufWriter, Write};
use std::path::Path;

use events::{CommandId, Position, State, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use vault::Destruction;

use super::{Header, Snapshot};
use crate::fold::Fold;
use crate::remembered::{First, Remembered};

/// Format of the file; what it holds changes with [`RULES`].
const FORMAT: u32 = 1;
/// Of the sources that fold and decide: what other rules made is of no use.
const RULES: &str = env!("SIGNCALL_RULES");
/// Bytes of the hash at the end.
const HASH_BYTES: usize = 32;
/// Bytes written at once.
const BUFFER_BYTES: usize = 1 << 20;

/// What goes into a snapshot, where it is.
pub(crate) struct Parts<'a> {
    pub(crate) fold: &'a Fold,
    pub(crate) remembered: &'a Remembered,
    pub(crate) swept: Position,
    pub(crate) gone: &'a [(Position, Destruction)],
}

/// Borrowed or owned, the same bytes.
#[derive(Serialize, Deserialize)]
struct Body<S, R, G> {
    state: S,
    time: Timestamp,
    last_id: u64,
    remembered: R,
    gone: G,
}

type Owned = Body<State, VecDeque<(CommandId, First)>, Vec<(Position, Destruction)>>;

/// Hashes what passes.
struct Hashing<W> {
    to: W,
    hash: Sha256,
    bytes: u64,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Writes beside the old one, makes it durable, and puts it in its place. Returns its size. One at
/// a time does it, of all processes; the others leave it.
pub(super) fn write(path: &Path, parts: &Parts<'_>) -> io::Result<u64> {
    let turn = File::create(path.with_extension("lock"))?;
    turn.try_lock()?;
    let new = path.with_extension("new");
    let hashing = Hashing { to: File::create(&new)?, hash: Sha256::new(), bytes: 0 };
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, hashing);
    let Parts { fold, remembered, swept, gone } = *parts;
    let header = Header { format: FORMAT, rules: RULES.to_owned(), head: fold.head, swept };
    serde_json::to_writer(&mut out, &header)?;
    out.write_all(b"\n")?;
    let body = Body {
        state: &fold.state,
        time: fold.time,
        last_id: fold.last_id,
        remembered: remembered.oldest_first(),
        gone,
    };
    postcard::to_io(&body, &mut out).map_err(io::Error::other)?;
    let hashing = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    let (mut file, bytes) = (hashing.to, hashing.bytes);
    file.write_all(&hashing.hash.finalize())?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(bytes + HASH_BYTES as u64)
}

/// Reads a snapshot that these rules made; nothing, if others did.
pub(super) fn read(path: &Path) -> io::Result<Option<Snapshot>> {
    let bytes = fs::read(path)?;
    let damaged = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let (whole, hash) =
        bytes.split_last_chunk::<HASH_BYTES>().ok_or_else(|| damaged("it is cut off"))?;
    if Sha256::digest(whole)[..] != hash[..] {
        return Err(damaged("it is damaged: its hash is not that of its bytes"));
    }
    let end = whole.iter().position(|byte| *byte == b'\n').ok_or_else(|| damaged("no header"))?;
    let (first_line, body) = whole.split_at(end);
    let header: Header = serde_json::from_slice(first_line)?;
    if header.format != FORMAT || header.rules != RULES {
        tracing::info!("the snapshot was made by another version; the whole log is folded");
        return Ok(None);
    }
    let body: Owned = postcard::from_bytes(&body[1..]).map_err(io::Error::other)?;
    let Body { state, time, last_id, remembered, gone } = body;
    let remembered = Remembered::of(remembered);
    let fold = Fold { state, head: header.head, time, last_id };
    Ok(Some(Snapshot { fold, remembered, swept: header.swept, gone }))
}

/// The first line alone, if it can be read.
pub(super) fn header(path: &Path) -> Option<Header> {
    let mut line = String::new();
    BufReader::new(File::open(path).ok()?).read_line(&mut line).ok()?;
    let header: Header = serde_json::from_str(&line).ok()?;
    (header.format == FORMAT && header.rules == RULES).then_some(header)
}
