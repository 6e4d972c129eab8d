//! Real signing for the benchmarks: word clips of known signers, and idle ones between them; and
//! photographs of digits.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use clips::{Frame, pose};

/// Between two clips, as between two frames of a camera, µs.
pub const FRAME_US: u64 = 66_667;
/// Clips read of each kind.
const CLIPS: usize = 64;

/// A clip and what it says; nothing, where nobody signs.
#[derive(Clone)]
pub struct Clip {
    /// The word.
    pub label: String,
    /// At least one; times begin at 0, µs.
    pub frames: Vec<Frame>,
}

/// Clips of words, and of people who do not sign.
pub struct Clipset {
    /// Words, of all labels in turn.
    pub words: Vec<Clip>,
    /// "No sign".
    pub idle: Vec<Clip>,
}

/// Where the clips are: `$SIGNCALL_DATA`, or `../shared/data` beside the workspace.
fn data() -> PathBuf {
    std::env::var_os("SIGNCALL_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"),
        PathBuf::from,
    )
}

impl Clipset {
    /// Reads words of `asl_words`.
    pub fn read() -> anyhow::Result<Self> {
        let folder = data().join("asl_words");
        let list = folder.join("clips.csv");
        let text = std::fs::read_to_string(&list)
            .with_context(|| format!("no clips at {}: set SIGNCALL_DATA", list.display()))?;
        let mut rows: Vec<(usize, String, PathBuf)> = Vec::new();
        let mut counts = std::collections::HashMap::<String, usize>::new();
        for line in text.lines().skip(1) {
            let [path, label, _, _, flag] = line.split(',').collect::<Vec<_>>()[..] else {
                continue;
            };
            // Words alone: letters become part of spelled words, whose ends are others'.
            if !flag.is_empty() || label.chars().count() == 1 {
                continue;
            }
            let nth = counts.entry(label.to_owned()).or_default();
            rows.push((*nth, label.to_owned(), folder.join(path)));
            *nth += 1;
        }
        // The first of every label, then the second of every label.
        rows.sort();
        let read = |idle: bool| -> anyhow::Result<Vec<Clip>> {
            let wanted = rows.iter().filter(|(_, label, _)| label.is_empty() == idle).take(CLIPS);
            wanted.map(|(_, label, path)| clip(label, path)).collect()
        };
        let found = Self { words: read(false)?, idle: read(true)? };
        ensure!(!found.words.is_empty() && !found.idle.is_empty(), "{} is empty", list.display());
        Ok(found)
    }
}

/// Photographs of digits as they lie there: JPEG, of all labels in turn.
pub fn photographs() -> anyhow::Result<Vec<Vec<u8>>> {
    let folder = data().join("digits");
    let list = folder.join("clips.csv");
    let text = std::fs::read_to_string(&list)
        .with_context(|| format!("no photographs at {}: set SIGNCALL_DATA", list.display()))?;
    let paths = text.lines().skip(1).filter_map(|line| line.split(',').next());
    let read = |path: &str| {
        let path = folder.join(path);
        std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let found: Vec<Vec<u8>> = paths.take(CLIPS).map(read).collect::<anyhow::Result<_>>()?;
    ensure!(!found.is_empty(), "{} is empty", list.display());
    Ok(found)
}

fn clip(label: &str, path: &Path) -> anyhow::Result<Clip> {
    let shown = path.display();
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {shown}"))?;
    let mut frames = pose::parse(&bytes).with_context(|| format!("{shown} is no clip"))?.frames;
    let first = frames.first().with_context(|| format!("{shown} has no frames"))?.time_us;
    frames.iter_mut().for_each(|frame| frame.time_us -= first);
    Ok(Clip { label: label.to_owned(), frames })
}
