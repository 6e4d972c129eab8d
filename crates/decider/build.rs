//! Tells the crate which rules it was built with: a fold that was kept by another version of them
//! is not this version's fold.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;
use std::{fs, io};

fn main() -> io::Result<()> {
    let mut digest = DefaultHasher::new();
    for folder in ["../events/src", "src"] {
        println!("cargo::rerun-if-changed={folder}");
        add(Path::new(folder), &mut digest)?;
    }
    println!("cargo::rustc-env=SIGNCALL_RULES={:016x}", digest.finish());
    Ok(())
}

/// Names and contents, in order.
fn add(folder: &Path, digest: &mut DefaultHasher) -> io::Result<()> {
    let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut paths = entries.collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            add(&path, digest)?;
        } else {
            path.hash(digest);
            fs::read(&path)?.hash(digest);
        }
    }
    Ok(())
}
