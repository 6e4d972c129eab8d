//! What the process itself uses, read from `/proc` now and then. Where that is not there, nothing
//! is reported.

use std::fs;
use std::time::Duration;

/// How often it is read.
const EVERY: Duration = Duration::from_secs(5);
/// Ticks of a processor in `/proc/self/stat` a second: the same on every Linux of today.
const TICKS: f64 = 100.0;
/// Fields of `/proc/self/stat` after the name: user time is the 12th, system time follows.
const USER_TIME: usize = 11;

/// Reads for ever.
pub(super) fn watch() {
    loop {
        report();
        std::thread::sleep(EVERY);
    }
}

fn report() {
    if let Ok(status) = fs::read_to_string("/proc/self/status") {
        if let Some(kilobytes) = field(&status, "VmRSS:") {
            metrics::gauge!("signcall_process_resident_bytes").set(kilobytes * 1024.0);
        }
        if let Some(threads) = field(&status, "Threads:") {
            metrics::gauge!("signcall_process_threads").set(threads);
        }
    }
    if let Ok(files) = fs::read_dir("/proc/self/fd") {
        metrics::gauge!("signcall_process_open_files").set(files.count() as f64);
    }
    if let Some(most) = open_files_max() {
        metrics::gauge!("signcall_process_open_files_max").set(most);
    }
    if let Some(seconds) = fs::read_to_string("/proc/self/stat").ok().and_then(|s| cpu(&s)) {
        metrics::counter!("signcall_process_cpu_seconds_total").absolute(seconds as u64);
    }
}

/// How many file descriptors the process may have.
pub(crate) fn open_files_max() -> Option<f64> {
    field(&fs::read_to_string("/proc/self/limits").ok()?, "Max open files")
}

/// The first number of the line that begins like this.
fn field(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

fn cpu(stat: &str) -> Option<f64> {
    // The name is in parentheses and may hold anything, parentheses too.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut times = rest.split_whitespace().skip(USER_TIME);
    let (user, system): (f64, f64) = (times.next()?.parse().ok()?, times.next()?.parse().ok()?);
    Some((user + system) / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_files_are_understood() {
        assert_eq!(field("Name:\tx\nVmRSS:\t   2048 kB\n", "VmRSS:"), Some(2048.0));
        assert_eq!(
            field("Max open files            1024   4096   files\n", "Max open files"),
            Some(1024.0)
        );
        assert_eq!(cpu("7 (a) b) S 1 1 1 0 -1 4 1 0 0 0 250 150 0 0"), Some(4.0));
        assert!(open_files_max().is_some_and(|most| most > 1.0));
    }
}
