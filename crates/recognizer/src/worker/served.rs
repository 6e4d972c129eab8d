//! The models that a worker serves, and which of them a stream is for: the one that its room or its
//! sender names, else the first that looks at what is sent.

use super::WorkerError;
use crate::features::Sight;
use crate::features::picture::Gray;
use crate::model::{Input, ModelSpec};
use clips::live_wire::{self, Frames};
use std::ops::Range;
use streams::frames::{FrameBatch, FrameFormat};

/// One model, and the engines that run copies of it.
#[derive(Debug, Clone)]
struct Entry {
    name: String,
    /// Name and version, as captions carry it.
    text: String,
    input: Input,
    engines: Range<usize>,
}

/// All of them.
#[derive(Debug, Clone)]
pub(super) struct Served(Vec<Entry>);

impl Served {
    /// `specs` are those of the engines, in order; copies of a model stand side by side.
    pub(super) fn new<'a>(specs: impl Iterator<Item = &'a ModelSpec>) -> Result<Self, WorkerError> {
        let mut entries: Vec<(Entry, &ModelSpec)> = Vec::new();
        for (index, spec) in specs.enumerate() {
            match entries.iter_mut().find(|(entry, _)| entry.name == spec.name) {
                Some((entry, first)) if *first == spec && entry.engines.end == index => {
                    entry.engines.end += 1;
                }
                Some(_) => {
                    let problem = format!("two models of the name {} are not the same", spec.name);
                    return Err(WorkerError::Models(problem));
                }
                None => {
                    let entry = Entry {
                        name: spec.name.clone(),
                        text: format!("{} {}", spec.name, spec.version),
                        input: spec.input,
                        engines: index..index + 1,
                    };
                    entries.push((entry, spec));
                }
            }
        }
        if entries.is_empty() {
            return Err(WorkerError::Models("there is none".to_owned()));
        }
        Ok(Self(entries.into_iter().map(|(entry, _)| entry).collect()))
    }

    /// Which model a batch is for, or why there is none.
    pub(super) fn choose(&self, batch: &FrameBatch) -> Result<usize, String> {
        let input = match batch.format {
            FrameFormat::Landmarks | FrameFormat::Pose => Input::Landmarks,
            FrameFormat::Images => Input::Images,
        };
        let shown = |input| match input {
            Input::Landmarks => "landmarks",
            Input::Images => "pictures",
        };
        let Some(wanted) = &batch.model else {
            let fits = |entry: &Entry| entry.input == input;
            let none = || format!("no model that is served here looks at {}", shown(input));
            return self.0.iter().position(fits).ok_or_else(none);
        };
        let Some(index) = self.0.iter().position(|entry| &entry.name == wanted) else {
            let names: Vec<&str> = self.0.iter().map(|entry| entry.name.as_str()).collect();
            let names = names.join(", ");
            return Err(format!("the model {wanted} is not served here; these are: {names}"));
        };
        let takes = self.0[index].input;
        if takes != input && batch.count > 0 {
            let (takes, input) = (shown(takes), shown(input));
            return Err(format!("the model {wanted} looks at {takes}, and {input} were sent"));
        }
        Ok(index)
    }

    pub(super) fn engines(&self, model: usize) -> Range<usize> {
        self.0[model].engines.clone()
    }

    /// Name and version, as captions carry it.
    pub(super) fn text(&self, model: usize) -> String {
        self.0[model].text.clone()
    }
}

/// A batch, and what it shows or why it can't be read.
type Read = (FrameBatch, Result<(Vec<Sight>, usize), String>);

/// What a batch shows, with the model it is for, or why it can't be read. It was checked when it was
/// taken; this is the same check. Pictures are decoded off the threads that serve connections.
pub(super) async fn sights(batch: FrameBatch, model: usize) -> Result<Read, WorkerError> {
    let decoding = batch.format == FrameFormat::Images && batch.count > 0;
    let read = move || {
        let sights = read(&batch).map(|sights| (sights, model));
        (batch, sights)
    };
    if !decoding {
        return Ok(read());
    }
    let gone = |error: tokio::task::JoinError| WorkerError::Decoder(error.to_string());
    tokio::task::spawn_blocking(read).await.map_err(gone)
}

fn read(batch: &FrameBatch) -> Result<Vec<Sight>, String> {
    let wrong = |error: clips::ClipError| format!("the frames can't be read: {error}");
    let sights: Vec<Sight> = match batch.format {
        _ if batch.count == 0 => Vec::new(),
        FrameFormat::Pose => {
            let clip = clips::pose::parse(&batch.payload).map_err(wrong)?;
            clip.frames.into_iter().map(Sight::from).collect()
        }
        FrameFormat::Landmarks | FrameFormat::Images => {
            match live_wire::parse(&batch.payload).map_err(wrong)?.frames {
                Frames::Landmarks(frames) => frames.into_iter().map(Sight::from).collect(),
                Frames::Images(images) => {
                    let small = |image: &clips::Image| {
                        let gray = Gray::decode(image).map_err(|error| {
                            format!("the picture of {} µs can't be decoded: {error}", image.time_us)
                        })?;
                        Ok::<_, String>(gray.small(image.time_us).into())
                    };
                    images.iter().map(small).collect::<Result<_, _>>()?
                }
            }
        }
    };
    if sights.len() != batch.count as usize {
        return Err(format!("the batch announces {} frames, it has {}", batch.count, sights.len()));
    }
    Ok(sights)
}
