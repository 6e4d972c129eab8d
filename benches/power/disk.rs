//! A disk that keeps what was synced, and of the rest anything.
//!
//! The model is harsher than a real file system: each write since a file's last sync is kept, dropped
//! or torn at a sector by itself, so they also come in any order; a file that was made since the last
//! sync of its folder may not be there, and one that was deleted may still be. Folders themselves stay.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use rand::RngExt as _;
use rand::rngs::StdRng;

use super::record::Op;

/// A disk writes a sector whole or not at all.
const SECTOR: usize = 512;

#[derive(Debug, Clone, Default)]
struct File {
    /// As of the last sync.
    kept: Vec<u8>,
    /// Since then, in order.
    pending: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate(usize),
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => {
                let end = offset + bytes.len();
                if to.len() < end {
                    to.resize(end, 0);
                }
                to[*offset..end].copy_from_slice(bytes);
            }
            Self::Truncate(length) => to.resize(*length, 0),
        }
    }
}

/// The files by their paths.
#[derive(Debug, Default)]
pub struct Disk {
    files: BTreeMap<String, File>,
    /// Names as of the last sync of their folder: of the file that has it now, or of one that was
    /// deleted since.
    settled: BTreeMap<String, Option<File>>,
}

/// What a power loss took.
#[derive(Debug, Default, Clone, Copy)]
pub struct Loss {
    /// Writes of which nothing is left.
    pub dropped: u64,
    /// Writes of which a part is left.
    pub torn: u64,
}

impl Disk {
    /// Something happened.
    pub fn take(&mut self, op: &Op) {
        match op {
            Op::Write { path, offset, bytes } => {
                let change = Change::Write { offset: *offset, bytes: bytes.clone() };
                self.change(path, change);
            }
            Op::Truncate { path, length } => self.change(path, Change::Truncate(*length)),
            Op::Sync(path) => self.sync(path),
            Op::Unlink(path) => drop(self.remove(path)),
            Op::Rename { from, to } => {
                self.remove(to);
                if let Some(file) = self.remove(from) {
                    self.files.insert(to.clone(), file);
                }
            }
            // Nothing is written to a file with two names: each may as well be its own.
            Op::Link { from, to } => {
                if let Some(file) = self.files.get(from).cloned() {
                    self.files.insert(to.clone(), file);
                }
            }
            Op::Look(_) | Op::Ack(_) => {}
        }
    }

    fn change(&mut self, path: &str, change: Change) {
        self.files.entry(path.to_owned()).or_default().pending.push(change);
    }

    fn sync(&mut self, path: &str) {
        if let Some(file) = self.files.get_mut(path) {
            for change in std::mem::take(&mut file.pending) {
                change.apply(&mut file.kept);
            }
            return;
        }
        // A folder: its names are what they are now.
        let within = |name: &str| parent(name) == path;
        self.settled.retain(|name, _| !within(name));
        let names = self.files.keys().filter(|name| within(name));
        self.settled.extend(names.map(|name| (name.clone(), None)));
    }

    fn remove(&mut self, path: &str) -> Option<File> {
        let file = self.files.remove(path);
        if let Some(settled @ None) = self.settled.get_mut(path) {
            settled.clone_from(&file);
        }
        file
    }

    /// Writes what is left into a new folder.
    ///
    /// # Errors
    /// When that folder can't be written.
    pub fn lose_power(&self, dice: &mut StdRng, folder: &Path) -> io::Result<Loss> {
        let mut loss = Loss::default();
        make(folder)?;
        let names: BTreeSet<&String> = self.files.keys().chain(self.settled.keys()).collect();
        for path in names {
            // Whether the folder is as it was made last, or as of its last sync.
            let file = match (self.files.get(path), self.settled.get(path)) {
                (now, Some(None)) => now,
                (_, then) if dice.random() => then.and_then(Option::as_ref),
                (now, _) => now,
            };
            let Some(file) = file else { continue };
            let bytes = left(file, dice, &mut loss);
            let place = folder.join(path);
            make(place.parent().unwrap_or(folder))?;
            std::fs::write(&place, bytes)?;
            std::fs::set_permissions(&place, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        }
        Ok(loss)
    }
}

/// For the owner alone, as secrets have to be.
fn make(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

/// What is left of a file.
fn left(file: &File, dice: &mut StdRng, loss: &mut Loss) -> Vec<u8> {
    let mut bytes = file.kept.clone();
    for change in &file.pending {
        match (dice.random_range(0..3), change) {
            (0, _) => loss.dropped += 1,
            (1, Change::Write { offset, bytes: written }) if written.len() > SECTOR => {
                loss.torn += 1;
                for (index, sector) in written.chunks(SECTOR).enumerate() {
                    if dice.random() {
                        let offset = offset + index * SECTOR;
                        Change::Write { offset, bytes: sector.to_vec() }.apply(&mut bytes);
                    }
                }
            }
            (_, change) => change.apply(&mut bytes),
        }
    }
    bytes
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or(".", |(folder, _)| folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;

    fn write(path: &str, text: &str) -> Op {
        Op::Write { path: path.into(), offset: 0, bytes: text.into() }
    }

    /// What may be in the file afterwards; `None` where it may not be there.
    fn outcomes(ops: &[Op]) -> std::collections::BTreeSet<Option<String>> {
        let mut disk = Disk::default();
        ops.iter().for_each(|op| disk.take(op));
        let folder = tempfile::tempdir().unwrap();
        let after = |seed: u64| {
            let place = folder.path().join(seed.to_string());
            disk.lose_power(&mut StdRng::seed_from_u64(seed), &place).unwrap();
            std::fs::read_to_string(place.join("f")).ok()
        };
        (0..64).map(after).collect()
    }

    #[test]
    fn what_was_synced_stays_and_the_rest_may_go() {
        let folder = || Op::Sync(".".into());
        let sync = || Op::Sync("f".into());
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(outcomes(&[write("f", "a"), sync(), folder()]), [some("a")].into());
        assert_eq!(outcomes(&[write("f", "a"), folder()]), [some(""), some("a")].into());
        assert_eq!(outcomes(&[write("f", "a"), sync()]), [None, some("a")].into());
        let rewritten = [write("f", "a"), sync(), folder(), write("f", "b")];
        assert_eq!(outcomes(&rewritten), [some("a"), some("b")].into());
        let gone = [write("f", "a"), sync(), folder(), Op::Unlink("f".into())];
        assert_eq!(outcomes(&gone), [None, some("a")].into());
        let again = [&gone[..], &[write("f", "b"), sync()]].concat();
        assert_eq!(outcomes(&again), [some("a"), some("b")].into());
        let placed = Op::Link { from: "g".into(), to: "f".into() };
        let linked = [write("g", "a"), Op::Sync("g".into()), placed, Op::Unlink("g".into())];
        assert_eq!(outcomes(&linked), [None, some("a")].into());
        assert_eq!(outcomes(&[&linked[..], &[folder()]].concat()), [some("a")].into());
        let cut = Op::Truncate { path: "f".into(), length: 0 };
        assert_eq!(
            outcomes(&[write("f", "a"), sync(), folder(), cut]),
            [some(""), some("a")].into()
        );
    }
}
