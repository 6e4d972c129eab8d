//! `cargo xtask test`: gets what the tests need, runs every test, counts what was really tested.
//!
//! A test that cannot run here appends `SKIPPED: <test name>: <reason>` to the file that
//! `SIGNCALL_SKIPS` names and returns; the runner believes that it passed, this count does not.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::{browser, shell, tools};

/// What a runner counted.
#[derive(Debug, Default, PartialEq, Eq, Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    /// Marked as ignored in the source, or, for nextest, left out by a filter.
    pub(crate) left_out: usize,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.left_out += other.left_out;
    }
}

/// What the command line asks for.
#[derive(Debug, Default)]
struct Asked {
    json: bool,
    packages: Vec<String>,
    filters: Vec<String>,
}

/// True when nothing failed. The last line on standard output is `N passed, N failed, N skipped`.
pub(crate) fn run(args: &[String]) -> Result<bool> {
    let asked = parse(args)?;
    let start = Instant::now();
    let page_alone = asked.packages == [browser::NAME];
    let (mut counts, mut skips) = if page_alone { Default::default() } else { rust(&asked)? };
    if page_alone || (asked.packages.is_empty() && asked.filters.is_empty()) {
        let page = browser::run(&asked.filters, page_alone)?;
        counts += page.counts;
        skips.extend(page.skips);
    }
    let left_out = if asked.filters.is_empty() { counts.left_out } else { 0 };
    let skipped = skips.len() + left_out;
    println!();
    for (test, reason) in &skips {
        println!("skipped {test}: {reason}");
    }
    if asked.json {
        let seconds = start.elapsed().as_secs();
        println!(
            "{}",
            json!({"passed": counts.passed, "failed": counts.failed, "skipped": skipped,
                   "skips": skips, "seconds": seconds})
        );
    }
    println!("{} passed, {} failed, {skipped} skipped", counts.passed, counts.failed);
    Ok(counts.failed == 0)
}

/// The tests in Rust; what was passed was really tested.
fn rust(asked: &Asked) -> Result<(Counts, Vec<(String, String)>)> {
    let services = tools::services()?;
    let cache = shell::root()?.join(".cache");
    fs::create_dir_all(&cache)?;
    let notes = cache.join(format!("skips-{}", std::process::id()));
    let mut counts = run_all(asked, &services, &notes)?;
    let skips = read_skips(&notes)?;
    counts.passed = counts.passed.saturating_sub(skips.len());
    Ok((counts, skips))
}

fn parse(args: &[String]) -> Result<Asked> {
    let mut asked = Asked::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--json" => asked.json = true,
            "-p" => asked.packages.push(args.next().context("-p needs a crate's name")?.clone()),
            flag if flag.starts_with('-') => bail!("unknown option {flag}; see `cargo xtask help`"),
            filter => asked.filters.push(filter.to_owned()),
        }
    }
    Ok(asked)
}

fn run_all(asked: &Asked, services: &[(&str, PathBuf)], notes: &Path) -> Result<Counts> {
    let start = |args: &[&str]| -> Result<Command> {
        let mut command = shell::cargo(args)?;
        command.args(["--locked", "--color=never"]).env("SIGNCALL_SKIPS", notes);
        command.envs(services.iter().map(|(name, path)| (name, path)));
        match asked.packages.as_slice() {
            [] => command.arg("--workspace"),
            some => command.args(some.iter().map(|name| format!("--package={name}"))),
        };
        Ok(command)
    };
    let mut counts = Counts::default();
    let mut libtest = start(&["test", "--no-fail-fast"])?;
    let has_nextest = shell::works("cargo", &["nextest", "--version"]);
    if has_nextest {
        let profile = if std::env::var_os("CI").is_some() { "ci" } else { "default" };
        let mut nextest = start(&["nextest", "run", "--no-tests=pass", "--profile", profile])?;
        nextest.args(&asked.filters).stderr(Stdio::piped());
        counts += counted(nextest, nextest_counts)?;
        if counts.passed == 0 && counts.failed > 0 {
            return Ok(counts); // it does not compile: once is enough
        }
        libtest.arg("--doc"); // which nextest cannot run, and Cargo only where there is a library
    }
    if !has_nextest || asked.packages.is_empty() {
        libtest.arg("--").args(&asked.filters).stdout(Stdio::piped());
        counts += counted(libtest, libtest_counts)?;
    }
    if counts.passed + counts.failed == 0 {
        println!("no test has a name with {:?} in it", asked.filters);
        counts.failed = 1;
    }
    Ok(counts)
}

