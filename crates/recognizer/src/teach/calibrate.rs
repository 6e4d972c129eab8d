//! How much evidence the new label must bring: as much as keeps it from being said where it is not
//! shown, as little as lets it be said where it is, judged by clips that the row has not seen.

use std::collections::BTreeMap;

use super::fit::Row;
use super::view::View;
use super::{Count, Lessons, TeachReport};
use crate::decode::{Caption, CaptionKind, Decoder};
use crate::model::{Kind, Label, ModelError, ModelSpec};
use clips::landmarks::Frame;

/// What is tried, nats beyond the evidence of the label's kind.
const TRIED: [f32; 9] = [-4.0, -2.0, 0.0, 2.0, 4.0, 6.0, 9.0, 12.0, 16.0];
/// A sign said where it is not counts as so many that are not said.
const FALSE_COST: usize = 2;
/// Frames with the hands down that follow each clip, so that it ends.
const REST: u64 = 20;

/// Chooses the evidence, notes it in `taught`, and says what came of it.
pub(super) fn judge(
    before: &ModelSpec,
    taught: &mut ModelSpec,
    view: &mut View,
    folds: &[Row],
    whole: &Row,
    lessons: &Lessons,
) -> Result<TeachReport, ModelError> {
    let Some(label) = taught.vocabulary.last().cloned() else {
        return Err(ModelError::Mismatch("it has no labels".to_owned()));
    };
    let mut watch = |frames: &[Frame]| view.watch(&rested(frames));
    let own: Vec<_> =
        lessons.taught.iter().map(|clip| watch(&clip.frames)).collect::<Result<_, _>>()?;
    let others: Vec<_> =
        lessons.judges.iter().map(|clip| watch(&clip.frames)).collect::<Result<_, _>>()?;
    let said = |frames: &[Watched], row: Option<&Row>| -> Vec<(u64, bool, Vec<f32>)> {
        frames.iter().map(|(time, on, numbers)| (*time, *on, view.said(numbers, row))).collect()
    };
    let own = own.iter().enumerate().map(|(i, frames)| said(frames, folds.get(i % folds.len())));
    let own: Vec<_> = own.collect();
    let plain: Vec<Vec<Caption>> = others.iter().map(|f| read(before, &said(f, None))).collect();
    let others: Vec<_> = others.iter().map(|frames| said(frames, Some(whole))).collect();
    let mut measure = |extra: f32| {
        taught.emission.extra_evidence.insert(label.text.clone(), extra);
        let own: Vec<_> = own.iter().map(|frames| read(taught, frames)).collect();
        let others: Vec<_> = others.iter().map(|frames| read(taught, frames)).collect();
        Measured { own, others }
    };
    let cost = |measured: &Measured| {
        let missed = measured.own.iter().filter(|read| !is(read, &label)).count();
        missed + FALSE_COST * measured.others.iter().filter(|read| says(read, &label)).count()
    };
    let all: Vec<(f32, Measured)> =
        TRIED.into_iter().map(|extra| (extra, measure(extra))).collect();
    let least = all.iter().map(|(_, measured)| cost(measured)).min().unwrap_or(0);
    // Of those that are equally good, the middle one: it is the furthest from either fault.
    let best: Vec<_> = all.iter().filter(|(_, measured)| cost(measured) == least).collect();
    let (extra_evidence, measured) = best[best.len() / 2];
    taught.emission.extra_evidence.insert(label.text.clone(), *extra_evidence);
    let missed = measured.own.iter().filter(|read| !is(read, &label));
    let read_as = counted(missed.map(|read| text(read)));
    let mistaken = lessons.judges.iter().zip(&measured.others);
    let mistaken = mistaken.filter(|(_, read)| says(read, &label)).map(|(clip, _)| clip);
    let mistaken_in = counted(mistaken.map(|clip| clip.label.clone()));
    let changed = measured.others.iter().zip(&plain).filter(|(a, b)| text(a) != text(b)).count();
    Ok(TeachReport {
        clips: measured.own.len(),
        recognized: measured.own.len() - total(&read_as),
        read_as,
        others: measured.others.len(),
        mistaken: total(&mistaken_in),
        mistaken_in,
        changed,
        extra_evidence: *extra_evidence,
        seconds: 0.0,
    })
}

type Watched = (u64, bool, Vec<f32>);

/// What is read of each clip.
struct Measured {
    own: Vec<Vec<Caption>>,
    others: Vec<Vec<Caption>>,
}

/// Whether this is read, and nothing else.
fn is(read: &[Caption], label: &Label) -> bool {
    matches!(read, [one] if one.text == label.text)
}

/// Whether this is read somewhere; a letter, also within a spelled word.
fn says(read: &[Caption], label: &Label) -> bool {
    read.iter().any(|caption| match label.kind {
        Kind::Word => caption.text == label.text,
        Kind::Letter => {
            caption.kind == CaptionKind::Fingerspelling && caption.text.contains(&label.text)
        }
    })
}

fn text(read: &[Caption]) -> String {
    read.iter().map(|caption| caption.text.as_str()).collect::<Vec<_>>().join(" ")
}

/// How often each text is there, the commonest first.
fn counted(texts: impl Iterator<Item = String>) -> Vec<Count> {
    let mut counts = BTreeMap::<String, usize>::new();
    for text in texts {
        *counts.entry(text).or_default() += 1;
    }
    let mut all: Vec<Count> =
        counts.into_iter().map(|(text, clips)| Count { text, clips }).collect();
    all.sort_by_key(|count| std::cmp::Reverse(count.clips));
    all
}

fn total(counts: &[Count]) -> usize {
    counts.iter().map(|count| count.clips).sum()
}

/// The final captions from start to end.
fn read(spec: &ModelSpec, frames: &[Watched]) -> Vec<Caption> {
    let (mut decoder, mut out) = (Decoder::new(spec), Vec::new());
    for (time_us, active, log_probs) in frames {
        decoder.push(*time_us, log_probs, *active, &mut out);
    }
    decoder.flush(&mut out);
    out.into_iter().filter(|caption| caption.is_final).collect()
}

/// A clip from time 0, and a moment with the hands down.
fn rested(frames: &[Frame]) -> Vec<Frame> {
    let mut all = frames.to_vec();
    let first = all.first().map_or(0, |frame| frame.time_us);
    for frame in &mut all {
        frame.time_us -= first;
    }
    if let Some(last) = all.last().cloned() {
        let rest = |index| Frame {
            left: None,
            right: None,
            time_us: last.time_us + index * crate::features::TICK_US,
            ..last.clone()
        };
        all.extend((1..=REST).map(rest));
    }
    all
}
