//! `signcall model list`: the models that this binary carries.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Subcommand;
use recognizer::model::{BUILT_IN, Kind, Label, built_in};

#[derive(Debug, Subcommand)]
pub(crate) enum Args {
    /// List the models that are built in, and what each can say
    List,
}

impl Args {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let Self::List = self;
        for name in BUILT_IN {
            let model = built_in(name)
                .with_context(|| format!("{name} is not built in"))?
                .with_context(|| format!("cannot load {name}"))?;
            let spec = model.spec();
            let of = |kind: Kind| {
                let texts = spec.vocabulary.iter().filter(|label| label.kind == kind);
                texts.map(|Label { text, .. }| text.as_str()).collect::<Vec<_>>().join(" ")
            };
            println!("{name} {}", spec.version);
            println!("  words: {}", of(Kind::Word));
            println!("  letters: {}", of(Kind::Letter));
        }
        Ok(ExitCode::SUCCESS)
    }
}
