//! The evaluation: every clip through the engine hop by hop, and once more in one piece, to see
//! that both say the same.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::measures::{
    Edits, align, calibration_error, edit_distance, forced_scores, percentiles, reliability, share,
};
use super::{
    ClassMeasures, EvaluateError, EvaluateOptions, Evaluation, Percentiles, Player, SignerMeasures,
    sentences,
};
use crate::decode::Caption;
use crate::engine::{Arrival, Engine, Limits, Output, Pace};
use crate::features::{Sight, TICK_US};
use crate::model::{BUILT_IN, Kind, Label, Model, ModelError, built_in_on, load_on};
use crate::train::data::{Row, STILLS, is_photo, read, read_photo, rows};

/// A photograph is shown this many frames: one second.
const PHOTO_FRAMES: u64 = 15;
/// Media time played at real pace, microseconds.
const REAL_PACE_US: u64 = 60_000_000;
/// How many of the best labels count for `forced_top5`.
const TOP: usize = 5;

/// One clip's outcome.
struct Case {
    label: String,
    signer: String,
    known: bool,
    /// The rank of the label among the forced choices, from 0.
    rank: Option<usize>,
    text: String,
    /// Confidence of each token said, and whether it is the label.
    tokens: Vec<(f32, bool)>,
    finals: usize,
    differs: bool,
    media_us: u64,
    frames: usize,
    compute: Duration,
}

/// Measures `options.model` on `options.clips`.
pub fn run(options: &EvaluateOptions) -> Result<Evaluation, EvaluateError> {
    let mut clips = Vec::new();
    for folder in &options.clips {
        clips.extend(rows(folder)?);
    }
    clips.retain(|row| options.signers.is_empty() || options.signers.contains(&row.signer));
    clips.retain(|row| !options.skip_flags.contains(&row.flag));
    if clips.is_empty() {
        return Err(EvaluateError::NoClips);
    }
    let threads = options.threads.clamp(1, clips.len());
    let parts: Vec<&[Row]> = clips.chunks(clips.len().div_ceil(threads)).collect();
    let outcomes: Vec<Result<Vec<Case>, EvaluateError>> = std::thread::scope(|scope| {
        let play = |part| scope.spawn(move || play_all(options, part));
        let running: Vec<_> = parts.into_iter().map(play).collect();
        running.into_iter().map(|t| t.join().unwrap_or(Err(EvaluateError::Thread))).collect()
    });
    let mut cases = Vec::with_capacity(clips.len());
    for outcome in outcomes {
        cases.extend(outcome?);
    }
    let model = open(options)?;
    let mut evaluation = pool(&cases, &model.spec().vocabulary, &model.spec().name);
    drop(model);
    let mut idle = Idle::of(&cases);
    if let Some(file) = &options.sentences {
        let edits = play_sentences(options, file, &clips, &mut idle)?;
        let (edits, reference) = edits;
        evaluation.wer = share(edits.total, reference);
        evaluation.substitutions = Some(edits.substitutions);
        evaluation.deletions = Some(edits.deletions);
        evaluation.insertions = Some(edits.insertions);
    }
    evaluation.false_emissions_per_min = idle.per_minute();
    if options.real_pace {
        evaluation.latency_ms = real_pace(options, &clips)?;
    }
    Ok(evaluation)
}

/// A built-in model, or the model in a folder.
fn open(options: &EvaluateOptions) -> Result<Box<dyn Model>, EvaluateError> {
    let (name, place) = (&options.model, options.device);
    if let Some(model) = built_in_on(place, name) {
        return Ok(model?);
    }
    let folder = Path::new(name);
    if folder.is_dir() {
        return Ok(load_on(place, folder)?);
    }
    Err(EvaluateError::NoModel { name: name.clone(), built_in: BUILT_IN.join(", ") })
}

fn engine(options: &EvaluateOptions) -> Result<Engine, EvaluateError> {
    Ok(Engine::new(open(options)?, Limits::default()))
}

