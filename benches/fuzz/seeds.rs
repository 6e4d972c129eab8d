//! Inputs to begin with: real ones where they are, and made-up ones of every form.

use anyhow::Context as _;
use clips::live_wire::{Confidence, Format, Number, Space};
use clips::pose::{self, Version};
use clips::{Frame, Image, live_wire};
use events::{Block, Head, LogId};
use recognizer::model::{Architecture, Input, landmarks, pixels};
use recognizer::synthetic;
use serde_json::json;

use super::targets::Target;
use crate::clipset::{self, Clipset};

/// Real inputs of each kind.
const REAL: usize = 24;
/// What people type, or paste.
const TEXTS: [&str; 10] = [
    "Maria",
    "Ma\u{df}e \u{130}\u{131}",
    "\u{212b}ngstro\u{308}m",
    "\u{645}\u{6cc}\u{200c}\u{62e}\u{648}\u{627}\u{647}\u{645}",
    "a\u{202e}b\u{200b}\u{fe0f}",
    "maria@example.org",
    "\u{e9}t\u{e9}@b\u{fc}cher.example",
    "\u{1f44d}\u{1f3fd}\r\n\u{85}\t",
    "\"quoted\" AND words* OR -minus ^2",
    "\u{ff21}\u{fb01}\u{3a3}\u{3c2}",
];

/// What the search for a target begins with: made-up inputs, those kept of earlier searches, and real
/// ones where they are.
pub fn of(target: Target) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut all = made(target)?;
    all.extend(kept(target)?);
    match target {
        Target::Pose => {
            let clips = Clipset::read().map(|clips| clips.words).unwrap_or_default();
            let real = clips.into_iter().take(REAL);
            all.extend(real.flat_map(|clip| made_poses(&clip.frames)));
        }
        Target::Jpeg => {
            let photographs = clipset::photographs().unwrap_or_default();
            all.extend(photographs.into_iter().take(REAL));
        }
        Target::Live | Target::Model | Target::Block | Target::Text => {}
    }
    Ok(all)
}

/// Inputs made up, of every form. What a search finds from these alone may be kept: nothing of a
/// real clip is in it.
pub fn made(target: Target) -> anyhow::Result<Vec<Vec<u8>>> {
    let frames = synthetic::sentence(&["hello"], 1)?;
    Ok(match target {
        Target::Pose => made_poses(&frames),
        Target::Live => live(&frames)?,
        Target::Jpeg => jpegs()?,
        Target::Model => models()?,
        Target::Block => blocks()?,
        Target::Text => TEXTS.iter().map(|text| text.as_bytes().to_vec()).collect(),
    })
}

/// The fewest inputs that reach what searches reached, from `fuzz/corpus/`: a line each, in hexadecimal.
/// `cargo xtask fuzz --coverage --keep` writes them.
pub fn kept(target: Target) -> anyhow::Result<Vec<Vec<u8>>> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let file = folder.join(target.name());
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read {}", file.display()))?;
    text.lines().map(|line| hex::decode(line).context("a line is not hexadecimal")).collect()
}

/// Every event ever shipped, alone in a commit, and all of them in one block.
fn blocks() -> anyhow::Result<Vec<Vec<u8>>> {
    let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/events/golden");
    let mut lines = Vec::new();
    for folder in std::fs::read_dir(&golden)? {
        for file in std::fs::read_dir(folder?.path())? {
            let event: serde_json::Value = serde_json::from_slice(&std::fs::read(file?.path())?)?;
            let number = lines.len() as u128;
            let line = json!({
                "id": uuid::Uuid::from_u128(number), "time": "2026-01-01T00:00:00.000000Z",
                "actor": "anonymous", "subject": "user.1", "correlationid": "one", "events": [event],
            });
            lines.push(line.to_string());
        }
    }
    lines.sort();
    let head = Head::empty(LogId::from_uuid(uuid::Uuid::nil()));
    let mut all = vec![Block::build(&head, &lines).bytes, Block::build(&head, &lines[..2]).bytes];
    all.extend(lines.into_iter().map(String::into_bytes));
    Ok(all)
}

