//! `signcall-cuda`, on a machine without an NVIDIA card, driver or toolkit: a pinned compiler from
//! wheels, and a stub of the driver's library to link against. And a check of its Rust code for CI,
//! which needs no compiler of CUDA at all.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use crate::{shell, tools};

/// What is compiled with: names, versions and digests (x86-64) of PyPI wheels. All of one release:
/// the compiler's own requirement is open and would bring newer headers.
const WHEELS: [(&str, &str); 8] = [
    (
        "nvidia-cuda-nvcc==13.0.88",
        "56fe502eb77625a12f25172caa3cdddb4e4c8ba2c8c17dba44b164761b380f03",
    ),
    (
        "nvidia-cuda-crt==13.0.88",
        "2c8043c7c9e02492716426e9919fc78d2c5b3b2a7a768a88e952676b08aa55a4",
    ),
    ("nvidia-nvvm==13.0.88", "c5f41ffeb6466944a026dfa5317d7d85355c119bbec279205d22f1869d1054e0"),
    (
        "nvidia-cuda-runtime==13.0.96",
        "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
    ),
    (
        "nvidia-cuda-cccl==13.0.85",
        "e0da7ad981f3a8aff08241b5bfc1af868742a63e2762f53a5171c492ef242649",
    ),
    (
        "nvidia-cuda-nvrtc==13.0.88",
        "ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575",
    ),
    (
        "nvidia-cublas==13.0.2.14",
        "0cf238ffdbe46c00cb9aa98e7bca745c223a5ca5a53e686ac8b3e5a08fe80d6c",
    ),
    (
        "nvidia-curand==10.4.5.25",
        "22bb226a857e5888fe6b54ae465fc4371296bcff13a35f79e19691bcf454f529",
    ),
];
/// The release, as the crate of the driver's bindings wants it told.
const CUDA: &str = "13000";
/// Libraries that the binary is linked with, and their major versions.
const LIBRARIES: [(&str, u32); 5] =
    [("cudart", 13), ("cublas", 13), ("cublasLt", 13), ("curand", 10), ("nvrtc", 13)];
/// Compute capabilities: 80 runs on every card since 2020, 90 on Hopper alone.
const CAPABILITIES: [&str; 2] = ["80", "90"];
const USAGE: &str = "cargo xtask cuda build [--cap 80|90] | check";

/// `build [--cap N]` or `check`.
pub(crate) fn run(args: &[String]) -> Result<bool> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["build"] => build(CAPABILITIES[0]),
        ["build", "--cap", cap] if CAPABILITIES.contains(cap) => build(cap),
        ["check"] => check(),
        _ => bail!("say: {USAGE}"),
    }
}

/// Compiles, strips and tells about `target/cuda/signcall-cuda-sm<cap>`.
fn build(cap: &str) -> Result<bool> {
    let begun = Instant::now();
    let home = home()?;
    let target = shell::root()?.join("target/cuda");
    let args = ["build", "--release", "--locked", "-p", "signcall", "--features", "cuda"];
    let mut cargo = shell::cargo(&args)?;
    // What counts runs on the card: optimizing across crates would only take a quarter of an hour.
    cargo.arg("--target-dir").arg(&target).env("CARGO_PROFILE_RELEASE_LTO", "off");
    shell::run(with_compiler(&mut cargo, &home, cap)?)?;
    let binary = target.join(format!("signcall-cuda-sm{cap}"));
    let mut strip = shell::program("strip")?;
    shell::run(strip.arg("-o").arg(&binary).arg(target.join("release/signcall")))?;
    let mut look = shell::program("readelf")?;
    let dynamic = shell::output(look.arg("-d").arg(&binary))?;
    let needed = dynamic.lines().filter(|line| line.contains("(NEEDED)"));
    let needed: Vec<_> = needed.filter_map(|line| line.split(['[', ']']).nth(1)).collect();
    let megabytes = fs::metadata(&binary)?.len() as f64 / 1e6;
    println!("{} ({megabytes:.1} MB, {:.0} s)", binary.display(), begun.elapsed().as_secs_f64());
    println!("needs {}", needed.join(", "));
    Ok(true)
}

/// Lints the Rust of the CUDA path, with a compiler that compiles nothing: what would be linked is
/// never looked at.
fn check() -> Result<bool> {
    let home = shell::root()?.join(".cache/cuda-check");
    let compiler = home.join("bin/nvcc");
    fs::create_dir_all(home.join("bin"))?;
    fs::create_dir_all(home.join("lib64"))?;
    fs::create_dir_all(home.join("include"))?;
    fs::write(&compiler, EMPTY_COMPILER)?;
    fs::set_permissions(&compiler, fs::Permissions::from_mode(0o755))?;
    let args = "clippy --workspace --locked --features signcall/cuda -- -D warnings";
    let mut clippy = shell::cargo(&args.split(' ').collect::<Vec<_>>())?;
    shell::succeeds(with_compiler(&mut clippy, &home, CAPABILITIES[0])?)
}

