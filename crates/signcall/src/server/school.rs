//! What the API is handed of the models: their names, what each can say, and how one learns a sign.
//! A new model goes into the library, from where the recognizer of this process takes it.

use api::{Alike, Lesson, ModelInfo, NotTaught, Taught};
use recognizer::model::{Input, Kind, ModelError, ModelSpec};
use recognizer::teach::{self, Count, Sample, TeachError, TeachReport};

use super::models::Models;

/// The seed of a lesson: the same clips make the same model, as on the command line.
const SEED: u64 = 1;

/// The models of an API process.
pub(super) struct School {
    pub(super) models: Models,
    /// Whether this process has a recognizer, which serves what is made here.
    pub(super) teaches: bool,
}

impl api::Models for School {
    fn names(&self) -> Vec<String> {
        self.models.names()
    }

    fn describe(&self) -> Vec<ModelInfo> {
        let default = self.models.default();
        let about = |name: String| match self.models.describe(&name) {
            Ok(spec) => Some(ModelInfo {
                default: name == default,
                teachable: self.teaches && spec.input == Input::Landmarks,
                words: texts(&spec, Kind::Word),
                letters: texts(&spec, Kind::Letter),
                version: spec.version,
                name,
            }),
            Err(error) => {
                let error = anyhow::Error::from(error);
                tracing::warn!("the model {name} can't be described: {error:#}");
                None
            }
        };
        self.names().into_iter().filter_map(about).collect()
    }

    fn teach(&self, lesson: Lesson) -> Result<Taught, NotTaught> {
        if !self.teaches {
            return Err(NotTaught::NoRecognizer);
        }
        // Nothing but a model that is offered: a name may be a path elsewhere in this program.
        let base = self.models.place(&lesson.model).ok_or(NotTaught::NoModel)?;
        let taken = self.names();
        if let Some(name) = lesson.name.as_ref().filter(|name| taken.contains(name)) {
            return Err(NotTaught::Exists(name.clone()));
        }
        let clip = |(index, bytes)| Sample { name: format!("clips[{index}]").into(), bytes };
        let clips = lesson.clips.into_iter().enumerate().map(clip).collect();
        let named = lesson.name.is_some();
        let asked = teach::Lesson {
            model: base,
            label: lesson.label,
            name: lesson.name,
            clips,
            beside: Vec::new(),
            seed: SEED,
        };
        let out = tempfile::tempdir();
        let out =
            out.map_err(|error| NotTaught::Failed(format!("no temporary folder: {error}")))?;
        let library = &self.models.library;
        let mut options =
            asked.options(library, out.path().to_owned()).map_err(|error| refusal(&error))?;
        if !named {
            options.name = free(&options.name, &taken);
        }
        let report = teach::run(&options).map_err(|error| refusal(&error))?;
        if lesson.unwanted.is_cancelled() {
            return Err(NotTaught::Unwanted);
        }
        let made = library.add(out.path()).map_err(|error| not_added(&error))?;
        Ok(taught(made, lesson.model, options.label, report))
    }
}

fn texts(spec: &ModelSpec, kind: Kind) -> Vec<String> {
    let texts = spec.vocabulary.iter().filter(|label| label.kind == kind);
    texts.map(|label| label.text.clone()).collect()
}

/// A name that no model has, made of one that a model may have.
fn free(wanted: &str, taken: &[String]) -> String {
    let numbered = (2..).map(|number| format!("{wanted}-{number}"));
    let mut all = std::iter::once(wanted.to_owned()).chain(numbered);
    all.find(|name| !taken.contains(name)).unwrap_or_else(|| wanted.to_owned())
}

fn taught(made: ModelSpec, base: String, label: String, report: TeachReport) -> Taught {
    let alike = |counts: Vec<Count>| {
        counts.into_iter().map(|Count { text, clips }| Alike { text, clips }).collect()
    };
    Taught {
        model: made.name,
        version: made.version,
        base,
        label,
        clips: report.clips,
        recognized: report.recognized,
        read_as: alike(report.read_as),
        others: report.others,
        mistaken: report.mistaken,
        mistaken_in: alike(report.mistaken_in),
        changed: report.changed,
        seconds: report.seconds,
    }
}

fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let sources = std::iter::successors(Some(error), |error| error.source());
    sources.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn refusal(error: &TeachError) -> NotTaught {
    match error {
        TeachError::Model(_) => NotTaught::NotTeachable(error.to_string()),
        TeachError::Label(_) => NotTaught::Label(error.to_string()),
        TeachError::Name(_) => NotTaught::Name(error.to_string()),
        TeachError::Asked(_) | TeachError::Clips(_) => NotTaught::Clips(told(error)),
        TeachError::Open(_)
        | TeachError::Movements(_)
        | TeachError::Compute(_)
        | TeachError::Write { .. } => NotTaught::Failed(told(error)),
    }
}

fn not_added(error: &ModelError) -> NotTaught {
    match error {
        ModelError::Exists(name) => NotTaught::Exists(name.clone()),
        ModelError::Full => NotTaught::Full(error.to_string()),
        ModelError::Compute(_)
        | ModelError::Features { .. }
        | ModelError::State { .. }
        | ModelError::Read { .. }
        | ModelError::Write { .. }
        | ModelError::Json(_)
        | ModelError::Mismatch(_) => NotTaught::Failed(told(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::free;

    #[test]
    fn a_free_name_is_found() {
        let taken = ["a", "a-2", "b"].map(str::to_owned);
        assert_eq!(free("c", &taken), "c");
        assert_eq!(free("b", &taken), "b-2");
        assert_eq!(free("a", &taken), "a-3");
    }
}
