//! `signcall evaluate`: what a model reaches on clips, measured through the serving path.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use recognizer::cuda::Place;
use recognizer::evaluate::{EvaluateOptions, Evaluation, Percentiles, run};

use crate::client::Pace;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A built-in model, or a model's folder
    #[arg(long, value_name = "NAME|DIR")]
    model: String,
    /// What it is computed on: cpu, or cuda:N
    #[arg(long, default_value_t = Place::Cpu, value_name = "DEVICE")]
    device: Place,
    /// Folders of clips, each with a clips.csv
    #[arg(long, required = true, num_args = 1.., value_name = "DIR")]
    clips: Vec<PathBuf>,
    /// Sentences of clips played one after the other: a CSV of sentence_id,position,path
    #[arg(long, value_name = "FILE")]
    sentences: Option<PathBuf>,
    /// Only the clips of this signer, or of these
    #[arg(long, num_args = 1.., value_name = "SIGNER")]
    signer: Vec<String>,
    /// Leave out clips with this flag
    #[arg(long, value_name = "FLAG")]
    skip_flag: Vec<String>,
    /// `real` also plays up to a minute at real pace, for the latency
    #[arg(long, value_enum, default_value_t = Pace::Fast)]
    pace: Pace,
    /// Clips played at once
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let threads = self.threads.or_else(|| std::thread::available_parallelism().ok());
        let measured = run(&EvaluateOptions {
            model: self.model,
            device: self.device,
            clips: self.clips,
            sentences: self.sentences,
            signers: self.signer,
            skip_flags: self.skip_flag,
            real_pace: self.pace == Pace::Real,
            threads: threads.map_or(1, NonZeroUsize::get),
        })?;
        if self.json {
            println!("{}", serde_json::to_string(&measured).context("cannot print the measures")?);
        } else {
            print(&measured);
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn print(measured: &Evaluation) {
    println!("{}: {} clips", measured.model, measured.clips);
    if measured.unknown_label > 0 {
        println!(
            "  left out: {} clips whose label the model does not have",
            measured.unknown_label
        );
    }
    let percent = |what: &str, value: Option<f64>| {
        if let Some(value) = value {
            println!("  {what:<34}{:>6.1} %", 100.0 * value);
        }
    };
    percent("best of all labels right", measured.forced_top1);
    percent("among the best five", measured.forced_top5);
    percent("streamed text exactly the label", measured.stream_exact);
    percent("letters wrong (CER)", measured.cer);
    percent("confidence off by (ECE)", measured.ece);
    percent("words wrong in sentences (WER)", measured.wer);
    let edits = (measured.substitutions, measured.deletions, measured.insertions);
    if let (Some(sub), Some(del), Some(ins)) = edits {
        println!("  {:<34}{sub} substituted, {del} left out, {ins} inserted", "of them");
    }
    if let Some(rate) = measured.false_emissions_per_min {
        println!("  {:<34}{rate:>6.2} a minute", "said where nothing is signed");
    }
    println!("  {:<34}{:>6}", "streamed differs from offline", measured.streamed_differs);
    println!(
        "  {:<34}{:>6.0} frames/s, {:.4} of real time",
        "speed", measured.frames_per_s, measured.rtf
    );
    if let Some(Percentiles { p50, p95, p99 }) = measured.latency_ms {
        println!("  {:<34}{p50:.0} / {p95:.0} / {p99:.0} ms (p50 / p95 / p99)", "latency");
    }
    for (signer, of) in &measured.per_signer {
        println!("  signer {signer}: {} clips", of.clips);
        percent("  best of all labels right", of.forced_top1);
        percent("  streamed text exactly the label", of.stream_exact);
    }
    println!("  {:<18}{:>6}{:>10}{:>10}", "label", "clips", "top-1", "streamed");
    for (label, of) in &measured.per_class {
        let label = if label.is_empty() { "(no sign)" } else { label };
        let (top1, recall) = (100.0 * of.forced_top1, 100.0 * of.recall);
        println!("  {label:<18}{:>6}{top1:>8.1} %{recall:>8.1} %", of.n);
    }
}
