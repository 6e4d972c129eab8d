//! What the shim recorded, in order.

use anyhow::{Context as _, Result, bail};

/// The file to which the work writes what was acknowledged: no part of the disk.
pub const ACKED: &str = "acked";

/// Something that happened to a disk. Paths are below the recorded folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Bytes were written.
    Write {
        /// The file.
        path: String,
        /// Where.
        offset: usize,
        /// What.
        bytes: Vec<u8>,
    },
    /// A file got this length.
    Truncate {
        /// The file.
        path: String,
        /// In bytes.
        length: usize,
    },
    /// A file or a folder was synced.
    Sync(String),
    /// A file was deleted.
    Unlink(String),
    /// A file got another name.
    Rename {
        /// Before.
        from: String,
        /// After.
        to: String,
    },
    /// A file got one more name.
    Link {
        /// The one it has.
        from: String,
        /// The new one.
        to: String,
    },
    /// A file was opened or read.
    Look(String),
    /// Somebody was told that something is done.
    Ack(String),
}

/// A whole recording.
#[derive(Debug)]
pub struct Recording {
    /// In order.
    pub ops: Vec<Op>,
}

impl Recording {
    /// Reads what the shim wrote.
    ///
    /// # Errors
    /// When it is not whole.
    pub fn read(mut bytes: &[u8]) -> Result<Self> {
        let mut ops = Vec::new();
        while !bytes.is_empty() {
            let end = bytes.iter().position(|byte| *byte == b'\n').context("no end of line")?;
            let line = std::str::from_utf8(&bytes[..end])?;
            bytes = &bytes[end + 1..];
            let words: Vec<&str> = line.split(' ').collect();
            ops.push(match words[..] {
                ["W", path, offset, length] => {
                    let length: usize = length.parse()?;
                    let (written, rest) = bytes.split_at_checked(length).context("cut short")?;
                    bytes = rest;
                    if path == ACKED {
                        Op::Ack(std::str::from_utf8(written)?.trim_end().to_owned())
                    } else {
                        let (path, bytes) = (path.to_owned(), written.to_vec());
                        Op::Write { path, offset: offset.parse()?, bytes }
                    }
                }
                ["T", path, length] => {
                    Op::Truncate { path: path.to_owned(), length: length.parse()? }
                }
                ["S", path] => Op::Sync(path.to_owned()),
                ["C", path] => Op::Look(path.to_owned()),
                ["U", path] => Op::Unlink(path.to_owned()),
                ["R", from, to] => Op::Rename { from: from.to_owned(), to: to.to_owned() },
                ["L", from, to] => Op::Link { from: from.to_owned(), to: to.to_owned() },
                _ => bail!("not a line of a recording: {line:?}"),
            });
        }
        Ok(Self { ops })
    }

    /// How often somebody was told that something is done.
    pub fn acks(&self) -> usize {
        self.ops.iter().filter(|op| matches!(op, Op::Ack(_))).count()
    }

    /// Where that happened first.
    pub fn first_ack(&self) -> usize {
        self.ops.iter().position(|op| matches!(op, Op::Ack(_))).unwrap_or_default()
    }
}
