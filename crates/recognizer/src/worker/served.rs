//! The models that a worker serves, and which of them a stream is for: the one that its room or its
//! sender names, else the first that looks at what is sent and reads its language.

use std::time::Instant;

use super::WorkerError;
use crate::features::Sight;
use crate::features::picture::Gray;
use crate::model::{Input, ModelSpec};
use clips::live_wire::{self, Frames};
use streams::frames::{FrameBatch, FrameFormat};

/// One model, and the engines that run copies of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    name: String,
    /// Name and version, as captions carry it.
    text: String,
    input: Input,
    language: Option<String>,
    digest: [u8; 32],
    engines: Vec<usize>,
}

impl Entry {
    /// A model that runs on one engine.
    pub(super) fn new(spec: &ModelSpec, digest: [u8; 32], engine: usize) -> Self {
        Self {
            name: spec.name.clone(),
            text: format!("{} {}", spec.name, spec.version),
            input: spec.input,
            language: spec.language.clone(),
            digest,
            engines: vec![engine],
        }
    }

    /// Whether it reads that language; a model or a stream that names none fits all.
    fn reads(&self, language: Option<&str>) -> bool {
        let primary = |tag: &str| tag.split(['-', '_']).next().unwrap_or_default().to_lowercase();
        match (&self.language, language) {
            (Some(own), Some(wanted)) => primary(own) == primary(wanted),
            (None, _) | (_, None) => true,
        }
    }
}

/// All of them. A model keeps its number for good; those that no new stream is for are not in the
/// order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Served {
    all: Vec<Entry>,
    /// The numbers of those that are offered: where a stream names none, the first that fits.
    order: Vec<usize>,
}

impl Served {
    /// The same models, none of them offered.
    pub(super) fn without_order(&self) -> Self {
        Self { all: self.all.clone(), order: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// The number of that model, if it runs.
    pub(super) fn position(&self, name: &str, digest: [u8; 32]) -> Option<usize> {
        let same = |entry: &Entry| entry.name == name && entry.digest == digest;
        self.all.iter().position(|entry| same(entry) && !entry.engines.is_empty())
    }

    /// Notes a model; its number.
    pub(super) fn add(&mut self, entry: Entry) -> usize {
        self.all.push(entry);
        self.all.len() - 1
    }

    /// One more engine runs it.
    pub(super) fn copy(&mut self, model: usize, engine: usize) {
        self.all[model].engines.push(engine);
    }

    /// Offers a model, after those before it, unless it is offered already.
    pub(super) fn order(&mut self, model: usize) -> Result<(), WorkerError> {
        if self.order.contains(&model) {
            return Ok(());
        }
        let name = &self.all[model].name;
        if self.names().contains(&name.as_str()) {
            let problem = format!("two models of the name {name} are not the same");
            return Err(WorkerError::Models(problem));
        }
        self.order.push(model);
        Ok(())
    }

    fn offered(&self) -> impl Iterator<Item = (usize, &Entry)> {
        self.order.iter().map(|index| (*index, &self.all[*index]))
    }

    /// The names of those that are offered.
    pub(super) fn names(&self) -> Vec<&str> {
        self.offered().map(|(_, entry)| entry.name.as_str()).collect()
    }

    /// The engines of those that are not offered any more.
    pub(super) fn retired(&self) -> Vec<usize> {
        let all = self.all.iter().enumerate().filter(|(index, _)| !self.order.contains(index));
        all.flat_map(|(_, entry)| entry.engines.iter().copied()).collect()
    }

    /// An engine has ended.
    pub(super) fn ended(&mut self, engine: usize) {
        for entry in &mut self.all {
            entry.engines.retain(|own| *own != engine);
        }
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
            let language = batch.language.as_deref();
            let looks = |entry: &Entry| entry.input == input;
            let mut fits =
                self.offered().filter(|(_, entry)| looks(entry) && entry.reads(language));
            let none = || match language {
                Some(language) if self.offered().any(|(_, entry)| looks(entry)) => {
                    format!("no model that is served here reads the language {language}")
                }
                Some(_) | None => format!("no model that is served here looks at {}", shown(input)),
            };
            return fits.next().map(|(index, _)| index).ok_or_else(none);
        };
        let Some((index, entry)) = self.offered().find(|(_, entry)| &entry.name == wanted) else {
            let names = self.names().join(", ");
            return Err(format!("the model {wanted} is not served here; these are: {names}"));
        };
        let takes = entry.input;
        if takes != input && batch.count > 0 {
            let (takes, input) = (shown(takes), shown(input));
            return Err(format!("the model {wanted} looks at {takes}, and {input} were sent"));
        }
        Ok(index)
    }

    /// Whether the model is here that the batch names, if it names one.
    pub(super) fn has_wanted(&self, batch: &FrameBatch) -> bool {
        batch.model.as_ref().is_none_or(|wanted| self.names().contains(&wanted.as_str()))
    }

    pub(super) fn engines(&self, model: usize) -> &[usize] {
        &self.all[model].engines
    }

    /// Name and version, as captions carry it.
    pub(super) fn text(&self, model: usize) -> String {
        self.all[model].text.clone()
    }
}

/// What a batch shows.
pub(super) struct Seen {
    pub(super) sights: Vec<Sight>,
    /// The model it is for.
    pub(super) model: usize,
    /// How long it took to read, µs.
    pub(super) read_us: u64,
}

/// A batch, and what it shows or why it can't be read.
type Read = (FrameBatch, Result<Seen, String>);

/// What a batch shows, or why it can't be read. It was checked when it was
/// taken; this is the same check. Pictures are decoded off the threads that serve connections.
pub(super) async fn sights(batch: FrameBatch, model: usize) -> Result<Read, WorkerError> {
    let decoding = batch.format == FrameFormat::Images && batch.count > 0;
    let read = move || {
        let begun = Instant::now();
        let sights = read(&batch);
        let read_us = begun.elapsed().as_micros() as u64;
        (batch, sights.map(|sights| Seen { sights, model, read_us }))
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
