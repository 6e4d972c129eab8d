//! The page in a real browser: gets Node.js, Chromium and the pinned npm packages of `e2e/`, runs its
//! tests, counts them. Where a browser can't be had, that is one skipped test with its reason.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result};

use crate::test::Counts;
use crate::{shell, tools};

/// What `cargo xtask test -p` calls these tests, and their folder.
pub(crate) const NAME: &str = "e2e";
/// Where Debian puts it; the tests look there too.
const CHROMIUM: &str = "/usr/bin/chromium";
/// A browser of one's own, which is then not installed.
const CHROMIUM_VARIABLE: &str = "SIGNCALL_CHROMIUM";

/// What a run told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// `left_out` stays zero: skipped tests have their reasons below.
    pub(crate) counts: Counts,
    /// Test and reason.
    pub(crate) skips: Vec<(String, String)>,
}

/// Runs them, or those whose names contain a filter; `build` makes the binary first, which a run of
/// the whole workspace has done.
pub(crate) fn run(filters: &[String], build: bool) -> Result<Told> {
    let folder = shell::root()?.join(NAME);
    if build {
        shell::run(&mut shell::cargo(&["build", "--locked", "-p", "signcall"])?)?;
    }
    if let Err(reason) = ready(&folder) {
        let skip = ("the page in a real browser".to_owned(), format!("{reason:#}"));
        return Ok(Told { skips: vec![skip], ..Told::default() });
    }
    let mut node = shell::program("node")?;
    node.args(["--test", "--test-reporter=tap"]).current_dir(&folder);
    node.args(filters.iter().map(|filter| format!("--test-name-pattern={filter}")));
    node.env("SIGNCALL_BIN", binary()?).stdout(Stdio::piped());
    let mut child = node.spawn().context("cannot start node")?;
    let mut told = Told::default();
    let stdout = child.stdout.take().context("standard output is piped")?;
    for line in BufReader::new(stdout).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        told.take(&line);
    }
    if !child.wait()?.success() && told.counts.failed == 0 {
        println!("the browser's run broke off, see above; it counts as one failure");
        told.counts.failed = 1;
    }
    Ok(told)
}

impl Told {
    /// Takes what a line of the Test Anything Protocol says, as Node.js writes it.
    fn take(&mut self, line: &str) {
        if let Some((test, reason)) = line.split_once(" # SKIP ") {
            let name = test.split_once(" - ").map_or(test, |(_, name)| name);
            self.skips.push((name.to_owned(), reason.trim_end().to_owned()));
            return;
        }
        let said = line.strip_prefix("# ").and_then(|rest| rest.split_once(' '));
        let Some((kind, Ok(number))) = said.map(|(kind, rest)| (kind, rest.parse::<usize>()))
        else {
            return;
        };
        match kind {
            "pass" => self.counts.passed = number,
            "fail" | "cancelled" => self.counts.failed += number,
            _ => {}
        }
    }
}

/// Makes everything ready that a machine may lack.
fn ready(folder: &Path) -> Result<()> {
    if !shell::works("node", &["--version"]) {
        tools::apt("nodejs", "to drive a browser in the page's tests")?;
    }
    let own = std::env::var_os(CHROMIUM_VARIABLE).map(PathBuf::from);
    if own.is_none() && !Path::new(CHROMIUM).exists() {
        let why = format!("for the page's tests; or set {CHROMIUM_VARIABLE} to one");
        tools::apt("chromium", &why)?;
    }
    let (installed, wanted) =
        (folder.join("node_modules/.package-lock.json"), folder.join("package-lock.json"));
    let changed = |path: &Path| fs::metadata(path).and_then(|file| file.modified());
    if changed(&installed).is_ok_and(|at| changed(&wanted).is_ok_and(|wanted| wanted <= at)) {
        return Ok(());
    }
    if !shell::works("npm", &["--version"]) {
        tools::apt("npm", "to get the packages that drive a browser")?;
    }
    println!("installing the npm packages pinned in {}", wanted.display());
    let mut npm = shell::program("npm")?;
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(folder);
    shell::run(&mut npm).context("cannot get the npm packages; is there a network?")
}

/// The binary under test, as the last development build left it.
fn binary() -> Result<PathBuf> {
    let metadata = shell::metadata()?;
    let target = metadata["target_directory"].as_str().context("Cargo knows its target folder")?;
    Ok(Path::new(target).join("debug").join("signcall"))
}

#[cfg(test)]
mod tests {
    use super::Told;

    #[test]
    fn what_node_says_is_counted() {
        let mut told = Told::default();
        for line in [
            "TAP version 13",
            "ok 1 - two people meet",
            "    ok 2 - digits are read # SKIP no real clips: set SIGNCALL_DATA",
            "# blocked: the page said so after 80 ms",
            "# tests 5",
            "# pass 2",
            "# fail 1",
            "# cancelled 1",
            "# skipped 1",
            "# duration_ms 81.2",
        ] {
            told.take(line);
        }
        assert_eq!((told.counts.passed, told.counts.failed, told.counts.left_out), (2, 2, 0));
        let skip = ("digits are read".to_owned(), "no real clips: set SIGNCALL_DATA".to_owned());
        assert_eq!(told.skips, [skip]);
    }
}