/// Runs it, passing its one piped stream on as it comes, and adds up what `count` finds there.
/// A run that breaks off without a failed test counts as one failure.
fn counted(mut command: Command, count: fn(&str) -> Option<Counts>) -> Result<Counts> {
    let mut child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
    let piped: Option<Box<dyn Read>> = match (child.stdout.take(), child.stderr.take()) {
        (Some(stdout), _) => Some(Box::new(stdout)),
        (None, stderr) => stderr.map(|stderr| Box::new(stderr) as Box<dyn Read>),
    };
    let mut counts = Counts::default();
    for line in BufReader::new(piped.context("one stream is piped")?).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        counts += count(&line).unwrap_or_default();
    }
    if !child.wait()?.success() && counts.failed == 0 {
        println!("the run broke off, see above; it counts as one failure");
        counts.failed = 1;
    }
    Ok(counts)
}

/// nextest: `Summary [0.1s] 9 tests run: 7 passed (1 slow), 1 failed, 1 timed out, 3 skipped`.
fn nextest_counts(line: &str) -> Option<Counts> {
    let (head, tail) = line.split_once(" run: ")?;
    if !head.trim_start().starts_with("Summary [") {
        return None;
    }
    let mut counts = Counts::default();
    for part in without_parentheses(tail).split(',') {
        let (number, kind) = part.trim().split_once(' ')?;
        let number: usize = number.parse().ok()?;
        match kind.trim() {
            "passed" => counts.passed += number,
            "skipped" => counts.left_out += number,
            _ => counts.failed += number, // failed, exec failed, timed out
        }
    }
    Some(counts)
}

fn without_parentheses(text: &str) -> String {
    let parts = text.split('(').map(|part| part.split_once(')').map_or(part, |(_, rest)| rest));
    parts.collect()
}

/// libtest: `test result: ok. 1 passed; 2 failed; 3 ignored; 0 measured; 0 filtered out; …`.
fn libtest_counts(line: &str) -> Option<Counts> {
    let (_, tail) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let mut numbers = tail.split("; ").filter_map(|part| part.split(' ').next()?.parse().ok());
    Some(Counts { passed: numbers.next()?, failed: numbers.next()?, left_out: numbers.next()? })
}

/// Test and reason, one of each skipped test; two crates may each have a test of the same name.
fn read_skips(notes: &Path) -> Result<Vec<(String, String)>> {
    if !notes.exists() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(notes)?;
    fs::remove_file(notes)?;
    text.lines().map(skip).collect()
}

fn skip(line: &str) -> Result<(String, String)> {
    let said = line.strip_prefix("SKIPPED: ").and_then(|rest| rest.split_once(": "));
    let (test, reason) = said.with_context(|| format!("not a skip note: {line:?}"))?;
    Ok((test.to_owned(), reason.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::{Counts, libtest_counts, nextest_counts, parse, skip};

    fn counts(passed: usize, failed: usize, left_out: usize) -> Counts {
        Counts { passed, failed, left_out }
    }

    #[test]
    fn nextest_summaries_are_counted() {
        let line = "     Summary [   0.012s] 1 test run: 1 passed, 0 skipped";
        assert_eq!(nextest_counts(line), Some(counts(1, 0, 0)));
        let line = "     Summary [  61.0s] 12 tests run: 8 passed (1 slow, 2 leaky), 2 failed, \
                    1 exec failed, 1 timed out, 3 skipped";
        assert_eq!(nextest_counts(line), Some(counts(8, 4, 3)));
        let line = "     Summary [   0.1s] 5/10 tests run: 4 passed (2 leaky), 1 failed, 5 skipped";
        assert_eq!(nextest_counts(line), Some(counts(4, 1, 5)));
    }

    #[test]
    fn other_lines_of_nextest_are_not() {
        for line in
            ["        PASS [   0.005s] (1/3) xtask run: 3 passed", "", "error: test run failed"]
        {
            assert_eq!(nextest_counts(line), None, "{line}");
        }
    }

    #[test]
    fn libtest_results_are_counted() {
        let line = "test result: FAILED. 4 passed; 2 failed; 1 ignored; 0 measured; 9 filtered out; \
                    finished in 0.00s";
        assert_eq!(libtest_counts(line), Some(counts(4, 2, 1)));
        assert_eq!(libtest_counts("test result::ok ... ok"), None);
    }

    #[test]
    fn skip_notes_keep_colons_in_the_reason() {
        let (test, reason) =
            skip("SKIPPED: real_clips::read: no clips: set SIGNCALL_DATA").unwrap();
        assert_eq!(
            (test.as_str(), reason.as_str()),
            ("real_clips::read", "no clips: set SIGNCALL_DATA")
        );
        assert!(skip("something else").is_err());
    }

    #[test]
    fn unknown_options_are_refused() {
        let args = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let asked = parse(&args("--json -p events golden")).unwrap();
        assert!(asked.json);
        assert_eq!((asked.packages, asked.filters), (args("events"), args("golden")));
        assert!(parse(&args("--release")).is_err());
        assert!(parse(&args("-p")).is_err());
    }
}
