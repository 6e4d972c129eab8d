//! The real thing: every `.pose` file of the training clips is read, and comes back through the
//! writer and through the live wire unchanged.

use clips::live_wire::{self, Frames};
use clips::pose::{self, Version};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The folder of real clips, or a note that this test was skipped.
fn data(test: &str) -> std::io::Result<Option<PathBuf>> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("SIGNCALL_DATA").map_or(beside, PathBuf::from);
    if folder.is_dir() {
        return Ok(Some(folder));
    }
    let line = format!("SKIPPED: {test}: no clips at {} (set SIGNCALL_DATA)", folder.display());
    eprintln!("{line}");
    if let Some(path) = std::env::var_os("SIGNCALL_SKIPS") {
        let mut skips = std::fs::OpenOptions::new().append(true).create(true).open(path)?;
        writeln!(skips, "{line}")?;
    }
    Ok(None)
}

#[test]
fn real_clips_come_back_unchanged() {
    let Some(data) = data("real_clips_come_back_unchanged").unwrap() else { return };
    let mut read = 0;
    for folder in ["asl_words", "asl_letters", "asl_letter_stills"] {
        let csv = std::fs::read_to_string(data.join(folder).join("clips.csv")).expect("clips.csv");
        for line in csv.lines().skip(1) {
            let columns: Vec<&str> = line.split(',').collect();
            let bytes = std::fs::read(data.join(folder).join(columns[0])).expect("a clip");
            let clip = pose::parse(&bytes).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(clip.frames.len().to_string(), columns[3], "{line}");
            for version in Version::ALL {
                assert_eq!(pose::parse(&pose::write(&clip, version)).as_ref(), Ok(&clip), "{line}");
            }
            let batch =
                live_wire::parse(&live_wire::encode(&clip.frames[..20], 0)).expect("a batch");
            assert_eq!(batch.frames, Frames::Landmarks(clip.frames[..20].to_vec()), "{line}");
            read += 1;
        }
    }
    assert!(read > 8_000, "only {read} clips");
}
