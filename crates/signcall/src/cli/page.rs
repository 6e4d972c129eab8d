//! `signcall page landmarker install`: brings the package that finds hands and body in the browser
//! into the data folder. The page works without it; signing by camera with points needs it.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail, ensure};
use clap::{Subcommand, ValueEnum};
use serde_json::json;

use crate::config::{Config, Options};

#[derive(Debug, Subcommand)]
pub(crate) enum Args {
    /// The landmarker, which finds the points of hands and body in the browser
    #[command(subcommand)]
    Landmarker(Landmarker),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Landmarker {
    /// Get it with npm, check it against the pinned digest, and put it into the data folder
    Install {
        /// What it finds
        #[arg(long, value_enum, default_value_t = Kind::Holistic)]
        kind: Kind,
        #[command(flatten)]
        options: Box<Options>,
    },
    /// Take it away again
    Remove {
        #[command(flatten)]
        options: Box<Options>,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Kind {
    /// Hands and body: what asl-basic was trained with
    Holistic,
    /// Hands alone: smaller and faster
    Hands,
}

/// A package as it was looked at: what npm brings must be exactly this.
struct Pinned {
    name: &'static str,
    version: &'static str,
    /// As in a package-lock.
    integrity: &'static str,
    /// What the page loads; the rest stays behind.
    files: &'static [&'static str],
}

const HOLISTIC: Pinned = Pinned {
    name: "@mediapipe/holistic",
    version: "0.5.1675471629",
    integrity: "sha512-qY+cxtDeSOvVtevrLgnodiwXYaAtPi7dHZtNv/bUCGEjFicAOYtMmrZSqMmbPkTB2+4jLnPF1vgshkAqQRSYAw==",
    files: &[
        "package.json",
        "holistic.js",
        "holistic.binarypb",
        "holistic_solution_packed_assets.data",
        "holistic_solution_packed_assets_loader.js",
        "holistic_solution_simd_wasm_bin.data",
        "holistic_solution_simd_wasm_bin.js",
        "holistic_solution_simd_wasm_bin.wasm",
        "holistic_solution_wasm_bin.js",
        "holistic_solution_wasm_bin.wasm",
        "pose_landmark_lite.tflite",
    ],
};

const HANDS: Pinned = Pinned {
    name: "@mediapipe/hands",
    version: "0.4.1675469240",
    integrity: "sha512-GxoZvL1mmhJxFxjuyj7vnC++JIuInGznHBin5c7ZSq/RbcnGyfEcJrkM/bMu5K1Mz/2Ko+vEX6/+wewmEHPrHg==",
    files: &[
        "package.json",
        "hands.js",
        "hands.binarypb",
        "hand_landmark_lite.tflite",
        "hands_solution_packed_assets.data",
        "hands_solution_packed_assets_loader.js",
        "hands_solution_simd_wasm_bin.data",
        "hands_solution_simd_wasm_bin.js",
        "hands_solution_simd_wasm_bin.wasm",
        "hands_solution_wasm_bin.js",
        "hands_solution_wasm_bin.wasm",
    ],
};

impl Args {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let Self::Landmarker(asked) = self;
        match asked {
            Landmarker::Install { kind, options } => install(kind, &options.resolve()?),
            Landmarker::Remove { options } => remove(&options.resolve()?),
        }
    }
}

fn install(kind: Kind, config: &Config) -> Result<ExitCode> {
    let pinned = match kind {
        Kind::Holistic => HOLISTIC,
        Kind::Hands => HANDS,
    };
    config.make_data_folder()?;
    // Beside its place, so that it gets there by one rename.
    let work = tempfile::Builder::new().prefix("landmarker-").tempdir_in(&config.data)?;
    println!("getting {} {} with npm", pinned.name, pinned.version);
    bring(&pinned, work.path())?;
    let (ready, place) = (work.path().join("ready"), config.landmarker_folder());
    let bytes = keep(&pinned, &work.path().join("node_modules").join(pinned.name), &ready)?;
    clear(&place)?;
    fs::rename(&ready, &place).with_context(|| format!("cannot make {}", place.display()))?;
    println!("installed {:.1} MB in {}", bytes as f64 / 1e6, place.display());
    println!("the page offers it from its next load on; a running server need not be restarted");
    Ok(ExitCode::SUCCESS)
}

/// Lets npm fetch the one package; npm refuses bytes that do not have the pinned digest.
fn bring(pinned: &Pinned, folder: &Path) -> Result<()> {
    let Pinned { name, version, integrity, .. } = pinned;
    let wanted = json!({ "private": true, "dependencies": { *name: version } });
    let lock = json!({ "lockfileVersion": 3, "packages": {
        "": { "dependencies": { *name: version } },
        format!("node_modules/{name}"): { "version": version, "integrity": integrity },
    } });
    fs::write(folder.join("package.json"), wanted.to_string())?;
    fs::write(folder.join("package-lock.json"), lock.to_string())?;
    let output = Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .context("cannot start npm: install it (on Debian: apt-get install npm) and try again")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("npm could not get {name} {version}, or not as it should be: {}", said.trim());
    }
    Ok(())
}

/// Copies what the page loads; says how many bytes that is.
fn keep(pinned: &Pinned, from: &Path, to: &Path) -> Result<u64> {
    let about: serde_json::Value = serde_json::from_slice(&fs::read(from.join("package.json"))?)?;
    ensure!(
        about["name"] == pinned.name && about["version"] == pinned.version,
        "npm brought {} {}, not {} {}",
        about["name"],
        about["version"],
        pinned.name,
        pinned.version
    );
    fs::create_dir(to)?;
    let mut bytes = 0;
    for file in pinned.files {
        bytes += fs::copy(from.join(file), to.join(file)).context(*file)?;
    }
    Ok(bytes)
}

fn remove(config: &Config) -> Result<ExitCode> {
    let place = config.landmarker_folder();
    let was_there = clear(&place)?;
    println!("{} {}", if was_there { "removed" } else { "there is no" }, place.display());
    Ok(ExitCode::SUCCESS)
}

/// Whether there was one.
fn clear(place: &Path) -> Result<bool> {
    match fs::remove_dir_all(place) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("cannot remove {}", place.display())),
    }
}
