//! The commands of the documentation, run as they stand there: the tutorial's blocks one after the
//! other in one shell with the real binary, then those of the pages that go on from it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use streams::testing::skip;

/// Pages whose commands are run, in this order.
const RUN: [&str; 6] = [
    "tutorial.md",
    "how-to/signing.md",
    "how-to/webhooks.md",
    "how-to/backup.md",
    "how-to/limits.md",
    "operations.md",
];
/// How long all of it may take.
const WITHIN: Duration = Duration::from_mins(2);
/// Told between the blocks, on standard output.
const MARK: &str = "@@@ end of block";
/// Above a block that is not run, with the reason.
const NOT_RUN: &str = "<!-- not run: ";
/// Above a block that ends what the others need.
const LAST: &str = "<!-- run last -->";

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

/// A block of commands, and what it is said to print.
#[derive(Debug, Default)]
struct Block {
    place: String,
    commands: String,
    output: Option<String>,
    last: bool,
    not_run: bool,
}

/// The `sh` blocks of a page; a `text` block behind one is its output.
fn blocks(page: &str) -> Vec<Block> {
    let text = std::fs::read_to_string(docs().join(page)).unwrap();
    let mut blocks: Vec<Block> = Vec::new();
    let (mut above, mut lines) = ("", text.lines().enumerate());
    while let Some((number, line)) = lines.next() {
        if let Some(kind) = line.strip_prefix("```") {
            let inside = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```");
            let inside = inside.flat_map(|line| [line, "\n"]).collect::<String>();
            match kind {
                "sh" => blocks.push(Block {
                    place: format!("{page}:{}", number + 1),
                    commands: inside,
                    output: None,
                    last: above == LAST,
                    not_run: above.starts_with(NOT_RUN) && above.ends_with(" -->"),
                }),
                "text" => blocks.last_mut().unwrap().output = Some(inside),
                _ => {}
            }
        }
        if !line.is_empty() {
            above = line;
        }
    }
    blocks
}

/// Whether the lines are those expected, in order and no others; `…` stands for anything.
fn fits(expected: &str, found: &str) -> bool {
    let line_fits = |(expected, found): (&str, &str)| {
        let mut rest = found;
        let mut parts = expected.split('…').peekable();
        let begins = parts.next().unwrap_or_default();
        if !rest.starts_with(begins) {
            return false;
        }
        rest = &rest[begins.len()..];
        while let Some(part) = parts.next() {
            let at = if parts.peek().is_none() && rest.ends_with(part) {
                Some(rest.len() - part.len())
            } else {
                rest.find(part)
            };
            let Some(at) = at else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.is_empty() || expected.ends_with('…')
    };
    expected.lines().count() == found.lines().count()
        && expected.lines().zip(found.lines()).all(line_fits)
}

/// What each of the blocks printed, run in one shell in a new folder.
fn run(blocks: &[&Block]) -> BTreeMap<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let bin = Path::new(env!("CARGO_BIN_EXE_signcall")).parent().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut script =
        String::from("set -euo pipefail\ntrap 'kill $(jobs -p) 2> jobs.txt || true' EXIT\n");
    for block in blocks {
        let commands = block.commands.replace("127.0.0.1:8080", &format!("127.0.0.1:{port}"));
        writeln!(script, "{commands}echo '{MARK} {}'", block.place).unwrap();
    }
    std::fs::write(folder.path().join("script"), &script).unwrap();
    let mut command = Command::new("timeout");
    command.arg(WITHIN.as_secs().to_string()).args(["bash", "script"]);
    command.current_dir(folder.path()).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SIGNCALL_") {
            command.env_remove(name);
        }
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let ran = command.env("PATH", format!("{}:{path}", bin.display())).output().unwrap();
    let (out, errors) =
        (String::from_utf8_lossy(&ran.stdout).into_owned(), String::from_utf8_lossy(&ran.stderr));
    let server = std::fs::read_to_string(folder.path().join("server.txt")).unwrap_or_default();
    assert!(ran.status.success(), "{}\n{out}\n{errors}\nthe server said:\n{server}", ran.status);
    let mut printed = BTreeMap::new();
    let mut block = String::new();
    for line in out.lines() {
        match line.strip_prefix(MARK) {
            Some(place) => {
                printed.insert(place.trim().to_owned(), std::mem::take(&mut block));
            }
            None => writeln!(block, "{line}").unwrap(),
        }
    }
    printed
}

#[test]
fn the_commands_of_the_documentation_do_what_it_says() {
    let test = "docs::the_commands_of_the_documentation_do_what_it_says";
    for needed in ["curl", "python3", "timeout"] {
        let there = Command::new(needed).arg("--version").output();
        if !there.is_ok_and(|ran| ran.status.success()) {
            return skip(test, &format!("the documentation's commands need {needed}"));
        }
    }
    let pages: Vec<Block> = RUN.iter().flat_map(|page| blocks(page)).collect();
    let mut run_now: Vec<&Block> = pages.iter().filter(|block| !block.not_run).collect();
    run_now.sort_by_key(|block| block.last);
    let printed = run(&run_now);
    for block in run_now {
        let found = &printed[&block.place];
        if let Some(expected) = &block.output {
            assert!(fits(expected, found), "{} says\n{expected}but it is\n{found}", block.place);
        }
    }
}

#[test]
fn every_command_of_the_documentation_is_run_or_says_why_not() {
    let mut folders = vec![docs()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let page = path.strip_prefix(docs()).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "md")
                && !RUN.contains(&page.as_str())
            {
                for block in blocks(&page) {
                    assert!(block.not_run, "{}: run it, or say why not above it", block.place);
                }
            }
        }
    }
}

#[test]
fn what_is_printed_is_compared_line_by_line() {
    assert!(fits("a\nb … d\n…\n", "a\nb c c d\nx\n"));
    assert!(fits("x…\n", "x\n") && fits("…a…\n", "bab\n"));
    assert!(!fits("a\n", "a\nb\n") && !fits("a…b\n", "a c\n") && !fits("ab\n", "abc\n"));
}
