//! `signcall model calibrate`: what a model's confidence is worth on people it never saw.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use recognizer::cuda::Place;
use recognizer::evaluate::EvaluateOptions;
use recognizer::evaluate::calibrate::{Calibrated, by_clips, by_others};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The model's folder; its model.json is changed
    #[arg(value_name = "DIR")]
    model: PathBuf,
    /// Folders of clips, each with a clips.csv
    #[arg(long, required_unless_present = "cross", num_args = 1.., value_name = "DIR")]
    clips: Vec<PathBuf>,
    /// Signers whom the model never saw; everybody in the clips, if left out
    #[arg(long, num_args = 1.., value_name = "SIGNER")]
    signer: Vec<String>,
    /// Leave out clips with this flag
    #[arg(long, value_name = "FLAG")]
    skip_flag: Vec<String>,
    /// Instead of clips: folders of trainings without one signer (`signcall train --hold-out`)
    #[arg(long, num_args = 1.., value_name = "DIR", conflicts_with_all = ["clips", "signer", "skip_flag"])]
    cross: Vec<PathBuf>,
}

impl Args {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let calibrated = if self.cross.is_empty() {
            by_clips(&EvaluateOptions {
                model: self.model.display().to_string(),
                device: Place::Cpu,
                clips: self.clips,
                sentences: None,
                signers: self.signer,
                skip_flags: self.skip_flag,
                real_pace: false,
                threads: std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
            })?
        } else {
            by_others(&self.model, &self.cross)?
        };
        let Calibrated { calibration, tokens, before, after } = calibrated;
        println!("{tokens} signs and letters were told");
        let (slope, bias) = (calibration.slope, calibration.bias);
        println!("log-odds of confidence, times {slope:.2}, {bias:+.2}");
        let (before, after) = (100.0 * before, 100.0 * after);
        println!("confidence was off by {before:.1} %, it is now off by {after:.1} %");
        Ok(ExitCode::SUCCESS)
    }
}
