//! `signcall train`: a user's own vocabulary, learned from a folder of clips.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use recognizer::train::{Figures, Loss, Progress, TrainOptions, Variety, run};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folders of clips, each with a clips.csv (path,label,signer,frames,flag)
    #[arg(long, required = true, num_args = 1.., value_name = "DIR")]
    clips: Vec<PathBuf>,
    /// Where the model is written
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The model's name [default: the name of the folder it is written to]
    #[arg(long)]
    name: Option<String>,
    /// Keep these signers out of training and report on them
    #[arg(long, num_args = 1.., value_name = "SIGNER")]
    hold_out: Vec<String>,
    /// Leave out clips with this flag
    #[arg(long, value_name = "FLAG")]
    skip_flag: Vec<String>,
    /// Leave out clips with this label
    #[arg(long, value_name = "LABEL")]
    skip_label: Vec<String>,
    /// What a spliced sequence is compared with: the classes of each frame, or the order of the
    /// signs alone
    #[arg(long, value_enum, default_value_t = LossName::Framewise)]
    loss: LossName,
    /// How often hands that only move about take a clip's place and are to be said nothing of
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    wander: f32,
    /// How often a sequence has fewer frames a second, at uneven times
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    slow: f32,
    /// Train so many nets first, with the seeds that follow, and learn from their mean opinion too:
    /// people the model never saw depend less on one seed's luck, and training takes longer
    #[arg(long, value_name = "N", default_value_t = 0)]
    teachers: usize,
    /// Of every random choice: the same seed gives the same weights
    #[arg(long)]
    seed: Option<u64>,
    /// Updates of the weights
    #[arg(long)]
    steps: Option<usize>,
    /// Folders of trainings without one signer, whose figures the model's card tells
    #[arg(long, num_args = 1.., value_name = "DIR")]
    cross: Vec<PathBuf>,
    /// Go on from the last checkpoint
    #[arg(long)]
    resume: bool,
}

/// A number from 0 to 1.
fn share(text: &str) -> Result<f32, String> {
    let problem = || format!("{text:?} is no number from 0 to 1");
    let share: f32 = text.parse().map_err(|_| problem())?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err(problem()) }
}

/// The losses there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum LossName {
    Framewise,
    Ctc,
}

impl Args {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let mut options = TrainOptions::new(self.clips, self.out);
        options.name = self.name.unwrap_or_default();
        options.hold_out = self.hold_out.into_iter().collect();
        options.skip_flags = self.skip_flag.into_iter().collect();
        options.skip_labels = self.skip_label.into_iter().collect();
        options.loss = match self.loss {
            LossName::Framewise => Loss::Framewise,
            LossName::Ctc => Loss::Ctc,
        };
        options.variety = Variety { wander: self.wander, slow: self.slow };
        options.teachers = self.teachers;
        options.seed = self.seed.unwrap_or(options.seed);
        options.steps = self.steps.unwrap_or(options.steps);
        options.cross = self.cross;
        options.resume = self.resume;
        options.command = std::env::args().collect::<Vec<_>>().join(" ");
        let report = run(&options, &mut Bar(ProgressBar::no_length()))?;
        println!(
            "trained on {} clips: {} weights in {:.0} s",
            report.clips, report.parameters, report.seconds
        );
        let share = 100.0 * report.validation_top1;
        println!("right on {share:.1} % of {} clips it did not see", report.validation_clips);
        for Figures { signer, clips, measured } in &report.held_out {
            let top1 = 100.0 * measured.forced_top1.unwrap_or_default();
            let exact = 100.0 * measured.stream_exact.unwrap_or_default();
            println!(
                "{signer}, who was left out, {clips}: best label right on {top1:.1} % of {} clips, \
                 streamed text on {exact:.1} %",
                measured.clips - measured.unknown_label
            );
        }
        println!("written to {}", options.out.display());
        Ok(ExitCode::SUCCESS)
    }
}

/// Progress on standard error.
pub(super) struct Bar(pub(super) ProgressBar);

impl Progress for Bar {
    fn begin(&mut self, phase: &str, steps: usize) {
        let template = "{prefix}: {bar:40} {pos}/{len}, {per_sec}, {eta} left {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style);
        }
        self.0.reset();
        self.0.set_length(steps as u64);
        self.0.set_prefix(phase.to_owned());
    }

    fn advance(&mut self, note: &str) {
        self.0.set_message(note.to_owned());
        self.0.inc(1);
    }
}
