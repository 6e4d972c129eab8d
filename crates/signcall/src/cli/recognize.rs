//! `signcall recognize`: a recognition worker, for machines that do nothing else.

use std::process::ExitCode;

use anyhow::Result;

use super::serve;
use crate::config::{Options, Role, Roles};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    options: Options,
}

impl Args {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let roles = Some(Roles::only(Role::Recognizer));
        serve::serve(Options { roles, ..self.options }).await
    }
}
