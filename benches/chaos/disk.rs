//! A small file system that can be filled up, and copies of folders.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use rustix::fs::FallocateFlags;
use rustix::io::Errno;

/// How often the rest of a disk is asked for.
const TRIES: u32 = 20;

/// A mounted file system in memory, gone when dropped.
pub(super) struct Disk(PathBuf);

impl Disk {
    /// Mounts one on a folder, which root alone may.
    pub(super) fn mount(at: &Path, mb: u32) -> anyhow::Result<Self> {
        std::fs::create_dir_all(at)?;
        let size = format!("size={mb}m");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at).output()?;
        if !mounted.status.success() {
            let why = String::from_utf8_lossy(&mounted.stderr).into_owned();
            bail!("no small file system can be mounted: {}", why.trim());
        }
        Ok(Self(at.to_owned()))
    }

    /// Whether this process may mount one.
    pub(super) fn possible() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        Self::mount(folder.path(), 1).map(drop)
    }

    /// Leaves about this many bytes free, or none where others take them meanwhile; empty again when
    /// the file is removed.
    pub(super) fn fill(&self, free: u64) -> anyhow::Result<PathBuf> {
        let path = self.0.join("filler");
        let filler = std::fs::File::create(&path)?;
        for _ in 0..TRIES {
            let stat = rustix::fs::statvfs(&self.0)?;
            let there = stat.f_bavail * stat.f_frsize;
            let bytes = there.saturating_sub(free).max(1);
            match rustix::fs::fallocate(&filler, FallocateFlags::empty(), 0, bytes) {
                Err(Errno::NOSPC) => {}
                done => return Ok(done.map(|()| path)?),
            }
        }
        bail!("{} fills up faster than it can be filled", self.0.display())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // What fails here can only leave a mount behind.
        let _unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
        // Whoever worked in the folder could not remove it, as long as something was mounted there.
        let _removed = std::fs::remove_dir(&self.0);
    }
}

/// A folder with everything in it, for the owner alone.
pub(super) fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    let ran = Command::new("cp").arg("-a").arg(from).arg(to).output().context("cp")?;
    ensure!(ran.status.success(), "cp: {}", String::from_utf8_lossy(&ran.stderr));
    Ok(())
}
