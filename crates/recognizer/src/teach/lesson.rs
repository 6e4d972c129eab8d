//! A lesson for a model of the library: what the command line and a server do alike before anything
//! is computed.

use std::path::PathBuf;

use super::{Sample, TeachError, TeachOptions};
use crate::model::{Kind, Library};

/// Characters of a name that is made up here.
const MADE_UP_MAX: usize = 60;

/// Which model is to learn which sign from what.
#[derive(Clone, Debug)]
pub struct Lesson {
    /// A model of the library, or a folder.
    pub model: String,
    /// The new sign, as it appears in captions; a single character is a letter.
    pub label: String,
    /// The new model's name; without one, the old one's with the sign.
    pub name: Option<String>,
    /// Clips of the sign.
    pub clips: Vec<Sample>,
    /// Folders of clips of what the model knows already, each with a `clips.csv`.
    pub beside: Vec<PathBuf>,
    /// Of every random choice: the same seed gives the same model.
    pub seed: u64,
}

impl Lesson {
    /// What [`super::run`] takes. The new model will lie in the folder `out`.
    pub fn options(self, library: &Library, out: PathBuf) -> Result<TeachOptions, TeachError> {
        let base = library.files(&self.model)?;
        let movements = library.movements(&self.model)?;
        let before = library.describe(&self.model)?;
        let name = self.name.unwrap_or_else(|| made_up(&before.name, &self.label));
        let kind = if self.label.chars().count() == 1 { Kind::Letter } else { Kind::Word };
        Ok(TeachOptions {
            base,
            movements,
            label: self.label,
            kind,
            clips: self.clips,
            beside: self.beside,
            name,
            out,
            seed: self.seed,
        })
    }
}

/// The old model's name with the sign, as far as a name can hold it.
fn made_up(model: &str, label: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let sign: String = label.chars().map(plain).collect();
    let sign = sign.trim_matches('-');
    let sign = if sign.is_empty() { "sign" } else { sign };
    format!("{model}-{sign}").chars().take(MADE_UP_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_of_any_label() {
        for (label, name) in [
            ("water", "m-water"),
            ("thank you", "m-thank-you"),
            ("Größe", "m-gr--e"),
            ("水", "m-sign"),
            ("A", "m-a"),
        ] {
            assert_eq!(made_up("m", label), name);
        }
        let long = made_up("m", &"x".repeat(64));
        assert!(crate::model::verify::is_name(&long), "{long}");
    }
}
