//! `signcall synthesize`: synthetic signing as a `.pose` file, for trying things out without a camera.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clips::pose::{self, Clip, Version};
use recognizer::synthetic;

/// What synthetic frames are shown at, frames a second.
const FPS: f32 = 15.0;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What is signed, word by word; a wrong one lists those that are known
    #[arg(required = true, value_name = "WORD")]
    words: Vec<String>,
    /// The file to write
    #[arg(long, value_name = "FILE.pose")]
    out: PathBuf,
    /// Of the small differences between one signing and the next
    #[arg(long, default_value_t = 7)]
    seed: u64,
}

impl Args {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        let frames = synthetic::sentence(&words, self.seed)?;
        let (width, height) =
            frames.first().map_or((1.0, 1.0), |frame| (frame.width, frame.height));
        let (width, height) = (width as u16, height as u16);
        let (count, shown) = (frames.len(), self.out.display().to_string());
        let clip = Clip { width, height, fps: FPS, frames };
        std::fs::write(&self.out, pose::write(&clip, Version::V0_2))
            .with_context(|| format!("cannot write {shown}"))?;
        println!("{shown}: {count} frames, synthetic (average movements, no person)");
        Ok(ExitCode::SUCCESS)
    }
}
