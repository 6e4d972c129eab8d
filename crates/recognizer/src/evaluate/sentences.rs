//! Sentence files: `sentence_id,position,path`, clips to be played one after the other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::EvaluateError;

const HEADER: &str = "sentence_id,position,path";

/// The clips of every sentence, in order; a path is relative to a clips folder or to the file.
pub(super) fn read(path: &Path) -> Result<BTreeMap<String, Vec<PathBuf>>, EvaluateError> {
    let wrong = |line, problem: String| {
        Err(EvaluateError::Sentences { path: path.to_owned(), line, problem })
    };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => return wrong(0, error.to_string()),
    };
    let mut sentences: BTreeMap<String, BTreeMap<u32, PathBuf>> = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        if index == 0 {
            if line.trim() != HEADER {
                return wrong(1, format!("expected the header {HEADER}, found {line:?}"));
            }
            continue;
        }
        let fields: Vec<&str> = line.trim().split(',').collect();
        if line.trim().is_empty() {
            continue;
        }
        let [sentence, position, file] = fields.as_slice() else {
            return wrong(index + 1, format!("expected 3 fields, found {}", fields.len()));
        };
        let Ok(position) = position.parse() else {
            return wrong(index + 1, format!("the position {position:?} is not a whole number"));
        };
        let clips = sentences.entry((*sentence).to_owned()).or_default();
        if clips.insert(position, PathBuf::from(file)).is_some() {
            return wrong(index + 1, format!("sentence {sentence} has two clips at {position}"));
        }
    }
    Ok(sentences.into_iter().map(|(id, clips)| (id, clips.into_values().collect())).collect())
}
