//! `signcall model`: the models that a server has, those that are brought to it, and one more sign
//! for one of them.

mod calibrate;
mod teach;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Subcommand;
use recognizer::model::library::trial;
use recognizer::model::{BUILT_IN, Input, Kind, Label, Library, ModelSpec};

use crate::config::MODELS_FOLDER;

#[derive(Debug, Subcommand)]
pub(crate) enum Args {
    /// List the models that are there, and what each can say
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Show all about one model
    Show {
        /// Its name, or its folder
        model: String,
        #[command(flatten)]
        place: Place,
    },
    /// Say whether a model could serve, and if not, why
    Check {
        /// Its name, or its folder
        model: String,
        #[command(flatten)]
        place: Place,
    },
    /// Check a model and copy it into the data folder; a running server serves it a moment later
    Install {
        /// Its folder, as `signcall train` leaves it
        folder: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Show the model for streams that name none, or choose it; a running server changes to it
    /// without losing a stream
    Default {
        /// The name of a model that is there
        model: Option<String>,
        #[command(flatten)]
        place: Place,
    },
    /// Correct a model's confidence by clips of people it never saw
    Calibrate(calibrate::Args),
    /// Add a sign to a model from a handful of clips, in seconds
    Teach(teach::Args),
}

/// Where the models of a server are.
#[derive(Debug, clap::Args)]
pub(crate) struct Place {
    /// The folder that holds everything of one server
    #[arg(long, value_name = "DIR", default_value = "signcall-data")]
    data: PathBuf,
}

impl Place {
    pub(super) fn library(&self) -> Library {
        Library::new(self.data.join(MODELS_FOLDER))
    }
}

impl Args {
    pub(crate) fn run(self) -> Result<ExitCode> {
        match self {
            Self::List { place } => Ok(list(&place.library())),
            Self::Show { model, place } => show(&place.library(), &model),
            Self::Check { model, place } => check(&place.library(), &model),
            Self::Install { folder, place } => install(&place.library(), &folder),
            Self::Default { model, place } => default(&place.library(), model.as_deref()),
            Self::Calibrate(args) => args.run(),
            Self::Teach(args) => args.run(),
        }
    }
}

fn texts(spec: &ModelSpec, kind: Kind) -> String {
    let texts = spec.vocabulary.iter().filter(|label| label.kind == kind);
    texts.map(|Label { text, .. }| text.as_str()).collect::<Vec<_>>().join(" ")
}

fn list(library: &Library) -> ExitCode {
    let chosen = library.default();
    let mut all_well = true;
    for name in library.names() {
        let known = match library.look(&name) {
            Ok(known) => known,
            Err(error) => {
                let error = anyhow::Error::from(error);
                println!("{name} can't be used: {error:#}");
                all_well = false;
                continue;
            }
        };
        let spec = &known.spec;
        let built_in = if known.built_in { ", built in" } else { "" };
        let default = if chosen.as_deref() == Some(name.as_str()) { ", the default" } else { "" };
        println!("{name} {}{built_in}{default}", spec.version);
        for (what, kind) in [("words", Kind::Word), ("letters", Kind::Letter)] {
            let texts = texts(spec, kind);
            if !texts.is_empty() {
                println!("  {what}: {texts}");
            }
        }
    }
    if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn show(library: &Library, model: &str) -> Result<ExitCode> {
    let known = library.look(model)?;
    let spec = &known.spec;
    println!("{} {}", spec.name, spec.version);
    let line = |what: &str, value: String| println!("  {what:<22}{value}");
    line("digest", hex::encode(known.digest));
    line("training data", spec.data_hash.clone());
    let input = match spec.input {
        Input::Landmarks => "landmarks of hands and body",
        Input::Images => "pictures",
    };
    line("looks at", input.to_owned());
    line("language", spec.language.clone().unwrap_or_else(|| "any".to_owned()));
    line("frames a step", spec.hop_frames.to_string());
    let multiplications = spec.architecture.multiplications(spec.classes());
    line("work a frame", format!("{:.2} million multiplications", multiplications as f64 / 1e6));
    let state = spec.architecture.shape().state_len() * 4 / 1024;
    line("memory a stream", format!("{state} KiB"));
    line("words", texts(spec, Kind::Word));
    line("letters", texts(spec, Kind::Letter));
    for (what, rule) in [("a word", &spec.emission.word), ("a letter", &spec.emission.letter)] {
        let (evidence, ms, sure) = (rule.evidence, rule.min_ms, rule.min_confidence);
        let rule = format!("{evidence} nats of evidence, {ms} ms, probability {sure}");
        line(&format!("{what} takes"), rule);
    }
    for (label, extra) in &spec.emission.extra_evidence {
        line(&format!("{label} takes"), format!("{extra:+} nats of evidence"));
    }
    let told = match spec.emission.calibration {
        none if none.is_none() => "not calibrated".to_owned(),
        line => format!("log-odds times {:.2}, {:+.2}", line.slope, line.bias),
    };
    line("confidence", told);
    let card = library.place(model).join("MODEL_CARD.md");
    if !BUILT_IN.contains(&model) && card.is_file() {
        line("card", card.display().to_string());
    }
    Ok(ExitCode::SUCCESS)
}

fn check(library: &Library, model: &str) -> Result<ExitCode> {
    let mut opened = library.open(model)?;
    trial(opened.model.as_mut())?;
    let spec = opened.model.spec();
    println!("{} {} can serve: {} labels", spec.name, spec.version, spec.vocabulary.len());
    Ok(ExitCode::SUCCESS)
}

fn install(library: &Library, folder: &Path) -> Result<ExitCode> {
    let spec = library.install(folder);
    let spec = spec.with_context(|| format!("{} is not installed", folder.display()))?;
    println!(
        "installed {} {}; `signcall model default {0}` makes it the default",
        spec.name, spec.version
    );
    Ok(ExitCode::SUCCESS)
}

fn default(library: &Library, model: Option<&str>) -> Result<ExitCode> {
    match model {
        Some(name) => {
            let known = library.set_default(name)?;
            println!("{} {} is the default", known.spec.name, known.spec.version);
        }
        None => match library.default() {
            Some(name) => println!("{name}"),
            None => println!("none chosen: the server's --model, or {}", BUILT_IN[0]),
        },
    }
    Ok(ExitCode::SUCCESS)
}
