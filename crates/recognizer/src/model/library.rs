//! The models of a server: those built in, and those installed in a folder. A model is checked
//! before it is installed, and once more whenever it is opened; a faulty one is refused with the
//! reason and never serves.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

use super::store::{self, BUILT_IN, Files};
use super::verify::is_name;
use super::{Hop, Model, ModelError, ModelSpec};
use crate::cuda::Place;
use crate::synthetic;

/// The file that names the default model.
const DEFAULT: &str = "default";
/// Of a model's folder, what is copied when it is installed; the first two must be there.
const PARTS: [&str; 4] = ["model.json", "weights.safetensors", MOVEMENTS, "MODEL_CARD.md"];
/// The file of movements that training leaves in a model's folder.
pub const MOVEMENTS: &str = "synthetic.safetensors";
/// Models that may be installed.
pub const INSTALLED_MAX: usize = 64;
/// Frames that a model is tried on.
const TRIAL_FRAMES: usize = 16;

/// What a folder of models looks like, told by the times and sizes of its files: another one means
/// that something was installed or chosen.
pub type Stamp = Vec<(PathBuf, Option<(SystemTime, u64)>)>;

/// A model that can serve: its description, and a digest of everything that it is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// What it says of itself.
    pub spec: ModelSpec,
    /// SHA-256 over description and weights: another one is another model.
    pub digest: [u8; 32],
    /// Whether the binary carries it.
    pub built_in: bool,
}

/// A model, and what it is known by.
pub struct Offer {
    /// SHA-256 over description and weights.
    pub digest: [u8; 32],
    /// The model.
    pub model: Box<dyn Model>,
}

impl From<Box<dyn Model>> for Offer {
    /// A model that comes from no files is known by its description.
    fn from(model: Box<dyn Model>) -> Self {
        // Text and numbers always serialize.
        let spec = serde_json::to_vec(model.spec()).unwrap_or_default();
        Self { digest: Sha256::digest(spec).into(), model }
    }
}

/// The folder of installed models; it need not exist.
#[derive(Clone, Debug)]
pub struct Library {
    folder: PathBuf,
    place: Place,
}

