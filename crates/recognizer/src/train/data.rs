//! Folders of clips: `clips.csv` (`path,label,signer,frames,flag`) and the `.pose` files or JPEG
//! photographs it names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clips::landmarks::Frame;
use sha2::{Digest, Sha256};

use super::TrainError;
use super::material::Material;
use crate::features::picture::Gray;

/// One training clip in memory.
#[derive(Clone, Debug)]
pub struct Clip<T = Vec<Frame>> {
    /// The file.
    pub path: PathBuf,
    /// What is signed; empty for "no sign".
    pub label: String,
    /// Who signs.
    pub signer: String,
    /// Where the recording put it among its label's and signer's clips; neighbours are alike.
    pub number: usize,
    /// How many clips its label and signer have in this folder.
    pub siblings: usize,
    /// Every frame is a photograph of its own.
    pub stills: bool,
    /// What is in it: landmarks, or a photograph.
    pub frames: T,
}

/// The flag of files whose frames are single photographs.
pub const STILLS: &str = "stills";
/// The last share of each label's and signer's clips is for validation.
pub(super) const VALIDATION_SHARE: f32 = 0.12;

impl<T> Clip<T> {
    /// Whether this is one of the last file numbers of its label and signer.
    pub(super) fn is_late(&self) -> bool {
        self.number as f32 >= self.siblings as f32 * (1.0 - VALIDATION_SHARE)
    }
}

impl Clip {
    /// Whether any frame shows a body.
    pub fn has_body(&self) -> bool {
        self.frames.iter().any(|frame| frame.body.is_some())
    }
}

/// One line of a `clips.csv`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The file, with its folder.
    pub path: PathBuf,
    /// What is signed; empty for "no sign".
    pub label: String,
    /// Who signs.
    pub signer: String,
    /// Why it may be unfit; mostly empty.
    pub flag: String,
}

/// The lines of `folder/clips.csv`.
pub fn rows(folder: &Path) -> Result<Vec<Row>, TrainError> {
    let path = folder.join("clips.csv");
    let read = |source| TrainError::File { action: "read", path: path.clone(), source };
    let text = std::fs::read_to_string(&path).map_err(read)?;
    let wrong =
        |line: usize, problem: String| TrainError::Csv { path: path.clone(), line, problem };
    let mut lines = text.lines().enumerate();
    let expected = "path,label,signer,frames,flag";
    match lines.next() {
        Some((_, header)) if header.trim() == expected => {}
        other => {
            let found = other.map_or("", |(_, line)| line);
            return Err(wrong(1, format!("expected the header {expected}, found {found:?}")));
        }
    }
    lines
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(index, line)| {
            let fields: Vec<&str> = line.trim_end().split(',').collect();
            let [file, label, signer, _frames, flag] = fields.as_slice() else {
                let problem = format!("expected 5 fields, found {}: {line:?}", fields.len());
                return Err(wrong(index + 1, problem));
            };
            Ok(Row {
                path: folder.join(file),
                label: (*label).to_owned(),
                signer: (*signer).to_owned(),
                flag: (*flag).to_owned(),
            })
        })
        .collect()
}

/// Reads the clips of all `folders`, without those that have a flag of `skip_flags` or a label of
/// `skip_labels`, in the order of the files; also a digest of everything read.
pub fn load<T: Material>(
    folders: &[PathBuf],
    skip_flags: &BTreeSet<String>,
    skip_labels: &BTreeSet<String>,
) -> Result<(Vec<Clip<T>>, String), TrainError> {
    let mut digest = Sha256::new();
    let mut clips: Vec<Clip<T>> = Vec::new();
    for folder in folders {
        let rows: Vec<Row> = rows(folder)?
            .into_iter()
            .filter(|row| !skip_flags.contains(&row.flag) && !skip_labels.contains(&row.label))
            .collect();
        let first = clips.len();
        for row in &rows {
            let frames = T::read(&row.path, &mut digest)?;
            let alike = |clip: &&Clip<T>| clip.label == row.label && clip.signer == row.signer;
            let number = clips[first..].iter().filter(alike).count();
            clips.push(Clip {
                path: row.path.clone(),
                label: row.label.clone(),
                signer: row.signer.clone(),
                number,
                siblings: 0,
                stills: row.flag == STILLS,
                frames,
            });
            digest.update(row.label.as_bytes());
        }
        count_siblings(&mut clips[first..]);
    }
    Ok((clips, hex::encode(digest.finalize())))
}

/// Whether a file is a photograph, by its name.
pub fn is_photo(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    ["jpg", "jpeg"].iter().any(|known| ending.eq_ignore_ascii_case(known))
}

/// One photograph; it is bound as pictures that are sent live are.
pub fn read_photo(path: &Path, digest: &mut Sha256) -> Result<Gray, TrainError> {
    let failed = |source| TrainError::File { action: "read", path: path.to_owned(), source };
    let bytes = std::fs::read(path).map_err(failed)?;
    digest.update(&bytes);
    let wrong = |problem: String| TrainError::Photo { path: path.to_owned(), problem };
    let image = clips::Image::new(0, false, &bytes).map_err(|fault| wrong(fault.to_string()))?;
    Gray::decode(&image).map_err(|error| wrong(error.to_string()))
}

/// The frames of one file.
pub fn read(path: &Path, digest: &mut Sha256) -> Result<Vec<Frame>, TrainError> {
    let failed = |source| TrainError::File { action: "read", path: path.to_owned(), source };
    parse(path, &std::fs::read(path).map_err(failed)?, digest)
}

/// The frames of a file that was read already; `path` is for saying whose fault it is.
pub fn parse(path: &Path, bytes: &[u8], digest: &mut Sha256) -> Result<Vec<Frame>, TrainError> {
    digest.update(bytes);
    let wrong = |source| TrainError::Clip { path: path.to_owned(), source: Box::new(source) };
    Ok(clips::pose::parse(bytes).map_err(wrong)?.frames)
}

fn count_siblings<T>(clips: &mut [Clip<T>]) {
    let mut counts = std::collections::BTreeMap::new();
    for clip in clips.iter() {
        *counts.entry((clip.label.clone(), clip.signer.clone())).or_insert(0) += 1;
    }
    for clip in clips {
        clip.siblings = counts[&(clip.label.clone(), clip.signer.clone())];
    }
}
