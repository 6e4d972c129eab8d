//! `signcall bench`: how fast a model is on a device, beside what the device could do at best, and
//! whether it says there what it says on the CPU.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use recognizer::cuda::{Agreement, Place, Precision, Settings, agreement, steps};
use recognizer::model::{files, parse};
use serde_json::{Map, Value, json};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A built-in model, or a model's folder
    #[arg(long, default_value = "asl-basic", value_name = "NAME|DIR")]
    model: String,
    /// What it is computed on: cuda:N, or cpu, where Candle computes
    #[arg(long, default_value_t = Place::Cuda(0), value_name = "DEVICE")]
    device: Place,
    /// The numbers inside the net: bf16 or f32
    #[arg(long, default_value = "bf16")]
    precision: Precision,
    /// Streams in a step, one size after the other
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64, 256, 1024, 4096], value_name = "N")]
    batch: Vec<usize>,
    /// Print one JSON object as the last line
    #[arg(long)]
    json: bool,
}

/// Description and weights of a built-in model, or of the one in a folder.
fn read(name: &str) -> Result<[Vec<u8>; 2]> {
    if let Some(files) = files(name) {
        return Ok(files.map(<[u8]>::to_vec));
    }
    let folder = Path::new(name);
    if !folder.is_dir() {
        bail!("there is no model {name:?}: neither built in nor a folder");
    }
    let read = |file: &str| {
        let path = folder.join(file);
        std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    Ok([read("model.json")?, read("weights.safetensors")?])
}

impl Args {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let [spec, weights] = read(&self.model)?;
        let (spec, weights) = parse(&spec, &weights)?;
        let settings = Settings { precision: self.precision, ..Settings::of(self.device) };
        let agreement = agreement(&spec, &weights, self.device)?;
        let verdict = if agreement.holds() { "equal" } else { "NOT EQUAL" };
        let Agreement { f32_off, bf16_off } = agreement;
        println!(
            "{} on {}: {verdict} to the CPU (f32 to {f32_off:.1e}, bf16 to {bf16_off:.1e})",
            spec.name, self.device
        );
        let (ceiling, figures) = steps(&spec, &weights, &settings, &self.batch)?;
        println!(
            "at best {:.1} TFLOP/s and {:.0} GB/s; {} frames a hop, {:?}",
            ceiling.flop_per_s / 1e12,
            ceiling.bytes_per_s / 1e9,
            spec.hop_frames,
            self.precision
        );
        println!(
            "{:>8}{:>14}{:>12}{:>12}{:>12}",
            "streams", "frames/s", "step ms", "eager ms", "of best"
        );
        let mut told = Map::new();
        for row in figures {
            println!(
                "{:>8}{:>14.0}{:>12.3}{:>12.3}{:>11.1} %",
                row.batch,
                row.frames_per_s,
                row.step_ms,
                row.eager_step_ms,
                100.0 * row.roofline_share
            );
            told.insert(row.batch.to_string(), serde_json::to_value(&row)?);
        }
        if self.json {
            let all: Value = json!({
                "model": spec.name, "device": self.device, "precision": self.precision,
                "agreement": agreement, "ceiling": ceiling, "gpu": told,
            });
            println!("{all}");
        }
        Ok(if agreement.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