impl Library {
    /// The library in that folder.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), place: Place::Cpu }
    }

    /// The same, with models that are computed there.
    #[must_use]
    pub fn on(self, place: Place) -> Self {
        Self { place, ..self }
    }

    /// The names of all models, built-in ones first. Nothing is opened.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = BUILT_IN.iter().map(|name| (*name).to_owned()).collect();
        names.extend(self.installed());
        names
    }

    fn installed(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return Vec::new() };
        let name = |entry: std::fs::DirEntry| entry.file_name().into_string().ok();
        let is_model =
            |name: &String| is_name(name) && self.folder.join(name).join(PARTS[0]).is_file();
        let names = entries.flatten().filter_map(name).filter(is_model);
        let mut names: Vec<String> = names.take(INSTALLED_MAX).collect();
        names.sort_unstable();
        names
    }

    /// A model's files: of an installed one, a built-in one, or of a folder that is named with a
    /// separator in it.
    pub fn files(&self, name: &str) -> Result<Files, ModelError> {
        if let Some(files) = store::built_in_files(name) {
            return Ok(files);
        }
        let folder = self.place(name);
        if !folder.is_dir() {
            let known = self.names().join(", ");
            let problem =
                format!("there is no model {name:?}; there are {known}, or name a folder");
            return Err(ModelError::Mismatch(problem));
        }
        Files::read(&folder)
    }

    /// Where a model's files lie, if it is not built in: its folder in the library, or the folder
    /// that the name is.
    pub fn place(&self, name: &str) -> PathBuf {
        let installed = self.folder.join(name);
        if is_name(name) && installed.is_dir() { installed } else { PathBuf::from(name) }
    }

    /// What a model says of itself; its weights are not looked at.
    pub fn describe(&self, name: &str) -> Result<ModelSpec, ModelError> {
        let spec: ModelSpec = match store::built_in_files(name) {
            Some(files) => serde_json::from_slice(&files.json)?,
            None => serde_json::from_slice(&store::read_json(&self.place(name))?)?,
        };
        spec.verify()?;
        Ok(spec)
    }

    /// Opens a model by name, or the one in a folder, after all checks.
    pub fn open(&self, name: &str) -> Result<Offer, ModelError> {
        let files = self.files(name)?;
        Ok(Offer { digest: files.digest(), model: files.open_on(self.place)? })
    }

    /// What is known of a model, after all checks.
    pub fn look(&self, name: &str) -> Result<Known, ModelError> {
        let Offer { digest, model } = self.open(name)?;
        let spec = model.spec().clone();
        Ok(Known { built_in: BUILT_IN.contains(&name), spec, digest })
    }

    /// What the library looks like, and a model's folder outside of it.
    pub fn stamp(&self, outside: &Path) -> Stamp {
        let folders = self.installed().into_iter().map(|name| self.folder.join(name));
        let files = folders.chain([outside.to_owned()]).flat_map(|folder| {
            PARTS[..2].iter().map(move |part| folder.join(part)).collect::<Vec<_>>()
        });
        let look = |path: PathBuf| {
            let found = std::fs::metadata(&path).ok();
            let found = found.and_then(|file| Some((file.modified().ok()?, file.len())));
            (path, found)
        };
        files.chain([self.folder.join(DEFAULT)]).map(look).collect()
    }

    /// The movements that training left beside a model, if it did.
    pub fn movements(&self, name: &str) -> Result<Option<Vec<u8>>, ModelError> {
        if let Some(known) = synthetic::of_built_in(name) {
            return Ok(Some(known.to_vec()));
        }
        let path = self.place(name).join(MOVEMENTS);
        match std::fs::read(&path) {
            Ok(read) => Ok(Some(read)),
            Err(source) if source.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(ModelError::Read { path, source }),
        }
    }

    /// Installs the model in `from` under its own name. A model of that name that was installed
    /// before is replaced; a server that is running takes the new one without losing a stream.
    pub fn install(&self, from: &Path) -> Result<ModelSpec, ModelError> {
        self.put(from, true)
    }

    /// As [`Self::install`], but no model is ever replaced.
    pub fn add(&self, from: &Path) -> Result<ModelSpec, ModelError> {
        self.put(from, false)
    }

    fn put(&self, from: &Path, replace: bool) -> Result<ModelSpec, ModelError> {
        let files = Files::read(from)?;
        let mut model = files.open()?;
        trial(model.as_mut())?;
        let spec = model.spec().clone();
        if BUILT_IN.contains(&spec.name.as_str()) {
            let problem = format!("{} is built in: give the model another name", spec.name);
            return Err(ModelError::Mismatch(problem));
        }
        let installed = self.installed();
        if installed.len() >= INSTALLED_MAX && !installed.contains(&spec.name) {
            return Err(ModelError::Full);
        }
        let place = self.folder.join(&spec.name);
        if !replace && place.exists() {
            return Err(ModelError::Exists(spec.name));
        }
        // Made aside, under a name that no model has, so that nobody ever sees half a model.
        let aside = self.folder.join(format!(".{}.new", spec.name));
        let old = self.folder.join(format!(".{}.old", spec.name));
        let copy = || {
            remove(&aside)?;
            remove(&old)?;
            std::fs::create_dir_all(&aside)?;
            std::fs::write(aside.join(PARTS[0]), &files.json)?;
            std::fs::write(aside.join(PARTS[1]), &files.weights)?;
            for part in &PARTS[2..] {
                if from.join(part).is_file() {
                    std::fs::copy(from.join(part), aside.join(part))?;
                }
            }
            if replace && place.exists() {
                std::fs::rename(&place, &old)?;
            }
            // Fails where a model came to lie meanwhile: a folder with files in it is not replaced.
            std::fs::rename(&aside, &place)?;
            remove(&old)
        };
        copy().map_err(|source| {
            if matches!(source.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists) {
                return ModelError::Exists(spec.name.clone());
            }
            ModelError::Write { path: self.folder.clone(), source }
        })?;
        Ok(spec)
    }

    /// The model that is for streams which name none, if one was chosen.
    pub fn default(&self) -> Option<String> {
        let text = std::fs::read_to_string(self.folder.join(DEFAULT)).ok()?;
        let name = text.trim();
        is_name(name).then(|| name.to_owned())
    }

    /// Chooses it. The model is checked first.
    pub fn set_default(&self, name: &str) -> Result<Known, ModelError> {
        let known = self.look(name)?;
        if !self.names().iter().any(|there| there == name) {
            let problem = format!("{name} is a folder: install it first");
            return Err(ModelError::Mismatch(problem));
        }
        let (aside, place) = (self.folder.join(".default.new"), self.folder.join(DEFAULT));
        let write = || {
            std::fs::create_dir_all(&self.folder)?;
            std::fs::write(&aside, format!("{name}\n"))?;
            std::fs::rename(&aside, &place)
        };
        write().map_err(|source| ModelError::Write { path: place.clone(), source })?;
        Ok(known)
    }
}

/// Removes a folder, if it is there.
fn remove(folder: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Tries a model on made-up input: what it says must be probabilities, and the same however the
/// frames are batched.
pub fn trial(model: &mut dyn Model) -> Result<(), ModelError> {
    let spec = model.spec().clone();
    let (frame, classes) = (spec.input.frame_len(), spec.classes());
    let mut dice = crate::train::random::Dice::new(1, 0);
    let features: Vec<f32> = (0..TRIAL_FRAMES * frame).map(|_| dice.even(-1.0, 1.0)).collect();
    let mut said = |hop: usize| -> Result<Vec<f32>, ModelError> {
        let (mut state, mut said) = (model.new_state(), Vec::new());
        for features in features.chunks(hop * frame) {
            let log_probs = &mut said;
            model.step(&mut [Hop { state: &mut state, features, log_probs }])?;
        }
        Ok(said)
    };
    let (whole, parts) = (said(TRIAL_FRAMES)?, said(spec.hop_frames)?);
    for (index, row) in whole.chunks_exact(classes).enumerate() {
        let sum: f32 = row.iter().map(|log_prob| log_prob.exp()).sum();
        if (sum - 1.0).abs() > 1e-3 || sum.is_nan() {
            let problem = format!("what it says of frame {index} adds up to {sum}, not to 1");
            return Err(ModelError::Mismatch(problem));
        }
    }
    let worst = whole.iter().zip(&parts).map(|(a, b)| (a - b).abs()).fold(0.0f32, f32::max);
    if whole.len() != parts.len() || worst > 1e-3 {
        let problem = format!("it says something else when frames are batched: off by {worst}");
        return Err(ModelError::Mismatch(problem));
    }
    Ok(())
}
