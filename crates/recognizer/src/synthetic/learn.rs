//! Learning the movements: for each label the clip most like all others, averaged with the clips
//! most like it.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use clips::landmarks::Frame;

use super::{BODY_POINTS, KEYS, NUMBERS, POINTS};
use crate::train::TrainError;
use crate::train::augment::{palm, stretch};
use crate::train::data::Clip;

/// Clips that are averaged.
const ALIKE: usize = 6;
/// Clips of a label that are compared.
const COMPARED: usize = 90;
/// A hand filmed alone: its place from the middle of the shoulders and its palm, in shoulder widths.
const ALONE: ([f32; 2], f32) = ([-0.75, 0.35], 0.34);
/// How far away a part counts that only one of two clips shows, shoulder widths.
const ABSENT: f32 = 1.0;

/// Writes the movement of every label of `clips` to a file that `sentence` reads.
pub fn learn(clips: &[Clip], path: &Path) -> Result<usize, TrainError> {
    let mut by_label: BTreeMap<&str, Vec<&Clip>> = BTreeMap::new();
    for clip in clips.iter().filter(|clip| !clip.label.is_empty() && !clip.stills) {
        by_label.entry(&clip.label).or_default().push(clip);
    }
    let mut tensors = HashMap::new();
    let stand = by_label.values().flatten().find_map(|clip| body(clip));
    for (label, clips) in &by_label {
        let bodied = clips.iter().any(|clip| clip.has_body());
        let fit = clips.iter().filter(|clip| clip.has_body() == bodied);
        let fit: Vec<&&Clip> = fit.collect();
        let step = fit.len().div_ceil(COMPARED);
        let keys: Vec<Vec<f32>> =
            fit.iter().step_by(step).map(|clip| keys(clip, stand.as_deref())).collect();
        let movement = Tensor::from_vec(average(&keys), (KEYS, NUMBERS), &Device::Cpu);
        tensors.insert((*label).to_owned(), movement?.to_dtype(DType::F16)?);
    }
    candle_core::safetensors::save(&tensors, path)?;
    Ok(tensors.len())
}

/// A standing body, for hands filmed alone: the first one found.
fn body(clip: &Clip) -> Option<Vec<f32>> {
    let frame = clip.frames.iter().find(|frame| frame.body.is_some())?;
    let key = key(frame, None);
    Some(key[3 * 42..3 * POINTS].to_vec())
}

/// A clip at the key times, in shoulder widths from the middle of the shoulders.
fn keys(clip: &Clip, stand: Option<&[f32]>) -> Vec<f32> {
    let last = clip.frames.len() as f32 - 1.0;
    let frames = stretch(&clip.frames, 0.0, last, last / (KEYS - 1) as f32);
    let first = frames.iter().find_map(|frame| frame.right.or(frame.left));
    let origin = first.map(|hand| (hand[0].x, hand[0].y, palm(&hand).max(1.0)));
    let mut keys: Vec<f32> = frames
        .iter()
        .flat_map(|frame| {
            let mut key = key(frame, origin);
            if let Some(stand) = stand.filter(|_| frame.body.is_none()) {
                key[3 * 42..3 * POINTS].copy_from_slice(stand);
                key[NUMBERS - 1] = 1.0;
            }
            key
        })
        .collect();
    keys.resize(KEYS * NUMBERS, 0.0);
    keys
}

fn key(frame: &Frame, alone: Option<(f32, f32, f32)>) -> Vec<f32> {
    let (x, y, width, place) = match (&frame.body, alone) {
        (Some(body), _) => {
            let (left, right) = (&body[11], &body[12]);
            let width = (left.x - right.x).hypot(left.y - right.y).max(1.0);
            (f32::midpoint(left.x, right.x), f32::midpoint(left.y, right.y), width, [0.0; 2])
        }
        (None, Some((x, y, palm))) => (x, y, palm / ALONE.1, ALONE.0),
        (None, None) => (0.0, 0.0, 1.0, [0.0; 2]),
    };
    let mut key = Vec::with_capacity(NUMBERS);
    let mut put = |x_: f32, y_: f32, z: f32| {
        key.extend([(x_ - x) / width + place[0], (y_ - y) / width + place[1], z / width]);
    };
    for hand in [&frame.left, &frame.right] {
        match hand {
            Some(points) => points.iter().for_each(|p| put(p.x, p.y, p.z)),
            None => (0..21).for_each(|_| put(x, y, 0.0)),
        }
    }
    match &frame.body {
        Some(body) => body[..BODY_POINTS].iter().for_each(|p| put(p.x, p.y, 0.0)),
        None => (0..BODY_POINTS).for_each(|_| put(x, y, 0.0)),
    }
    let there = [frame.left.is_some(), frame.right.is_some(), frame.body.is_some()];
    key.extend(there.map(|there| f32::from(u8::from(there))));
    key
}

/// The mean of the clips most like the one that is most like all.
fn average(clips: &[Vec<f32>]) -> Vec<f32> {
    let distances = |clip: &Vec<f32>| clips.iter().map(|c| distance(clip, c)).collect::<Vec<f32>>();
    let all: Vec<Vec<f32>> = clips.iter().map(distances).collect();
    let sums = all.iter().map(|row| row.iter().sum::<f32>());
    let middle = sums.enumerate().min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(index, _)| index);
    let mut order: Vec<usize> = (0..clips.len()).collect();
    order.sort_by(|&a, &b| all[middle][a].total_cmp(&all[middle][b]));
    order.truncate(ALIKE);
    let mut mean = clips[middle].clone();
    for (frame, key) in mean.chunks_exact_mut(NUMBERS).enumerate() {
        for part in PARTS {
            if key[part.flag] < 0.5 {
                continue;
            }
            let rows = order.iter().map(|&index| &clips[index][frame * NUMBERS..][..NUMBERS]);
            let rows: Vec<&[f32]> = rows.filter(|row| row[part.flag] > 0.5).collect();
            for number in 3 * part.from..3 * part.to {
                key[number] = rows.iter().map(|row| row[number]).sum::<f32>() / rows.len() as f32;
            }
        }
    }
    mean
}

/// Points `from..to` of a key frame, and the number that says whether they are there.
struct Part {
    from: usize,
    to: usize,
    flag: usize,
}

const PARTS: [Part; 3] = [
    Part { from: 0, to: 21, flag: 3 * POINTS },
    Part { from: 21, to: 42, flag: 3 * POINTS + 1 },
    Part { from: 42, to: POINTS, flag: 3 * POINTS + 2 },
];

/// Mean distance of two clips' hands.
fn distance(a: &[f32], b: &[f32]) -> f32 {
    let mut sum = 0.0;
    for (a, b) in a.chunks_exact(NUMBERS).zip(b.chunks_exact(NUMBERS)) {
        for part in &PARTS[..2] {
            sum += match (a[part.flag] > 0.5, b[part.flag] > 0.5) {
                (true, true) => {
                    let range = 3 * part.from..3 * part.to;
                    let pairs = a[range.clone()].iter().zip(&b[range]);
                    pairs.map(|(a, b)| (a - b).abs()).sum::<f32>() / 63.0
                }
                (false, false) => 0.0,
                (true, false) | (false, true) => ABSENT,
            };
        }
    }
    sum
}
