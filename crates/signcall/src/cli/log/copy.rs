//! `signcall log copy`: the same blocks at another place, embedded or on NATS.

use std::process::ExitCode;

use anyhow::Result;
use events::Head;
use streams::log::transfer;

use super::bar;
use super::place::Place;
use crate::config::Options;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The log: embedded, nats://HOST:PORT, or a file or data folder
    #[arg(long, value_name = "PLACE")]
    from: Place,
    /// Where it goes: to nothing, or to an earlier copy of it
    #[arg(long, value_name = "PLACE")]
    to: Place,
    #[command(flatten)]
    options: Options,
}

impl Args {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let config = self.options.resolve()?;
        let from = self.from.open(&config).await?;
        let to = self.to.create(&config, from.id()).await?;
        let bar = bar("copying", from.head().await?.position.get())?;
        let mut step = |head: Head| bar.set_position(head.position.get());
        let copied = transfer::copy(&from, &to, &mut step).await;
        bar.finish_and_clear();
        let head = copied?;
        self.to.settle(&config).await?;
        println!(
            "log {} is there up to block {}, position {}",
            head.log, head.block, head.position
        );
        Ok(ExitCode::SUCCESS)
    }
}
