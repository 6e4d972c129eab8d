//! What figures rest on: processor, cores, memory, file system, how long a durable write takes,
//! and the commit. Every benchmark carries it.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::shell;

/// Durable writes whose median is reported.
const WRITES: usize = 50;
/// Bytes of each: one page, as SQLite and `JetStream` write at least.
const WRITE_BYTES: usize = 4096;

/// Prints the header.
pub(crate) fn run(args: &[String]) -> Result<bool> {
    let header = header()?;
    match args {
        [] => println!("{}", readable(&header)),
        [flag] if flag == "--json" => println!("{header}"),
        _ => anyhow::bail!("usage: cargo xtask machine [--json]"),
    }
    Ok(true)
}

/// One `key: value` a line.
pub(crate) fn readable(header: &Value) -> String {
    let fields = header.as_object().into_iter().flatten();
    fields.map(|(key, value)| format!("{key}: {value}")).collect::<Vec<_>>().join("\n")
}

/// `processor`, `cores`, `memory_gib`, `file_system` (of the temporary folder, where benchmarks
/// write), `fdatasync_median_us`, `rustc`, `commit` (`-dirty` when the work tree differs).
pub(crate) fn header() -> Result<Value> {
    let folder = std::env::temp_dir();
    let memory = fs::read_to_string("/proc/meminfo")?;
    let kib: f64 = field(&memory, "MemTotal")
        .and_then(|text| text.split(' ').next()?.parse().ok())
        .context("/proc/meminfo has no MemTotal")?;
    let rustc = shell::output(shell::program("rustc")?.arg("--version"))?;
    Ok(json!({
        "processor": field(&fs::read_to_string("/proc/cpuinfo")?, "model name"),
        "cores": std::thread::available_parallelism()?,
        "memory_gib": (kib / f64::from(1 << 20)).round(),
        "file_system": file_system(&fs::read_to_string("/proc/mounts")?, &folder),
        "fdatasync_median_us": fdatasync_median(&folder)?.as_micros(),
        "rustc": rustc.trim(),
        "commit": commit()?,
    }))
}

/// The value of the first `name : value` line, as `/proc` writes them.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim())
}

/// The type of the file system that holds `folder`: of its longest mount point, the last mounted.
fn file_system<'a>(mounts: &'a str, folder: &Path) -> Option<&'a str> {
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?, words.next()?))
    });
    let holding = mounts.filter(|(point, _)| folder.starts_with(point));
    holding.max_by_key(|(point, _)| point.len()).map(|(_, kind)| kind)
}

fn fdatasync_median(folder: &Path) -> Result<Duration> {
    let path = folder.join(format!("signcall-fdatasync-{}", std::process::id()));
    let mut file = File::create(&path)?;
    let page = [0_u8; WRITE_BYTES];
    let mut times = Vec::with_capacity(WRITES);
    for _ in 0..WRITES {
        let start = Instant::now();
        file.write_all(&page)?;
        file.sync_data()?;
        times.push(start.elapsed());
    }
    fs::remove_file(&path)?;
    times.sort_unstable();
    Ok(times[WRITES / 2])
}

fn commit() -> Result<String> {
    let git = |args: &[&str]| shell::output(shell::program("git")?.args(args));
    let dirty = if git(&["status", "--porcelain"])?.is_empty() { "" } else { "-dirty" };
    Ok(git(&["rev-parse", "--short=12", "HEAD"])?.trim().to_owned() + dirty)
}

#[cfg(test)]
mod tests {
    use super::{field, file_system};
    use std::path::Path;

    #[test]
    fn proc_files_are_read_by_name() {
        let text = "processor\t: 0\nmodel name\t: A: fast one\nmodel name\t: B\n";
        assert_eq!(field(text, "model name"), Some("A: fast one"));
        assert_eq!(field(text, "model"), None);
    }

    #[test]
    fn the_longest_mount_point_holds_the_folder() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\ntmpfs /tmp/b xfs rw 0 0\n";
        assert_eq!(file_system(mounts, Path::new("/tmp")), Some("tmpfs"));
        assert_eq!(file_system(mounts, Path::new("/tmp/b/c")), Some("xfs"));
        assert_eq!(file_system(mounts, Path::new("/tmpother")), Some("ext4"));
    }
}