/// Writes an empty file wherever the compiler would write one.
const EMPTY_COMPILER: &str = r#"#!/bin/sh
# Stands in for NVIDIA's compiler where only Rust is checked: every output is empty.
out= folder= source= library=
while [ $# -gt 0 ]; do
  case "$1" in
    --version) echo "Cuda compilation tools, release 13.0, V13.0.88"; exit 0 ;;
    -o) out=$2; shift ;;
    --output-directory) folder=$2; shift ;;
    --lib) library=yes ;;
    *.cu) source=$1 ;;
  esac
  shift
done
if [ -n "$library" ]; then rm -f "$out"; exec ar rcs "$out"; fi
[ -n "$out" ] || out=$folder/$(basename "$source" .cu).ptx
: > "$out"
"#;

fn with_compiler<'a>(command: &'a mut Command, home: &Path, cap: &str) -> Result<&'a mut Command> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::iter::once(home.join("bin")).chain(std::env::split_paths(&path));
    Ok(command
        .env("CUDA_HOME", home)
        .env("NVCC", home.join("bin/nvcc"))
        .env("PATH", std::env::join_paths(path)?)
        .env("CUDA_COMPUTE_CAP", cap)
        .env("CUDARC_CUDA_VERSION", CUDA))
}

/// A toolkit's folder, made of the wheels on the first call.
fn home() -> Result<PathBuf> {
    let cache = shell::root()?.join(".cache");
    let ready = cache.join(format!("cuda-{CUDA}"));
    if ready.exists() {
        return Ok(ready);
    }
    println!("installing NVIDIA's compiler (PyPI wheels, 0.7 GB) into {}", ready.display());
    tools::pip()?;
    let work = cache.join(format!("cuda-{}", std::process::id()));
    let unpacked = work.join("wheels");
    fs::create_dir_all(&unpacked)?;
    let mut pinned = String::new();
    for (wheel, digest) in WHEELS {
        writeln!(pinned, "{wheel} --hash=sha256:{digest}")?;
    }
    fs::write(work.join("requirements.txt"), pinned)?;
    let flags = "-m pip install -q --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes";
    let mut install = shell::program("python3")?;
    install.args(flags.split(' ')).arg("--target").arg(&unpacked);
    shell::run(install.arg("-r").arg(work.join("requirements.txt")))
        .context("cannot get NVIDIA's compiler; is there a network?")?;
    lay_out(&unpacked.join("nvidia/cu13"), &work)?;
    fs::rename(&work, &ready)?;
    Ok(ready)
}

/// Links the wheels' files to where a toolkit has them, by relative paths, since the folder moves.
fn lay_out(wheels: &Path, work: &Path) -> Result<()> {
    let from = Path::new("wheels/nvidia/cu13");
    for folder in ["bin", "include", "nvvm"] {
        symlink(from.join(folder), work.join(folder))?;
    }
    let lib = work.join("lib64");
    fs::create_dir_all(lib.join("stubs"))?;
    let up = Path::new("..").join(from).join("lib");
    for (name, major) in LIBRARIES {
        let file = format!("lib{name}.so.{major}");
        if !wheels.join("lib").join(&file).exists() {
            bail!("the wheels don't hold {file}");
        }
        symlink(up.join(&file), lib.join(format!("lib{name}.so")))?;
    }
    for name in ["libcudart_static.a", "libcudadevrt.a"] {
        symlink(up.join(name), lib.join(name))?;
    }
    stub(&lib.join("stubs"), work)
}

/// A library with every name that the driver's may be asked for, and nothing behind them: the
/// linker wants one, and the machine that runs the binary has the real one.
fn stub(folder: &Path, work: &Path) -> Result<()> {
    shell::run(&mut shell::cargo(&["fetch", "--quiet", "--locked"])?)?;
    let bindings = package_folder("cudarc")?.join("src/driver/sys/mod.rs");
    let text = fs::read_to_string(&bindings)
        .with_context(|| format!("cannot read {}", bindings.display()))?;
    let names = text.split("fn cu").skip(1).filter_map(|rest| {
        let name = rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next()?;
        name.starts_with(|c: char| c.is_ascii_uppercase())
            .then(|| format!("void cu{name}(void) {{}}\n"))
    });
    let source = work.join("stub.c");
    fs::write(&source, names.collect::<BTreeSet<_>>().into_iter().collect::<String>())?;
    let mut cc = shell::program("cc")?;
    cc.args(["-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-o"]);
    shell::run(cc.arg(folder.join("libcuda.so")).arg(&source))
}

/// Where Cargo keeps the sources of a package that this workspace uses.
fn package_folder(name: &str) -> Result<PathBuf> {
    let args = ["metadata", "--format-version=1", "--locked", "--features", "signcall/cuda"];
    let metadata: serde_json::Value =
        serde_json::from_str(&shell::output(&mut shell::cargo(&args)?)?)?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let manifest = packages
        .filter(|package| package["name"] == name)
        .find_map(|package| package["manifest_path"].as_str());
    let manifest = manifest.with_context(|| format!("the workspace does not use {name}"))?;
    Ok(Path::new(manifest).parent().context("a manifest lies in a folder")?.to_owned())
}
