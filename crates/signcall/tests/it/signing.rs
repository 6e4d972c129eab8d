//! What is signed in the tests: real clips where they are, else synthetic signing.

use std::path::{Path, PathBuf};

use clips::pose;
use streams::testing::skip;

/// Clips, and what they say.
pub(crate) struct Signing {
    pub(crate) files: Vec<PathBuf>,
    pub(crate) words: Vec<&'static str>,
}

/// Clips of `asl_words` in the order in which they are played.
const REAL: [(&str, &str); 4] = [
    ("hello", "hello/S1-010.pose"),
    ("can", "can/S1-010.pose"),
    ("coffee", "coffee/S1-010.pose"),
    ("thank-you", "thank-you/S1-010.pose"),
];
const SYNTHETIC: [&str; 4] = ["hello", "get", "coffee", "please"];
const SEED: u64 = 11;

impl Signing {
    /// Real clips, or synthetic ones in `folder` and a note that the real ones are missing.
    pub(crate) fn get(test: &str, folder: &Path) -> Self {
        let data = std::env::var_os("SIGNCALL_DATA").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
            PathBuf::from,
        );
        let words = data.join("asl_words");
        if words.is_dir() {
            let files = REAL.iter().map(|(_, path)| words.join(path)).collect();
            return Self { files, words: REAL.iter().map(|(word, _)| *word).collect() };
        }
        skip(test, &format!("no clips at {}; synthetic signing instead", data.display()));
        let frames = recognizer::synthetic::sentence(&SYNTHETIC, SEED).unwrap();
        let clip = pose::Clip { width: 640, height: 480, fps: 15.0, frames };
        let file = folder.join("synthetic.pose");
        std::fs::write(&file, pose::write(&clip, pose::Version::V0_2)).unwrap();
        Self { files: vec![file], words: SYNTHETIC.to_vec() }
    }
}
