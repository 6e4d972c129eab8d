//! Every gate of the project, cheapest first, each under a heading and with its time.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::{cuda, shell, test, tidy, tools};

type Step = (&'static str, fn() -> Result<bool>);

const STEPS: [Step; 7] = [
    ("fmt", fmt),
    ("tidy", tidy::run),
    ("deny", deny),
    ("clippy", clippy),
    ("cuda", || cuda::run(&["check".to_owned()])),
    ("doc", doc),
    ("test", || test::run(&[])),
];

/// Runs the steps named, or all of them; goes on after a failure, so that one run tells everything.
pub(crate) fn run(args: &[String]) -> Result<bool> {
    if let Some(unknown) = args.iter().find(|arg| STEPS.iter().all(|(name, _)| name != arg)) {
        let known: Vec<_> = STEPS.iter().map(|(name, _)| *name).collect();
        bail!("unknown step {unknown:?}; these exist: {}", known.join(" "));
    }
    let mut failed = Vec::new();
    for (name, step) in
        STEPS.iter().filter(|(name, _)| args.is_empty() || args.iter().any(|arg| arg == name))
    {
        println!("\n== {name}");
        let start = Instant::now();
        let held = step().unwrap_or_else(|error| {
            println!("{error:#}");
            false
        });
        let verdict = if held { "held" } else { "FAILED" };
        println!("== {name} {verdict} after {:.0} s", start.elapsed().as_secs_f64());
        if !held {
            failed.push(*name);
        }
    }
    if !failed.is_empty() {
        println!("\nfailed: {}", failed.join(", "));
    }
    Ok(failed.is_empty())
}

fn fmt() -> Result<bool> {
    shell::succeeds(&mut shell::cargo(&["fmt", "--all", "--check"])?)
}

/// Licences, bans and sources need no network once the crates are here; advisories are checked where `cargo deny fetch`
/// has brought their database.
fn deny() -> Result<bool> {
    shell::run(&mut shell::cargo(&["fetch", "--quiet", "--locked"])?)?;
    let mut command = shell::program(tools::deny()?)?;
    command.args(["--offline", "--log-level=error", "check", "bans", "licenses", "sources"]);
    let cargo_home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = std::env::home_dir().map(|home| home.join(".cargo"));
    if cargo_home.or(home).is_some_and(|home| home.join("advisory-dbs").exists()) {
        command.arg("advisories");
    } else {
        println!("advisories are not checked: `cargo deny fetch` has not been run here");
    }
    shell::succeeds(&mut command)
}

fn clippy() -> Result<bool> {
    let args = "clippy --workspace --all-targets --locked -- -D warnings";
    shell::succeeds(&mut shell::cargo(&args.split(' ').collect::<Vec<_>>())?)
}

fn doc() -> Result<bool> {
    let args = ["doc", "--workspace", "--no-deps", "--locked"];
    shell::succeeds(shell::cargo(&args)?.env("RUSTDOCFLAGS", "-D warnings"))
}
