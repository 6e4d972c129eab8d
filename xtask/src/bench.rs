//! Starts the benchmarks and the rigs of the `benches` package. They themselves measure; this only
//! builds them, finds their services and hands them the machine's header.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{machine, shell, tools};

/// What `cargo xtask bench` starts, beside `criterion`.
const NAMES: [&str; 9] =
    ["log", "rebuild", "http", "live", "recognize", "load", "caption", "start", "deciders"];

/// `bench NAME …`: one of the benchmarks, or criterion's.
pub(crate) fn run(args: &[String]) -> Result<bool> {
    let names = NAMES.join(" ");
    let Some((name, rest)) = args.split_first() else {
        bail!("name one of: criterion {names}");
    };
    if name == "criterion" {
        return start(shell::cargo(&["bench", "--package=benches", "--"])?, rest);
    }
    if !NAMES.contains(&name.as_str()) {
        bail!("there is no benchmark {name:?}; these exist: criterion {names}");
    }
    program(name, rest)
}

/// One part of the program `benches`; with `--quick` unoptimized, to see that it runs.
pub(crate) fn program(name: &str, args: &[String]) -> Result<bool> {
    let quick = args.iter().any(|arg| arg == "--quick");
    let profile = if quick { "debug" } else { "release" };
    // Some start the server, and the others would build what both need with other features.
    let mut build = vec!["build", "--quiet", "--package=benches", "--package=signcall"];
    build.extend(["--bin=benches", "--bin=signcall"]);
    if !quick {
        build.push("--release");
    }
    shell::run(&mut shell::cargo(&build)?)?;
    let target = shell::metadata()?["target_directory"].as_str().map(Path::new).map(Path::to_owned);
    let target = target.context("Cargo does not say where it builds")?;
    let mut benches = shell::program(target.join(profile).join("benches"))?;
    benches.arg(name);
    start(benches, args)
}

/// The machine's header goes to standard output for people and to `SIGNCALL_MACHINE` as JSON.
fn start(mut command: Command, args: &[String]) -> Result<bool> {
    let header = machine::header()?;
    println!("{}\n", machine::readable(&header));
    command.args(args).env("SIGNCALL_MACHINE", header.to_string());
    shell::succeeds(command.envs(tools::services()?))
}
