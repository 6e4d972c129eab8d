//! One server on one data folder: a second one is told so, instead of racing the first.

use std::fs::{File, TryLockError};
use std::path::Path;

use anyhow::{Context, Result, bail};

/// Held as long as the server runs; the operating system lets go of it when the process dies.
pub(crate) struct Lock(#[expect(dead_code, reason = "dropping the file unlocks it")] File);

impl Lock {
    /// Locks a data folder, or says that another server has it.
    pub(crate) fn take(data: &Path) -> Result<Self> {
        let path = data.join("lock");
        let shown = path.display();
        let file = File::options().create(true).append(true).open(&path);
        let file = file.with_context(|| format!("cannot open {shown}"))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => {
                let data = data.display();
                bail!("another server runs on {data}: stop it, or give this one its own --data")
            }
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {shown}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_server_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let first = Lock::take(folder.path()).unwrap();
        let second = Lock::take(folder.path()).err().unwrap();
        assert!(second.to_string().contains("another server runs on"), "{second}");
        drop(first);
        Lock::take(folder.path()).unwrap();
    }
}
