//! `signcall train`: a user's own vocabulary, learned from a folder of clips.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use recognizer::train::{Progress, TrainOptions, run};

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
    /// Of every random choice: the same seed gives the same weights
    #[arg(long)]
    seed: Option<u64>,
    /// Updates of the weights
    #[arg(long)]
    steps: Option<usize>,
    /// Go on from the last checkpoint
    #[arg(long)]
    resume: bool,
}

impl Args {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let mut options = TrainOptions::new(self.clips, self.out);
        options.name = self.name.unwrap_or_default();
        options.hold_out = self.hold_out.into_iter().collect();
        options.skip_flags = self.skip_flag.into_iter().collect();
        options.skip_labels = self.skip_label.into_iter().collect();
        options.seed = self.seed.unwrap_or(options.seed);
        options.steps = self.steps.unwrap_or(options.steps);
        options.resume = self.resume;
        options.command = std::env::args().collect::<Vec<_>>().join(" ");
        let report = run(&options, &mut Bar(ProgressBar::no_length()))?;
        println!(
            "trained on {} clips: {} weights in {:.0} s",
            report.clips, report.parameters, report.seconds
        );
        let share = 100.0 * report.validation_top1;
        println!("right on {share:.1} % of {} clips it did not see", report.validation_clips);
        let held_out: usize = report.held_out.iter().map(|(_, clips, _)| clips).sum();
        if report.held_out.len() > 1 {
            let right: f32 = report.held_out.iter().map(|(_, n, top1)| *n as f32 * top1).sum();
            let share = 100.0 * right / held_out.max(1) as f32;
            println!("right on {share:.1} % of the {held_out} clips of all who were left out");
        }
        for (signer, clips, top1) in &report.held_out {
            println!(
                "right on {:.1} % of the {clips} clips of {signer}, who was left out",
                100.0 * top1
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
