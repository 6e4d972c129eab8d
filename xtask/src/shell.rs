//! Running other programs, always from the workspace's root and always saying which one failed.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The workspace's root folder.
pub(crate) fn root() -> Result<PathBuf> {
    let xtask = std::env::var("CARGO_MANIFEST_DIR").context("start it as `cargo xtask`")?;
    Ok(PathBuf::from(xtask).parent().context("xtask lies inside the workspace")?.to_owned())
}

/// `program`, to be run in the root without standard input.
pub(crate) fn program(program: impl AsRef<OsStr>) -> Result<Command> {
    let mut command = Command::new(program);
    command.current_dir(root()?).stdin(Stdio::null());
    Ok(command)
}

/// `cargo` with these arguments, the same one that started this program, but without what that one
/// told of this package: some build scripts look at it, and everything above them would be built
/// again each time after a `cargo` that a person started.
pub(crate) fn cargo(args: &[&str]) -> Result<Command> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = program(cargo)?;
    command.args(args);
    let told = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(told)) {
        command.env_remove(name);
    }
    Ok(command)
}

/// Runs to the end with its output shown; true when it exits with 0.
pub(crate) fn succeeds(command: &mut Command) -> Result<bool> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    Ok(status.success())
}

/// Runs to the end with its output shown; anything but exit code 0 is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    if succeeds(command)? { Ok(()) } else { bail!("{command:?} failed, see above") }
}

/// Standard output of a program that must succeed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Whether a program starts and succeeds with these arguments, silently.
pub(crate) fn works(name: &str, args: &[&str]) -> bool {
    let command = Command::new(name)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    command.is_ok_and(|status| status.success())
}

/// What Cargo knows of the workspace's own packages.
pub(crate) fn metadata() -> Result<serde_json::Value> {
    let text = output(&mut cargo(&["metadata", "--format-version=1", "--no-deps"])?)?;
    Ok(serde_json::from_str(&text)?)
}
