//! Which models a process serves: the default one first, then those that are built in and those
//! that are installed in the data folder. The folder is watched: what is installed or chosen there
//! is served a moment later, by a server that goes on.

use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use recognizer::model::library::{Offer, Stamp};
use recognizer::model::{Library, ModelError, ModelSpec};
use recognizer::worker::Changes;
use tokio_util::sync::CancellationToken;

/// How often the folder is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What decides which models are served.
#[derive(Clone)]
pub(super) struct Models {
    pub(super) library: Library,
    /// The configured default: a name, or a folder.
    pub(super) configured: String,
    /// Engines of each model.
    pub(super) copies: NonZeroUsize,
}

impl Models {
    /// The names that people may choose a model by.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names = self.library.names();
        if !names.contains(&self.configured)
            && let Ok(known) = self.library.look(&self.configured)
        {
            names.push(known.spec.name);
        }
        names
    }

    /// What to open a model by that people may choose: its name, or the folder that is configured.
    pub(super) fn place(&self, name: &str) -> Option<String> {
        if self.library.names().iter().any(|known| known == name) {
            return Some(name.to_owned());
        }
        let spec = self.library.describe(&self.configured).ok()?;
        (spec.name == name).then(|| self.configured.clone())
    }

    /// What such a model says of itself.
    pub(super) fn describe(&self, name: &str) -> Result<ModelSpec, ModelError> {
        let place = self.place(name);
        self.library.describe(place.as_deref().unwrap_or(name))
    }

    /// The name of the model that is for streams which name none.
    pub(super) fn default(&self) -> String {
        let chosen = self.library.default().filter(|name| self.library.describe(name).is_ok());
        chosen.unwrap_or_else(|| match self.library.describe(&self.configured) {
            Ok(spec) => spec.name,
            Err(_) => self.configured.clone(),
        })
    }

    /// All models, as many times as they have engines. One that is not what it should be is left
    /// out and told of, unless it is the configured one, without which nothing starts.
    pub(super) fn open(&self) -> Result<Vec<Offer>> {
        let mut first = self.configured.clone();
        if let Some(chosen) = self.library.default() {
            match self.library.look(&chosen) {
                Ok(_) => first = chosen,
                Err(error) => {
                    let error = anyhow::Error::from(error);
                    tracing::error!("the default model {chosen} is not served: {error:#}");
                }
            }
        }
        let opened = self.library.look(&first);
        let opened = opened.with_context(|| format!("cannot serve the model {first:?}"))?;
        let mut all = vec![first.clone()];
        let others = self.library.names().into_iter();
        all.extend(others.filter(|name| *name != first && *name != opened.spec.name));
        let mut offers = Vec::new();
        for (index, name) in all.iter().enumerate() {
            for _ in 0..self.copies.get() {
                match self.library.open(name) {
                    Ok(offer) => offers.push(offer),
                    Err(error) if index > 0 => {
                        let error = anyhow::Error::from(error);
                        tracing::error!("the model {name} is not served: {error:#}");
                        break;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(offers)
    }

    /// Serves what is in the folder whenever it changes, until `stop`. `begun` is what was served at
    /// the start.
    pub(super) async fn watch(self, begun: Stamp, changes: Changes, stop: CancellationToken) {
        let mut seen = begun;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let models = self.clone();
            let Ok(now) = tokio::task::spawn_blocking(move || models.stamp()).await else { return };
            if now == seen {
                continue;
            }
            seen = now;
            let models = self.clone();
            match tokio::task::spawn_blocking(move || models.open()).await {
                Ok(Ok(offers)) => changes.serve(offers).await,
                Ok(Err(error)) => tracing::error!("the models stay as they are: {error:#}"),
                Err(_) => return,
            }
        }
    }

    /// What is there now, told by the times of files.
    pub(super) fn stamp(&self) -> Stamp {
        self.library.stamp(Path::new(&self.configured))
    }
}