fn made_poses(frames: &[Frame]) -> Vec<Vec<u8>> {
    let clip = pose::Clip { width: 640, height: 480, fps: 15.0, frames: frames.to_vec() };
    [Version::V0_0, Version::V0_1, Version::V0_2]
        .map(|version| pose::write(&clip, version))
        .to_vec()
}

fn live(frames: &[Frame]) -> anyhow::Result<Vec<Vec<u8>>> {
    let frames = &frames[..8.min(frames.len())];
    let mut all = vec![live_wire::encode(frames, 7), live_wire::encode(&[], 0)];
    let unit = Format { number: Number::U16, space: Space::Unit, depth: false, ..Format::LOSSLESS };
    let bare = Format { confidence: Confidence::None, mirrored: true, ..Format::COMPACT };
    for format in [Format::LOSSLESS, Format::COMPACT, unit, bare] {
        all.push(live_wire::encode_as(frames, 3, format));
    }
    let image = |(index, jpeg): (usize, Vec<u8>)| {
        Image::new(index as u64 * 66_667, false, &jpeg).map_err(|fault| anyhow::anyhow!("{fault}"))
    };
    let images = jpegs()?.into_iter().take(3).enumerate().map(image);
    all.push(live_wire::encode_images(&images.collect::<anyhow::Result<Vec<_>>>()?, 0));
    Ok(all)
}

fn jpegs() -> anyhow::Result<Vec<Vec<u8>>> {
    let mut all = Vec::new();
    for (wide, high) in [(100, 100), (1, 1), (33, 7), (64, 48)] {
        let pixel = |x: u32, y: u32| image::Rgb([(x * 7) as u8, (y * 5) as u8, (x ^ y) as u8]);
        let mut jpeg = Vec::new();
        let encoder = image::codecs::jpeg::JpegEncoder::new(&mut jpeg);
        image::RgbImage::from_fn(wide, high, pixel).write_with_encoder(encoder)?;
        all.push(jpeg);
    }
    Ok(all)
}

/// Small models of both kinds: length of the description, description, weights.
fn models() -> anyhow::Result<Vec<Vec<u8>>> {
    let small = landmarks::Architecture {
        hand: 2,
        body: 2,
        width: 4,
        expand: 1,
        kernel: 2,
        dilations: vec![1, 2],
    };
    let sees = pixels::Architecture {
        channels: vec![2, 2, 2, 2],
        width: 4,
        expand: 1,
        kernel: 2,
        dilations: vec![1],
    };
    let all = [Architecture::Landmarks(small), Architecture::Pixels(sees)];
    all.into_iter().map(|architecture| model(&architecture)).collect()
}

fn model(architecture: &Architecture) -> anyhow::Result<Vec<u8>> {
    let features = match architecture.input() {
        Input::Landmarks => Input::Landmarks.frame_len(),
        Input::Images => 0,
    };
    let description = json!({
        "name": "small", "version": "1", "architecture": architecture,
        "input": architecture.input(),
        "vocabulary": [{"text": "coffee", "kind": "word"}, {"text": "b", "kind": "letter"}],
        "hop_frames": 2, "temperature": 1.0, "data_hash": "",
        "emission": recognizer::decode::EmissionSettings::default(),
        "normalization": {"mean": vec![0.0; features], "scale": vec![1.0; features]},
    })
    .to_string();
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    for (index, (name, shape, _)) in architecture.weights(3).into_iter().enumerate() {
        let begin = data.len();
        let count: usize = shape.iter().product();
        let number = |k: usize| ((k * 7 + index) % 11) as f32 * 0.05 - 0.25;
        data.extend((0..count).flat_map(|k| number(k).to_le_bytes()));
        let entry = json!({ "dtype": "F32", "shape": shape, "data_offsets": [begin, data.len()] });
        header.insert(name, entry);
    }
    let header = serde_json::Value::Object(header).to_string();
    let mut bytes = (description.len() as u32).to_le_bytes().to_vec();
    bytes.extend(description.as_bytes());
    bytes.extend((header.len() as u64).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    Ok(bytes)
}