fn play_all(options: &EvaluateOptions, part: &[Row]) -> Result<Vec<Case>, EvaluateError> {
    let mut engine = engine(options)?;
    let mut whole = open(options)?;
    let mut cases = Vec::with_capacity(part.len());
    for row in part {
        for frames in takes(row)? {
            cases.push(play(&mut engine, whole.as_mut(), row, &frames)?);
        }
    }
    Ok(cases)
}

/// What a file is to be measured on: itself, or each of its photographs for a second.
fn takes(row: &Row) -> Result<Vec<Vec<Sight>>, EvaluateError> {
    let mut unused = sha2::Digest::new_with_prefix([]);
    let shown = |photo: Sight| (0..PHOTO_FRAMES).map(|i| photo.clone().at(i * TICK_US)).collect();
    if is_photo(&row.path) {
        let photo = read_photo(&row.path, &mut unused)?.small(0);
        return Ok(vec![shown(photo.into())]);
    }
    let frames = read(&row.path, &mut unused)?.into_iter().map(Sight::from);
    Ok(if row.flag == STILLS { frames.map(shown).collect() } else { vec![frames.collect()] })
}

/// The first of them, where only one is played.
fn sights(row: &Row) -> Result<Vec<Sight>, EvaluateError> {
    Ok(takes(row)?.into_iter().next().unwrap_or_default())
}

fn play(
    engine: &mut Engine,
    whole: &mut dyn Model,
    row: &Row,
    frames: &[Sight],
) -> Result<Case, EvaluateError> {
    let (finals, compute) = stream(engine, frames)?;
    let mut player = Player::new(whole, frames.len() + 1);
    for frame in frames {
        player.push(frame.clone())?;
    }
    let offline = player.finish()?;
    let spec = engine.spec();
    let texts: Vec<&str> = finals.iter().map(|caption| caption.text.as_str()).collect();
    let text = texts.join(" ");
    let known = spec.vocabulary.iter().any(|label| label.text == row.label);
    let tokens = finals.iter().flat_map(|caption| &caption.tokens);
    let tokens = tokens.map(|token| (token.confidence, token.text == row.label)).collect();
    let best = forced_scores(offline.log_probs.chunks(spec.classes()));
    let right = |(class, _): &(usize, f32)| spec.label(*class).is_some_and(|l| l.text == row.label);
    Ok(Case {
        label: row.label.clone(),
        signer: row.signer.clone(),
        known: known || row.label.is_empty(),
        rank: best.iter().position(right),
        differs: offline.text() != text,
        finals: finals.len(),
        text,
        tokens,
        media_us: media_us(frames),
        frames: frames.len(),
        compute,
    })
}

/// From the first frame to one frame after the last.
fn media_us(frames: &[Sight]) -> u64 {
    let (Some(first), Some(last)) = (frames.first(), frames.last()) else { return 0 };
    let span = last.time_us() - first.time_us();
    span + span.checked_div(frames.len() as u64 - 1).unwrap_or(TICK_US)
}

/// One stream through the engine, on the frames' own clock; its finals and the time it computed.
fn stream(
    engine: &mut Engine,
    frames: &[Sight],
) -> Result<(Vec<Caption>, Duration), EvaluateError> {
    let mut finals = Vec::new();
    let mut compute = Duration::ZERO;
    let mut now = 0;
    let stream = engine.open(0, Pace::Upload, now)?;
    for (seq, frame) in frames.iter().enumerate() {
        now = frame.time_us();
        let (seq, sight, arrived_us) = (seq as u64, frame.clone(), now);
        engine.push(stream, Arrival { seq, sight, arrived_us, keep: true })?;
        compute += steps(engine, now, &mut finals)?;
    }
    engine.flush(stream, frames.len() as u64, now)?;
    compute += steps(engine, now, &mut finals)?;
    engine.close(stream);
    Ok((finals, compute))
}

