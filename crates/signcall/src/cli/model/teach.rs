//! `signcall model teach`: one more sign for a model, from a handful of clips.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use recognizer::teach::{Count, Lesson, Sample, run};

use super::Place;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The new sign, as it appears in captions; a single character is a letter
    #[arg(long, value_name = "NAME")]
    label: String,
    /// The model that learns it: a name, or a folder
    #[arg(long, value_name = "NAME|DIR", default_value = "asl-basic")]
    model: String,
    /// The new model's name [default: the old one's, with the sign]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Where the new model is written [default: it is installed into the data folder]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Folders of clips of what the model knows already, each with a clips.csv: the more it sees of
    /// others, the less it takes them for the new sign
    #[arg(long, num_args = 1.., value_name = "DIR")]
    beside: Vec<PathBuf>,
    /// Of every random choice: the same seed gives the same model
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Clips of the new sign (.pose): ten are a good number
    #[arg(required = true, value_name = "CLIP")]
    clips: Vec<PathBuf>,
    #[command(flatten)]
    place: Place,
}

impl Args {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let library = self.place.library();
        let aside = tempfile::tempdir().context("cannot make a temporary folder")?;
        let out = self.out.clone().unwrap_or_else(|| aside.path().to_owned());
        let clips = self.clips.iter().map(|path| Sample::read(path));
        let lesson = Lesson {
            model: self.model,
            label: self.label,
            name: self.name,
            clips: clips.collect::<Result<_, _>>()?,
            beside: self.beside,
            seed: self.seed,
        };
        let options = lesson.options(&library, out)?;
        let report = run(&options)?;
        let label = &options.label;
        println!("{label}: learned from {} clips in {:.1} s", report.clips, report.seconds);
        let (right, clips) = (report.recognized, report.clips);
        println!("{right} of {clips} clips are read as it by what the others taught");
        for Count { text, clips } in &report.read_as {
            let text = if text.is_empty() { "nothing" } else { text };
            println!("  {clips} as {text}");
        }
        let (mistaken, others) = (report.mistaken, report.others);
        println!("it is said in {mistaken} of {others} clips of other signs");
        for Count { text, clips } in &report.mistaken_in {
            let text = if text.is_empty() { "nothing signed" } else { text };
            println!("  {clips} of {text}");
        }
        println!("{} of those are read otherwise than before", report.changed);
        if let Some(out) = &self.out {
            println!("written to {}", out.display());
        } else {
            library.install(&options.out)?;
            let name = &options.name;
            println!("installed as {name}; `signcall model default {name}` makes it the default");
        }
        Ok(ExitCode::SUCCESS)
    }
}
