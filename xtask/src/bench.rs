//! Starts the benchmarks and the chaos runs of the `benches` package. The programs themselves
//! measure; this only builds the right one, finds their services and hands them the machine's header.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{machine, shell, tools};

/// Programs that start `signcall` processes: the server is built with them.
const SERVED: [&str; 4] = ["chaos", "bench_http", "bench_live", "bench_caption"];

/// `bench NAME …`: the program `bench_NAME`, or criterion's benchmarks.
pub(crate) fn run(args: &[String]) -> Result<bool> {
    let programs = programs()?;
    let names: Vec<_> = programs.iter().filter_map(|name| name.strip_prefix("bench_")).collect();
    let Some((name, rest)) = args.split_first() else {
        bail!("name one of: criterion {}", names.join(" "));
    };
    if name == "criterion" {
        return start(shell::cargo(&["bench", "--package=benches", "--"])?, rest);
    }
    if !names.contains(&name.as_str()) {
        bail!("there is no benchmark {name:?}; these exist: criterion {}", names.join(" "));
    }
    program(&format!("bench_{name}"), rest)
}

/// One program of the `benches` package; with `--quick` unoptimized, to see that it runs.
pub(crate) fn program(name: &str, args: &[String]) -> Result<bool> {
    if !programs()?.iter().any(|known| known == name) {
        bail!("the package benches has no program {name:?}");
    }
    let quick = args.iter().any(|arg| arg == "--quick");
    let profile = if quick { "debug" } else { "release" };
    let bin = format!("--bin={name}");
    let mut build = vec!["build", "--quiet", "--package=benches", &bin];
    if SERVED.contains(&name) {
        build.extend(["--package=signcall", "--bin=signcall"]);
    }
    if !quick {
        build.push("--release");
    }
    shell::run(&mut shell::cargo(&build)?)?;
    let target = shell::metadata()?["target_directory"].as_str().map(Path::new).map(Path::to_owned);
    let target = target.context("Cargo does not say where it builds")?;
    start(shell::program(target.join(profile).join(name))?, args)
}

/// The machine's header goes to standard output for people and to `SIGNCALL_MACHINE` as JSON.
fn start(mut command: Command, args: &[String]) -> Result<bool> {
    let header = machine::header()?;
    println!("{}\n", machine::readable(&header));
    command.args(args).env("SIGNCALL_MACHINE", header.to_string());
    shell::succeeds(command.envs(tools::services()?))
}

fn programs() -> Result<Vec<String>> {
    let metadata = shell::metadata()?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let targets = packages
        .filter(|package| package["name"] == "benches")
        .flat_map(|package| package["targets"].as_array().into_iter().flatten());
    let bins = targets.filter(|target| target["kind"][0] == "bin");
    Ok(bins.filter_map(|target| Some(target["name"].as_str()?.to_owned())).collect())
}
