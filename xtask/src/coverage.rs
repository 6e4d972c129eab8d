//! `cargo xtask fuzz --coverage [TARGET]… [--seconds N]`: the fuzz targets under libFuzzer.
//! The flags that tell it which branches were reached are those that cargo-fuzz gives, less the
//! sanitizers, which need a nightly compiler; so this runs with the project's own.
//! What it finds worth keeping stays in `target/fuzz/corpus/`, and the next run begins with it; with
//! `--keep` the fewest inputs that reach as much go to `benches/fuzz/corpus/`, to be committed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell;

const TARGETS: [&str; 6] = ["pose", "live", "jpeg", "model", "block", "text"];
const SECONDS: &str = "60";
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
     -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";
/// libFuzzer calls an input that takes longer, in seconds, or more memory, in MB, a find.
const SLOWEST: u32 = 20;
const MEMORY: u32 = 2_048;
/// Bytes of an input that is kept, at most.
const LONGEST_KEPT: u32 = 2_048;

/// Runs it; `Ok(false)` when it found something, which lies in `target/fuzz/` then.
pub(crate) fn run(args: &[String]) -> Result<bool> {
    let (mut seconds, mut keeps, mut targets) = (SECONDS, false, Vec::new());
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--seconds" => seconds = args.next().context("--seconds needs a number")?,
            "--keep" => keeps = true,
            name if TARGETS.contains(&name) => targets.push(name),
            other => bail!("{other:?} is none of {}", TARGETS.join(", ")),
        }
    }
    if targets.is_empty() {
        targets.extend(TARGETS);
    }
    let program = build()?;
    let mut clean = true;
    for target in targets {
        if keeps {
            keep(&program, target)?;
        } else {
            clean &= search(&program, target, seconds)?;
        }
    }
    Ok(clean)
}

/// Searches for so long; `Ok(false)` when it found something.
fn search(program: &Path, target: &str, seconds: &str) -> Result<bool> {
    println!("\n== {target}, {seconds} s");
    let corpus = folder(&format!("corpus/{target}"))?;
    let finds = folder(&format!("finds-{target}"))?;
    let mut run = on(program, target, &corpus)?;
    run.arg(&corpus).args([
        format!("-max_total_time={seconds}"),
        format!("-timeout={SLOWEST}"),
        format!("-rss_limit_mb={MEMORY}"),
        format!("-artifact_prefix={}/", finds.display()),
        "-print_final_stats=1".to_owned(),
        "-verbosity=0".to_owned(),
    ]);
    shell::succeeds(&mut run)
}

/// The fewest inputs that reach what all of them reach: to be committed, a line each.
fn keep(program: &Path, target: &str) -> Result<()> {
    let corpus = folder(&format!("corpus/{target}"))?;
    let least = folder(&format!("least/{target}"))?;
    fs::remove_dir_all(&least)?;
    fs::create_dir(&least)?;
    let mut merge = on(program, target, &corpus)?;
    // What counts is whether a branch was reached, not how often.
    merge
        .args(["-merge=1", "-use_counters=0", "-verbosity=0"])
        .arg(format!("-max_len={LONGEST_KEPT}"));
    shell::run(merge.arg(&least).arg(&corpus))?;
    let mut lines = Vec::new();
    for file in fs::read_dir(&least)? {
        lines.push(hex::encode(fs::read(file?.path())?) + "\n");
    }
    lines.sort_by_key(|line| (line.len(), line.clone()));
    println!("{target}: {} inputs kept", lines.len());
    fs::write(shell::root()?.join("benches/fuzz/corpus").join(target), lines.concat())?;
    Ok(())
}

/// The program on a target; it begins by putting its own inputs into `seeds`.
fn on(program: &Path, target: &str, seeds: &Path) -> Result<Command> {
    let mut run = shell::program(program)?;
    run.env("SIGNCALL_FUZZ", target).env("SIGNCALL_FUZZ_SEEDS", seeds);
    Ok(run)
}

/// The program with the flags, in a target folder of its own: they would have everything built anew.
fn build() -> Result<PathBuf> {
    let folder = folder("build")?;
    let compiler = shell::output(shell::program("rustc")?.arg("-vV"))?;
    let host = compiler.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.context("rustc -vV names no host")?;
    let mut build = shell::cargo(&[
        "build",
        "--quiet",
        "--locked",
        "--package=benches",
        "--features=coverage",
        "--bin=fuzz-coverage",
    ])?;
    // Naming a target keeps the flags from build scripts and macros.
    build.args(["--target", host]).arg("--target-dir").arg(&folder);
    shell::run(build.env("RUSTFLAGS", FLAGS))?;
    Ok(folder.join(host).join("debug/fuzz-coverage"))
}

/// A folder below `target/fuzz/`, made if it is not there.
fn folder(name: &str) -> Result<PathBuf> {
    let folder = shell::root()?.join("target/fuzz").join(name);
    fs::create_dir_all(&folder)?;
    Ok(folder)
}