/// Steps until nobody is ready.
fn steps(engine: &mut Engine, now: u64, finals: &mut Vec<Caption>) -> Result<Duration, ModelError> {
    let begun = Instant::now();
    let mut told = Vec::new();
    while engine.step(&|| now, &mut told)? > 0 {}
    for output in told {
        match output {
            Output::Caption { caption, .. } if caption.is_final => finals.push(caption),
            Output::Caption { .. }
            | Output::Done { .. }
            | Output::Flushed { .. }
            | Output::Idle { .. } => {}
        }
    }
    Ok(begun.elapsed())
}

/// Emissions where nobody signs, and how long that was.
struct Idle {
    emissions: usize,
    media_us: u64,
}

impl Idle {
    fn of(cases: &[Case]) -> Self {
        let silent = cases.iter().filter(|case| case.label.is_empty());
        silent.fold(Self { emissions: 0, media_us: 0 }, |idle, case| Self {
            emissions: idle.emissions + case.finals,
            media_us: idle.media_us + case.media_us,
        })
    }

    fn per_minute(&self) -> Option<f64> {
        (self.media_us > 0).then(|| self.emissions as f64 * 60e6 / self.media_us as f64)
    }
}

/// Every sentence through one stream: the edits, and the number of labels.
fn play_sentences(
    options: &EvaluateOptions,
    file: &Path,
    clips: &[Row],
    idle: &mut Idle,
) -> Result<(Edits, usize), EvaluateError> {
    let mut engine = engine(options)?;
    let (mut edits, mut reference) = (Edits::default(), 0);
    for (id, paths) in sentences::read(file)? {
        let (mut joined, mut labels, mut silent) = (Vec::new(), Vec::new(), Vec::new());
        let mut start = 0;
        for path in paths {
            let Some(row) = find(clips, &path) else {
                let problem = format!("sentence {id}: no clip {} is evaluated", path.display());
                return Err(EvaluateError::Sentences { path: file.to_owned(), line: 0, problem });
            };
            let frames = sights(row)?;
            let end = start + media_us(&frames);
            if row.label.is_empty() {
                silent.push(start / 1_000..end / 1_000);
                idle.media_us += end - start;
            } else {
                labels.push(row.label.clone());
            }
            let later = |sight: Sight| {
                let time_us = start + sight.time_us();
                sight.at(time_us)
            };
            joined.extend(frames.into_iter().map(later));
            start = end;
        }
        let (finals, _) = stream(&mut engine, &joined)?;
        let inside = |c: &&Caption| silent.iter().any(|part| part.contains(&c.start_ms()));
        idle.emissions += finals.iter().filter(inside).count();
        let tokens = finals.into_iter().flat_map(|caption| caption.tokens);
        let said: Vec<String> = tokens.map(|token| token.text).collect();
        let found = align(&labels, &said);
        reference += labels.len();
        edits.total += found.total;
        edits.substitutions += found.substitutions;
        edits.deletions += found.deletions;
        edits.insertions += found.insertions;
    }
    Ok((edits, reference))
}

fn find<'a>(clips: &'a [Row], path: &PathBuf) -> Option<&'a Row> {
    clips.iter().find(|row| row.path.ends_with(path))
}

/// Plays up to a minute of clips at the pace they were filmed; from a token's last frame to its
/// final.
fn real_pace(
    options: &EvaluateOptions,
    clips: &[Row],
) -> Result<Option<Percentiles>, EvaluateError> {
    let mut model = open(options)?;
    let hop = model.spec().hop_frames;
    let (mut latencies, mut media) = (Vec::new(), 0);
    for row in clips.iter().filter(|row| !row.label.is_empty() && row.flag != STILLS) {
        let frames = sights(row)?;
        media += media_us(&frames);
        if media > REAL_PACE_US {
            break;
        }
        let mut player = Player::new(model.as_mut(), hop);
        let begun = Instant::now();
        let mut told = Vec::new();
        for frame in &frames {
            let due = Duration::from_micros(frame.time_us());
            std::thread::sleep(due.saturating_sub(begun.elapsed()));
            told.resize(player.push(frame.clone())?, begun.elapsed());
        }
        let played = player.finish()?;
        told.resize(played.finals.len(), begun.elapsed());
        for (caption, told) in played.finals.iter().zip(told) {
            for token in &caption.tokens {
                latencies.push(told.as_secs_f64() * 1e3 - token.end_ms as f64);
            }
        }
    }
    Ok(percentiles(latencies))
}

