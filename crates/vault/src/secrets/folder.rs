//! The files of the folder of secrets. Each comes into being whole or not at all, and none is
//! written over another: a process may be killed, or a second one make the same folder.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use zeroize::Zeroizing;

use crate::error::VaultError;
use crate::key::{KEY_BYTES, Key};

const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
/// What the names of keys end with that are on their way to their place.
const HALF: &str = ".tmp";

/// Makes the folder if it is not there, for its owner alone.
pub(super) fn make(folder: &Path) -> Result<(), VaultError> {
    let made = fs::DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder);
    made.map_err(of(folder))?;
    check_mode(folder, FOLDER_MODE)
}

/// Refuses a folder that is not there, or that others can use.
pub(super) fn check(folder: &Path) -> Result<(), VaultError> {
    if !folder.is_dir() {
        return Err(VaultError::SecretsMissing { path: shown(folder) });
    }
    check_mode(folder, FOLDER_MODE)
}

/// Puts a key where there is none, and returns the one that is there then. It is written under
/// another name first, since the place must never hold half of one.
pub(super) fn put(folder: &Path, name: &str, key: &Key) -> Result<Key, VaultError> {
    let path = folder.join(name);
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(VaultError::Random)?;
    let half = folder.join(format!("{name}.{}{HALF}", hex::encode(random)));
    let text = Zeroizing::new(format!("{}\n", Zeroizing::new(hex::encode(key.bytes())).as_str()));
    let opened = fs::OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&half);
    let mut file = opened.map_err(of(&half))?;
    file.write_all(text.as_bytes()).map_err(of(&half))?;
    file.sync_all().map_err(of(&half))?;
    // Unlike renaming, it fails when the place is taken.
    let placed = fs::hard_link(&half, &path);
    remove_if_there(&half)?;
    match placed {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        placed => placed.map_err(of(&path))?,
    }
    sync(folder)?;
    read(&path)
}

/// Removes what killed processes left of keys that were on their way to their place.
pub(super) fn clear_halves(folder: &Path) -> Result<(), VaultError> {
    for entry in fs::read_dir(folder).map_err(of(folder))? {
        let entry = entry.map_err(of(folder))?;
        if entry.file_name().to_string_lossy().ends_with(HALF) {
            remove_if_there(&entry.path())?;
        }
    }
    Ok(())
}

/// Puts one file in the place of another of the same folder.
pub(super) fn rename(folder: &Path, from: &str, to: &str) -> Result<(), VaultError> {
    let to = folder.join(to);
    fs::rename(folder.join(from), &to).map_err(of(&to))?;
    sync(folder)
}

pub(super) fn remove_if_there(path: &Path) -> Result<(), VaultError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(of(path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

pub(super) fn read(path: &Path) -> Result<Key, VaultError> {
    read_if_there(path)?.ok_or_else(|| VaultError::SecretsMissing { path: shown(path) })
}

/// A key that only its owner can read.
pub(super) fn read_if_there(path: &Path) -> Result<Option<Key>, VaultError> {
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Ok(_) | Err(_) => check_mode(path, FILE_MODE)?,
    }
    read_any(path).map(Some)
}

/// A key, whoever else can read it.
pub(super) fn read_any(path: &Path) -> Result<Key, VaultError> {
    let text = fs::read_to_string(path).map(Zeroizing::new).map_err(of(path))?;
    parse(&text).ok_or_else(|| VaultError::SecretsMalformed { path: shown(path) })
}

pub(super) fn parse(text: &str) -> Option<Key> {
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    hex::decode_to_slice(text.trim(), &mut *bytes).ok()?;
    Key::take(&mut *bytes)
}

pub(super) fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn sync(folder: &Path) -> Result<(), VaultError> {
    let opened = fs::File::open(folder).map_err(of(folder))?;
    opened.sync_all().map_err(of(folder))
}

/// The error of this file.
fn of(path: &Path) -> impl FnOnce(std::io::Error) -> VaultError {
    let path = shown(path);
    move |source| VaultError::File { path, source }
}

fn check_mode(path: &Path, wanted: u32) -> Result<(), VaultError> {
    let metadata = fs::metadata(path).map_err(of(path))?;
    let mode = metadata.mode() & 0o777;
    if mode & !wanted != 0 {
        return Err(VaultError::SecretsExposed { path: shown(path), mode, wanted });
    }
    Ok(())
}