/// All clips' outcomes together.
fn pool(cases: &[Case], vocabulary: &[Label], model: &str) -> Evaluation {
    let known: Vec<&Case> = cases.iter().filter(|case| case.known).collect();
    let labelled: Vec<&Case> = known.iter().copied().filter(|c| !c.label.is_empty()).collect();
    let letter = |case: &&&Case| {
        let same = |label: &Label| label.kind == Kind::Letter && label.text == case.label;
        vocabulary.iter().any(same)
    };
    let letters: Vec<&&Case> = labelled.iter().filter(letter).collect();
    let characters = letters.iter().map(|case| case.label.chars().count()).sum();
    let distance = letters.iter().map(|case| edit_distance(&case.label, &case.text)).sum();
    let tokens: Vec<(f32, bool)> = known.iter().flat_map(|c| c.tokens.clone()).collect();
    let within = |rank: usize| move |c: &&&Case| c.rank.is_some_and(|found| found < rank);
    let count = |rank| labelled.iter().filter(within(rank)).count();
    let compute: f64 = cases.iter().map(|case| case.compute.as_secs_f64()).sum();
    let media: f64 = cases.iter().map(|case| case.media_us as f64 / 1e6).sum();
    let frames: usize = cases.iter().map(|case| case.frames).sum();
    Evaluation {
        model: model.to_owned(),
        clips: cases.len(),
        unknown_label: cases.len() - known.len(),
        forced_top1: share(count(1), labelled.len()),
        forced_top5: share(count(TOP), labelled.len()),
        stream_exact: share(exact(&known), known.len()),
        streamed_differs: cases.iter().filter(|case| case.differs).count(),
        per_class: per_class(&known),
        per_signer: per_signer(&known),
        cer: share(distance, characters),
        ece: calibration_error(&tokens),
        reliability: reliability(tokens),
        wer: None,
        substitutions: None,
        deletions: None,
        insertions: None,
        false_emissions_per_min: None,
        rtf: compute / media.max(f64::MIN_POSITIVE),
        frames_per_s: frames as f64 / compute.max(f64::MIN_POSITIVE),
        latency_ms: None,
    }
}

fn exact(cases: &[&Case]) -> usize {
    cases.iter().filter(|case| case.text == case.label).count()
}

fn group<'a>(cases: &[&'a Case], by: impl Fn(&Case) -> &String) -> BTreeMap<String, Vec<&'a Case>> {
    let mut groups: BTreeMap<String, Vec<&Case>> = BTreeMap::new();
    for case in cases {
        groups.entry(by(case).clone()).or_default().push(case);
    }
    groups
}

fn per_class(cases: &[&Case]) -> BTreeMap<String, ClassMeasures> {
    let measure = |(label, group): (String, Vec<&Case>)| {
        let n = group.len();
        let top = group.iter().filter(|case| case.rank == Some(0)).count();
        let forced_top1 = top as f64 / n as f64;
        (label, ClassMeasures { n, forced_top1, recall: exact(&group) as f64 / n as f64 })
    };
    group(cases, |case| &case.label).into_iter().map(measure).collect()
}

fn per_signer(cases: &[&Case]) -> BTreeMap<String, SignerMeasures> {
    let measure = |(signer, group): (String, Vec<&Case>)| {
        let labelled: Vec<&&Case> = group.iter().filter(|case| !case.label.is_empty()).collect();
        let top = labelled.iter().filter(|case| case.rank == Some(0)).count();
        let measures = SignerMeasures {
            clips: group.len(),
            forced_top1: share(top, labelled.len()),
            stream_exact: share(exact(&group), group.len()),
        };
        (signer, measures)
    };
    group(cases, |case| &case.signer).into_iter().map(measure).collect()
}
